//! Engines that are none, or die, or never answer: one clear reason each.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use drowse::error::Why;
use drowse::http::{Method, Patience};
use drowse::net::blocking::Client;
use drowse::net::{Endpoint, Route};
use tempfile::tempdir;

use super::server::Answer::{Bytes, Silence};
use super::server::{self, call, get, read_request, soon};

/// What a client makes of these bytes, after which the server closes.
fn answered(bytes: &[u8]) -> Result<String, Why> {
    let dir = tempdir().unwrap();
    let script = vec![vec![Bytes(bytes.to_vec())]];
    let (at, _server) = server::unix(&dir.path().join("s"), script);
    get(&Client::open(&at).unwrap(), "/list")
}

fn early() -> Result<String, Why> {
    Err(Why::Broken("the reply ended early".into()))
}

#[test]
fn a_reply_that_ends_early_is_an_error_wherever_it_ends() {
    assert_eq!(answered(b"HTTP/1.1 200 OK\r\nContent-Le"), early());
    assert_eq!(answered(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"), early());
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for body in ["", "4", "4\r\nha", "4\r\nhalf", "4\r\nhalf\r\n"] {
        assert_eq!(answered(format!("{chunked}{body}").as_bytes()), early(), "{body:?}");
    }
    let whole = answered(format!("{chunked}4\r\nhalf\r\n0\r\n\r\n").as_bytes());
    assert_eq!(whole, Ok("half".into()));
}

#[test]
fn a_body_without_length_lasts_until_the_end() {
    assert_eq!(answered(b"HTTP/1.0 200 OK\r\n\r\nall of it"), Ok("all of it".into()));
}

#[test]
fn what_is_not_http_is_no_engine() {
    for garbage in ["SSH-2.0-OpenSSH_9.2p1\r\n", "\x00\x01\x02\x03", "+OK ready\r\n"] {
        let Err(Why::NotAnEngine(text)) = answered(garbage.as_bytes()) else {
            panic!("{garbage:?} passed for HTTP")
        };
        assert!(text.starts_with("what answers there does not speak HTTP: "), "{text}");
    }
    let twice = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab";
    assert!(matches!(answered(twice), Err(Why::NotAnEngine(_))));
    let bad_chunk = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n";
    assert!(matches!(answered(bad_chunk), Err(Why::Broken(_))));
}

#[test]
fn a_head_of_100_mb_is_refused_after_its_first_64_kib() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("s");
    let listener = UnixListener::bind(&path).unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        read_request(&mut stream).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nX-Long: ").unwrap();
        let piece = [b'x'; 100_000];
        (0..1000).take_while(|_| stream.write_all(&piece).is_ok()).count()
    });
    let at = Endpoint { url: "unix:s".into(), authority: "d".into(), route: Route::Unix(path) };
    let text = "the head of its reply is longer than 64 KiB";
    assert_eq!(get(&Client::open(&at).unwrap(), "/list"), Err(Why::NotAnEngine(text.into())));
    assert!(server.join().unwrap() < 100, "the client hung up");
}

#[test]
fn a_body_over_the_limit_is_refused_by_its_length() {
    assert_eq!(
        answered(b"HTTP/1.1 200 OK\r\nContent-Length: 300000000\r\n\r\n["),
        Err(Why::Broken("the reply is longer than 256 MiB".into()))
    );
}

#[test]
fn a_server_that_never_answers_costs_the_limit_that_applied() {
    let dir = tempdir().unwrap();
    let scripts = (0..4).map(|_| vec![Silence]).collect();
    let (at, _server) = server::unix(&dir.path().join("s"), scripts);
    let client = Client::open(&at).unwrap();
    let mut asked = call(Method::Get, "/list");

    let short = |asked: &_| match client.run(asked, Instant::now() + Duration::from_millis(100)) {
        Err(error) => error.why,
        Ok(reply) => panic!("{reply:?}"),
    };
    let Why::TimedOut(limit) = short(&asked) else { panic!("not timed out") };
    assert!(limit <= Duration::from_millis(100));

    asked.patience = Patience::Within(Duration::from_millis(70));
    let timed_out = Why::TimedOut(Duration::from_millis(70));
    assert_eq!(client.run(&asked, soon()).unwrap_err().why, timed_out);
    let Err(error) = client.stream(&asked, soon()) else { panic!("a head came") };
    assert_eq!(error.to_string(), format!("try on {}: no answer within 0.1 s", at.url));

    asked.patience = Patience::Endless;
    assert!(matches!(short(&asked), Why::TimedOut(_)), "no patience is longer than its caller's");
}

#[test]
fn a_reply_that_drips_is_over_at_the_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        read_request(&mut stream).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n").unwrap();
        while !matches!(stream.read(&mut [0]), Ok(0)) && stream.write_all(b"x").is_ok() {}
    });
    let route = Route::Tcp { host: "127.0.0.1".into(), port };
    let at = Endpoint { url: "tcp:".into(), authority: "d".into(), route };
    let mut asked = call(Method::Get, "/list");
    asked.patience = Patience::Within(Duration::from_millis(150));
    let why = Client::open(&at).unwrap().run(&asked, soon()).unwrap_err().why;
    assert_eq!(why, Why::TimedOut(Duration::from_millis(150)));
}

#[test]
fn a_refusal_in_the_middle_of_an_upload_is_read() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("s");
    let listener = UnixListener::bind(&path).unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.read_exact(&mut [0; 1000]).unwrap();
        let refusal = b"HTTP/1.1 404 Not Found\r\nContent-Length: 7\r\n\r\nno such";
        stream.write_all(refusal).unwrap();
    });
    let at = Endpoint { url: "unix:s".into(), authority: "d".into(), route: Route::Unix(path) };
    let mut upload = call(Method::Put, "/containers/none/archive");
    upload.request.body = vec![b'x'; 8 << 20];
    let reply = Client::open(&at).unwrap().run(&upload, soon()).unwrap();
    assert_eq!((reply.status, reply.body), (404, b"no such".to_vec()));
    server.join().unwrap();
}

#[test]
fn plain_http_at_a_tls_port_is_told_to_use_tls() {
    let wanted = Err(Why::Unreachable("this port speaks TLS: use tls:// with certificates".into()));
    let go = b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";
    assert_eq!(answered(go), wanted);
    assert_eq!(answered(b"\x15\x03\x01\x00\x02\x02\x46"), wanted);
}

#[test]
fn a_missing_socket_and_a_closed_port_are_named() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("docker.sock");
    let text = format!("no such socket {}: is the engine running?", path.display());
    let at = Endpoint { url: "unix:s".into(), authority: "d".into(), route: Route::Unix(path) };
    assert_eq!(get(&Client::open(&at).unwrap(), "/list"), Err(Why::Unreachable(text)));

    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let route = Route::Tcp { host: "127.0.0.1".into(), port };
    let at = Endpoint { url: "tcp:".into(), authority: "d".into(), route };
    let text = format!("connection refused by 127.0.0.1:{port}: does the engine listen there?");
    assert_eq!(get(&Client::open(&at).unwrap(), "/list"), Err(Why::Unreachable(text)));
}

#[test]
fn a_path_that_can_t_be_sent_is_an_error_not_a_request() {
    let dir = tempdir().unwrap();
    let (at, _server) = server::unix(&dir.path().join("s"), vec![]);
    let why = get(&Client::open(&at).unwrap(), "/a b\r\nX: y").unwrap_err();
    assert!(matches!(why, Why::Invalid(_)), "{why:?}");
}

#[test]
fn a_reply_that_never_lets_us_wait_is_over_at_the_deadline_too() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("s");
    let listener = UnixListener::bind(&path).unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.write_all(b"HTTP/1.0 200 OK\r\n\r\n");
        while stream.write_all(&[b'x'; 10_000]).is_ok() {}
    });
    let at = Endpoint { url: "unix:s".into(), authority: "d".into(), route: Route::Unix(path) };
    let mut asked = call(Method::Get, "/list");
    asked.patience = Patience::Within(Duration::from_millis(50));
    let why = Client::open(&at).unwrap().run(&asked, soon()).unwrap_err().why;
    assert_eq!(why, Why::TimedOut(Duration::from_millis(50)));
}
