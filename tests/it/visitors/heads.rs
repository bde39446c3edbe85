//! What is read of who is held at a door for HTTP.

use std::io::Write;

use drowse::net::door::{First, Request, Said};

use super::stage::{Stage, Target, dial};

const HEAD: &[u8] = b"GET /a?b HTTP/1.1\r\nHost: x\r\nAccept: text/html\r\n\r\n";

fn request() -> Said {
    let (method, path) = ("GET".to_owned(), "/a".to_owned());
    Said::Http(Request { method, path, accepts_html: true, upgrade: false })
}

#[test]
fn a_request_that_is_split_at_every_byte_arrives_as_it_was_sent() {
    let (mut stage, target) = (Stage::new(), Target::new());
    let (door, at) = stage.door(First::Head);
    let text = [HEAD, b"and the next request"].concat();
    for split in 1..=HEAD.len() {
        let mut client = dial(at);
        client.write_all(&text[..split]).unwrap();
        let visitor = stage.came(door);
        stage.turns(2);
        if split < HEAD.len() {
            assert_eq!(stage.notices, [], "split at {split}");
        }
        client.write_all(&text[split..]).unwrap();
        assert_eq!(stage.said(door), request(), "split at {split}");
        stage.reactor.admit(visitor, target.at);
        let mut inside = stage.accept(&target);
        assert_eq!(stage.read(&mut inside, text.len()), text, "split at {split}");
    }
    assert_eq!(stage.notices, []);
}

#[test]
fn a_request_byte_by_byte_is_told_once() {
    let (mut stage, target) = (Stage::new(), Target::new());
    let (door, at) = stage.door(First::Head);
    let mut client = dial(at);
    for byte in HEAD {
        client.write_all(&[*byte]).unwrap();
        stage.turn();
    }
    let visitor = stage.came(door);
    assert_eq!(stage.said(door), request());
    stage.turns(3);
    assert_eq!(stage.notices, []);
    stage.reactor.pass(door, target.at);
    let mut inside = stage.accept(&target);
    assert_eq!(stage.read(&mut inside, HEAD.len()), HEAD);
    stage.reactor.admit(visitor, target.at);
    stage.turns(3);
    assert!(target.knock().is_none(), "it is in already");
}

#[test]
fn an_endless_head_is_answered_at_the_limit_and_no_more_is_kept() {
    let mut stage = Stage::new();
    let (door, at) = stage.door(First::Head);
    let mut client = dial(at);
    client.write_all(b"GET / HTTP/1.1\r\n").unwrap();
    let visitor = stage.came(door);
    let mut sent = 16;
    while stage.notices.is_empty() {
        if let Ok(n) = client.write(b"X-Header: and so on and on\r\n") {
            sent += n;
        }
        stage.turn();
        assert!(sent < 64 << 10);
    }
    assert!(sent > 16 << 10, "{sent}");
    assert_eq!(stage.said(door), Said::Bad(431));
    stage.reactor.answer(visitor, b"HTTP/1.1 431 Too Long\r\n\r\n".to_vec());
    assert_eq!(stage.read(&mut client, 25), b"HTTP/1.1 431 Too Long\r\n\r\n");
}

#[test]
fn other_protocols_and_bad_requests_are_told_and_still_held() {
    let (mut stage, target) = (Stage::new(), Target::new());
    let (door, at) = stage.door(First::Head);
    let both = "POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n";
    let two = "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n";
    let table = [
        ("SSH-2.0-OpenSSH_9.2\r\n", Said::Other),
        ("\x16\x03\x01\x02\0\x01", Said::Other),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Said::Other),
        (both, Said::Bad(400)),
        (two, Said::Bad(400)),
    ];
    for (text, expected) in table {
        let mut client = dial(at);
        client.write_all(text.as_bytes()).unwrap();
        let visitor = stage.came(door);
        assert_eq!(stage.said(door), expected, "{text:?}");
        assert_eq!(stage.reactor.held(door), 1);
        stage.reactor.admit(visitor, target.at);
        let mut inside = stage.accept(&target);
        assert_eq!(stage.read(&mut inside, text.len()), text.as_bytes());
        drop(inside);
        stage.until(|stage| (stage.reactor.held(door) == 0).then_some(()));
    }
}

#[test]
fn who_closes_in_the_middle_of_a_head_has_left() {
    let mut stage = Stage::new();
    let (door, at) = stage.door(First::Head);
    for text in ["", "GET / HT"] {
        let mut client = dial(at);
        client.write_all(text.as_bytes()).unwrap();
        let visitor = stage.came(door);
        drop(client);
        assert_eq!(stage.next(), drowse::net::door::Notice::Left { door, visitor });
    }
    assert_eq!((stage.reactor.held(door), stage.reactor.visitors()), (0, 0));
}
