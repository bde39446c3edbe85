//! The wire as `pveproxy` speaks it: TLS, HTTP/1, five seconds of patience, a hundred requests.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::answer::{self, Answer};
use super::schema::Rule;
use super::state::{Mood, State};
use crate::net::tls::file;

/// After so many requests a connection is closed.
const REQUESTS: usize = 100;

/// How often one who waits looks up.
const TICK: Duration = Duration::from_millis(5);

/// What came.
#[derive(Debug, Default)]
pub struct Request {
    pub method: String,
    /// Path and query as they were sent.
    pub target: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// What goes back.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub reason: String,
    /// Asked of pvedaemon.
    pub relayed: bool,
    pub body: Body,
}

#[derive(Debug)]
pub enum Body {
    /// No body, no length, no type: it ends by the close.
    None,
    Text(String),
    Json(String),
}

type Tls = StreamOwned<ServerConnection, TcpStream>;

/// A server's configuration with this certificate of `testdata/tls`.
pub fn config(certificate: &str) -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider);
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let key = PrivateKeyDer::from_pem_file(file("server.key")).unwrap();
    let chain = vec![CertificateDer::from_pem_file(file(certificate)).unwrap()];
    Arc::new(builder.with_single_cert(chain, key).unwrap())
}

/// Accepts until the state says that it is over.
pub fn serve(
    listener: &TcpListener,
    tls: &Arc<ServerConfig>,
    state: &Arc<Mutex<State>>,
    rules: &Arc<Vec<Rule>>,
) {
    for stream in listener.incoming().flatten() {
        let number = {
            let mut state = state.lock().unwrap();
            if state.over {
                return;
            }
            state.connections += 1;
            state.connections - 1
        };
        let (tls, state, rules) = (tls.clone(), state.clone(), rules.clone());
        thread::spawn(move || attend(stream, &tls, Desk { state, rules, number }));
    }
}

/// One connection's.
struct Desk {
    state: Arc<Mutex<State>>,
    rules: Arc<Vec<Rule>>,
    number: usize,
}

impl Desk {
    fn mood(&self) -> Mood {
        let state = self.state.lock().unwrap();
        if state.over { Mood::Refuses } else { state.mood }
    }

    fn is_over(&self) -> bool {
        self.state.lock().unwrap().over
    }
}

/// Until either side hangs up, which `None` says.
fn attend(stream: TcpStream, tls: &Arc<ServerConfig>, desk: Desk) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    match desk.mood() {
        Mood::Refuses => return None,
        Mood::Deaf => hold(&stream, || desk.mood() == Mood::Deaf)?,
        Mood::Answers | Mood::Hangs => {}
    }
    let mut stream = StreamOwned::new(ServerConnection::new(tls.clone()).ok()?, stream);
    for count in 1..=REQUESTS {
        let idle = desk.state.lock().unwrap().idle;
        let Some(request) = read(&mut stream, idle) else { break };
        let answer = {
            let mut state = desk.state.lock().unwrap();
            state.note(&request, desk.number);
            match state.mood {
                Mood::Answers => answer::answer(&mut state, &desk.rules, &request, Instant::now()),
                Mood::Hangs | Mood::Deaf => Answer::Never,
                Mood::Refuses => return None,
            }
        };
        let reply = match answer {
            Answer::Now(reply) => reply,
            Answer::After(wait, reply) => {
                let end = Instant::now() + wait;
                hold(&stream.sock, || Instant::now() < end && !desk.is_over())?;
                reply
            }
            Answer::Never => {
                hold(&stream.sock, || !desk.is_over())?;
                return None;
            }
        };
        let closes = reply.status >= 400 || count == REQUESTS;
        let release = desk.state.lock().unwrap().release.number();
        stream.write_all(&written(&reply, &request, (release, closes))).ok()?;
        stream.flush().ok()?;
        if closes {
            break;
        }
    }
    stream.conn.send_close_notify();
    stream.flush().ok()
}

/// Waits as long as it shall; `None`: the other side left meanwhile.
fn hold(stream: &TcpStream, shall: impl Fn() -> bool) -> Option<()> {
    stream.set_nonblocking(true).ok()?;
    let held = loop {
        match stream.peek(&mut [0]) {
            Ok(0) => break None,
            Err(error) if error.kind() != ErrorKind::WouldBlock => break None,
            _ if !shall() => break Some(()),
            _ => thread::sleep(TICK),
        }
    };
    stream.set_nonblocking(false).ok()?;
    held
}

/// The next request; `None`: the client left, or said nothing for too long.
fn read(stream: &mut Tls, idle: Duration) -> Option<Request> {
    stream.sock.set_read_timeout(Some(idle)).ok()?;
    parsed(stream)
}

/// The request that comes from there.
pub fn parsed(stream: &mut impl Read) -> Option<Request> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).ok()?;
    let mut lines = head.split("\r\n");
    let mut words = lines.next()?.split(' ').map(str::to_owned);
    let (method, target) = (words.next()?, words.next()?);
    let header = |line: &str| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_ascii_lowercase(), value.trim().to_owned()))
    };
    let headers = lines.filter_map(header).collect();
    let mut request = Request { method, target, headers, body: Vec::new() };
    let length = request.header("content-length").and_then(|length| length.parse().ok());
    request.body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut request.body).ok()?;
    Some(request)
}

/// The reply's bytes. What pvedaemon says comes with its own Connection before the proxy's, as it
/// was recorded.
fn written(reply: &Reply, request: &Request, (release, closes): (u32, bool)) -> Vec<u8> {
    let connection: &[&str] = match (reply.relayed, request.method.as_str()) {
        _ if closes => &["close"],
        (true, "GET") if release < 8 => &["Keep-Alive", "Keep-Alive"],
        (true, _) => &["close", "Keep-Alive"],
        (false, _) => &["Keep-Alive"],
    };
    let Reply { status, reason, .. } = reply;
    let mut text = format!("HTTP/1.1 {status} {reason}\r\nCache-Control: max-age=0\r\n");
    for word in connection {
        text += &format!("Connection: {word}\r\n");
    }
    text += "Date: Sat, 21 Nov 2026 03:10:56 GMT\r\nPragma: no-cache\r\n";
    text += "Server: pve-api-daemon/3.0\r\n";
    let (body, kind) = match &reply.body {
        Body::Json(body) => (body.as_str(), "Content-Type: application/json;charset=UTF-8\r\n"),
        Body::Text(body) => (body.as_str(), ""),
        Body::None => ("", ""),
    };
    if !matches!(reply.body, Body::None) {
        text += &format!("Content-Length: {}\r\n{kind}", body.len());
    }
    text += "Expires: Sat, 21 Nov 2026 03:10:56 GMT\r\n\r\n";
    (text + body).into_bytes()
}

/// Without its `%XX` and, as a form has it, `+`.
pub fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}
