//! Calls on real sockets: what goes out, what comes back, and what is said when nothing does.

pub mod server;
mod threads;
pub mod tls;
mod wrong;

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use drowse::error::Why;
use drowse::http::{Method, Prefix, Reply};
use drowse::net::blocking::{Client, why};
use drowse::net::{Endpoint, Route};
use server::Answer::{Bytes, Close, Text};
use server::{call, get, ok, read_request, soon};
use tempfile::tempdir;

#[test]
fn a_get_sends_four_lines_and_returns_the_whole_reply() {
    let dir = tempdir().unwrap();
    let reply = b"HTTP/1.1 404 Not Found\r\nApi-Version: 1.41\r\nContent-Length: 4\r\n\r\nnone";
    let (at, server) = server::unix(&dir.path().join("s"), vec![vec![Bytes(reply.to_vec())]]);
    let mut client = Client::open(&at).unwrap();
    client.under("/v1.41".into());
    let mut versioned = call(Method::Get, "/containers/json?all=1");
    versioned.prefix = Prefix::Versioned;

    let headers = [("api-version", "1.41"), ("content-length", "4")];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let (reason, body) = ("Not Found".to_owned(), b"none".to_vec());
    let expected = Reply { status: 404, reason, headers, body };
    assert_eq!(client.run(&versioned, soon()), Ok(expected));
    drop(client);
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        server.join().unwrap(),
        [format!(
            "GET /v1.41/containers/json?all=1 HTTP/1.1\r\nuser-agent: drowse/{version}\r\n\
             host: docker\r\n\r\n"
        )]
    );
}

#[test]
fn a_length_is_sent_with_every_post_and_put_and_nothing_else() {
    let dir = tempdir().unwrap();
    let answers = (0..4).map(|_| Text("")).collect();
    let (at, server) = server::unix(&dir.path().join("s"), vec![answers]);
    let client = Client::open(&at).unwrap();
    let mut put = call(Method::Put, "/archive");
    put.request.headers.push(("content-type", "application/x-tar".into()));
    put.request.body = b"tar".to_vec();
    let (post, delete) = (call(Method::Post, "/start"), call(Method::Delete, "/c"));
    for call in [post, put, delete, call(Method::Head, "/_ping")] {
        client.run(&call, soon()).unwrap();
    }
    drop(client);
    let seen = server.join().unwrap();
    let agent = concat!("user-agent: drowse/", env!("CARGO_PKG_VERSION"), "\r\n");
    let seen: Vec<_> = seen.iter().map(|request| request.replace(agent, "")).collect();
    assert_eq!(
        seen,
        [
            "POST /start HTTP/1.1\r\ncontent-length: 0\r\nhost: docker\r\n\r\n",
            "PUT /archive HTTP/1.1\r\ncontent-length: 3\r\nhost: docker\r\n\
             content-type: application/x-tar\r\n\r\ntar",
            "DELETE /c HTTP/1.1\r\nhost: docker\r\n\r\n",
            "HEAD /_ping HTTP/1.1\r\nhost: docker\r\n\r\n",
        ]
    );
}

#[test]
fn tcp_by_name_and_a_command_lead_to_the_same_reply() {
    let (at, server) = server::tcp(vec![vec![Text("hello"), Text("again")]], |stream| stream);
    let client = Client::open(&at).unwrap();
    assert_eq!(get(&client, "/a"), Ok("hello".into()));
    assert_eq!(get(&client, "/b"), Ok("again".into()));
    drop(client);
    assert_eq!(server.join().unwrap().len(), 2);

    let script = "while read -r line && [ \"$line\" != \"$(printf '\\r')\" ]; do :; done; \
                  printf 'HTTP/1.1 200 OK\\r\\nContent-Length: 5\\r\\n\\r\\nhello'; cat";
    let client = Client::open(&command(script)).unwrap();
    assert_eq!(get(&client, "/a"), Ok("hello".into()));
}

fn command(script: &str) -> Endpoint {
    let argv = ["sh", "-c", script].map(str::to_owned).to_vec();
    Endpoint { url: "ssh://engine".into(), authority: "docker".into(), route: Route::Command(argv) }
}

#[test]
fn a_command_that_ends_tells_why() {
    let client = Client::open(&command("echo 'Permission denied (publickey).' >&2; exit 255"));
    assert_eq!(
        get(&client.unwrap(), "/a"),
        Err(Why::Unreachable("sh: Permission denied (publickey).".into()))
    );
}

#[test]
fn a_connection_is_used_again_unless_the_reply_says_close() {
    let dir = tempdir().unwrap();
    let closing = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\n2".to_vec();
    let scripts = vec![vec![Text("1"), Bytes(closing)], vec![Text("3")]];
    let (at, server) = server::unix(&dir.path().join("s"), scripts);
    let client = Client::open(&at).unwrap();
    let bodies: Vec<_> = ["/1", "/2", "/3"].map(|path| get(&client, path).unwrap()).to_vec();
    assert_eq!(bodies, ["1", "2", "3"]);
    assert_eq!(server.join().unwrap().len(), 3);
}

#[test]
fn a_get_on_a_stale_connection_is_sent_once_more() {
    let dir = tempdir().unwrap();
    let scripts = vec![vec![Text("1"), Close], vec![Text("2")]];
    let (at, server) = server::unix(&dir.path().join("s"), scripts);
    let client = Client::open(&at).unwrap();
    assert_eq!(get(&client, "/1"), Ok("1".into()));
    assert_eq!(get(&client, "/2"), Ok("2".into()));
    let seen = server.join().unwrap();
    let lines: Vec<_> = seen.iter().map(|request| request.lines().next().unwrap()).collect();
    assert_eq!(lines, ["GET /1 HTTP/1.1", "GET /2 HTTP/1.1", "GET /2 HTTP/1.1"]);
}

#[test]
fn neither_a_post_on_a_stale_connection_nor_a_get_on_a_new_one_is_sent_again() {
    let dir = tempdir().unwrap();
    let scripts = vec![vec![Text("1"), Close], vec![Close], vec![Text("never read")]];
    let (at, server) = server::unix(&dir.path().join("s"), scripts);
    let client = Client::open(&at).unwrap();
    assert_eq!(get(&client, "/1"), Ok("1".into()));
    let silent = "the other side closed the connection without an answer";
    let stale = client.run(&call(Method::Post, "/2"), soon()).unwrap_err();
    assert_eq!(stale.to_string(), format!("try on {}: {silent}", at.url));
    assert_eq!(get(&client, "/3"), Err(Why::Broken(silent.into())));
    assert_eq!(get(&client, "/last"), Ok("never read".into()));
    assert_eq!(server.join().unwrap().len(), 4);
}

#[test]
fn a_connection_that_was_closed_while_it_rested_is_not_used_even_for_a_post() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("s");
    let listener = UnixListener::bind(&path).unwrap();
    let (closed, is_closed) = std::sync::mpsc::channel();
    let server = std::thread::spawn(move || {
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().unwrap();
            read_request(&mut stream).unwrap();
            stream.write_all(&ok("")).unwrap();
            drop(stream);
            closed.send(()).unwrap();
        }
    });
    let route = Route::Unix(path);
    let at = Endpoint { url: "unix:s".into(), authority: "docker".into(), route };
    let client = Client::open(&at).unwrap();
    for path in ["/start", "/stop"] {
        assert_eq!(client.run(&call(Method::Post, path), soon()).unwrap().status, 200);
        is_closed.recv().unwrap();
    }
    server.join().unwrap();
}

#[test]
fn no_redirect_is_followed() {
    let dir = tempdir().unwrap();
    let moved = b"HTTP/1.1 301 Moved\r\nLocation: /b\r\nContent-Length: 2\r\n\r\nto".to_vec();
    let (at, server) = server::unix(&dir.path().join("s"), vec![vec![Bytes(moved)]]);
    let reply = Client::open(&at).unwrap().run(&call(Method::Get, "/a"), soon()).unwrap();
    assert_eq!((reply.status, reply.header("location")), (301, Some("/b")));
    assert_eq!(server.join().unwrap().len(), 1);
}

#[test]
fn a_stream_gives_its_bytes_as_they_come_and_outlives_the_limit_of_its_head() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("s");
    let listener = UnixListener::bind(&path).unwrap();
    let until = Instant::now() + Duration::from_millis(500);
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        read_request(&mut stream).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
        stream.write_all(b"3\r\none\r\n").unwrap();
        let past = until + Duration::from_millis(100);
        std::thread::sleep(past.saturating_duration_since(Instant::now()));
        stream.write_all(b"3\r\ntwo\r\n0\r\n\r\n").unwrap();
    });
    let route = Route::Unix(path);
    let at = Endpoint { url: "unix:s".into(), authority: "docker".into(), route };
    let client = Client::open(&at).unwrap();
    let (head, mut body) = client.stream(&call(Method::Get, "/events"), until).unwrap();
    assert_eq!((head.status, head.body), (200, vec![]));
    let mut piece = [0; 3];
    body.read_exact(&mut piece).unwrap();
    assert_eq!(&piece, b"one");
    let mut rest = String::new();
    body.read_to_string(&mut rest).unwrap();
    assert!(rest == "two" && Instant::now() >= until);
    server.join().unwrap();
}

#[test]
fn a_stream_that_is_cut_is_an_error_with_a_reason() {
    let dir = tempdir().unwrap();
    let cut = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n5\r\ntw".to_vec();
    let (at, _server) = server::unix(&dir.path().join("s"), vec![vec![Bytes(cut)]]);
    let client = Client::open(&at).unwrap();
    let (_, mut body) = client.stream(&call(Method::Get, "/events"), soon()).unwrap();
    let mut all = Vec::new();
    let error = body.read_to_end(&mut all).unwrap_err();
    assert_eq!(
        (all.as_slice(), why(error)),
        (&b"onetw"[..], Why::Broken("the reply ended early".into()))
    );
}

#[test]
fn of_a_refused_stream_the_body_is_in_the_reply() {
    let dir = tempdir().unwrap();
    let refusal = b"HTTP/1.1 409 Conflict\r\nContent-Length: 4\r\n\r\nbusy".to_vec();
    let scripts = vec![vec![Bytes(refusal)], vec![Bytes(ok("x"))]];
    let (at, server) = server::unix(&dir.path().join("s"), scripts);
    let client = Client::open(&at).unwrap();
    let (reply, mut body) = client.stream(&call(Method::Get, "/events"), soon()).unwrap();
    assert_eq!((reply.status, reply.body), (409, b"busy".to_vec()));
    assert_eq!(body.read(&mut [0; 8]).unwrap(), 0);
    assert_eq!(get(&client, "/after"), Ok("x".into()), "streams have their own connection");
    server.join().unwrap();
}
