//! Rust source as the house rules see it: without what strings and comments say, and function by
//! function. Not a parser: it trusts rustfmt and the compiler.

use std::fs;
use std::ops::Range;
use std::path::Path;

/// One source file.
pub struct Source {
    /// From the crate's root: `src/docker/call.rs`.
    pub path: String,
    /// As it is on disk.
    pub text: String,
    /// The same, with the insides of strings, characters and comments blanked out.
    pub code: String,
}

/// A function with a body, found in [`Source::code`].
pub struct Function {
    /// Its name.
    pub name: String,
    /// Lines from `fn` to the closing brace.
    pub lines: usize,
    /// Parameters without `self`.
    pub parameters: usize,
    /// Its parameters are a trait's choice: it stands in an `impl … for …`.
    pub imposed: bool,
}

impl Source {
    /// A source that need not exist.
    pub fn new(path: &str, text: &str) -> Source {
        Source { path: path.to_owned(), text: text.to_owned(), code: blank(text) }
    }

    /// The code that is built into the program: all of it without its `#[cfg(test)]` items.
    pub fn shipped(&self) -> String {
        let mut code = self.code.clone();
        while let Some(start) = code.find("#[cfg(test)]") {
            let end = code[start..].find(['{', ';']).map_or(code.len(), |at| start + at);
            let end = if code[end..].starts_with('{') { closing(&code, end) } else { end };
            let end = (end + 1).min(code.len());
            let lines = "\n".repeat(code[start..end].matches('\n').count());
            code.replace_range(start..end, &lines);
        }
        code
    }

    /// Every function, nested ones too.
    pub fn functions(&self) -> Vec<Function> {
        let imposed = trait_impls(&self.code);
        let found = words(&self.code, "fn").filter_map(|at| {
            let imposed = imposed.iter().any(|block| block.contains(&at));
            Some(Function { imposed, ..function(&self.code, at)? })
        });
        found.collect()
    }
}

/// All Rust files below these folders of the crate, sorted by path.
pub fn read_all(folders: &[&str]) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    folders.iter().for_each(|folder| read_folder(root, &root.join(folder), &mut found));
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// Where `word` stands in the code as a whole word.
pub fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word).map(|(at, _)| at).filter(move |&at| {
        !code[..at].ends_with(part) && !code[at + word.len()..].starts_with(part)
    })
}

/// The parts between the commas that no bracket encloses, without empty ones.
pub fn split(list: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0, 0);
    for (i, c) in list.char_indices() {
        match c {
            '(' | '[' | '{' | '<' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            '>' if !list[..i].ends_with('-') => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&list[start..i]);
                start = i + 1;
            }
            _ => {}
        }
    }
    parts.push(&list[start..]);
    parts.into_iter().map(str::trim).filter(|part| !part.is_empty()).collect()
}

fn read_folder(root: &Path, folder: &Path, found: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            read_folder(root, &path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap();
            found.push(Source::new(name, &fs::read_to_string(&path).unwrap()));
        }
    }
}

fn function(code: &str, at: usize) -> Option<Function> {
    let name: String = code[at + 2..]
        .trim_start()
        .chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect();
    if name.is_empty() {
        return None; // `fn(u8) -> u8`, a type
    }
    let open = parameters_at(code, at)?;
    let close = closing(code, open);
    let parameters = split(&code[open + 1..close]);
    let body = body_at(code, close + 1)?;
    let lines = code[at..closing(code, body)].matches('\n').count() + 1;
    let own =
        parameters.iter().filter(|p| words(p.split(':').next().unwrap(), "self").count() == 0);
    Some(Function { name, lines, parameters: own.count(), imposed: false })
}

/// The blocks `impl Trait for Type {…}`.
fn trait_impls(code: &str) -> Vec<Range<usize>> {
    let blocks = words(code, "impl").filter_map(|at| {
        let open = at + code[at..].find('{')?;
        code[at..open].contains(" for ").then(|| open..closing(code, open))
    });
    blocks.collect()
}

/// The parenthesis that opens the parameters, behind any generics.
fn parameters_at(code: &str, at: usize) -> Option<usize> {
    let mut depth = 0;
    for (i, c) in code[at..].char_indices() {
        match c {
            '<' => depth += 1,
            '>' if !code[..at + i].ends_with('-') => depth -= 1,
            '(' if depth == 0 => return Some(at + i),
            _ => {}
        }
    }
    None
}

/// The brace that opens the body; a trait's function may have none.
fn body_at(code: &str, from: usize) -> Option<usize> {
    let mut depth = 0;
    for (i, c) in code[from..].char_indices() {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            '{' if depth == 0 => return Some(from + i),
            ';' if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

/// The bracket that closes the one at `open`.
fn closing(code: &str, open: usize) -> usize {
    let mut depth = 0;
    for (i, c) in code[open..].char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return open + i;
        }
    }
    code.len() - 1
}

/// Blanks what is said, keeps what is done; lines stay where they are.
fn blank(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let said = said(rest, code.chars().next_back());
        if said == 0 {
            code.push(c);
            rest = &rest[c.len_utf8()..];
        } else {
            code.extend(rest[..said].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
            rest = &rest[said..];
        }
    }
    code
}

/// How many bytes of comment, string or character literal `rest` begins with.
fn said(rest: &str, before: Option<char>) -> usize {
    let in_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    if rest.starts_with("//") {
        rest.find('\n').unwrap_or(rest.len())
    } else if rest.starts_with("/*") {
        rest.find("*/").map_or(rest.len(), |end| end + 2)
    } else if rest.starts_with('"') {
        quoted(rest, '"')
    } else if rest.starts_with('\'') && is_char(rest) {
        quoted(rest, '\'')
    } else if !in_word && (rest.starts_with("r\"") || rest.starts_with("r#")) {
        raw(rest)
    } else if !in_word && rest.starts_with("br") {
        raw(&rest[1..]).checked_add(1).filter(|n| *n > 1).unwrap_or(0)
    } else {
        0
    }
}

/// A character, not a lifetime: `'a'` or `'\n'`.
fn is_char(rest: &str) -> bool {
    let mut chars = rest.chars().skip(1);
    let first = chars.next();
    first == Some('\\') || chars.next() == Some('\'')
}

fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (i, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return i + 1,
            _ => {}
        }
    }
    rest.len()
}

fn raw(rest: &str) -> usize {
    let hashes = rest[1..].chars().take_while(|c| *c == '#').count();
    if !rest[1 + hashes..].starts_with('"') {
        return 0; // `r#type`, a name
    }
    let end = format!("\"{}", "#".repeat(hashes));
    let inside = 2 + hashes;
    rest[inside..].find(&end).map_or(rest.len(), |at| inside + at + end.len())
}

#[test]
fn what_strings_and_comments_say_is_no_code() {
    let first = "let a = \"{ \\\" fn\"; // }\n";
    let second = "let b = ('{', '\\'', b\"}\", r#\"}\"}\"#, br\"{\"); /* { */ 'a: f()";
    let text = format!("{first}{second}");
    let code = Source::new("", &text).code;
    let left: Vec<_> = code.split_whitespace().collect();
    assert_eq!(left.join(" "), "let a = ; let b = ( , , b , , ); 'a: f()");
    assert_eq!(code.lines().count(), text.lines().count());
}

#[test]
fn functions_are_measured_from_their_name_to_their_last_brace() {
    let text = [
        "pub fn one<F: Fn(u8, u8) -> u8>(&mut self, f: F, [a, b]: [u8; 2]) -> [u8; 2] {",
        "    fn two() {",
        "    }",
        "}",
        "trait T {",
        "    fn none(&self) -> [u8; 2];",
        "}",
        "let p: fn(u8) = |a, b| {};",
        "impl<A> T for A {",
        "    fn none(&self, a: u8) -> [u8; 2] {",
        "    }",
        "}",
        "impl A {",
        "    fn last() {}",
        "}",
    ];
    let found = Source::new("", &text.join("\n")).functions();
    let found = found.iter().map(|f| (f.name.as_str(), f.lines, f.parameters, f.imposed));
    let found: Vec<_> = found.collect();
    let own = [("one", 4, 2, false), ("two", 2, 0, false), ("last", 1, 0, false)];
    assert_eq!(found, [&own[..2], &[("none", 2, 1, true)], &own[2..]].concat());
}

#[test]
fn tests_are_not_shipped() {
    let tests = "#[cfg(test)]\nmod tests {\n    fn b() {}\n}\n#[cfg(test)]\nmod more;\n";
    let shipped = Source::new("", &format!("fn a() {{}}\n{tests}fn c() {{}}\n")).shipped();
    assert_eq!(shipped.trim_end(), format!("fn a() {{}}\n{}fn c() {{}}", "\n".repeat(6)));
}
