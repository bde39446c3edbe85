//! A byte stream cut into JSON objects, by value: not by read, chunk or line. Does not read them.

use crate::error::Why;

/// The longest value a stream may carry: an event with a megabyte of labels, and room.
pub const VALUE_LIMIT_BYTES: usize = 4 * 1024 * 1024;

/// Cuts a stream into values. What stands between them is white space (pull lines end CRLF) or the
/// record separator of RFC 7464.
#[derive(Clone, Debug)]
pub struct Splitter {
    limit_bytes: usize,
    /// The value so far, where it began in an earlier push.
    kept: Vec<u8>,
    state: State,
}

/// Between values `depth` is 0 and `text` is `Outside`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    depth: usize,
    text: Text,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Text {
    Outside,
    Inside,
    Escaped,
}

const BETWEEN: State = State { depth: 0, text: Text::Outside };

impl Splitter {
    /// Values longer than `limit_bytes` are refused.
    pub fn new(limit_bytes: usize) -> Splitter {
        Splitter { limit_bytes, kept: Vec::new(), state: BETWEEN }
    }

    /// Takes the next bytes and calls `found` with each value that ends in them. A value that came
    /// in one piece is not copied.
    ///
    /// # Errors
    /// `Broken` where something else than an object or array stands between values, or at the
    /// limit; or the first error of `found`. After an error the stream can't be read on.
    pub fn push(
        &mut self,
        bytes: &[u8],
        mut found: impl FnMut(&[u8]) -> Result<(), Why>,
    ) -> Result<(), Why> {
        let mut rest = bytes;
        while let Some(start) = self.start(rest)? {
            let (value, after) = self.value(rest.get(start..).unwrap_or_default());
            if self.kept.len() + value.len() > self.limit_bytes {
                let limit = self.limit_bytes;
                return Err(Why::Broken(format!("a value longer than {limit} bytes")));
            }
            if self.state != BETWEEN {
                self.kept.extend_from_slice(value);
                return Ok(());
            }
            if self.kept.is_empty() {
                found(value)?;
            } else {
                self.kept.extend_from_slice(value);
                found(&self.kept)?;
                self.kept.clear();
            }
            rest = after;
        }
        Ok(())
    }

    /// The stream has ended. Was it between values?
    ///
    /// # Errors
    /// `Broken` where a value is cut off.
    pub fn finish(&self) -> Result<(), Why> {
        match self.state == BETWEEN {
            true => Ok(()),
            false => Err(Why::Broken("the stream ends within a value".into())),
        }
    }

    /// Where the value begins or goes on; `None`: nothing but space.
    fn start(&self, bytes: &[u8]) -> Result<Option<usize>, Why> {
        if self.state != BETWEEN {
            return Ok((!bytes.is_empty()).then_some(0));
        }
        let space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | 0x1e);
        let Some(start) = bytes.iter().position(|byte| !space(byte)) else { return Ok(None) };
        match bytes.get(start) {
            Some(b'{' | b'[') => Ok(Some(start)),
            other => {
                let found = other.map(|byte| byte.escape_ascii().to_string()).unwrap_or_default();
                Err(Why::Broken(format!("expected an object in the stream, found `{found}`")))
            }
        }
    }

    /// Splits after the end of the value, or takes all.
    fn value<'a>(&mut self, bytes: &'a [u8]) -> (&'a [u8], &'a [u8]) {
        let State { mut depth, mut text } = self.state;
        let mut end = bytes.len();
        for (at, byte) in bytes.iter().enumerate() {
            match (text, byte) {
                (Text::Inside, b'\\') => text = Text::Escaped,
                (Text::Inside, b'"') => text = Text::Outside,
                (Text::Escaped, _) => text = Text::Inside,
                (Text::Inside, _) => {}
                (Text::Outside, b'"') => text = Text::Inside,
                (Text::Outside, b'{' | b'[') => depth += 1,
                (Text::Outside, b'}' | b']') => depth = depth.saturating_sub(1),
                (Text::Outside, _) => {}
            }
            if depth == 0 {
                end = at + 1;
                break;
            }
        }
        self.state = State { depth, text };
        bytes.split_at_checked(end).unwrap_or((bytes, &[]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is found in the pieces, and how it ended.
    fn split(pieces: &[&[u8]]) -> (Vec<String>, Result<(), Why>) {
        let mut splitter = Splitter::new(64);
        let mut found = Vec::new();
        for piece in pieces {
            let pushed = splitter.push(piece, |value| {
                found.push(String::from_utf8_lossy(value).into_owned());
                Ok(())
            });
            if pushed.is_err() {
                return (found, pushed);
            }
        }
        (found, splitter.finish())
    }

    const STREAM: &[u8] =
        b"\x1e{\"a\":\"}\\\"{\\\\\"}\r\n{}[1,[2]]\n {\"b\":{\"c\":[{}]}}\x1e\n{\"d\":\"\xc3\xa4\"}";

    #[test]
    fn values_are_cut_by_their_brackets() {
        let values = [r#"{"a":"}\"{\\"}"#, "{}", "[1,[2]]", r#"{"b":{"c":[{}]}}"#, r#"{"d":"ä"}"#];
        let expected = (values.map(str::to_owned).to_vec(), Ok(()));
        assert_eq!(split(&[STREAM]), expected);
        for at in 0..=STREAM.len() {
            let (head, tail) = STREAM.split_at(at);
            assert_eq!(split(&[head, tail]), expected, "split at {at}");
        }
        let bytes: Vec<&[u8]> = STREAM.chunks(1).collect();
        assert_eq!(split(&bytes), expected);
    }

    #[test]
    fn a_cut_value_is_seen_at_the_end() {
        let cut = Err(Why::Broken("the stream ends within a value".into()));
        assert_eq!(split(&[b"{}{\"a"]), (vec!["{}".to_owned()], cut));
    }

    #[test]
    fn what_is_no_object_is_refused() {
        let error = Err(Why::Broken("expected an object in the stream, found `<`".into()));
        assert_eq!(split(&[b"{}\r\n<html>"]), (vec!["{}".to_owned()], error));
    }

    #[test]
    fn a_value_has_a_limit_in_one_piece_and_in_many() {
        let long = format!("{{\"a\":\"{}\"}}", "x".repeat(64));
        let error = Err(Why::Broken("a value longer than 64 bytes".into()));
        let bytes: Vec<&[u8]> = long.as_bytes().chunks(1).collect();
        assert_eq!(split(&[long.as_bytes()]), (vec![], error.clone()));
        assert_eq!(split(&bytes), (vec![], error));
    }
}
