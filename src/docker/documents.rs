//! Containers out of API JSON, one at a time: from an engine's list, or from whatever `parse` is
//! given. A bad one never hides the good ones; the input is never copied.

use std::ops::ControlFlow;

use serde_json::Deserializer;
use serde_json::value::RawValue;

use crate::docker::answer::{one_line, text};
use crate::docker::lenient;
use crate::docker::types::Summary;
use crate::error::Why;

/// The containers of an engine's answer to `/containers/json`.
///
/// # Errors
/// `Broken` where it is no JSON list; a bad entry is no error but has `problems`.
pub fn summaries(body: &[u8]) -> Result<Vec<Summary>, Why> {
    if !body.trim_ascii_start().starts_with(b"[") {
        return Err(Why::Broken("the answer can't be read: expected a list".into()));
    }
    let mut all = Vec::new();
    let body = text(body);
    let mut reader = Reader::new(&body);
    let mut found = |summary| {
        all.push(summary);
        ControlFlow::Continue(())
    };
    match reader.document(&mut found).and_then(|_| reader.nothing_follows()) {
        Ok(()) => Ok(all),
        Err(fault) => Err(Why::Broken(format!("the answer can't be read: {}", fault.text))),
    }
}

/// Calls `found` with each container of `input`: arrays, objects, JSON Lines (or one after another
/// without lines); list entries and inspect objects, mixed as they come. `Break` ends it early.
///
/// # Errors
/// `Invalid` with line and column at the first place that is no JSON; what stands before it was
/// found, and what stands on later lines of JSON Lines too.
pub fn each(input: &[u8], mut found: impl FnMut(Summary) -> ControlFlow<()>) -> Result<(), Why> {
    let input = text(input);
    let mut reader = Reader::new(input.strip_prefix('\u{feff}').unwrap_or(&input));
    if reader.peek().is_none() {
        return Err(Why::Invalid("no JSON at all: the input is empty".into()));
    }
    let mut first_error = None;
    while reader.peek().is_some() {
        let start = reader.at;
        match reader.document(&mut found) {
            Ok(ControlFlow::Continue(())) => {}
            Ok(ControlFlow::Break(())) => break,
            Err(fault) => {
                first_error.get_or_insert(Why::Invalid(fault.text));
                reader.at = next_document_line(reader.input, start, fault.at);
            }
        }
    }
    first_error.map_or(Ok(()), Err)
}

/// Where the next line begins that opens an object: JSON Lines go on there. Counted from the fault,
/// not from the start of what has it, so that no input is read over and over; but never the start
/// again.
fn next_document_line(input: &str, start: usize, fault_at: usize) -> usize {
    let from = fault_at.saturating_sub(1).max(start);
    let rest = input.as_bytes().get(from..).unwrap_or_default();
    let line_end = rest.windows(2).position(|pair| pair == b"\n{");
    line_end.map_or(input.len(), |at| from + at + 1)
}

/// What is no JSON, and where.
struct Fault {
    at: usize,
    text: String,
}

struct Reader<'a> {
    input: &'a str,
    at: usize,
    /// Containers so far, for messages.
    count: usize,
    /// Line and column are counted on from the last place asked for.
    place: Place,
}

#[derive(Clone, Copy, Default)]
struct Place {
    at: usize,
    lines_before: usize,
    line_start: usize,
}

impl<'a> Reader<'a> {
    fn new(input: &'a str) -> Reader<'a> {
        Reader { input, at: 0, count: 0, place: Place::default() }
    }

    /// The next byte that means something; white space and record separators (RFC 7464) do not.
    fn peek(&mut self) -> Option<u8> {
        let rest = self.rest();
        let is_space = |b: &u8| matches!(b, b' ' | b'\t' | b'\r' | b'\n' | 0x1e);
        let skipped = rest.bytes().position(|byte| !is_space(&byte));
        self.at += skipped.unwrap_or(rest.len());
        self.input.as_bytes().get(self.at).copied()
    }

    fn rest(&self) -> &'a str {
        self.input.get(self.at..).unwrap_or_default()
    }

    /// One container, or an array of them.
    fn document(
        &mut self,
        found: &mut impl FnMut(Summary) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, Fault> {
        if self.peek() != Some(b'[') {
            return Ok(found(self.container()?));
        }
        self.at += 1;
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(ControlFlow::Continue(()));
        }
        loop {
            if found(self.container()?).is_break() {
                return Ok(ControlFlow::Break(()));
            }
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(ControlFlow::Continue(()));
                }
                Some(_) => return Err(self.expected("`,` or `]` after a container")),
                None => return Err(self.expected("`]`, but the input ends")),
            }
        }
    }

    /// One container: typed at full speed, and only where that fails, leniently.
    fn container(&mut self) -> Result<Summary, Fault> {
        self.count += 1;
        let typed = (self.peek() == Some(b'{')).then(|| {
            let mut values = Deserializer::from_str(self.rest()).into_iter::<Summary>();
            (values.next(), values.byte_offset())
        });
        if let Some((Some(Ok(mut summary)), length)) = typed {
            if summary.id.is_empty() {
                summary.problems.push(format!("{}: no Id", self.whereabouts()));
            }
            self.at += length;
            return Ok(summary);
        }
        let mut values = Deserializer::from_str(self.rest()).into_iter::<&RawValue>();
        match values.next() {
            Some(Ok(raw)) => {
                let mut summary = lenient::summary(raw.get());
                if summary.id.is_empty() {
                    summary.problems.insert(0, format!("{}: no Id", self.whereabouts()));
                }
                self.at += values.byte_offset();
                Ok(summary)
            }
            Some(Err(error)) => Err(self.misread(&error)),
            None => Err(self.expected("a container, but the input ends")),
        }
    }

    fn nothing_follows(&mut self) -> Result<(), Fault> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.expected("nothing after the list")),
        }
    }

    fn whereabouts(&mut self) -> String {
        let place = self.line_and_column(self.at);
        format!("container {} ({place})", self.count)
    }

    fn expected(&mut self, what: &str) -> Fault {
        let at = self.at;
        Fault { at, text: format!("{}: expected {what}", self.line_and_column(at)) }
    }

    /// An error of a decoder that began here, with the place in the whole input.
    fn misread(&mut self, error: &serde_json::Error) -> Fault {
        let rest = self.rest();
        let line_start = match error.line().checked_sub(2) {
            None => 0,
            Some(nth) => {
                let mut ends = rest.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
                ends.nth(nth).map_or(rest.len(), |(at, _)| at + 1)
            }
        };
        let at = self.at + line_start + error.column().saturating_sub(1);
        let at = at.min(self.input.len());
        let text = error.to_string();
        let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text);
        Fault { at, text: format!("{}: {}", self.line_and_column(at), one_line(text)) }
    }

    /// `line 3, column 7`: in bytes, both from 1.
    fn line_and_column(&mut self, at: usize) -> String {
        let from = if at < self.place.at { Place::default() } else { self.place };
        let Place { mut lines_before, mut line_start, .. } = from;
        let between = self.input.as_bytes().get(from.at..at).unwrap_or_default();
        for (offset, _) in between.iter().enumerate().filter(|(_, byte)| **byte == b'\n') {
            lines_before += 1;
            line_start = from.at + offset + 1;
        }
        self.place = Place { at, lines_before, line_start };
        format!("line {}, column {}", lines_before + 1, at.saturating_sub(line_start) + 1)
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
                "Names: a string: expected a list",
                "Ports[1]: something in it: expected u16",
                "Labels.y: a number: expected a string",
            ],
            &["container 2 (line 3, column 13): no Id", "expected an object, found a number"],
            &["container 3 (line 3, column 16): no Id"],
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

    #[test]
    fn a_bad_inspect_object_keeps_what_can_be_read() {
        let input = r#"{"Id":"a","Name":"/web","Image":"sha256:1","State":{"Status":"exited",
            "ExitCode":"3"},"Config":{"Image":"web","Labels":{"k":"v"}},"Mounts":7}"#;
        let mut all = Vec::new();
        let result = each(input.as_bytes(), |summary| {
            all.push(summary);
            ControlFlow::Continue(())
        });
        let expected = Summary {
            id: "a".into(),
            names: vec!["/web".into()],
            image: "web".into(),
            image_id: "sha256:1".into(),
            labels: [("k".to_owned(), "v".to_owned())].into(),
            state: "exited".into(),
            problems: vec!["Mounts: a number: expected a list".into()],
            ..Summary::default()
        };
        assert_eq!((all, result), (vec![expected], Ok(())));
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
        let error = invalid("line 3, column 1: expected `,` or `}`");
        assert_eq!(found(input), (good(&["a", "c", "d"]), error));
        let input = "oops\n{\n{\n{\"Id\":\"a\"}\n{";
        let error = invalid("line 1, column 1: expected value");
        assert_eq!(found(input), (good(&["a"]), error));
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
        let (all, result) = found(&deep);
        assert_eq!((all.len(), result), (1, Ok(())));
        // Each would be quadratic if a fault or a place were counted from the start every time.
        let (all, result) = found(&"{\"a\":\n".repeat(50_000));
        assert!(all.is_empty() && result.is_err());
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
