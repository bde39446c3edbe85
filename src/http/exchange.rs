//! The client's side of one request on one HTTP/1.1 connection (RFC 9112). Pure: the caller moves
//! the bytes, keeps the time, and limits what it collects of a body. No redirects, no retries.
//!
//! ```text
//! outgoing/wrote:  the request, at any time
//! feed:            Head ─1xx→ Head ─head→ Body ─its end→ Done
//! end:             fine in Done and in a body that ends by close
//! ```

use super::body::Body;
use super::framing::{self, Framing};
use super::{Method, Reply, Request};
use crate::error::Why;

/// The most bytes of a reply's head, interim replies (1xx) before it included.
const HEAD_LIMIT: usize = 64 * 1024;

/// What every HTTP/1 reply begins with.
const BEGINNING: &[u8] = b"HTTP/1.";

/// One request and its reply on one connection.
#[derive(Debug)]
pub struct Exchange {
    request: Vec<u8>,
    written: usize,
    method: Method,
    /// May the connection be used again, as far as is known?
    reuse: bool,
    head: Option<Reply>,
    state: State,
}

/// How far the reply has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The head is not complete.
    Head,
    /// The head is there, the body is not at its end.
    Body,
    /// All of it is there.
    Done(Afterwards),
}

/// What becomes of the connection after a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Afterwards {
    /// It may carry another request.
    Reuse,
    /// It must be closed.
    Close,
}

#[derive(Debug)]
enum State {
    Head(Gathered),
    Body(Body),
    Done,
    Failed(Why),
}

/// A head that is not complete.
#[derive(Debug, Default)]
struct Gathered {
    bytes: Vec<u8>,
    interim_bytes: usize,
}

impl Exchange {
    /// Writes the request: `prefix` (`/v1.41` or nothing) goes before the path, `authority` into
    /// the Host header. POST and PUT have a Content-Length even without a body, and nothing ever
    /// has a Transfer-Encoding: Docker refuses it on `start`.
    ///
    /// # Errors
    /// [`Why::Invalid`] if a part of it would break the request's lines, a secret that ends in a
    /// newline for example. The text names the part, not its value.
    pub fn new(request: &Request, authority: &str, prefix: &str) -> Result<Exchange, Why> {
        let asks_close = |(name, value): &(&str, String)| {
            *name == "connection" && value.eq_ignore_ascii_case("close")
        };
        Ok(Exchange {
            request: written(request, authority, prefix)?,
            written: 0,
            method: request.method,
            reuse: !request.headers.iter().any(asks_close),
            head: None,
            state: State::Head(Gathered::default()),
        })
    }

    /// What is still to be sent; empty: all of it was.
    pub fn outgoing(&self) -> &[u8] {
        self.request.get(self.written..).unwrap_or_default()
    }

    /// So many bytes of [`outgoing`](Exchange::outgoing) were sent.
    pub fn wrote(&mut self, count: usize) {
        self.written += count;
        if self.outgoing().is_empty() {
            self.request = Vec::new();
            self.written = 0;
        }
    }

    /// Takes all of `input` and appends what it holds of the decoded body to `body`, which grows
    /// by no more than `input`. Bytes after the reply's end are dropped, and the connection with
    /// them. What follows a 101 is passed on like a body that ends by close.
    ///
    /// # Errors
    /// [`Why::NotAnEngine`] if it is not HTTP/1, [`Why::Broken`] if it can't be read; the same
    /// again for whatever comes after. The body up to there is in `body`.
    pub fn feed(&mut self, input: &[u8], body: &mut Vec<u8>) -> Result<Progress, Why> {
        let mut rest = input;
        while !rest.is_empty() {
            match self.step(rest, body) {
                Ok(used) => rest = rest.get(used..).unwrap_or_default(),
                Err(why) => {
                    self.state = State::Failed(why.clone());
                    return Err(why);
                }
            }
        }
        Ok(self.progress())
    }

    /// The other side closed. Fine if the reply is complete, or ends by that.
    ///
    /// # Errors
    /// [`Why::Broken`]: the reply ended early; or what [`feed`](Exchange::feed) said.
    pub fn end(&mut self) -> Result<(), Why> {
        self.reuse = false;
        let early = |what: &str| Err(Why::Broken(what.to_string()));
        match &self.state {
            State::Head(_) if self.unanswered() => early("the connection closed before any reply"),
            State::Head(_) => early("the reply ended early: its head is not complete"),
            State::Failed(why) => Err(why.clone()),
            State::Done => Ok(()),
            State::Body(body) => {
                body.end()?;
                self.state = State::Done;
                Ok(())
            }
        }
    }

    /// How far the reply has come. Says nothing after an error.
    pub fn progress(&self) -> Progress {
        match &self.state {
            State::Done if self.reuse && self.outgoing().is_empty() => {
                Progress::Done(Afterwards::Reuse)
            }
            State::Done => Progress::Done(Afterwards::Close),
            State::Body(_) => Progress::Body,
            State::Head(_) | State::Failed(_) => Progress::Head,
        }
    }

    /// Has not a single byte of a reply come? Then a GET on a connection that was used before may
    /// be sent again on another one (RFC 9112 §9.3.1).
    pub fn unanswered(&self) -> bool {
        matches!(&self.state, State::Head(Gathered { bytes, interim_bytes: 0 }) if bytes.is_empty())
    }

    /// Status and headers as soon as they are complete, until they are taken; no body.
    pub fn head(&self) -> Option<&Reply> {
        self.head.as_ref()
    }

    /// As [`head`](Exchange::head), and gives it away.
    pub fn take_head(&mut self) -> Option<Reply> {
        self.head.take()
    }

    /// Takes a part of `input`; returns how many bytes, at least one.
    fn step(&mut self, input: &[u8], body: &mut Vec<u8>) -> Result<usize, Why> {
        match &mut self.state {
            State::Head(gathered) => {
                let (used, complete) = gathered.take(input)?;
                if complete {
                    let head = read_head(&gathered.bytes)?;
                    self.receive(head);
                }
                Ok(used)
            }
            State::Body(reading) => {
                let used = reading.feed(input, body)?;
                if reading.complete() {
                    self.state = State::Done;
                }
                Ok(used)
            }
            State::Done => {
                self.reuse = false;
                Ok(input.len())
            }
            State::Failed(why) => Err(why.clone()),
        }
    }

    /// What comes after this head (RFC 9112 §6.3 and §9.3).
    fn receive(&mut self, head: Head) {
        let status = head.reply.status;
        if let State::Head(gathered) = &mut self.state
            && (100..200).contains(&status)
            && status != 101
        {
            gathered.interim_bytes += gathered.bytes.len();
            gathered.bytes.clear();
            return;
        }
        let bodiless = self.method == Method::Head || matches!(status, 204 | 304);
        let (body, sound) = match head.framing {
            _ if status == 101 => (Body::UntilClose, false),
            _ if bodiless => (Body::Length(0), true),
            Framing { chunked: true, length } => (Body::chunked(), length.is_none() && !head.old),
            Framing { length: Some(length), .. } => (Body::Length(length), true),
            Framing { length: None, .. } => (Body::UntilClose, false),
        };
        self.reuse &= sound && head.persists;
        self.state = if body.complete() { State::Done } else { State::Body(body) };
        self.head = Some(head.reply);
    }
}

impl Gathered {
    /// Takes what `input` holds of the head: how many bytes, and whether the head is complete.
    fn take(&mut self, input: &[u8]) -> Result<(usize, bool), Why> {
        let seen = self.bytes.len();
        let room = HEAD_LIMIT.saturating_sub(self.interim_bytes + seen);
        self.bytes.extend_from_slice(input.get(..room).unwrap_or(input));
        let count = self.bytes.len().min(BEGINNING.len());
        if self.bytes.get(..count) != BEGINNING.get(..count) {
            return Err(not_http(&self.bytes));
        }
        if let Some(len) = framing::head_len(&self.bytes, seen) {
            self.bytes.truncate(len);
            return Ok((len - seen, true));
        }
        if self.interim_bytes + self.bytes.len() >= HEAD_LIMIT {
            let limit_kib = HEAD_LIMIT / 1024;
            return Err(Why::Broken(format!("the reply's head is longer than {limit_kib} KiB")));
        }
        Ok((self.bytes.len() - seen, false))
    }
}

fn not_http(bytes: &[u8]) -> Why {
    const SHOWN: usize = 16;
    let beginning = bytes.get(..SHOWN).unwrap_or(bytes).escape_ascii();
    Why::NotAnEngine(format!("what answers there does not speak HTTP/1: it began \"{beginning}\""))
}

/// A complete head. One that contradicts itself is refused, even where no body would come.
struct Head {
    reply: Reply,
    framing: Framing,
    /// HTTP/1.0, where a chunked body is a sign of a broken server (RFC 9112 §6.1).
    old: bool,
    /// The other side keeps the connection (RFC 9112 §9.3).
    persists: bool,
}

fn read_head(bytes: &[u8]) -> Result<Head, Why> {
    let unreadable = |what: String| Why::Broken(format!("the reply's head can't be read: {what}"));
    let mut headers = [httparse::EMPTY_HEADER; framing::HEADERS_LIMIT];
    let mut parsed = httparse::Response::new(&mut headers);
    match parsed.parse(bytes) {
        Ok(httparse::Status::Complete(len)) if len == bytes.len() => {}
        Ok(_) => return Err(unreadable("no end where one should be".to_string())),
        Err(error) => return Err(unreadable(error.to_string())),
    }
    let headers = &*parsed.headers;
    let status = parsed.code.unwrap_or_default();
    if status < 100 {
        return Err(unreadable(format!("a status of {status:03}")));
    }
    let old = parsed.version == Some(0);
    let lists = |token| framing::lists(headers, "connection", token);
    let reason = parsed.reason.filter(|_| status >= 400).unwrap_or_default().to_owned();
    let owned = headers.iter().map(owned).collect();
    Ok(Head {
        reply: Reply { status, reason, headers: owned, body: Vec::new() },
        framing: framing::framing(headers).map_err(|what| unreadable(what.to_string()))?,
        old,
        persists: !lists("close") && (!old || lists("keep-alive")),
    })
}

fn owned(header: &httparse::Header<'_>) -> (String, String) {
    let value = String::from_utf8_lossy(header.value.trim_ascii());
    (header.name.to_ascii_lowercase(), value.into_owned())
}

/// The bytes of a request.
fn written(request: &Request, authority: &str, prefix: &str) -> Result<Vec<u8>, Why> {
    let method = match request.method {
        Method::Get => "GET",
        Method::Head => "HEAD",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Delete => "DELETE",
    };
    let target = format!("{prefix}{}", request.path);
    if !target.starts_with('/') || !target.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Why::Invalid("a path that is not percent-encoded".to_string()));
    }
    let agent = concat!("drowse/", env!("CARGO_PKG_VERSION"));
    let mut text = format!("{method} {target} HTTP/1.1\r\n");
    header(&mut text, "Host", authority)?;
    header(&mut text, "User-Agent", agent)?;
    if matches!(request.method, Method::Post | Method::Put) || !request.body.is_empty() {
        header(&mut text, "Content-Length", &request.body.len().to_string())?;
    }
    for (name, value) in &request.headers {
        if matches!(*name, "host" | "content-length" | "transfer-encoding") {
            return Err(Why::Invalid(format!("the header {name} is not a request's own")));
        }
        header(&mut text, name, value)?;
    }
    text.push_str("\r\n");
    let mut bytes = text.into_bytes();
    bytes.extend_from_slice(&request.body);
    Ok(bytes)
}

fn header(text: &mut String, name: &str, value: &str) -> Result<(), Why> {
    if value.chars().any(char::is_control) {
        return Err(Why::Invalid(format!("a control character in the header {name}")));
    }
    for part in [name, ": ", value, "\r\n"] {
        text.push_str(part);
    }
    Ok(())
}
