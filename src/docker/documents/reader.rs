//! JSON text to containers, with the place of what is wrong. Does not decide what becomes of them.

use std::ops::ControlFlow;

use serde_json::Deserializer;
use serde_json::value::RawValue;

use crate::docker::answer::one_line;
use crate::docker::lenient;
use crate::docker::types::Summary;
use crate::json::scan::Scan;

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
    /// Not in the middle of a list.
    is_whole: bool,
}

/// Reads on and on; what is behind it is not looked at again.
pub struct Reader<'a> {
    input: &'a str,
    at: usize,
    so_far: SoFar,
    /// Line and column are counted on from the last place asked for.
    place: Place,
}

/// What is known of an input whose rest is read now.
#[derive(Clone, Copy, Default)]
pub struct SoFar {
    /// There was something.
    pub begun: bool,
    expects: Expects,
    /// Containers, for messages.
    count: usize,
    /// Of the rest's first byte.
    place: Place,
}

/// What may stand next.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Expects {
    #[default]
    Document,
    /// Of a list; or its end.
    First,
    Item,
    /// Or the end of the list.
    Comma,
}

#[derive(Clone, Copy, Default)]
struct Place {
    at: usize,
    lines_before: usize,
    line_start: usize,
    /// Bytes of its line that are not there any more.
    gone: usize,
}

impl<'a> Reader<'a> {
    /// At the start of `input`, behind what was read before.
    pub fn new(input: &'a str, so_far: SoFar) -> Reader<'a> {
        Reader { input, at: 0, so_far, place: so_far.place }
    }

    /// Reads as far as all is as engines write it, for an input that may be cut off anywhere. Tells
    /// also how many bytes that took, and what to read on with.
    pub fn ahead(
        mut self,
        mut found: impl FnMut(Summary) -> ControlFlow<()>,
    ) -> (ControlFlow<()>, usize, SoFar) {
        let mut flow = ControlFlow::Continue(());
        while flow.is_continue() {
            if self.item_follows() {
                let Some(summary) = self.typed() else { break };
                self.so_far.count += 1;
                self.pass_item();
                flow = found(*summary);
            } else if self.so_far.expects != Expects::Document || self.peek().is_none() {
                break;
            }
        }
        // A line may begin here: its end stays before it.
        let taken = self.input.get(..self.at).unwrap_or_default().trim_end_matches(is_space).len();
        let Place { lines_before, line_start, gone, .. } = self.place_of(taken);
        let place = Place { at: 0, lines_before, line_start: 0, gone: gone + taken - line_start };
        (flow, taken, SoFar { place, ..self.so_far })
    }

    /// The next byte that means something; white space and record separators (RFC 7464) do not.
    pub fn peek(&mut self) -> Option<u8> {
        let rest = self.rest();
        let skipped = rest.bytes().position(|byte| !is_space(byte.into()));
        self.at += skipped.unwrap_or(rest.len());
        self.input.as_bytes().get(self.at).copied()
    }

    /// Where it stands.
    pub fn start(&self) -> Start {
        let is_whole = self.so_far.expects == Expects::Document;
        Start { at: self.at, place: self.place, is_whole }
    }

    /// One container, or an array of them, or the rest of one.
    pub fn document(
        &mut self,
        found: &mut impl FnMut(Item) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, Fault> {
        while self.item_follows() {
            let item = self.container()?;
            self.pass_item();
            if found(item).is_break() {
                return Ok(ControlFlow::Break(()));
            }
            if self.so_far.expects == Expects::Document {
                break;
            }
        }
        match (self.so_far.expects, self.peek()) {
            (Expects::Document, _) => Ok(ControlFlow::Continue(())),
            (Expects::Comma, Some(_)) => Err(self.expected("`,` or `]` after a container")),
            (Expects::Comma, None) => Err(self.expected("`]`, but the input ends")),
            (Expects::First | Expects::Item, _) => {
                Err(self.expected("a container, but the input ends"))
            }
        }
    }

    /// Goes to where an item begins, unless its document ends before.
    fn item_follows(&mut self) -> bool {
        loop {
            let expects = match (self.so_far.expects, self.peek()) {
                (Expects::Document, Some(b'[')) => Expects::First,
                (Expects::First | Expects::Comma, Some(b']')) => Expects::Document,
                (Expects::Comma, Some(b',')) => Expects::Item,
                (Expects::Comma, _) | (_, None) => return false,
                (Expects::Document | Expects::First | Expects::Item, _) => return true,
            };
            self.at += 1;
            self.so_far.begun = true;
            self.so_far.expects = expects;
            if expects == Expects::Document {
                return false;
            }
        }
    }

    fn pass_item(&mut self) {
        self.so_far.begun = true;
        if self.so_far.expects != Expects::Document {
            self.so_far.expects = Expects::Comma;
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
        self.so_far.expects = Expects::Document;
        let mut from = start.at;
        if !start.is_whole || self.input.as_bytes().get(from) != Some(&b'{') {
            return ControlFlow::Continue(());
        }
        let mut place = start.place;
        loop {
            from = next_document_line(self.input, from, from);
            let line = self.input.get(from..end).and_then(|rest| rest.split('\n').next());
            let Some(line) = line.filter(|line| !line.is_empty()) else { break };
            let input = self.input.get(..from + line.len()).unwrap_or_default();
            let mut lone = Reader { input, at: from, so_far: self.so_far, place };
            let item = lone.container();
            place = lone.place;
            let Ok(Ok(summary)) = item else { continue };
            // Something in the cut one may stand alone on its line too: it has no id.
            if lone.peek().is_none() && !summary.id.is_empty() {
                self.so_far.count = lone.so_far.count;
                found(Ok(summary))?;
            }
        }
        ControlFlow::Continue(())
    }

    /// Whether there is more, or should be: a list is still open.
    pub fn goes_on(&mut self) -> bool {
        self.so_far.expects != Expects::Document || self.peek().is_some()
    }

    /// Whether only white space is left.
    pub fn nothing_follows(&mut self) -> Result<(), Fault> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.expected("nothing after the list")),
        }
    }

    /// One container as engines list it.
    fn typed(&mut self) -> Option<Box<Summary>> {
        if self.peek() != Some(b'{') {
            return None;
        }
        // An inspect object without its state would pass as one that has nothing.
        let is_listed = |one: &Summary| !one.names.is_empty() && !one.id.is_empty();
        let mut from = Scan::new(self.rest());
        let summary = typed::summary(&mut from).filter(|one| is_listed(one))?;
        let start = self.at;
        self.at += from.at();
        // Where no line ends, none is looked for once more.
        if !from.has_lines() {
            self.place_of(start);
            self.place.at = self.at;
        }
        Some(summary)
    }

    /// One container: typed at full speed, and only where that fails, leniently.
    fn container(&mut self) -> Result<Item, Fault> {
        self.so_far.count += 1;
        if let Some(summary) = self.typed() {
            return Ok(Ok(*summary));
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
            let place = format!("container {} ({place})", self.so_far.count);
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
        let Place { lines_before, line_start, gone, .. } = self.place_of(at);
        let column = gone + at.saturating_sub(line_start) + 1;
        format!("line {}, column {column}", lines_before + 1)
    }

    fn place_of(&mut self, at: usize) -> Place {
        let mut place = if at < self.place.at { self.so_far.place } else { self.place };
        let mut end = at;
        while !self.input.is_char_boundary(end) {
            end -= 1;
        }
        let between = self.input.get(place.at..end).unwrap_or_default();
        if let Some(last) = between.rfind('\n') {
            place.lines_before += between.matches('\n').count();
            place.line_start = place.at + last + 1;
            place.gone = 0;
        }
        place.at = at;
        self.place = place;
        place
    }
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n' | '\u{1e}')
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
