//! A container's log as lines, each once, also where the log was opened anew. Keeps no line longer
//! than it has to.

use crate::docker::logs::Output;
use crate::docker::time;

/// A longer line is passed on in pieces.
const LINE_LIMIT_BYTES: usize = 64 << 10;

/// One line of output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// When, by the engine's clock, nanoseconds since 1970; `None`: it did not say.
    pub at_nano: Option<u64>,
    /// Where it was written.
    pub output: Output,
    /// Without its end.
    pub text: String,
}

/// Makes lines of a log that was asked for with timestamps.
#[derive(Clone, Debug, Default)]
pub struct Lines {
    out: Kept,
    err: Kept,
}

#[derive(Clone, Debug, Default)]
struct Kept {
    begun: Vec<u8>,
    /// When the line was written that was passed on last, and how many at that time: some engines
    /// tell whole seconds.
    last: Option<(u64, u64)>,
    /// Since the log was opened anew: up to where, and how many of that time still, it repeats.
    repeats: Option<(u64, u64)>,
    /// The rest of a line whose beginning was passed on.
    goes_on: bool,
}

impl Lines {
    /// The log begins anew. Where it was read up to; `None`: from the beginning.
    pub fn reopen(&mut self) -> Option<u64> {
        for kept in [&mut self.out, &mut self.err] {
            kept.begun.clear();
            kept.goes_on = false;
            kept.repeats = kept.last;
        }
        // The one that is behind: the other's repeats are dropped.
        let last = |kept: &Kept| kept.last.map(|(nano, _)| nano);
        match (last(&self.out), last(&self.err)) {
            (Some(out), Some(err)) => Some(out.min(err)),
            (one, other) => one.or(other),
        }
    }

    /// Takes output, and adds the lines that end in it.
    pub fn push(&mut self, output: Output, bytes: &[u8], found: &mut Vec<Line>) {
        let kept = self.kept(output);
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            kept.begun.extend_from_slice(piece);
            if piece.ends_with(b"\n") || kept.begun.len() >= LINE_LIMIT_BYTES {
                kept.hand_on(output, found);
            }
        }
    }

    /// The log has ended: what has no end of line is one too.
    pub fn finish(&mut self, found: &mut Vec<Line>) {
        for output in [Output::Stdout, Output::Stderr] {
            let kept = self.kept(output);
            if !kept.begun.is_empty() {
                kept.hand_on(output, found);
            }
        }
    }

    fn kept(&mut self, output: Output) -> &mut Kept {
        match output {
            Output::Stdout => &mut self.out,
            Output::Stderr => &mut self.err,
        }
    }
}

impl Kept {
    fn hand_on(&mut self, output: Output, found: &mut Vec<Line>) {
        let bytes = std::mem::take(&mut self.begun);
        let is_whole = bytes.ends_with(b"\n");
        let text = String::from_utf8_lossy(&bytes);
        let text = text.strip_suffix('\n').unwrap_or(&text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        let stamp =
            text.split_once(' ').and_then(|(stamp, rest)| Some((time::nanos(stamp)?, rest)));
        let bare = || time::nanos(text).map(|at| (at, ""));
        let (at_nano, text) = match stamp.or_else(bare) {
            Some((at, rest)) if !self.goes_on => (Some(at), rest),
            _ => (None, text),
        };
        self.goes_on = !is_whole;
        if let Some(at) = at_nano {
            if self.is_repeat(at) {
                return;
            }
            let before = self.last.filter(|(last, _)| *last == at).map_or(0, |(_, count)| count);
            self.last = Some((at, before + 1));
        }
        found.push(Line { at_nano, output, text: text.to_owned() });
    }

    fn is_repeat(&mut self, at: u64) -> bool {
        match &mut self.repeats {
            Some((upto, _)) if at < *upto => true,
            Some((upto, left)) if at == *upto && *left > 0 => {
                *left -= 1;
                true
            }
            Some(_) | None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(lines: &[Line]) -> Vec<&str> {
        lines.iter().map(|line| line.text.as_str()).collect()
    }

    #[test]
    fn lines_come_whole_however_they_come_in() {
        let (mut lines, mut found) = (Lines::default(), Vec::new());
        for byte in b"1970-01-01T00:00:01Z a b\r\n1970-01-01T00:00:02Z \n1970-01-01T00:00:03Z c" {
            lines.push(Output::Stdout, &[*byte], &mut found);
        }
        lines.finish(&mut found);
        assert_eq!(text(&found), ["a b", "", "c"]);
        assert_eq!(found[2].at_nano, Some(3_000_000_000));
    }

    #[test]
    fn a_log_that_is_opened_anew_repeats_nothing() {
        let (mut lines, mut found) = (Lines::default(), Vec::new());
        assert_eq!(lines.reopen(), None);
        lines.push(Output::Stdout, b"1970-01-01T00:00:01Z a\n1970-01-01T00:00:05Z b\n", &mut found);
        lines.push(Output::Stderr, b"1970-01-01T00:00:03Z e\n1970-01-01T00:00:04Z ha", &mut found);
        assert_eq!(lines.reopen(), Some(3_000_000_000));
        lines.push(
            Output::Stderr,
            b"1970-01-01T00:00:03Z e\n1970-01-01T00:00:04Z half\n",
            &mut found,
        );
        lines.push(Output::Stdout, b"1970-01-01T00:00:05Z b\n1970-01-01T00:00:06Z c\n", &mut found);
        assert_eq!(text(&found), ["a", "b", "e", "half", "c"]);
    }

    #[test]
    fn whole_seconds_are_enough_to_tell_repeats() {
        let (mut lines, mut found) = (Lines::default(), Vec::new());
        let mut push =
            |lines: &mut Lines, text: &[u8]| lines.push(Output::Stdout, text, &mut found);
        push(&mut lines, b"1970-01-01T00:00:01Z a\n1970-01-01T00:00:01Z a\n");
        lines.reopen();
        push(&mut lines, b"1970-01-01T00:00:01Z a\n1970-01-01T00:00:01Z a\n");
        push(&mut lines, b"1970-01-01T00:00:01Z b\n");
        lines.reopen();
        push(&mut lines, b"1970-01-01T00:00:01Z a\n1970-01-01T00:00:01Z a\n");
        push(&mut lines, b"1970-01-01T00:00:01Z b\n1970-01-01T00:00:01Z c\n");
        assert_eq!(text(&found), ["a", "a", "b", "c"]);
    }

    #[test]
    fn a_line_without_end_is_passed_on_in_pieces() {
        let (mut lines, mut found) = (Lines::default(), Vec::new());
        lines.push(Output::Stdout, b"1970-01-01T00:00:01Z ", &mut found);
        (0..100).for_each(|_| lines.push(Output::Stdout, &[b'x'; 1000], &mut found));
        lines.push(Output::Stdout, b"\n1970-01-01T00:00:02Z y\n", &mut found);
        let all: usize = found.iter().map(|line| line.text.len()).sum();
        assert_eq!((found.len(), all, text(&found)[2]), (3, 100_001, "y"));
    }
}
