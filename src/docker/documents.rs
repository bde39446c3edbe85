//! Containers out of API JSON, one at a time: from an engine's list, or from whatever `parse` is
//! given. A bad one never hides the good ones; the input is never copied.

pub mod pieces;
mod reader;
mod typed;

use std::ops::ControlFlow;

use crate::docker::answer::text;
use crate::docker::types::Summary;
use crate::error::Why;

use reader::{Item, Reader, SoFar};

/// Of a text of some editors.
const BOM: &[u8] = "\u{feff}".as_bytes();

/// The containers of an engine's answer to `/containers/json`.
///
/// # Errors
/// `Broken` where it is no JSON list; a bad entry is no error but has `problems`.
pub fn summaries(body: &[u8]) -> Result<Vec<Summary>, Why> {
    let mut all = Vec::new();
    each_listed(body, |summary| all.push(summary))?;
    Ok(all)
}

/// The same, one at a time.
///
/// # Errors
/// As of [`summaries`]; what stands before a fault was found.
pub fn each_listed(body: &[u8], mut found: impl FnMut(Summary)) -> Result<(), Why> {
    if !body.trim_ascii_start().starts_with(b"[") {
        return Err(Why::Broken("the answer can't be read: expected a list".into()));
    }
    let body = text(body);
    let mut reader = Reader::new(&body, SoFar::default());
    let mut found = |item: Item| {
        found(match item {
            Ok(summary) => summary,
            Err(problem) => Summary { problems: vec![problem], ..Summary::default() },
        });
        ControlFlow::Continue(())
    };
    match reader.document(&mut found).and_then(|_| reader.nothing_follows()) {
        Ok(()) => Ok(()),
        Err(fault) => Err(Why::Broken(format!("the answer can't be read: {}", fault.text))),
    }
}

/// Calls `found` with each container of `input`: arrays, objects, JSON Lines (or one after another
/// without lines); list entries and inspect objects, mixed as they come. `Break` ends it early.
///
/// # Errors
/// `Invalid` with line and column of the first place that is no JSON or no container, and how many
/// there are more; what stands before it was found, and what stands on later lines too.
pub fn each(input: &[u8], found: impl FnMut(Summary) -> ControlFlow<()>) -> Result<(), Why> {
    rest(input.strip_prefix(BOM).unwrap_or(input), SoFar::default(), found)
}

fn rest(
    input: &[u8],
    so_far: SoFar,
    mut found: impl FnMut(Summary) -> ControlFlow<()>,
) -> Result<(), Why> {
    let input = text(input);
    let mut reader = Reader::new(&input, so_far);
    if !so_far.begun && reader.peek().is_none() {
        return Err(Why::Invalid("no JSON at all: the input is empty".into()));
    }
    let mut faults = Faults::default();
    while reader.goes_on() {
        let start = reader.start();
        let mut sort = |item: Item| match item {
            Ok(summary) => found(summary),
            Err(problem) => {
                faults.add(problem);
                ControlFlow::Continue(())
            }
        };
        let read = match reader.document(&mut sort) {
            Ok(flow) => flow,
            Err(fault) => {
                let flow = reader.go_on_after(start, &fault, &mut sort);
                faults.add(fault.text);
                flow
            }
        };
        if read.is_break() {
            break;
        }
    }
    faults.told()
}

/// What could not be read.
#[derive(Default)]
struct Faults {
    first: Option<String>,
    count: usize,
}

impl Faults {
    fn add(&mut self, text: String) {
        self.count += 1;
        self.first.get_or_insert(text);
    }

    fn told(self) -> Result<(), Why> {
        match (self.first, self.count) {
            (None, _) => Ok(()),
            (Some(first), 1) => Err(Why::Invalid(first)),
            (Some(first), n) => Err(Why::Invalid(format!("{first}, and {} more", n - 1))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Id and problems.
    type Found = Vec<(String, Vec<String>)>;

    fn found(input: &str) -> (Found, Result<(), Why>) {
        let mut all = Vec::new();
        let result = each(input.as_bytes(), |summary| {
            all.push((summary.id, summary.problems));
            ControlFlow::Continue(())
        });
        (all, result)
    }

    fn good(ids: &[&str]) -> Found {
        ids.iter().map(|id| ((*id).to_owned(), Vec::new())).collect()
    }

    fn invalid(text: &str) -> Result<(), Why> {
        Err(Why::Invalid(text.into()))
    }

    #[test]
    fn arrays_objects_and_lines_are_the_same() {
        for input in [
            r#"[{"Id":"a"},{"Id":"b"}]"#,
            "\u{feff} [ {\"Id\":\"a\"} ,\n{\"Id\":\"b\"} ] ",
            "{\"Id\":\"a\"}\r\n{\"Id\":\"b\"}\r\n",
            "{\"Id\":\"a\"}{\"Id\":\"b\"}",
            "\x1e{\"Id\":\"a\"}\n\x1e[{\"Id\":\"b\"}]\n[]",
            r#"[{"Id":"a","State":{"Status":"running"}},{"Id":"b","State":"running"}]"#,
        ] {
            assert_eq!(found(input), (good(&["a", "b"]), Ok(())), "{input}");
        }
        assert_eq!(found("[]"), (vec![], Ok(())));
        assert_eq!(found(" \n"), (vec![], invalid("no JSON at all: the input is empty")));
    }

    #[test]
    fn a_bad_container_hides_no_good_one() {
        let input = r#"[{"Id":"a","Names":"web","Ports":[{"PrivatePort":80},{"PrivatePort":99999}],
            "Labels":{"x":"1","y":2,"z":null},"State":"running"},
            5, {}, {"Id":"b"}]"#;
        let mut all = summaries(input.as_bytes()).unwrap();
        let problems: Vec<Vec<String>> =
            all.iter_mut().map(|one| std::mem::take(&mut one.problems)).collect();
        let expected: [&[&str]; 4] = [
            &[
                "Names: a text: expected a list",
                "Ports[1].PrivatePort: a number: expected a port from 1 to 65535",
                "Labels.y: a number: expected a text",
            ],
            &["container 2 (line 3, column 13): a number: expected a container"],
            &["Id: none in container 3 (line 3, column 16): expected one"],
            &[],
        ];
        assert_eq!(problems, expected);
        let bare = Summary::default;
        let port = crate::docker::types::Port { private_port: 80, ..Default::default() };
        let first = Summary {
            id: "a".into(),
            ports: vec![port],
            labels: [("x".to_owned(), "1".to_owned())].into(),
            state: "running".into(),
            ..bare()
        };
        assert_eq!(all, [first, bare(), bare(), Summary { id: "b".into(), ..bare() }]);
    }

    /// One container, whole.
    fn only(input: &str) -> Summary {
        let mut all = Vec::new();
        let result = each(input.as_bytes(), |summary| {
            all.push(summary);
            ControlFlow::Continue(())
        });
        assert_eq!((all.len(), result), (1, Ok(())));
        all.remove(0)
    }

    #[test]
    fn a_bad_inspect_object_keeps_what_can_be_read() {
        let port = |private_port, public_port, ip: Option<&str>| crate::docker::types::Port {
            ip: ip.map(str::to_owned),
            private_port,
            public_port,
            kind: "tcp".into(),
        };
        let input = r#"{"Id":"a","Name":"/web","Image":"sha256:1","State":{"Status":"exited",
            "ExitCode":"3","Pid":-1},"Config":{"Image":"web","Labels":{"k":"v","n":1}},"Mounts":7,
            "HostConfig":{"NetworkMode":"host","PortBindings":{"80/tcp":[{"HostPort":"8080"}, 5],
            "81/tcp":[{"HostPort":"8081","HostIp":"::1"}],"82/tcp":9}}}"#;
        let expected = Summary {
            id: "a".into(),
            names: vec!["/web".into()],
            image: "web".into(),
            image_id: "sha256:1".into(),
            labels: [("k".to_owned(), "v".to_owned())].into(),
            ports: vec![
                port(80, Some(8080), None),
                port(82, None, None),
                port(81, Some(8081), Some("::1")),
            ],
            state: "exited".into(),
            status: "Exited (0)".into(),
            host_config: Some(crate::docker::types::HostConfig { network_mode: "host".into() }),
            problems: [
                "State.ExitCode: a text: expected a whole number",
                "Config.Labels.n: a number: expected a text",
                "HostConfig.PortBindings.80/tcp[1]: a number: expected an object",
                "HostConfig.PortBindings.82/tcp: a number: expected a list",
                "Mounts: a number: expected a list",
            ]
            .map(str::to_owned)
            .into(),
            ..Summary::default()
        };
        assert_eq!(only(input), expected);
    }

    #[test]
    fn an_inspect_object_is_known_without_its_state_and_an_entry_with_a_bad_one() {
        let config = r#""Config":{"Image":"web","Labels":{"k":"v"}}"#;
        for state in ["", r#""State":null,"#, r#""State":5,"#, r#""State":"exited","#] {
            let one = only(&format!(r#"{{"Id":"a","Name":"/web",{state}{config}}}"#));
            assert_eq!((one.names, one.labels.len()), (vec!["/web".to_owned()], 1), "{state}");
        }
        let one = only(r#"{"Id":"a","Names":["/web"],"State":{"Status":"x"},"Labels":{"k":"v"}}"#);
        assert_eq!((one.names, one.labels.len()), (vec!["/web".to_owned()], 1));
        assert_eq!(one.problems, ["State: an object: expected a text"]);
    }

    #[test]
    fn what_is_no_container_is_no_success() {
        let input = "[{\"Id\":\"a\"},5,[],null]\n{\"message\":\"No such\\ncontainer: x\"}";
        let error = "container 2 (line 1, column 13): a number: expected a container, and 3 more";
        assert_eq!(found(input), (good(&["a"]), invalid(error)));
        let error = "container 1 (line 1, column 1): an engine's error, `No such container: x`: \
                     expected a container";
        assert_eq!(found(r#"{"message":"No such container: x"}"#), (vec![], invalid(error)));
    }

    #[test]
    fn what_is_no_json_is_told_with_line_and_column() {
        for (input, ids, text) in [
            ("[{\"Id\":\"a\"},\n {\"Id\":}]", good(&["a"]), "line 2, column 8: expected value"),
            (
                "[{\"Id\":\"a\"}",
                good(&["a"]),
                "line 1, column 12: expected `]`, but the input ends",
            ),
            (
                "[{\"Id\":\"a\"} {",
                good(&["a"]),
                "line 1, column 13: expected `,` or `]` after a container",
            ),
            ("[{\"Id\":\n\n", vec![], "line 3, column 1: EOF while parsing a value"),
            ("HTTP/1.1 200 OK", vec![], "line 1, column 1: expected value"),
            ("[", vec![], "line 1, column 2: expected a container, but the input ends"),
        ] {
            assert_eq!(found(input), (ids, invalid(text)), "{input}");
        }
    }

    #[test]
    fn json_lines_go_on_after_a_bad_line() {
        let input = "{\"Id\":\"a\"}\n{\"Id\":\"b\"\n{\"Id\":\"c\"}\noops\n{\"Id\":\"d\"}\n";
        let error = invalid("line 3, column 1: expected `,` or `}`, and 1 more");
        assert_eq!(found(input), (good(&["a", "c", "d"]), error));
        let input = "oops\n{\n{\n{\"Id\":\"a\"}\n{";
        let error = invalid("line 1, column 1: expected value, and 3 more");
        assert_eq!(found(input), (good(&["a"]), error));
        let input = "oops\n[{\"Id\":\"a\"},\n{\"Id\":\"b\"}]\n";
        assert_eq!(found(input).0, good(&["a", "b"]));
    }

    #[test]
    fn a_line_that_was_cut_off_swallows_no_other() {
        for cut in
            ["{\"Id\":", "{\"Id\":\"x\",\"Labels\":", "{\"Names\":[", "{\"Id\":\"x", "{\"Id\""]
        {
            let input = format!("{cut}\n{{\"Id\":\"a\"}}\n{cut}\n{cut}\n{{\"Id\":\"b\"}}\n{cut}");
            let (all, result) = found(&input);
            assert_eq!((all, result.is_err()), (good(&["a", "b"]), true), "{cut}");
        }
    }

    #[test]
    fn the_finder_may_stop_it() {
        let mut count = 0;
        let result = each(br#"[{"Id":"a"},{"Id":"b"},oops"#, |_| {
            count += 1;
            ControlFlow::Break(())
        });
        assert_eq!((count, result), (1, Ok(())));
    }

    #[test]
    fn bytes_that_are_no_text_hide_nothing() {
        let mut all = Vec::new();
        let result = each(b"[{\"Id\":\"a\",\"Image\":\"\xff\"},{\"Id\":\"b\"}]", |summary| {
            all.push((summary.id, summary.image));
            ControlFlow::Continue(())
        });
        let expected = [("a".to_owned(), "\u{fffd}".to_owned()), ("b".to_owned(), String::new())];
        assert_eq!((all.as_slice(), result), (expected.as_slice(), Ok(())));
    }

    #[test]
    fn depth_and_faults_cost_neither_stack_nor_time() {
        let deep =
            format!("[{{\"Id\":\"a\",\"Labels\":{}1{}}}]", "[".repeat(9999), "]".repeat(9999));
        let problem = vec!["Labels: a list: expected an object".to_owned()];
        assert_eq!(found(&deep), (vec![("a".to_owned(), problem)], Ok(())));
        // Each would be quadratic if a fault or a place were counted from the start every time.
        let (all, result) = found(&"{\"a\":\n".repeat(50_000));
        assert!(all.is_empty() && result.is_err());
        let (all, _) = found(&"{\"Id\":\"a\"}\n{\"Id\":\n".repeat(50_000));
        assert_eq!(all.len(), 50_000);
        let (all, result) = found(&format!("[{}{{}}]", "{},\n".repeat(50_000)));
        assert_eq!((all.len(), result), (50_001, Ok(())));
    }

    #[test]
    fn an_engines_list_must_be_one_list() {
        let broken = |text: &str| Err(Why::Broken(format!("the answer can't be read: {text}")));
        assert_eq!(summaries(br#"{"message":"x"}"#), broken("expected a list"));
        assert_eq!(summaries(b"[] x"), broken("line 1, column 4: expected nothing after the list"));
        assert_eq!(summaries(b"[]\n"), Ok(vec![]));
    }
}
