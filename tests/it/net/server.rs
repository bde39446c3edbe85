//! A server that does what a script says, over any stream. No HTTP server: it finds the end of a
//! request and nothing else.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use drowse::error::Why;
use drowse::http::{Call, Method, Patience, Prefix, Reply, Request};
use drowse::net::blocking::Client;
use drowse::net::{Endpoint, Route};

/// What is done on one connection: each item answers one request. Then it is closed.
pub type Script = Vec<Answer>;

/// How one request is answered.
pub enum Answer {
    /// With these bytes.
    Bytes(Vec<u8>),
    /// With a 200 and this text.
    Text(&'static str),
    /// Not, and the connection stays until the client leaves it.
    Silence,
    /// By closing.
    Close,
}

/// A running server; `join` gives the requests it read, one text each.
pub type Server = JoinHandle<Vec<String>>;

pub trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

/// Serves a Unix socket: one script for each connection, in their order.
pub fn unix(path: &Path, scripts: Vec<Script>) -> (Endpoint, Server) {
    let listener = UnixListener::bind(path).unwrap();
    let route = Route::Unix(path.into());
    let endpoint =
        Endpoint { url: format!("unix://{}", path.display()), authority: "docker".into(), route };
    let accept = move || listener.accept().unwrap().0;
    (endpoint, serve(scripts, accept, |stream: UnixStream| stream))
}

/// Serves a loopback port; `wrap` may put TLS around a connection.
pub fn tcp<S: Stream>(
    scripts: Vec<Script>,
    wrap: impl Fn(TcpStream) -> S + Send + 'static,
) -> (Endpoint, Server) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let route = Route::Tcp { host: "localhost".into(), port };
    let authority = format!("localhost:{port}");
    let endpoint = Endpoint { url: format!("tcp://{authority}"), authority, route };
    let accept = move || listener.accept().unwrap().0;
    (endpoint, serve(scripts, accept, wrap))
}

fn serve<A, S: Stream>(
    scripts: Vec<Script>,
    accept: impl Fn() -> A + Send + 'static,
    wrap: impl Fn(A) -> S + Send + 'static,
) -> Server {
    std::thread::spawn(move || {
        let mut seen = Vec::new();
        for script in scripts {
            play(&mut wrap(accept()), script, &mut seen);
        }
        seen
    })
}

fn play(stream: &mut impl Stream, script: Script, seen: &mut Vec<String>) {
    for answer in script {
        let Some(request) = read_request(stream) else { return };
        seen.push(request);
        // The client may have left: what it makes of that is what is tested.
        let _ = match answer {
            Answer::Bytes(bytes) => stream.write_all(&bytes),
            Answer::Text(text) => stream.write_all(&ok(text)),
            Answer::Silence => stream.read(&mut [0]).map(drop),
            Answer::Close => return,
        };
        let _ = stream.flush();
    }
}

/// Head and body as they came; `None` when the client leaves first.
pub fn read_request(stream: &mut impl Read) -> Option<String> {
    let mut text = Vec::new();
    while !text.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        text.push(byte[0]);
    }
    let head = String::from_utf8(text).unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body).ok()?;
    Some(head + &String::from_utf8_lossy(&body))
}

pub fn ok(text: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len()).into_bytes()
}

/// A call whose result is its reply.
pub fn call(method: Method, path: &str) -> Call<Reply> {
    let request = Request { method, path: path.into(), headers: Vec::new(), body: Vec::new() };
    Call {
        what: "try".into(),
        request,
        prefix: Prefix::Bare,
        patience: Patience::Ordinary,
        read: Ok,
    }
}

/// Plenty: only a test that fails waits for it.
pub fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

/// The body of a `GET` as text, or why there is none.
pub fn get(client: &Client, path: &str) -> Result<String, Why> {
    let reply = client.run(&call(Method::Get, path), soon()).map_err(|error| error.why)?;
    Ok(String::from_utf8(reply.body).unwrap())
}
