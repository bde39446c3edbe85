//! Servers that behave like an engine, or badly on purpose, on sockets of their own. Each lives in
//! threads that end with the test program.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::thread;
use std::time::Duration;

/// What a server does with one request.
pub enum Deed {
    /// Sends these bytes and waits for the next request.
    Say(Vec<u8>),
    /// Sends these bytes and hangs up.
    Die(Vec<u8>),
    /// Sends these bytes, then that piece so many times, and hangs up.
    GoOn(Vec<u8>, Vec<u8>, usize),
    /// Sends a byte a second of these.
    Drip(Vec<u8>),
    /// Holds the connection and never says a word.
    Nothing,
}

/// A server's manners: the request line without its HTTP version, `GET /_ping`, to a deed.
pub type Manner = fn(&str) -> Deed;

/// Serves on `dir/name`; its URL.
pub fn unix(dir: &Path, name: &str, manner: Manner) -> String {
    let path = dir.join(name);
    let listener = UnixListener::bind(&path).unwrap();
    thread::spawn(move || {
        listener.incoming().flatten().for_each(|stream| attend(stream, manner));
    });
    format!("unix://{}", path.display())
}

/// Serves on a free port of 127.0.0.1; its URL.
pub fn tcp(manner: Manner) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        listener.incoming().flatten().for_each(|stream| attend(stream, manner));
    });
    format!("tcp://127.0.0.1:{port}")
}

/// An engine (API 1.41) with one container, `web`.
pub fn engine(request: &str) -> Deed {
    match request {
        list if list.contains("/containers/json") => json(200, &format!("[{}]", container("web"))),
        other => no_containers(other),
    }
}

/// An engine with 5,000 containers, a list of more than a pipe holds.
pub fn crowded_engine(request: &str) -> Deed {
    let names = (0..5000).map(|n| container(&format!("web-{n:04}")));
    match request {
        list if list.contains("/containers/json") => {
            json(200, &format!("[{}]", names.collect::<Vec<_>>().join(",")))
        }
        other => no_containers(other),
    }
}

/// The same crowd, to be followed: its event stream is open, and nothing ever happens.
pub fn quiet_crowd(request: &str) -> Deed {
    if request.contains("/events") { open_stream() } else { crowded_engine(request) }
}

/// An engine with one container, to be followed: nothing ever happens to it.
pub fn quiet_engine(request: &str) -> Deed {
    if request.contains("/events") { open_stream() } else { engine(request) }
}

/// Can be followed, but its list comes at a byte a second.
pub fn drips_quietly(request: &str) -> Deed {
    if request.contains("/events") { open_stream() } else { drips(request) }
}

/// Accepts and never answers.
pub fn silent(_: &str) -> Deed {
    Deed::Nothing
}

/// Greets, and then never answers.
pub fn falls_silent(request: &str) -> Deed {
    if request.ends_with("/_ping") { engine(request) } else { Deed::Nothing }
}

/// A web server that has a page for everything.
pub fn web_server(_: &str) -> Deed {
    let page = "<html><body><h1>It works!</h1></body></html>";
    http(200, "Server: httpd\r\nContent-Type: text/html\r\n", page)
}

/// A web server that knows no such page.
pub fn empty_web_server(_: &str) -> Deed {
    let page = "<html><head><title>404 Not Found</title></head></html>";
    http(404, "Server: httpd\r\nContent-Type: text/html\r\n", page)
}

/// A socket proxy that lets only pings through.
pub fn socket_proxy(request: &str) -> Deed {
    if request.ends_with("/_ping") { engine(request) } else { forbidden() }
}

/// A socket proxy that lets only reading through, and no events.
pub fn reading_proxy(request: &str) -> Deed {
    if request.starts_with("POST") || request.contains("/events") {
        return forbidden();
    }
    engine(request)
}

fn forbidden() -> Deed {
    let page = "<html><body><h1>403 Forbidden</h1>\nRequest forbidden by administrative rules.\n\
                </body></html>\n";
    http(403, "cache-control: no-cache\r\ncontent-type: text/html\r\n", page)
}

/// Dies in the middle of a list whose length it has said.
pub fn dies_short(request: &str) -> Deed {
    in_the_list(request, |list| {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 5000";
        Deed::Die(format!("{head}\r\n\r\n[{list},{{\"Id\":\"ab").into_bytes())
    })
}

/// Dies between two chunks of the list.
pub fn dies_between_chunks(request: &str) -> Deed {
    in_the_list(request, |list| {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json";
        let chunk = format!("{:x}\r\n[{list},\r\n", list.len() + 2);
        Deed::Die(format!("{head}\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}").into_bytes())
    })
}

/// Sends a list that is no JSON.
pub fn broken_json(request: &str) -> Deed {
    in_the_list(request, |list| json(200, &format!("[{list},]]")))
}

/// Begins the list's head and goes on for 100 MB.
pub fn endless_head(request: &str) -> Deed {
    in_the_list(request, |_| {
        let head = b"HTTP/1.1 200 OK\r\nX-Long: ".to_vec();
        Deed::GoOn(head, vec![b'x'; 100_000], 1000)
    })
}

/// Sends the list at a byte a second.
pub fn drips(request: &str) -> Deed {
    in_the_list(request, |list| Deed::Drip(reply(200, JSON, &format!("[{list}]"))))
}

/// An engine of the future: it takes API 1.99 and newer.
pub fn future_engine(request: &str) -> Deed {
    let path = request.split(' ').nth(1).unwrap_or_default();
    let Some(asked) = path.strip_prefix("/v").and_then(|path| path.split('/').next()) else {
        return http(200, "Api-Version: 1.120\r\nContent-Type: text/plain\r\n", "OK");
    };
    let message = format!(
        "client version {asked} is too old. Minimum supported API version is 1.99, \
         please upgrade your client to a newer version"
    );
    json(400, &format!("{{\"message\":\"{message}\"}}"))
}

/// A running container as `/containers/json` lists it.
pub fn container(name: &str) -> String {
    format!(
        "{{\"Id\":\"{:0<64}\",\"Names\":[\"/{name}\"],\"Image\":\"busybox:1.36\",\"ImageID\":\"\",\
         \"Command\":\"httpd\",\"Created\":1763700000,\"Ports\":[{{\"IP\":\"0.0.0.0\",\
         \"PrivatePort\":80,\"PublicPort\":8080,\"Type\":\"tcp\"}}],\
         \"Labels\":{{\"proxy.idle_timeout\":\"30m\"}},\"State\":\"running\",\
         \"Status\":\"Up 2 hours\",\"HostConfig\":{{\"NetworkMode\":\"default\"}},\
         \"NetworkSettings\":{{\"Networks\":{{\"bridge\":{{\"IPAddress\":\"172.17.0.2\"}}}}}},\
         \"Mounts\":[]}}",
        name.bytes().map(|b| format!("{b:02x}")).collect::<String>()
    )
}

const JSON: &str = "Api-Version: 1.41\r\nContent-Type: application/json\r\n";

/// All an engine does but listing.
fn no_containers(request: &str) -> Deed {
    let version = "{\"Version\":\"20.10.24\",\"ApiVersion\":\"1.41\",\"MinAPIVersion\":\"1.12\"}";
    match request {
        other if other.ends_with("/_ping") => {
            http(200, "Api-Version: 1.41\r\nContent-Type: text/plain\r\n", "OK")
        }
        other if other.ends_with("/version") => json(200, version),
        _ => json(404, "{\"message\":\"page not found\"}"),
    }
}

/// An engine until it is asked for the list; `deed` gets its one container.
fn in_the_list(request: &str, deed: fn(&str) -> Deed) -> Deed {
    match request {
        list if list.contains("/containers/json") => deed(&container("web")),
        other => engine(other),
    }
}

/// The head of a stream that goes on for ever.
pub fn open_stream() -> Deed {
    Deed::Say(format!("HTTP/1.1 200 OK\r\n{JSON}Transfer-Encoding: chunked\r\n\r\n").into())
}

/// A whole answer in JSON.
pub fn json(status: u16, body: &str) -> Deed {
    http(status, JSON, body)
}

fn http(status: u16, headers: &str, body: &str) -> Deed {
    Deed::Say(reply(status, headers, body))
}

fn reply(status: u16, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status} Status\r\n{headers}Content-Length: {length}\r\n\r\n{body}").into()
}

fn attend(stream: impl Read + Write + Send + 'static, manner: Manner) {
    thread::spawn(move || converse(stream, manner));
}

/// Until either side hangs up, which `None` says.
fn converse(mut stream: impl Read + Write, manner: Manner) -> Option<()> {
    loop {
        let head = read_head(&mut stream)?;
        let line = head.lines().next()?;
        let request = line.rsplit_once(' ').map_or(line, |(request, _version)| request);
        let deed = match manner(request) {
            Deed::Say(bytes) if request.starts_with("HEAD") => Deed::Say(only_head(bytes)),
            deed => deed,
        };
        act(&mut stream, deed)?;
    }
}

fn act(stream: &mut (impl Read + Write), deed: Deed) -> Option<()> {
    match deed {
        Deed::Say(bytes) => stream.write_all(&bytes).ok(),
        Deed::Die(bytes) => stream.write_all(&bytes).ok().and(None),
        Deed::GoOn(bytes, piece, times) => {
            stream.write_all(&bytes).ok()?;
            (0..times).try_for_each(|_| stream.write_all(&piece)).ok().and(None)
        }
        Deed::Drip(bytes) => bytes.iter().try_for_each(|byte| {
            thread::sleep(Duration::from_secs(1));
            stream.write_all(&[*byte]).ok()
        }),
        Deed::Nothing => stream.read_to_end(&mut Vec::new()).ok().and(None),
    }
}

/// A reply to HEAD has the headers of one to GET, and no body (RFC 9110 §9.3.2).
fn only_head(mut reply: Vec<u8>) -> Vec<u8> {
    let end = reply.windows(4).position(|four| four == b"\r\n\r\n");
    reply.truncate(end.map_or(reply.len(), |at| at + 4));
    reply
}

fn read_head(stream: &mut impl Read) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        head.extend(byte);
    }
    String::from_utf8(head).ok()
}
