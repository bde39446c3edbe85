//! Calls, one at a time, each until its answer or its deadline: what the one-shot verbs use. Not
//! for the daemon's loop.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::{Duration, Instant};

use log::debug;
use ureq::http::{self, HeaderMap, Response};
use ureq::{Agent, BodyReader};

use crate::error::{Error, Why};
use crate::http::{Call, Method, Patience, Prefix, Reply};
use crate::net::Endpoint;
use crate::net::link::{Fault, Limit, NoResolver, Opener, StatusLine, ended_early, wants_tls};
use crate::net::stream::Dialer;
use crate::net::wait::Deadline;

/// The longest status line with headers.
pub const HEAD_LIMIT_BYTES: usize = 64 << 10;

/// The longest body of a reply that is read whole: a list of 100,000 containers is 160 MB.
pub const BODY_LIMIT_BYTES: usize = 256 << 20;

/// How long a call with [`Patience::Ordinary`] may take.
pub const ORDINARY_LIMIT: Duration = Duration::from_secs(30);

const USER_AGENT: &str = concat!("drowse/", env!("CARGO_PKG_VERSION"));

/// A client of one endpoint. Its connection is kept and used again; a [`Client::stream`] has its
/// own.
#[derive(Debug)]
pub struct Client {
    dialer: Arc<Dialer>,
    agent: Agent,
    limit: Limit,
    line: StatusLine,
    prefix: String,
}

/// The decoded bytes of a reply as they come, without a time limit. Its errors carry a [`Why`]:
/// see [`why`].
pub struct Body(Option<BodyReader<'static>>);

impl Client {
    /// Reads the endpoint's certificates. Nothing is connected yet.
    pub fn open(endpoint: &Endpoint) -> Result<Client, Why> {
        let dialer = Arc::new(Dialer::new(endpoint)?);
        let (limit, line) = (Limit::default(), StatusLine::default());
        let agent = agent(&dialer, &limit, &line);
        Ok(Client { dialer, agent, limit, line, prefix: String::new() })
    }

    /// Puts [`Prefix::Versioned`] calls below `prefix`, as `/v1.41`.
    pub fn under(&mut self, prefix: String) {
        self.prefix = prefix;
    }

    /// Runs the call until its whole reply is read: no longer than its own patience, nor than
    /// `until`. A `GET` on a connection that turns out to be stale is sent once more, nothing else
    /// is.
    pub fn run<T>(&self, call: &Call<T>, until: Instant) -> Result<T, Error> {
        let reply = self.whole_reply(call, until).map_err(stale_is_broken);
        self.tell(call, reply.as_ref().map(|reply| reply.status));
        let result = reply.and_then(|reply| (call.read)(reply));
        result.map_err(|why| why.during(call.what.as_str(), self.url()))
    }

    /// Runs the call until the head of its reply, on a connection of its own. The body follows as
    /// it comes; of an error it is read here, in the same time, for `call.read`.
    pub fn stream<T>(&self, call: &Call<T>, until: Instant) -> Result<(T, Body), Error> {
        let begun = self.begun_reply(call, until).map_err(stale_is_broken);
        self.tell(call, begun.as_ref().map(|(reply, _)| reply.status));
        let result = begun.and_then(|(reply, body)| Ok(((call.read)(reply)?, body)));
        result.map_err(|why| why.during(call.what.as_str(), self.url()))
    }

    fn whole_reply<T>(&self, call: &Call<T>, until: Instant) -> Result<Reply, Fault> {
        self.limit.set(Some(deadline(call.patience, until)));
        match (self.send(&self.agent, call), call.request.method) {
            (Err(Fault::Stale), Method::Get) => whole(self.send(&self.agent, call)?, &self.line),
            (sent, _) => whole(sent?, &self.line),
        }
    }

    fn begun_reply<T>(&self, call: &Call<T>, until: Instant) -> Result<(Reply, Body), Fault> {
        let limit = Limit::default();
        limit.set(Some(deadline(call.patience, until)));
        let line = StatusLine::default();
        let response = self.send(&agent(&self.dialer, &limit, &line), call)?;
        if !response.status().is_success() {
            return Ok((whole(response, &line)?, Body(None)));
        }
        limit.set(None);
        Ok(head(response))
    }

    fn send<T>(&self, agent: &Agent, call: &Call<T>) -> Result<Response<ureq::Body>, Fault> {
        let request = &call.request;
        let prefix = match call.prefix {
            Prefix::Versioned => self.prefix.as_str(),
            Prefix::Bare => "",
        };
        let mut asked = http::Request::builder()
            .method(method(request.method))
            .uri(format!("http://engine{prefix}{}", request.path))
            .header("host", &self.dialer.endpoint().authority);
        for (name, value) in &request.headers {
            asked = asked.header(*name, value);
        }
        // Without a body ureq would send an empty chunked one with a POST, which engines refuse.
        let sent = match request.method {
            Method::Post | Method::Put => agent.run(sendable(asked.body(&request.body[..]))?),
            Method::Get | Method::Head | Method::Delete if request.body.is_empty() => {
                agent.run(sendable(asked.body(()))?)
            }
            Method::Get | Method::Head | Method::Delete => {
                unreachable!("{} has a body that its method can't have", call.what)
            }
        };
        sent.map_err(fault)
    }

    fn url(&self) -> &str {
        &self.dialer.endpoint().url
    }

    fn tell<T>(&self, call: &Call<T>, status: Result<u16, &Why>) {
        let (url, what, path) = (self.url(), &call.what, &call.request.path);
        match status {
            Ok(status) => debug!("{url}: {what}: {:?} {path}: {status}", call.request.method),
            Err(why) => debug!("{url}: {what}: {:?} {path}: {why}", call.request.method),
        }
    }
}

impl Read for Body {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.as_mut().map_or(Ok(0), |reader| reader.read(buf))
    }
}

/// What an error of a [`Body`] means.
pub fn why(error: io::Error) -> Why {
    stale_is_broken(body_fault(error))
}

fn agent(dialer: &Arc<Dialer>, limit: &Limit, line: &StatusLine) -> Agent {
    let config = Agent::config_builder()
        .proxy(None)
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .user_agent(USER_AGENT)
        .accept("")
        .accept_encoding("")
        .max_response_header_size(HEAD_LIMIT_BYTES)
        .max_idle_connections(1)
        .max_idle_connections_per_host(1)
        .build();
    let opener = Opener { dialer: dialer.clone(), limit: limit.clone(), line: line.clone() };
    Agent::with_parts(config, opener, NoResolver)
}

fn deadline(patience: Patience, until: Instant) -> Deadline {
    let now = Instant::now();
    match patience {
        Patience::Ordinary => Deadline::within(ORDINARY_LIMIT, until, now),
        Patience::Within(limit) => Deadline::within(limit, until, now),
        Patience::Endless => Deadline::by(until, now),
    }
}

fn method(method: Method) -> http::Method {
    match method {
        Method::Get => http::Method::GET,
        Method::Head => http::Method::HEAD,
        Method::Post => http::Method::POST,
        Method::Put => http::Method::PUT,
        Method::Delete => http::Method::DELETE,
    }
}

fn sendable<B>(built: Result<http::Request<B>, http::Error>) -> Result<http::Request<B>, Fault> {
    built.map_err(|error| Fault::Why(Why::Invalid(format!("it can't be sent: {error}"))))
}

fn head(response: Response<ureq::Body>) -> (Reply, Body) {
    let (head, body) = response.into_parts();
    let (status, headers) = (head.status.as_u16(), headers(&head.headers));
    (Reply { status, headers, ..Reply::default() }, Body(Some(body.into_reader())))
}

fn whole(response: Response<ureq::Body>, line: &StatusLine) -> Result<Reply, Fault> {
    let announced = response.body().content_length().unwrap_or_default();
    if announced > BODY_LIMIT_BYTES as u64 {
        return Err(Fault::Why(too_long(BODY_LIMIT_BYTES)));
    }
    let (mut reply, body) = head(response);
    reply.body = read_up_to(BODY_LIMIT_BYTES, body)?;
    if reply.status >= 400 {
        reply.reason = line.reason();
    }
    if reply.status == 400 && is_go_s_word_for_tls(&reply.body) {
        return Err(Fault::Why(wants_tls()));
    }
    Ok(reply)
}

fn read_up_to(limit: usize, body: impl Read) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    let read = body.take(limit as u64 + 1).read_to_end(&mut bytes);
    read.map_err(body_fault)?;
    if bytes.len() > limit {
        return Err(Fault::Why(too_long(limit)));
    }
    Ok(bytes)
}

/// Names come in lower case from the `http` crate; values that are not UTF-8 keep what is.
fn headers(map: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    map.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect()
}

/// What Go's servers (engines, agents) and nginx answer to plain HTTP on their TLS port.
fn is_go_s_word_for_tls(body: &[u8]) -> bool {
    let body = String::from_utf8_lossy(body);
    body.contains("HTTP request to an HTTPS server")
        || body.contains("plain HTTP request was sent to HTTPS port")
}

fn fault(error: ureq::Error) -> Fault {
    use ureq::Error as E;
    let error = match error {
        E::Other(inner) => match inner.downcast::<Fault>() {
            Ok(fault) => return *fault,
            Err(other) => E::Other(other),
        },
        error => error,
    };
    Fault::Why(match error {
        E::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => ended_early(),
        E::BodyStalled => ended_early(),
        E::LargeResponseHeader(..) => Why::NotAnEngine(format!(
            "the head of its reply is longer than {} KiB",
            HEAD_LIMIT_BYTES >> 10
        )),
        E::Protocol(error) => {
            let text = error.to_string();
            let text = text.trim_start_matches("http parse fail: ");
            Why::NotAnEngine(format!("what answers there does not speak HTTP: {text}"))
        }
        E::Http(error) => Why::Invalid(format!("it can't be sent: {error}")),
        E::BadUri(text) => Why::Invalid(format!("it can't be sent: bad path: {text}")),
        other => Why::Broken(other.to_string()),
    })
}

/// After its head what follows is an engine's, but spoilt.
fn body_fault(error: io::Error) -> Fault {
    match fault(ureq::Error::from(error)) {
        Fault::Why(Why::NotAnEngine(text)) => Fault::Why(Why::Broken(text)),
        fault => fault,
    }
}

fn stale_is_broken(fault: Fault) -> Why {
    match fault {
        Fault::Stale => {
            Why::Broken("the other side closed the connection without an answer".into())
        }
        Fault::Why(why) => why,
    }
}

fn too_long(limit: usize) -> Why {
    Why::Broken(format!("the reply is longer than {} MiB", limit >> 20))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_read_up_to_its_limit_and_no_further() {
        let read =
            |limit| read_up_to(limit, io::repeat(b'x').take(2 << 20)).map_err(stale_is_broken);
        assert_eq!(read(2 << 20).unwrap().len(), 2 << 20);
        let text = "the reply is longer than 1 MiB";
        assert_eq!(read(1 << 20).unwrap_err(), Why::Broken(text.into()));
    }

    #[test]
    fn the_shorter_of_the_call_s_patience_and_the_caller_s_limits_a_call() {
        let later = |seconds| Instant::now() + Duration::from_secs(seconds);
        let allowed = |patience, seconds| deadline(patience, later(seconds)).allowed.as_secs_f64();
        let within = Patience::Within(Duration::from_secs(100));
        assert_eq!(allowed(Patience::Ordinary, 60), 30.0);
        assert_eq!(allowed(within, 200), 100.0);
        assert!((4.0..=5.0).contains(&allowed(within, 5)));
        assert!((599.0..=600.0).contains(&allowed(Patience::Endless, 600)));
    }
}
