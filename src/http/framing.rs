//! Where a head ends, and what its headers say of the bytes after it (RFC 9112 §6). No state.

use httparse::Header;

/// The most headers a head may have.
pub(super) const HEADERS_LIMIT: usize = 128;

/// The length of the head that `bytes` begin with, its empty line included; `None`: not complete.
/// The first `seen` bytes are known to hold no end, so that a byte is looked at once however the
/// head comes in. A lone LF ends a line too (RFC 9112 §2.2).
pub(super) fn head_len(bytes: &[u8], seen: usize) -> Option<usize> {
    let fresh = bytes.get(seen..)?;
    let feeds = fresh.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    feeds.map(|(at, _)| seen + at).find(|at| ends_empty_line(bytes, *at)).map(|at| at + 1)
}

fn ends_empty_line(bytes: &[u8], feed_at: usize) -> bool {
    let before = bytes.get(..feed_at).unwrap_or_default();
    let before = before.strip_suffix(b"\r").unwrap_or(before);
    before.is_empty() || before.ends_with(b"\n")
}

/// What the headers say of the body's length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Framing {
    /// `Content-Length`, if there is one.
    pub length: Option<u64>,
    /// Is there a `Transfer-Encoding: chunked`? It wins over the length (RFC 9112 §6.3).
    pub chunked: bool,
}

/// Reads `Content-Length` and `Transfer-Encoding`. Refuses lengths that are no number or differ,
/// and any coding but `chunked`: a body in it could not be read.
pub(super) fn framing(headers: &[Header<'_>]) -> Result<Framing, &'static str> {
    let mut length = None;
    for element in elements(headers, "content-length") {
        let this = decimal(element).ok_or("a Content-Length that is no number")?;
        if length.is_some_and(|other| other != this) {
            return Err("two Content-Lengths that differ");
        }
        length = Some(this);
    }
    let mut codings = elements(headers, "transfer-encoding");
    let chunked = match (codings.next(), codings.next()) {
        (None, _) => false,
        (Some(coding), None) if coding.eq_ignore_ascii_case(b"chunked") => true,
        _ => return Err("a Transfer-Encoding other than chunked"),
    };
    Ok(Framing { length, chunked })
}

/// Does one of the comma-separated headers of that name list the token?
pub(super) fn lists(headers: &[Header<'_>], name: &str, token: &str) -> bool {
    elements(headers, name).any(|element| element.eq_ignore_ascii_case(token.as_bytes()))
}

/// The elements of all headers of that name as one list (RFC 9110 §5.3), empty ones included.
pub(super) fn elements<'h>(
    headers: &'h [Header<'_>],
    name: &'h str,
) -> impl Iterator<Item = &'h [u8]> {
    let named = headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name));
    named.flat_map(|header| header.value.split(|byte| *byte == b',')).map(<[u8]>::trim_ascii)
}

/// Digits only: `parse` alone would take a sign.
fn decimal(text: &[u8]) -> Option<u64> {
    if !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(headers: &[(&str, &str)]) -> Result<Framing, &'static str> {
        let headers: Vec<Header> =
            headers.iter().map(|(name, value)| Header { name, value: value.as_bytes() }).collect();
        framing(&headers)
    }

    #[test]
    fn a_head_ends_at_its_first_empty_line() {
        for (bytes, len) in [
            ("", None),
            ("GET / HTTP/1.1\r\n", None),
            ("GET / HTTP/1.1\r\na: b\r\n\r", None),
            ("a\r\n\r\nbody\r\n\r\n", Some(5)),
            ("a\n\nbody", Some(3)),
            ("a\r\n\nbody", Some(4)),
            ("a\n\r\nbody", Some(4)),
            ("a\r\r\n\r\n", Some(6)),
            ("\r\nbody", Some(2)),
        ] {
            assert_eq!(head_len(bytes.as_bytes(), 0), len, "{bytes:?}");
            let first_with_end =
                (0..=bytes.len()).find(|to| head_len(&bytes.as_bytes()[..*to], 0).is_some());
            assert_eq!(first_with_end, len, "{bytes:?} cut");
        }
    }

    #[test]
    fn a_head_that_comes_byte_by_byte_ends_where_it_ends_as_a_whole() {
        let bytes = b"HTTP/1.1 200 OK\r\na: b\nc: d\r\n\r\nrest";
        let ends = (0..bytes.len()).find_map(|seen| head_len(&bytes[..=seen], seen));
        assert_eq!(ends, head_len(bytes, 0));
    }

    #[test]
    fn equal_lengths_are_one_length() {
        let fits = |length| Ok(Framing { length: Some(length), chunked: false });
        assert_eq!(read(&[("Content-Length", "5")]), fits(5));
        assert_eq!(read(&[("content-length", "5, 5"), ("CONTENT-LENGTH", " 05\t")]), fits(5));
        assert_eq!(read(&[("content-length", "18446744073709551615")]), fits(u64::MAX));
        assert_eq!(read(&[]), Ok(Framing { length: None, chunked: false }));
    }

    #[test]
    fn odd_lengths_are_refused() {
        for value in ["", " ", "+5", "-1", "5 5", "5,", "0x5", "5.0", "18446744073709551616"] {
            assert_eq!(
                read(&[("content-length", value)]),
                Err("a Content-Length that is no number"),
                "{value:?}"
            );
        }
        for two in [["5", "6"], ["5, 6", "5"]] {
            let headers = two.map(|value| ("content-length", value));
            assert_eq!(read(&headers), Err("two Content-Lengths that differ"), "{two:?}");
        }
    }

    #[test]
    fn chunked_is_the_only_coding() {
        let chunked = |length| Ok(Framing { length, chunked: true });
        assert_eq!(read(&[("transfer-encoding", " Chunked ")]), chunked(None));
        assert_eq!(
            read(&[("transfer-encoding", "chunked"), ("content-length", "5")]),
            chunked(Some(5))
        );
        for value in
            ["gzip, chunked", "chunked, chunked", "identity", "chunked;a=b", "xchunked", ""]
        {
            assert_eq!(
                read(&[("transfer-encoding", value)]),
                Err("a Transfer-Encoding other than chunked"),
                "{value:?}"
            );
        }
    }

    #[test]
    fn tokens_are_found_in_lists() {
        let headers = [
            Header { name: "Connection", value: b"foo, Close" },
            Header { name: "connection", value: b"upgrade" },
        ];
        let listed = ["close", "upgrade", "keep-alive", "clos"];
        assert_eq!(
            listed.map(|token| lists(&headers, "connection", token)),
            [true, true, false, false]
        );
    }
}
