//! The body of a reply as its bytes come in (RFC 9112 §6 and §7.1). Keeps none of them.

use crate::error::Why;

/// The most bytes of chunk framing in a row: a size with its extensions, or all the trailers.
const FRAMING_LIMIT: usize = 8 * 1024;

/// A body that is being read, by how its end is known.
#[derive(Debug)]
pub(super) enum Body {
    /// So many bytes are missing.
    Length(u64),
    /// By the chunk of size zero.
    Chunked(Chunked),
    /// By the close of the connection.
    UntilClose,
}

impl Body {
    /// A body in chunks, at its beginning.
    pub(super) fn chunked() -> Body {
        Body::Chunked(Chunked { at: At::Size, framing_bytes: 0 })
    }

    /// Appends to `out` what `input` holds of the body; returns how many bytes of `input` were
    /// the body's. All of them, unless the body is complete.
    pub(super) fn feed(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<usize, Why> {
        match self {
            Body::Length(left) => Ok(pass(left, input, out)),
            Body::Chunked(chunked) => chunked
                .feed(input, out)
                .map_err(|what| Why::Broken(format!("the reply's body can't be read: {what}"))),
            Body::UntilClose => {
                out.extend_from_slice(input);
                Ok(input.len())
            }
        }
    }

    /// Nothing more belongs to it?
    pub(super) fn complete(&self) -> bool {
        match self {
            Body::Length(left) => *left == 0,
            Body::Chunked(chunked) => chunked.at == At::Over,
            Body::UntilClose => false,
        }
    }

    /// The connection closed: an error if bytes are missing.
    pub(super) fn end(&self) -> Result<(), Why> {
        let missing = match self {
            Body::UntilClose | Body::Length(0) | Body::Chunked(Chunked { at: At::Over, .. }) => {
                return Ok(());
            }
            Body::Length(1) => "1 byte is missing".to_string(),
            Body::Length(left) => format!("{left} bytes are missing"),
            Body::Chunked(_) => "its last chunk is missing".to_string(),
        };
        Err(Why::Broken(format!("the reply ended early: {missing}")))
    }
}

/// Copies up to `left` bytes; returns how many.
fn pass(left: &mut u64, input: &[u8], out: &mut Vec<u8>) -> usize {
    let count = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
    out.extend_from_slice(input.get(..count).unwrap_or_default());
    *left -= count as u64;
    count
}

/// The chunked coding. Every line must end in CRLF: a lone LF is allowed in heads only.
///
/// ```text
/// Size ─hex→ Digits ─ws→ Blank ─;→ Extension        DataLf ─LF→ Size
///              └────CR────┴────CR─────┤               ↑CR
///                                   SizeLf ─LF, n>0→ Data ─n bytes→ DataCr
///                                     └─LF, n=0→ Trailer ─CR→ LastLf ─LF→ Over
///                                                 ↑ └─→ Name ─:→ Value ─CR→ ValueLf ─┐
///                                                 └──────────────LF──────────────────┘
/// ```
#[derive(Debug)]
pub(super) struct Chunked {
    at: At,
    /// Since the last byte of data.
    framing_bytes: usize,
}

/// What comes next; the number is the chunk's size, or what is left of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Size,
    Digits(u64),
    Blank(u64),
    Extension(u64),
    SizeLf(u64),
    Data(u64),
    DataCr,
    DataLf,
    Trailer,
    Name,
    Value,
    ValueLf,
    LastLf,
    Over,
}

impl Chunked {
    fn feed(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<usize, &'static str> {
        let mut used = 0;
        while let Some(rest @ [byte, ..]) = input.get(used..) {
            match &mut self.at {
                At::Over => break,
                At::Data(left) => {
                    used += pass(left, rest, out);
                    if *left == 0 {
                        *self = Chunked { at: At::DataCr, framing_bytes: 0 };
                    }
                }
                at => {
                    *at = step(*at, *byte)?;
                    used += 1;
                    self.framing_bytes += 1;
                    if self.framing_bytes > FRAMING_LIMIT {
                        return Err("chunk extensions or trailers without end");
                    }
                }
            }
        }
        Ok(used)
    }
}

/// One byte of framing.
fn step(at: At, byte: u8) -> Result<At, &'static str> {
    let next = match (at, byte) {
        (At::Size, _) => At::Digits(hex(byte).ok_or("a chunk size that is no number")?),
        (At::Digits(n) | At::Blank(n) | At::Extension(n), b'\r') => At::SizeLf(n),
        (At::Digits(n) | At::Blank(n), b' ' | b'\t') => At::Blank(n),
        (At::Digits(n) | At::Blank(n), b';') => At::Extension(n),
        (At::Digits(n), _) => {
            let digit = hex(byte).ok_or("a chunk size that is no number")?;
            let shifted = n.checked_mul(16).ok_or("a chunk size beyond 64 bits")?;
            At::Digits(shifted | digit)
        }
        (At::Blank(_), _) => return Err("something after a chunk size"),
        (At::Extension(n), _) if is_text(byte) => At::Extension(n),
        (At::SizeLf(0), b'\n') => At::Trailer,
        (At::SizeLf(n), b'\n') => At::Data(n),
        (At::DataCr, b'\r') => At::DataLf,
        (At::DataLf, b'\n') => At::Size,
        (At::DataCr | At::DataLf, _) => return Err("no CRLF after a chunk"),
        (At::Trailer, b'\r') => At::LastLf,
        (At::Name, b':') => At::Value,
        (At::Trailer | At::Name, _) if is_token(byte) => At::Name,
        (At::Value, b'\r') => At::ValueLf,
        (At::Value, _) if is_text(byte) => At::Value,
        (At::ValueLf, b'\n') => At::Trailer,
        (At::LastLf, b'\n') => At::Over,
        (At::Extension(_) | At::SizeLf(_), _) => return Err("a bad chunk extension"),
        (At::Trailer | At::Name | At::Value | At::ValueLf | At::LastLf, _) => {
            return Err("a bad trailer");
        }
        (At::Data(_) | At::Over, _) => unreachable!("the caller keeps data and leftovers away"),
    };
    Ok(next)
}

fn hex(byte: u8) -> Option<u64> {
    char::from(byte).to_digit(16).map(u64::from)
}

/// May stand in a header's value (RFC 9110 §5.5).
fn is_text(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=0x7e | 0x80..)
}

/// May stand in a header's name (RFC 9110 §5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The decoded body and what is left over; whole and byte by byte must agree.
    fn decode(wire: &str) -> Result<(String, &str), Why> {
        let mut whole = Vec::new();
        let mut body = Body::chunked();
        let fed = body.feed(wire.as_bytes(), &mut whole);
        let mut piecewise = Vec::new();
        let mut other = Body::chunked();
        let bytes = wire.as_bytes().chunks(1);
        let refused = bytes.map(|byte| other.feed(byte, &mut piecewise)).find(Result::is_err);
        assert_eq!(refused.and_then(Result::err), fed.clone().err());
        assert_eq!((&piecewise, other.complete()), (&whole, body.complete()));
        let used = fed?;
        body.end()?;
        Ok((String::from_utf8(whole).unwrap(), &wire[used..]))
    }

    fn unreadable(what: &str) -> Result<(String, &'static str), Why> {
        Err(Why::Broken(format!("the reply's body can't be read: {what}")))
    }

    #[test]
    fn chunks_become_the_body() {
        for (wire, body, rest) in [
            ("0\r\n\r\n", "", ""),
            ("5\r\nhello\r\n0\r\n\r\n", "hello", ""),
            ("5\r\nhello\r\n00a\r\n, world!\r\n\r\n0\r\n\r\nHTTP", "hello, world!\r\n", "HTTP"),
            ("5 \t\r\nhello\r\n000\r\n\r\n", "hello", ""),
            ("5;a=\"b;c\";d\r\nhello\r\n0;last\r\n\r\n", "hello", ""),
            ("1 ; a = b\r\nx\r\n0\r\nA-b: c\r\nd:\r\n\r\n0", "x", "0"),
        ] {
            assert_eq!(decode(wire), Ok((body.to_string(), rest)), "{wire:?}");
        }
    }

    #[test]
    fn bad_chunks_are_refused() {
        for (what, wires) in [
            (
                "a chunk size that is no number",
                &["+5\r\n", "-1\r\n", " 5\r\nhello", "\r\n", "5g\r\n", "x", ";a\r\n", "5\n"][..],
            ),
            ("a chunk size beyond 64 bits", &["10000000000000000\r\n", "fffffffffffffffff"]),
            ("something after a chunk size", &["5 5\r\nhello", "5 \n"]),
            ("a bad chunk extension", &["5;a\nhello", "5;a\0\r\n", "5\rhello", "5;a\r\r\n"]),
            ("no CRLF after a chunk", &["1\r\nab", "1\r\na\n", "1\r\na\rb", "2\r\nabc\r\n"]),
            (
                "a bad trailer",
                &[
                    "0\r\n\n",
                    "0\r\na b\r\n\r\n",
                    "0\r\n: a\r\n",
                    "0\r\na: b\r\n c",
                    "0\r\na: b\rc",
                    "0\r\n\rx",
                ],
            ),
        ] {
            for wire in wires {
                assert_eq!(decode(wire), unreadable(what), "{wire:?}");
            }
        }
    }

    #[test]
    fn framing_has_a_limit_that_data_renews() {
        let long = "x".repeat(FRAMING_LIMIT - 10);
        let two = format!("1;{long}\r\na\r\n1;{long}\r\nb\r\n0;{long}\r\n\r\n");
        assert_eq!(decode(&two), Ok(("ab".to_string(), "")));
        let without_end = "chunk extensions or trailers without end";
        let extension = format!("1;{long}0123456789\r\na\r\n");
        assert_eq!(decode(&extension), unreadable(without_end));
        let trailers = format!("0\r\n{}\r\n", "a: b\r\n".repeat(FRAMING_LIMIT / 6 + 1));
        assert_eq!(decode(&trailers), unreadable(without_end));
        let zeros = "0".repeat(FRAMING_LIMIT + 1);
        assert_eq!(decode(&zeros), unreadable(without_end));
    }

    #[test]
    fn a_cut_body_is_an_error() {
        let wire = "5\r\nhello\r\n0\r\na: b\r\n\r\n";
        for to in 0..wire.len() {
            let cut = Why::Broken("the reply ended early: its last chunk is missing".to_string());
            assert_eq!(decode(&wire[..to]), Err(cut), "{to}");
        }
        let cut = |left| {
            Body::Length(left).end().map_err(|why| match why {
                Why::Broken(text) => text,
                other => panic!("{other:?}"),
            })
        };
        assert_eq!(cut(0), Ok(()));
        assert_eq!(cut(1), Err("the reply ended early: 1 byte is missing".to_string()));
        assert_eq!(cut(7), Err("the reply ended early: 7 bytes are missing".to_string()));
        assert_eq!(Body::UntilClose.end(), Ok(()));
    }

    #[test]
    fn a_huge_length_takes_no_memory() {
        let mut out = Vec::new();
        let mut body = Body::Length(u64::MAX);
        assert_eq!(body.feed(b"abc", &mut out), Ok(3));
        assert_eq!((out.len(), out.capacity() < 100, body.complete()), (3, true, false));
    }
}
