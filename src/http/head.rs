//! What a connection at a door begins with: an HTTP/1 request's head, or something else. Pure; the
//! caller keeps the bytes and passes them on as they came.

use httparse::{Header, Status};

use super::framing::{self, Framing};

/// The most bytes of a request's head.
pub const HEAD_LIMIT: usize = 16 * 1024;

/// The longest method that is taken for HTTP.
const METHOD_LIMIT: usize = 24;

/// What the first bytes of a connection are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opening<'a> {
    /// Not to be told yet, or the head is not complete.
    NeedMore,
    /// The head of an HTTP/1 request.
    Http(Head<'a>),
    /// HTTP/1, but a request that must be answered with an error.
    Bad(Fault),
    /// Another protocol, HTTP/2 without TLS among them.
    Other,
}

/// The head of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head<'a> {
    /// Upper case as it came: `GET`.
    pub method: &'a str,
    /// The target's path without its query, still percent-encoded: `/a`, `*`; empty for CONNECT.
    pub path: &'a str,
    /// The host of the target, else of the Host header; with its port.
    pub host: Option<&'a str>,
    /// Is `text/html` itself among what the client accepts? `*/*` does not count: browsers name it.
    pub accepts_html: bool,
    /// Does the client want another protocol on this connection (a websocket)?
    pub upgrade: bool,
    /// What follows the head.
    pub payload: Payload,
    /// The bytes of the head, its empty line included.
    pub len: usize,
}

/// The body of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload {
    /// None.
    Empty,
    /// So many bytes.
    Length(u64),
    /// In chunks.
    Chunked,
}

/// Why a request can't be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A head beyond [`HEAD_LIMIT`].
    TooLong,
    /// A head that can't be read, and why.
    Malformed(String),
    /// A head that two readers may understand differently, so that one request becomes two
    /// (RFC 9112 §11.2), and why.
    Smuggling(&'static str),
}

impl Fault {
    /// The HTTP status that says so.
    pub fn status(&self) -> u16 {
        match self {
            Fault::TooLong => 431,
            Fault::Malformed(_) | Fault::Smuggling(_) => 400,
        }
    }
}

/// Reads the first bytes of a connection, as early as they can be told. `seen` is how many of them
/// the last call knew that said [`Opening::NeedMore`], at first 0: it spares a second look.
pub fn read(bytes: &[u8], seen: usize) -> Opening<'_> {
    // A server should ignore an empty line before the request (RFC 9112 §2.2).
    let skipped = if bytes.starts_with(b"\r\n") { 2 } else { 0 };
    let within = bytes.get(..HEAD_LIMIT).unwrap_or(bytes);
    let request = within.get(skipped..).unwrap_or_default();
    match look(request) {
        Look::Other if bytes == b"\r" => return Opening::NeedMore,
        Look::Other => return Opening::Other,
        Look::Unsure | Look::Http => {}
    }
    let Some(len) = framing::head_len(request, seen.saturating_sub(skipped)) else {
        let full = within.len() == HEAD_LIMIT;
        return if full { Opening::Bad(Fault::TooLong) } else { Opening::NeedMore };
    };
    match head(request.get(..len).unwrap_or_default()) {
        Ok(head) => Opening::Http(Head { len: len + skipped, ..head }),
        Err(fault) => Opening::Bad(fault),
    }
}

enum Look {
    Http,
    Unsure,
    Other,
}

/// Do the bytes look like `METHOD target HTTP/1.`? Any method of capitals will do.
fn look(bytes: &[u8]) -> Look {
    let is_method = |byte: &&u8| byte.is_ascii_uppercase() || **byte == b'-';
    let method_len = bytes.iter().take(METHOD_LIMIT + 1).take_while(is_method).count();
    let target = match bytes.get(method_len..) {
        None | Some([]) if method_len <= METHOD_LIMIT => return Look::Unsure,
        Some([b' ', target @ ..]) if method_len > 0 => target,
        _ => return Look::Other,
    };
    match target.first() {
        None => return Look::Unsure,
        Some(b'/' | b'*' | b'[') => {}
        Some(byte) if byte.is_ascii_alphanumeric() => {}
        Some(_) => return Look::Other,
    }
    let Some(end) = target.iter().position(|byte| *byte <= b' ' || *byte == 0x7f) else {
        return Look::Unsure;
    };
    match target.get(end..) {
        Some([b' ', version @ ..]) if version.starts_with(b"HTTP/1.") => Look::Http,
        Some([b' ', version @ ..]) if b"HTTP/1.".starts_with(version) => Look::Unsure,
        _ => Look::Other,
    }
}

/// Reads a complete head.
fn head(bytes: &[u8]) -> Result<Head<'_>, Fault> {
    let malformed = |what: &str| Fault::Malformed(what.to_string());
    let mut headers = [httparse::EMPTY_HEADER; framing::HEADERS_LIMIT];
    let mut parsed = httparse::Request::new(&mut headers);
    match parsed.parse(bytes) {
        Ok(Status::Complete(len)) if len == bytes.len() => {}
        Ok(_) => return Err(malformed("no end where one should be")),
        Err(httparse::Error::TooManyHeaders) => return Err(Fault::TooLong),
        Err(error) => return Err(Fault::Malformed(error.to_string())),
    }
    let (Some(method), Some(target)) = (parsed.method, parsed.path) else {
        return Err(malformed("no method or no target"));
    };
    let headers = &*parsed.headers;
    let (authority, path) = parts(method, target);
    let host = host(headers)?;
    Ok(Head {
        method,
        path,
        host: authority.or(host),
        accepts_html: framing::elements(headers, "accept").any(is_html),
        upgrade: framing::lists(headers, "connection", "upgrade")
            && framing::elements(headers, "upgrade").next().is_some(),
        payload: payload(headers, parsed.version == Some(0))?,
        len: bytes.len(),
    })
}

/// Authority and path of a target in any of its four forms (RFC 9112 §3.2).
fn parts<'a>(method: &str, target: &'a str) -> (Option<&'a str>, &'a str) {
    let (authority, rest) = match target.split_once("://") {
        _ if target.starts_with('/') || target == "*" => (None, target),
        _ if method == "CONNECT" => (Some(target), ""),
        Some((_, rest)) => {
            let (authority, rest) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
            (Some(authority), if rest.starts_with('/') { rest } else { "/" })
        }
        None => (None, target),
    };
    (authority, rest.split_once('?').map_or(rest, |(path, _)| path))
}

fn host<'a>(headers: &[Header<'a>]) -> Result<Option<&'a str>, Fault> {
    let mut hosts = headers.iter().filter(|header| header.name.eq_ignore_ascii_case("host"));
    let first = hosts.next();
    if hosts.next().is_some() {
        return Err(Fault::Smuggling("more than one Host"));
    }
    let text = |header: &Header<'a>| std::str::from_utf8(header.value.trim_ascii());
    let host = first.map(text).transpose();
    host.map_err(|_| Fault::Malformed("a Host that is no text".to_string()))
}

/// The body's length; refuses whatever RFC 9112 §6.3 lets readers differ on.
fn payload(headers: &[Header<'_>], old: bool) -> Result<Payload, Fault> {
    match framing::framing(headers).map_err(Fault::Smuggling)? {
        Framing { length: Some(_), chunked: true } => {
            Err(Fault::Smuggling("both a Content-Length and a Transfer-Encoding"))
        }
        Framing { chunked: true, .. } if old => {
            Err(Fault::Smuggling("a Transfer-Encoding in HTTP/1.0"))
        }
        Framing { chunked: true, .. } => Ok(Payload::Chunked),
        Framing { length: Some(0) | None, .. } => Ok(Payload::Empty),
        Framing { length: Some(length), .. } => Ok(Payload::Length(length)),
    }
}

/// Is this element of an Accept header `text/html`, and not with `q=0` (RFC 9110 §12.5.1)?
fn is_html(element: &[u8]) -> bool {
    let mut parts = element.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    let html = parts.next().is_some_and(|range| range.eq_ignore_ascii_case(b"text/html"));
    html && !parts.any(is_zero_weight)
}

fn is_zero_weight(parameter: &[u8]) -> bool {
    let [b'q' | b'Q', b'=', weight @ ..] = parameter else { return false };
    !weight.is_empty() && weight.iter().all(|byte| matches!(byte, b'0' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As [`read`], after asserting that bytes that come one at a time are told the same way, and
    /// no later.
    fn read_at_once_and_bytewise(bytes: &[u8]) -> Opening<'_> {
        let whole = read(bytes, 0);
        let mut told = (1..=bytes.len()).map(|to| read(&bytes[..to], to - 1));
        let first_told = told.find(|opening| *opening != Opening::NeedMore);
        assert_eq!(first_told.unwrap_or(Opening::NeedMore), whole, "{}", bytes.escape_ascii());
        whole
    }

    fn fault(text: &str) -> Option<Fault> {
        match read_at_once_and_bytewise(text.as_bytes()) {
            Opening::Bad(fault) => Some(fault),
            _ => None,
        }
    }

    fn head_of(text: &str) -> Head<'_> {
        match read_at_once_and_bytewise(text.as_bytes()) {
            Opening::Http(head) => head,
            other => panic!("{text:?}: {other:?}"),
        }
    }

    #[test]
    fn a_browser_asks_for_a_page() {
        let text = "GET /a%20b?c=/d HTTP/1.1\r\nHost: app.example:8080\r\n\
            Accept: application/xml;q=0.9, text/html;q=0.8,*/*\r\n\r\nrest";
        let head = Head {
            method: "GET",
            path: "/a%20b",
            host: Some("app.example:8080"),
            accepts_html: true,
            upgrade: false,
            payload: Payload::Empty,
            len: text.len() - 4,
        };
        assert_eq!(head_of(text), head);
        let after_an_empty_line = format!("\r\n{text}");
        assert_eq!(head_of(&after_an_empty_line), Head { len: head.len + 2, ..head });
    }

    #[test]
    fn only_text_html_by_name_is_a_page() {
        for (accept, html) in [
            ("text/html", true),
            ("TEXT/HTML;level=1;q=0.5", true),
            ("text/html;q=0", false),
            ("text/html; q=0.000", false),
            ("*/*", false),
            ("text/*", false),
            ("text/html2", false),
            ("", false),
        ] {
            let text = format!("GET / HTTP/1.1\r\naccept: {accept}\r\n\r\n");
            assert_eq!(head_of(&text).accepts_html, html, "{accept:?}");
        }
    }

    #[test]
    fn a_target_comes_in_four_forms() {
        for (line, host, path) in [
            ("GET /a/../b?c", "h", "/a/../b"),
            ("GET http://other:81/a?b", "other:81", "/a"),
            ("GET http://other?b", "other", "/"),
            ("OPTIONS *", "h", "*"),
            ("CONNECT other:443", "other:443", ""),
            ("GET //a://b", "h", "//a://b"),
        ] {
            let text = format!("{line} HTTP/1.0\r\nhost: h\r\n\r\n");
            let head = head_of(&text);
            assert_eq!((head.host, head.path), (Some(host), path), "{line}");
        }
    }

    #[test]
    fn upgrades_and_bodies_are_known() {
        let websocket = "GET / HTTP/1.1\r\nConnection: keep-alive, Upgrade\r\n\
            Upgrade: websocket\r\n\r\n";
        assert!(head_of(websocket).upgrade);
        assert!(!head_of("GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n").upgrade);
        for (header, payload) in [
            ("Content-Length: 12", Payload::Length(12)),
            ("Content-Length: 0", Payload::Empty),
            ("Content-Length: 7, 7", Payload::Length(7)),
            ("Transfer-Encoding: Chunked", Payload::Chunked),
            ("X: y", Payload::Empty),
        ] {
            let text = format!("POST / HTTP/1.1\r\n{header}\r\n\r\n");
            assert_eq!(head_of(&text).payload, payload, "{header}");
        }
    }

    #[test]
    fn smuggling_shapes_are_faults() {
        for (headers, what) in [
            (
                "Content-Length: 5\r\nTransfer-Encoding: chunked",
                "both a Content-Length and a Transfer-Encoding",
            ),
            ("Content-Length: 5\r\nContent-Length: 6", "two Content-Lengths that differ"),
            ("Content-Length: +5", "a Content-Length that is no number"),
            ("Transfer-Encoding: xchunked", "a Transfer-Encoding other than chunked"),
            (
                "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
                "a Transfer-Encoding other than chunked",
            ),
            ("Host: a\r\nHost: b", "more than one Host"),
        ] {
            let text = format!("POST / HTTP/1.1\r\n{headers}\r\n\r\n");
            assert_eq!(fault(&text), Some(Fault::Smuggling(what)), "{headers:?}");
        }
        let old = "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(fault(old), Some(Fault::Smuggling("a Transfer-Encoding in HTTP/1.0")));
    }

    #[test]
    fn what_cannot_be_read_is_a_fault() {
        for text in [
            "GET / HTTP/1.1\r\nContent-Length : 5\r\n\r\n",
            "GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n",
            "GET / HTTP/1.1\r\nA: b\rc\r\n\r\n",
            "GET / HTTP/1.1\r\nA: b\0c\r\n\r\n",
            "GET / HTTP/1.1 \r\n\r\n",
            "GET / HTTP/1.2\r\n\r\n",
        ] {
            assert!(matches!(fault(text), Some(Fault::Malformed(_))), "{text:?}");
        }
    }

    #[test]
    fn a_head_has_limits() {
        let head = |len: usize| format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(len - 18));
        assert_eq!(head_of(&head(HEAD_LIMIT)).len, HEAD_LIMIT);
        assert_eq!(fault(&head(HEAD_LIMIT + 1)), Some(Fault::TooLong));
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(200));
        assert_eq!(fault(&many), Some(Fault::TooLong));
        assert_eq!(Fault::TooLong.status(), 431);
    }

    #[test]
    fn other_protocols_are_told_by_their_first_odd_byte() {
        for (bytes, told_after) in [
            (&b"\x16\x03\x01\x02\x00"[..], 1),
            (b"SSH-2.0-OpenSSH_9.2\r\n", 5),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 12),
            (b"OPTIONS rtsp://a/b RTSP/1.0\r\n", 20),
            (b"*1\r\n$4\r\nPING\r\n", 1),
            (b"PING\r\n", 5),
            (b"NICK bob\r\n", 9),
            (b"CONNECT {\"verbose\":true}\r\n", 9),
            (b"GET /\r\n", 6),
            (b"get / HTTP/1.1\r\n\r\n", 1),
            (b"\0\0\0\x08\x04\xd2\x16\x2f", 1),
            (b" GET / HTTP/1.1\r\n\r\n", 1),
            (b"\r\n\r\n", 3),
            (b"ABCDEFGHIJKLMNOPQRSTUVWXYZ", 25),
        ] {
            let shown = bytes.escape_ascii();
            assert_eq!(read_at_once_and_bytewise(bytes), Opening::Other, "{shown}");
            assert_eq!(read(&bytes[..told_after], 0), Opening::Other, "{shown}");
            assert_eq!(read(&bytes[..told_after - 1], 0), Opening::NeedMore, "{shown}");
        }
        assert_eq!(read(b"", 0), Opening::NeedMore);
    }
}
