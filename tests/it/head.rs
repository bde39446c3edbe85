//! What a connection at a door begins with, on openings written by hand.

use drowse::http::head::{Fault, HEAD_LIMIT, Head, Look, Opening, Payload};

fn at_once(bytes: &[u8]) -> Opening<'_> {
    Look::default().at(bytes)
}

/// As [`at_once`], after asserting that bytes that come one at a time are told the same way.
fn at_once_and_bytewise(bytes: &[u8]) -> Opening<'_> {
    let whole = at_once(bytes);
    let mut look = Look::default();
    let mut told = (1..=bytes.len()).map(|to| look.at(&bytes[..to]));
    let first_told = told.find(|opening| *opening != Opening::NeedMore);
    assert_eq!(first_told.unwrap_or(Opening::NeedMore), whole, "{}", bytes.escape_ascii());
    whole
}

fn fault(text: &str) -> Option<Fault> {
    match at_once_and_bytewise(text.as_bytes()) {
        Opening::Bad(fault) => Some(fault),
        _ => None,
    }
}

fn head_of(text: &str) -> Head<'_> {
    match at_once_and_bytewise(text.as_bytes()) {
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
        assert_eq!(at_once_and_bytewise(bytes), Opening::Other, "{shown}");
        assert_eq!(at_once(&bytes[..told_after]), Opening::Other, "{shown}");
        assert_eq!(at_once(&bytes[..told_after - 1]), Opening::NeedMore, "{shown}");
    }
    assert_eq!(at_once(b""), Opening::NeedMore);
}
