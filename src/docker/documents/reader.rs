//! JSON text to containers, with the place of what is wrong. Does not decide what becomes of them.

use std::ops::ControlFlow;

use serde_json::Deserializer;
use serde_json::value::RawValue;

use crate::docker::answer::one_line;
use crate::docker::lenient;
use crate::docker::types::Summary;

use super::typed;

/// What stands where a container is expected: one, perhaps with problems, or other JSON, where and
/// what.
pub type Item = Result<Summary, String>;

/// What is no JSON, and where.
pub struct Fault {
    at: usize,
    /// Line, column and what is wrong.
    pub text: String,
}

/// Where a document begins.
#[derive(Clone, Copy)]
pub struct Start {
    at: usize,
    place: Place,
}

/// Reads on and on; what is behind it is not looked at again.
pub struct Reader<'a> {
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
    /// At the start of `input`.
    pub fn new(input: &'a str) -> Reader<'a> {
        Reader { input, at: 0, count: 0, place: Place::default() }
    }

    /// The next byte that means something; white space and record separators (RFC 7464) do not.
    pub fn peek(&mut self) -> Option<u8> {
        let rest = self.rest();
        let is_space = |b: &u8| matches!(b, b' ' | b'\t' | b'\r' | b'\n' | 0x1e);
        let skipped = rest.bytes().position(|byte| !is_space(&byte));
        self.at += skipped.unwrap_or(rest.len());
        self.input.as_bytes().get(self.at).copied()
    }

    /// Where it stands.
    pub fn start(&self) -> Start {
        Start { at: self.at, place: self.place }
    }

    /// One container, or an array of them.
    pub fn document(
        &mut self,
        found: &mut impl FnMut(Item) -> ControlFlow<()>,
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

    /// Goes to the next line behind a fault that opens a document. A line of JSON Lines that was
    /// cut off swallows what follows it: the whole lines among that are found here.
    pub fn go_on_after(
        &mut self,
        start: Start,
        fault: &Fault,
        found: &mut impl FnMut(Item) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let end = next_document_line(self.input, start.at, fault.at);
        self.at = end;
        let mut from = start.at;
        if self.input.as_bytes().get(from) != Some(&b'{') {
            return ControlFlow::Continue(());
        }
        let mut place = start.place;
        loop {
            from = next_document_line(self.input, from, from);
            let line = self.input.get(from..end).and_then(|rest| rest.split('\n').next());
            let Some(line) = line.filter(|line| !line.is_empty()) else { break };
            let input = self.input.get(..from + line.len()).unwrap_or_default();
            let mut lone = Reader { input, at: from, count: self.count, place };
            let item = lone.container();
            place = lone.place;
            let Ok(Ok(summary)) = item else { continue };
            // Something in the cut one may stand alone on its line too: it has no id.
            if lone.peek().is_none() && !summary.id.is_empty() {
                self.count = lone.count;
                found(Ok(summary))?;
            }
        }
        ControlFlow::Continue(())
    }

    /// Whether only white space is left.
    pub fn nothing_follows(&mut self) -> Result<(), Fault> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.expected("nothing after the list")),
        }
    }

    /// One container: typed at full speed, and only where that fails, leniently.
    fn container(&mut self) -> Result<Item, Fault> {
        self.count += 1;
        if self.peek() == Some(b'{') {
            // An inspect object without its state would pass as one that has nothing.
            let typed = typed::summary(self.rest()).filter(|(one, _)| !one.names.is_empty());
            if let Some((summary, length)) = typed.filter(|(one, _)| !one.id.is_empty()) {
                self.at += length;
                return Ok(Ok(summary));
            }
        }
        let mut values = Deserializer::from_str(self.rest()).into_iter::<&RawValue>();
        match values.next() {
            Some(Ok(raw)) => {
                let item = self.lenient(raw);
                self.at += values.byte_offset();
                Ok(item)
            }
            Some(Err(error)) => Err(self.misread(&error)),
            None => Err(self.expected("a container, but the input ends")),
        }
    }

    fn lenient(&mut self, raw: &RawValue) -> Item {
        let mut summary = lenient::summary(raw.get());
        if summary.id.is_empty() {
            let place = self.line_and_column(self.at);
            let place = format!("container {} ({place})", self.count);
            let nameless = summary.names.is_empty();
            if let Some(why) = lenient::no_container(raw).filter(|_| nameless) {
                return Err(format!("{place}: {why}"));
            }
            summary.problems.insert(0, format!("Id: none in {place}: expected one"));
        }
        Ok(summary)
    }

    fn rest(&self) -> &'a str {
        self.input.get(self.at..).unwrap_or_default()
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

/// Where the next line begins that opens an object or an array: JSON Lines go on there. Counted
/// from the fault, not from the start of what has it, so that no input is read over and over; but
/// never the start again.
fn next_document_line(input: &str, start: usize, fault_at: usize) -> usize {
    let from = fault_at.saturating_sub(1).max(start);
    let rest = input.as_bytes().get(from..).unwrap_or_default();
    let line_end = rest.windows(2).position(|pair| matches!(pair, b"\n{" | b"\n["));
    line_end.map_or(input.len(), |at| from + at + 1)
}
