//! The house rules, held over `src` and `tests`: sizes, words we do not use, who may import whom.
//! Not the code's behaviour.

use std::path::Path;

use crate::source::{Source, read_all, split, words};

/// Who may use whom: a module uses its own row and those below.
const ROWS: [&[&str]; 15] = [
    &["main", "cli", "build"],
    &["command"],
    &["daemon", "follow", "supervise"],
    &["control", "page", "metrics", "systemd"],
    &["idle", "run"],
    &["config"],
    &["container", "label", "plan", "image"],
    &["docker", "proxmox"],
    &["host"],
    &["agent"],
    &["net"],
    &["http"],
    &["yaml", "json", "duration", "nearest", "sorted"],
    &["sys"],
    &["error"],
];

/// Below them or not: these never use those.
const NEVER: [(&[&str], &[&str]); 2] = [
    (&["idle", "run"], &["net"]),
    (&["container", "label", "plan", "image", "docker", "proxmox"], &["net", "config"]),
];

/// What the crate's root may hold beside hidden files; `target` is cargo's.
const ROOT: [&str; 9] = [
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "Makefile",
    "README.md",
    "src",
    "target",
    "testdata",
    "tests",
];

const LINES_OF_FUNCTION: usize = 70;
const LINES_OF_FILE: usize = 400;
const COLUMNS: usize = 100;
const PARAMETERS: usize = 4;

/// Not in what is shipped, and why.
const UNSAID: [(&str, &str); 12] = [
    (".unwrap()", "the world's mistakes never panic"),
    (".expect(", "the world's mistakes never panic"),
    ("panic!(", "the world's mistakes never panic; for our own there is unreachable!(why)"),
    ("todo!(", "finish it"),
    ("unimplemented!(", "finish it"),
    ("dbg!(", "log it"),
    ("Rc<RefCell", "give it one owner"),
    ("thread::spawn", "one thread"),
    ("thread::Builder", "one thread"),
    ("thread::scope", "one thread"),
    ("thread_local!", "no globals"),
    ("static mut", "no globals"),
];

#[test]
fn the_first_line_says_what_a_file_is() {
    assert_none(read_all(&["src", "tests"]).iter().flat_map(first_line));
}

#[test]
fn nothing_is_too_big() {
    assert_none(read_all(&["src", "tests"]).iter().flat_map(sizes));
}

#[test]
fn what_we_do_not_do_is_not_in_the_program() {
    assert_none(read_all(&["src"]).iter().flat_map(unsaid));
}

#[test]
fn one_file_at_most_is_unsafe() {
    assert_none(too_unsafe(&read_all(&["src"])));
}

#[test]
fn imports_go_down_the_list_only() {
    assert_none(read_all(&["src"]).iter().flat_map(imports));
}

#[test]
fn the_root_holds_what_the_design_names() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let names = root.read_dir().unwrap().map(|entry| entry.unwrap().file_name());
    let names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
    assert_none(strangers(&names));
}

fn assert_none(complaints: impl IntoIterator<Item = String>) {
    let complaints: Vec<_> = complaints.into_iter().collect();
    assert!(complaints.is_empty(), "house rules broken:\n{}", complaints.join("\n"));
}

fn first_line(source: &Source) -> Option<String> {
    let said = source.text.starts_with("//! ");
    (!said).then(|| format!("{}: the first line says what it is: //! …", source.path))
}

fn sizes(source: &Source) -> Vec<String> {
    let path = &source.path;
    let mut found = Vec::new();
    let lines = source.text.lines().count();
    if lines > LINES_OF_FILE {
        found.push(format!("{path}: {lines} lines, at most {LINES_OF_FILE}"));
    }
    for (number, line) in source.text.lines().enumerate() {
        let columns = line.chars().count();
        if columns > COLUMNS {
            found.push(format!("{path}:{}: {columns} columns, at most {COLUMNS}", number + 1));
        }
    }
    for f in source.functions() {
        if f.lines > LINES_OF_FUNCTION {
            found.push(format!(
                "{path}: {} has {} lines, at most {LINES_OF_FUNCTION}",
                f.name, f.lines
            ));
        }
        if f.parameters > PARAMETERS && !f.imposed {
            found.push(format!(
                "{path}: {} has {} parameters, at most {PARAMETERS}",
                f.name, f.parameters
            ));
        }
    }
    found
}

fn unsaid(source: &Source) -> Vec<String> {
    if source.path.ends_with("/tests.rs") {
        return Vec::new();
    }
    let code = source.shipped();
    let said = |(word, why): &(&str, &str)| {
        let at = code.find(word)?;
        let line = code[..at].matches('\n').count() + 1;
        Some(format!("{}:{line}: {word}: {why}", source.path))
    };
    UNSAID.iter().filter_map(said).collect()
}

fn too_unsafe(sources: &[Source]) -> Option<String> {
    let unsafes = sources.iter().filter(|source| words(&source.code, "unsafe").next().is_some());
    let paths: Vec<_> = unsafes.map(|source| source.path.as_str()).collect();
    (paths.len() > 1).then(|| format!("unsafe in more than one file: {}", paths.join(", ")))
}

fn strangers(names: &[String]) -> Vec<String> {
    let known = |name: &&String| !name.starts_with('.') && !ROOT.contains(&name.as_str());
    names.iter().filter(known).map(|name| format!("{name} has no place in the root")).collect()
}

fn imports(source: &Source) -> Vec<String> {
    let Some(own) = module(&source.path) else { return Vec::new() };
    let Some(row) = row(own) else {
        return vec![format!("{}: the module {own} has no row in the import table", source.path)];
    };
    let wrong = |used: &String| {
        let below = self::row(used).is_some_and(|used| used >= row);
        let never = NEVER.iter().any(|(who, whom)| who.contains(&own) && whom.contains(&&**used));
        used != own && (!below || never)
    };
    let mut used = uses(&source.code);
    used.extend(above(source));
    used.retain(wrong);
    used.sort();
    used.dedup();
    used.iter().map(|used| format!("{}: {own} must not use {used}", source.path)).collect()
}

/// The top module a file belongs to; `lib.rs` only names them all.
fn module(path: &str) -> Option<&str> {
    let inner = path.strip_prefix("src/")?;
    let top = inner.split('/').next()?;
    Some(top.strip_suffix(".rs").unwrap_or(top)).filter(|top| *top != "lib")
}

fn row(module: &str) -> Option<usize> {
    ROWS.iter().position(|row| row.contains(&module))
}

/// The modules named by `crate::…`, `crate::{…}` and, in the binary, `drowse::…`.
fn uses(code: &str) -> Vec<String> {
    let roots = ["crate", "drowse"];
    let tails = roots.iter().flat_map(|root| words(code, root).map(|at| &code[at + root.len()..]));
    tails.filter_map(|tail| tail.strip_prefix("::")).flat_map(heads).collect()
}

/// The first names of a path: one, or those of a group.
fn heads(path: &str) -> Vec<String> {
    let name = |path: &str| path.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    match path.strip_prefix('{') {
        None => vec![name(path)],
        Some(group) => {
            let end = group.find("};").unwrap_or(group.len());
            split(&group[..end]).into_iter().map(name).collect()
        }
    }
}

/// The modules reached by so many `super::` that they end at the crate's root.
fn above(source: &Source) -> Vec<String> {
    let names = source.path.trim_end_matches("/mod.rs").split('/').count() - 1;
    let root = "super::".repeat(names);
    let code = source.shipped();
    let found = words(&code, "super").filter(|at| !code[..*at].ends_with("super::"));
    found.filter_map(|at| code[at..].strip_prefix(root.as_str())).flat_map(heads).collect()
}

mod breaking {
    //! Each rule is seen to fail.

    use super::*;

    fn shown(rule: fn(&Source) -> Vec<String>, path: &str, text: &str) -> Vec<String> {
        rule(&Source::new(path, text))
    }

    #[test]
    fn a_file_without_a_first_line_is_found() {
        assert_eq!(first_line(&Source::new("src/a.rs", "//! What it is.\n")), None);
        assert!(first_line(&Source::new("src/a.rs", "use std::fs;\n//! Late.\n")).is_some());
        assert!(first_line(&Source::new("src/a.rs", "")).is_some());
    }

    #[test]
    fn what_is_too_big_is_found() {
        let body = |lines| format!("fn long() {{\n{}}}\n", "    a();\n".repeat(lines));
        assert_eq!(shown(sizes, "a.rs", &body(68)), [""; 0]);
        assert_eq!(shown(sizes, "a.rs", &body(69)), ["a.rs: long has 71 lines, at most 70"]);
        assert_eq!(shown(sizes, "a.rs", &"\n".repeat(401)), ["a.rs: 401 lines, at most 400"]);
        let wide = format!("// {}\n// {}\n", "ä".repeat(97), "ä".repeat(98));
        assert_eq!(shown(sizes, "a.rs", &wide), ["a.rs:2: 101 columns, at most 100"]);
    }

    #[test]
    fn a_fifth_parameter_is_found() {
        let four = "fn f(&self, a: A, b: Map<B, C>, c: (D, E), d: [F; 2],) {}";
        assert_eq!(shown(sizes, "a.rs", four), [""; 0]);
        let five = "fn f(\n    a: A,\n    b: B,\n    c: C,\n    d: D,\n    e: E,\n) {\n}\n";
        assert_eq!(shown(sizes, "a.rs", five), ["a.rs: f has 5 parameters, at most 4"]);
    }

    #[test]
    fn every_unsaid_word_is_found_but_not_in_tests_and_comments() {
        for (word, why) in UNSAID {
            let bad = format!("fn f() {{\n    {word};\n}}\n");
            assert_eq!(shown(unsaid, "a.rs", &bad), [format!("a.rs:2: {word}: {why}")]);
            let good = format!(
                "// {word}\nlet a = \"{word}\";\n#[cfg(test)]\nmod tests {{\n    {word};\n}}\n"
            );
            assert_eq!(shown(unsaid, "a.rs", &good), [""; 0]);
        }
    }

    #[test]
    fn a_second_unsafe_file_is_found() {
        let one = || Source::new("src/a.rs", "unsafe { f() }\n");
        let none = || Source::new("src/b.rs", "#![deny(unsafe_code)] // unsafe\n");
        assert_eq!(too_unsafe(&[one(), none()]), None);
        assert!(too_unsafe(&[one(), none(), one()]).is_some());
    }

    #[test]
    fn a_stranger_in_the_root_is_found() {
        let names = ["src", ".ci", "docs"].map(str::to_owned);
        assert_eq!(strangers(&names), ["docs has no place in the root"]);
    }

    #[test]
    fn an_import_that_goes_up_is_found_however_it_is_written() {
        let ways = [
            "use crate::docker::call;",
            "use crate::{error::Error, docker::{call, types}};",
            "use crate::{\n    docker,\n    error,\n};",
            "fn f() -> crate::docker::types::Summary {}",
            "use super::docker;",
        ];
        for way in ways {
            assert_eq!(
                shown(imports, "src/http.rs", way),
                ["src/http.rs: http must not use docker"],
                "{way}"
            );
            assert_eq!(shown(imports, "src/label.rs", way), [""; 0], "{way}");
        }
        let deep =
            shown(imports, "src/http/body.rs", "use super::super::docker;\nuse super::docker;");
        assert_eq!(deep, ["src/http/body.rs: http must not use docker"]);
        let folder = shown(imports, "src/http/mod.rs", "use super::docker;");
        assert_eq!(folder, ["src/http/mod.rs: http must not use docker"]);
    }

    #[test]
    fn the_pure_never_use_the_net() {
        let up = "use crate::net::Endpoint;";
        assert_eq!(
            shown(imports, "src/idle/step.rs", up),
            ["src/idle/step.rs: idle must not use net"]
        );
        assert_eq!(
            shown(imports, "src/docker/call.rs", up),
            ["src/docker/call.rs: docker must not use net"]
        );
        let config = shown(imports, "src/plan.rs", "use crate::config::Config;");
        assert_eq!(config, ["src/plan.rs: plan must not use config"]);
        assert_eq!(shown(imports, "src/daemon.rs", up), [""; 0]);
        assert_eq!(shown(imports, "src/config/tls.rs", up), [""; 0]);
    }

    #[test]
    fn the_row_itself_and_the_own_folder_may_be_used() {
        assert_eq!(
            shown(imports, "src/label/merge.rs", "use crate::{label, plan, image};"),
            [""; 0]
        );
        assert_eq!(shown(imports, "src/net/link.rs", "use crate::net::wait;"), [""; 0]);
    }

    #[test]
    fn a_module_without_a_row_is_found() {
        let news = shown(imports, "src/news.rs", "");
        assert_eq!(news, ["src/news.rs: the module news has no row in the import table"]);
        assert_eq!(
            shown(imports, "src/error.rs", "use crate::news;"),
            ["src/error.rs: error must not use news"]
        );
        assert_eq!(
            shown(imports, "src/main.rs", "use drowse::news;"),
            ["src/main.rs: main must not use news"]
        );
    }
}
