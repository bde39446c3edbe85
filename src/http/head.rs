//! What a connection at a door begins with: an HTTP/1 request's head, or something else. Pure; the
//! caller keeps the bytes and passes them on as they came.

use httparse::{Header, Status};

use super::framing::{self, Framing};

/// The most bytes of a request's head.
pub const HEAD_LIMIT: usize = 16 * 1024;

/// The longest method that is taken for HTTP.
const METHOD_LIMIT: usize = 24;

/// What comes after the target, whatever the minor version.
const VERSION: &[u8] = b"HTTP/1.";

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

/// A look at the first bytes of one connection, each byte once.
#[derive(Clone, Copy, Debug, Default)]
pub struct Look {
    seen: usize,
    line: Line,
}

impl Look {
    /// Tells what it is, as early as can be. `bytes` is all that came so far, from the first byte
    /// on; ask again with more after [`Opening::NeedMore`], and only then.
    pub fn at<'a>(&mut self, bytes: &'a [u8]) -> Opening<'a> {
        let bytes = bytes.get(..HEAD_LIMIT).unwrap_or(bytes);
        for byte in bytes.get(self.seen..).unwrap_or_default() {
            match self.line.step(*byte) {
                Some(line) => self.line = line,
                None => return Opening::Other,
            }
        }
        let skipped = if bytes.starts_with(b"\r\n") { 2 } else { 0 };
        let request = bytes.get(skipped..).unwrap_or_default();
        let Some(len) = framing::head_len(request, self.seen.saturating_sub(skipped)) else {
            self.seen = bytes.len();
            let full = self.seen == HEAD_LIMIT;
            return if full { Opening::Bad(Fault::TooLong) } else { Opening::NeedMore };
        };
        match head(request.get(..len).unwrap_or_default()) {
            Ok(head) => Opening::Http(Head { len: len + skipped, ..head }),
            Err(fault) => Opening::Bad(fault),
        }
    }
}

/// The request line up to where it is HTTP/1, by what comes next. An empty line may come before it
/// (RFC 9112 §2.2), and any method of capitals will do.
#[derive(Clone, Copy, Debug, Default)]
enum Line {
    #[default]
    Start,
    /// The LF of an empty line.
    Feed,
    /// So many bytes of a method are there.
    Method(usize),
    Target,
    RestOfTarget,
    /// So many bytes of [`VERSION`] are there.
    Version(usize),
    Http,
}

impl Line {
    /// One byte on; `None`: it is not HTTP/1.
    fn step(self, byte: u8) -> Option<Line> {
        match (self, byte) {
            (Line::Start, b'\r') => Some(Line::Feed),
            (Line::Start, _) => Line::Method(0).step(byte),
            (Line::Feed, b'\n') => Some(Line::Method(0)),
            (Line::Method(len @ ..METHOD_LIMIT), b'A'..=b'Z' | b'-') => Some(Line::Method(len + 1)),
            (Line::Method(1..), b' ') => Some(Line::Target),
            (Line::Target, b'/' | b'*' | b'[') => Some(Line::RestOfTarget),
            (Line::Target, _) if byte.is_ascii_alphanumeric() => Some(Line::RestOfTarget),
            (Line::RestOfTarget, b' ') => Some(Line::Version(0)),
            (Line::RestOfTarget, b'!'..=b'~' | 0x80..) => Some(Line::RestOfTarget),
            (Line::Version(len), _) => match VERSION.get(len..) {
                Some([next]) if *next == byte => Some(Line::Http),
                Some([next, ..]) if *next == byte => Some(Line::Version(len + 1)),
                _ => None,
            },
            (Line::Http, _) => Some(Line::Http),
            (Line::Feed | Line::Method(_) | Line::Target | Line::RestOfTarget, _) => None,
        }
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
