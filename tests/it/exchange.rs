//! The client exchange on replies written by hand: heads, framing, reuse, limits, errors.

use drowse::error::Why;
use drowse::http::exchange::{Afterwards, Exchange, Progress};
use drowse::http::{Method, Reply, Request};

const REUSE: Progress = Progress::Done(Afterwards::Reuse);
const CLOSE: Progress = Progress::Done(Afterwards::Close);

fn request(method: Method) -> Request {
    Request { method, path: "/x".to_string(), headers: Vec::new(), body: Vec::new() }
}

/// An exchange whose request is sent.
fn sent(method: Method) -> Exchange {
    let mut exchange = Exchange::new(&request(method), "docker", "").unwrap();
    exchange.wrote(exchange.outgoing().len());
    exchange
}

/// The reply and how far it came after all of `wire`, then whether the end is accepted. Fed whole
/// and byte by byte.
fn receive(method: Method, wire: &str) -> Result<(Reply, Progress), Why> {
    let outcome = |piece: usize| {
        let (mut exchange, mut body) = (sent(method), Vec::new());
        for bytes in wire.as_bytes().chunks(piece) {
            exchange.feed(bytes, &mut body)?;
        }
        let progress = exchange.progress();
        exchange.end()?;
        let head = exchange.take_head().unwrap();
        Ok((Reply { body, ..head }, progress))
    };
    let whole = outcome(wire.len().max(1));
    assert_eq!(outcome(1), whole, "{wire:?}");
    whole
}

fn get(wire: &str) -> Result<(Reply, Progress), Why> {
    receive(Method::Get, wire)
}

fn reply(status: u16, headers: &[(&str, &str)], body: &str) -> Reply {
    let headers = headers.iter().map(|(name, value)| (name.to_string(), value.to_string()));
    let body = body.as_bytes().to_vec();
    Reply { status, headers: headers.collect(), body, ..Reply::default() }
}

fn broken<T>(text: &str) -> Result<T, Why> {
    Err(Why::Broken(text.to_string()))
}

/// Status line, these headers, a length of 2 and that body.
fn with_ok(version: &str, headers: &str) -> String {
    format!("{version} 200 OK\r\nContent-Length: 2\r\n{headers}\r\nOK")
}

#[test]
fn a_request_is_written_once_with_what_it_needs() {
    let written = |request: &Request, prefix| {
        let exchange = Exchange::new(request, "docker:80", prefix).unwrap();
        String::from_utf8(exchange.outgoing().to_vec()).unwrap()
    };
    let head = |line: &str| {
        let version = env!("CARGO_PKG_VERSION");
        format!("{line} HTTP/1.1\r\nHost: docker:80\r\nUser-Agent: drowse/{version}\r\n")
    };
    assert_eq!(written(&request(Method::Get), "/v1.41"), head("GET /v1.41/x") + "\r\n");
    assert_eq!(written(&request(Method::Post), ""), head("POST /x") + "Content-Length: 0\r\n\r\n");
    assert_eq!(written(&request(Method::Delete), ""), head("DELETE /x") + "\r\n");
    let put = Request {
        headers: vec![("content-type", "application/x-tar".to_string())],
        body: b"tar".to_vec(),
        ..request(Method::Put)
    };
    assert_eq!(
        written(&put, ""),
        head("PUT /x") + "Content-Length: 3\r\ncontent-type: application/x-tar\r\n\r\ntar"
    );
}

#[test]
fn a_request_is_sent_in_pieces_and_then_gone() {
    let mut exchange = Exchange::new(&request(Method::Post), "docker", "").unwrap();
    let whole = exchange.outgoing().to_vec();
    let mut collected = Vec::new();
    while !exchange.outgoing().is_empty() {
        let piece = exchange.outgoing()[..exchange.outgoing().len().min(7)].to_vec();
        exchange.wrote(piece.len());
        collected.extend(piece);
    }
    assert_eq!(collected, whole);
}

#[test]
fn a_request_that_would_break_its_lines_is_refused_without_its_secret() {
    let refused = |request: Request, authority: &str| {
        let Err(Why::Invalid(text)) = Exchange::new(&request, authority, "") else { panic!() };
        text
    };
    let token = vec![("authorization", "secret\n".to_string())];
    assert_eq!(
        refused(Request { headers: token, ..request(Method::Get) }, "docker"),
        "a control character in the header authorization"
    );
    for path in ["/a b", "/a\r\nb: c", "a", "", "/\u{e9}"] {
        let request = Request { path: path.to_string(), ..request(Method::Get) };
        assert_eq!(refused(request, "docker"), "a path that is not percent-encoded", "{path:?}");
    }
    let coding = vec![("transfer-encoding", "chunked".to_string())];
    assert_eq!(
        refused(Request { headers: coding, ..request(Method::Put) }, "docker"),
        "the header transfer-encoding is not a request's own"
    );
    assert_eq!(
        refused(request(Method::Get), "docker\r\nx: y"),
        "a control character in the header Host"
    );
}

#[test]
fn the_head_is_there_before_the_body() {
    let (mut exchange, mut body) = (sent(Method::Get), Vec::new());
    let wire = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab";
    assert_eq!(exchange.feed(&wire[..36], &mut body), Ok(Progress::Head));
    assert_eq!(exchange.head(), None);
    assert_eq!(exchange.feed(&wire[36..], &mut body), Ok(Progress::Body));
    assert_eq!(exchange.head(), Some(&reply(200, &[("content-length", "4")], "")));
    assert_eq!(body, b"ab");
    assert_eq!(exchange.feed(b"cd", &mut body), Ok(REUSE));
    assert_eq!((body, exchange.end()), (b"abcd".to_vec(), Ok(())));
}

#[test]
fn a_body_ends_by_length_by_chunks_or_by_close() {
    assert_eq!(
        get("HTTP/1.1 200 OK\r\nX-Y:  z \r\nContent-Length: 2\r\n\r\nOK"),
        Ok((reply(200, &[("x-y", "z"), ("content-length", "2")], "OK"), REUSE))
    );
    assert_eq!(
        get("HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nOK\r\n0\r\nA: b\r\n\r\n"),
        Ok((reply(200, &[("transfer-encoding", "chunked")], "OK"), REUSE))
    );
    assert_eq!(get("HTTP/1.1 200 OK\r\n\r\nOK"), Ok((reply(200, &[], "OK"), Progress::Body)));
    assert_eq!(get("HTTP/1.1 200 OK\n\nOK"), Ok((reply(200, &[], "OK"), Progress::Body)));
}

#[test]
fn some_replies_have_no_body_whatever_they_say() {
    let length = [("content-length", "5")];
    assert_eq!(
        receive(Method::Head, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
        Ok((reply(200, &length, ""), REUSE))
    );
    for status in [204, 304] {
        let chunked = [("transfer-encoding", "chunked")];
        assert_eq!(
            get(&format!("HTTP/1.1 {status} X\r\nTransfer-Encoding: chunked\r\n\r\n")),
            Ok((reply(status, &chunked, ""), REUSE))
        );
        assert_eq!(
            get(&format!("HTTP/1.1 {status} X\r\n\r\n")),
            Ok((reply(status, &[], ""), REUSE))
        );
    }
}

#[test]
fn interim_replies_are_skipped_and_101_is_final() {
    let interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n";
    assert_eq!(
        get(&format!("{interim}{}", with_ok("HTTP/1.1", ""))),
        Ok((reply(200, &[("content-length", "2")], "OK"), REUSE))
    );
    assert_eq!(
        get(&format!("{interim}HTTP/1.1 101 Switching\r\nUpgrade: tcp\r\n\r\nraw")),
        Ok((reply(101, &[("upgrade", "tcp")], "raw"), Progress::Body))
    );
}

#[test]
fn a_connection_is_reused_only_if_both_sides_know_where_they_stand() {
    for (version, headers, expected) in [
        ("HTTP/1.1", "", REUSE),
        ("HTTP/1.1", "Connection: keep-alive\r\n", REUSE),
        ("HTTP/1.1", "Connection: Close\r\n", CLOSE),
        ("HTTP/1.1", "Connection: foo, close\r\n", CLOSE),
        ("HTTP/1.1", "Connection: keep-alive\r\nconnection: close\r\n", CLOSE),
        ("HTTP/1.0", "", CLOSE),
        ("HTTP/1.0", "Connection: Keep-Alive\r\n", REUSE),
        ("HTTP/1.0", "Connection: keep-alive, close\r\n", CLOSE),
    ] {
        let (_, progress) = get(&with_ok(version, headers)).unwrap();
        assert_eq!(progress, expected, "{version} {headers:?}");
    }
    let (_, progress) = get(&(with_ok("HTTP/1.1", "") + "H")).unwrap();
    assert_eq!(progress, CLOSE, "leftover bytes");
    for head in
        ["HTTP/1.1 200\r\nContent-Length: 9\r\n", "HTTP/1.0 200\r\nConnection: keep-alive\r\n"]
    {
        let wire = format!("{head}Transfer-Encoding: chunked\r\n\r\n2\r\nOK\r\n0\r\n\r\n");
        let (reply, progress) = get(&wire).unwrap();
        assert_eq!((reply.body, progress), (b"OK".to_vec(), CLOSE), "{head:?}");
    }
}

#[test]
fn a_reply_before_the_request_was_sent_costs_the_connection() {
    let mut exchange = Exchange::new(&request(Method::Post), "docker", "").unwrap();
    let wire = with_ok("HTTP/1.1", "");
    assert_eq!(exchange.feed(wire.as_bytes(), &mut Vec::new()), Ok(CLOSE));
    let closing = vec![("connection", "close".to_string())];
    let asks_close = Request { headers: closing, ..request(Method::Get) };
    let mut exchange = Exchange::new(&asks_close, "docker", "").unwrap();
    exchange.wrote(exchange.outgoing().len());
    assert_eq!(exchange.feed(wire.as_bytes(), &mut Vec::new()), Ok(CLOSE));
}

#[test]
fn a_reply_that_ends_early_is_an_error() {
    assert_eq!(get(""), broken("the connection closed before any reply"));
    for head in ["H", "HTTP/1.1 200 OK\r\nA: b\r\n", "HTTP/1.1 100 Continue\r\n\r\n"] {
        assert_eq!(get(head), broken("the reply ended early: its head is not complete"));
    }
    assert_eq!(
        get("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab"),
        broken("the reply ended early: 3 bytes are missing")
    );
    assert_eq!(
        get("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nOK\r\n0\r\n"),
        broken("the reply ended early: its last chunk is missing")
    );
}

#[test]
fn a_close_after_the_reply_costs_only_the_connection() {
    let mut exchange = sent(Method::Get);
    let wire = with_ok("HTTP/1.1", "");
    assert_eq!(exchange.feed(wire.as_bytes(), &mut Vec::new()), Ok(REUSE));
    assert_eq!((exchange.end(), exchange.progress()), (Ok(()), CLOSE));
}

#[test]
fn only_silence_counts_as_unanswered() {
    let mut exchange = sent(Method::Get);
    assert!(exchange.unanswered());
    exchange.feed(b"", &mut Vec::new()).unwrap();
    assert!(exchange.unanswered());
    exchange.feed(b"H", &mut Vec::new()).unwrap();
    assert!(!exchange.unanswered());
    let mut exchange = sent(Method::Get);
    exchange.feed(b"HTTP/1.1 100 Continue\r\n\r\n", &mut Vec::new()).unwrap();
    assert!(!exchange.unanswered());
}

#[test]
fn what_is_not_http_is_known_by_its_first_bytes() {
    for (wire, shown) in [
        ("SSH-2.0-OpenSSH_9.2p1 Debian", "SSH-2.0-OpenSSH_"),
        ("\u{15}\u{3}\u{1}", "\\x15\\x03\\x01"),
        ("\r\nHTTP/1.1 200 OK\r\n\r\n", "\\r\\nHTTP/1.1 200 O"),
        ("HTTP/2 200\r\n\r\n", "HTTP/2 200\\r\\n\\r\\n"),
        ("<html>", "<html>"),
    ] {
        let told = sent(Method::Get).feed(wire.as_bytes(), &mut Vec::new());
        let text = format!("what answers there does not speak HTTP/1: it began \"{shown}\"");
        assert_eq!(told, Err(Why::NotAnEngine(text)));
    }
    let mut exchange = sent(Method::Get);
    assert!(exchange.feed(b"S", &mut Vec::new()).is_err());
    assert!(exchange.feed(b"HTTP/1.1 200 OK\r\n\r\n", &mut Vec::new()).is_err());
    assert!(exchange.end().is_err());
}

#[test]
fn a_head_that_cannot_be_read_is_refused() {
    for (wire, what) in [
        ("HTTP/1.1 20 OK\r\n\r\n", "invalid response status"),
        ("HTTP/1.1 099 OK\r\n\r\n", "a status of 099"),
        ("HTTP/1.2 200 OK\r\n\r\n", "invalid HTTP version"),
        ("HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", "invalid header name"),
        ("HTTP/1.1 200 OK\r\nA : b\r\n\r\n", "invalid header name"),
        ("HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n", "invalid header value"),
        ("HTTP/1.1 200 OK\r\nA: b\0\r\n\r\n", "invalid header value"),
        ("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "a Content-Length that is no number"),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
            "two Content-Lengths that differ",
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
            "a Transfer-Encoding other than chunked",
        ),
    ] {
        let text = format!("the reply's head can't be read: {what}");
        assert_eq!(get(wire), broken(&text), "{wire:?}");
    }
}

#[test]
fn a_head_has_limits() {
    let head = |len: usize| {
        let start = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nA: ";
        format!("{start}{}\r\n\r\n", "a".repeat(len - start.len() - 4))
    };
    let too_long = || broken("the reply's head is longer than 64 KiB");
    assert_eq!(get(&head(64 * 1024)).map(|(_, progress)| progress), Ok(REUSE));
    assert_eq!(get(&head(64 * 1024 + 1)), too_long());
    assert_eq!(get(&"HTTP/1.1 100 Continue\r\n\r\n".repeat(3000)), too_long());
    let headers = |count| with_ok("HTTP/1.1", &"a: b\r\n".repeat(count));
    assert_eq!(get(&headers(127)).map(|(_, progress)| progress), Ok(REUSE));
    assert_eq!(get(&headers(128)), broken("the reply's head can't be read: too many headers"));
}
