//! What must hold for any bytes at all. The fuzz targets feed them, the tests replay the corpus.

use drowse::docker::events::{Event, EventReader};
use drowse::error::Why;
use drowse::http::exchange::{Afterwards, Exchange, Progress};
use drowse::http::head::{HEAD_LIMIT, Look, Opening};
use drowse::http::{Method, Reply, Request};

use crate::oracle;

/// All that comes of a reply.
#[derive(Debug, PartialEq)]
struct Outcome {
    head: Option<Reply>,
    body: Vec<u8>,
    fed: Result<Progress, Why>,
    ended: Result<(), Why>,
}

/// The first byte chooses method and piece size, the rest is the wire: whatever the pieces, the
/// outcome is the same, no larger than the wire, final, and what the oracle says.
pub fn exchange(data: &[u8]) {
    let Some((choice, wire)) = data.split_first() else { return };
    let method = if choice & 1 == 0 { Method::Get } else { Method::Head };
    let whole = receive(method, wire, wire.len().max(1));
    for piece_bytes in [1, 2 + usize::from(choice >> 1)] {
        assert_eq!(receive(method, wire, piece_bytes), whole, "in pieces of {piece_bytes}");
    }
    assert!(whole.body.len() <= wire.len(), "a body larger than the wire");
    oracle::compare(method, wire);
}

fn receive(method: Method, wire: &[u8], piece_bytes: usize) -> Outcome {
    let path = "/".to_string();
    let request = Request { method, path, headers: Vec::new(), body: Vec::new() };
    let mut exchange = Exchange::new(&request, "docker", "").expect("a sound request");
    exchange.wrote(exchange.outgoing().len());
    let mut body = Vec::new();
    let mut fed = Ok(exchange.progress());
    for piece in wire.chunks(piece_bytes) {
        fed = exchange.feed(piece, &mut body).map_err(told_by_kind);
        if fed.is_err() {
            break;
        }
    }
    let ended = exchange.end().map_err(told_by_kind);
    assert_eq!(exchange.end().map_err(told_by_kind), ended, "an end that changes");
    if fed.is_err() {
        assert_eq!(fed.clone().err(), ended.clone().err(), "an error that is forgotten");
    }
    let so_far = body.len();
    if ended.is_ok() {
        let after = exchange.feed(b"HTTP/1.1 200 OK\r\n\r\n", &mut body);
        assert_eq!(after, Ok(Progress::Done(Afterwards::Close)), "a reply after the end");
    }
    assert_eq!(body.len(), so_far, "a body after the end");
    Outcome { head: exchange.take_head(), body, fed, ended }
}

/// That text shows as much as had come.
fn told_by_kind(why: Why) -> Why {
    match why {
        Why::NotAnEngine(_) => Why::NotAnEngine(String::new()),
        other => other,
    }
}

/// However the bytes come in, the opening is the same, told no later than at the limit, and a head
/// lies within the bytes.
pub fn head(data: &[u8]) {
    let whole = Look::default().at(data);
    let mut look = Look::default();
    let mut to = 0;
    let mut piece_bytes = 1;
    let told = loop {
        to = (to + piece_bytes).min(data.len());
        let opening = look.at(data.get(..to).unwrap_or_default());
        if opening != Opening::NeedMore || to == data.len() {
            break opening;
        }
        piece_bytes = piece_bytes % 7 + 1;
    };
    assert_eq!(told, whole, "in pieces");
    match whole {
        Opening::NeedMore => assert!(data.len() < HEAD_LIMIT, "no word at the limit"),
        Opening::Http(head) => {
            assert!(head.len <= data.len().min(HEAD_LIMIT), "a head beyond the bytes");
            assert!(data[..head.len].ends_with(b"\n"), "a head that ends in a line");
            assert!(head.path.is_empty() || !head.path.contains(['?', ' ']), "an odd path");
        }
        Opening::Bad(fault) => assert!((400..500).contains(&fault.status())),
        Opening::Other => assert!(!data.starts_with(b"GET / HTTP/1.1\r\n"), "plain HTTP"),
    }
}

/// The first byte chooses the piece size, the rest is the stream: whatever the pieces, the events
/// are the same, no more than the stream can hold, and after an error there are none.
pub fn events(data: &[u8]) {
    let Some((choice, stream)) = data.split_first() else { return };
    let whole = happened(stream, stream.len().max(1));
    for piece_bytes in [1, 2 + usize::from(*choice)] {
        assert_eq!(happened(stream, piece_bytes), whole, "in pieces of {piece_bytes}");
    }
    assert!(whole.0.len() <= stream.len() / 2, "more events than the stream can hold");
    for event in &whole.0 {
        assert!(!event.action.name().is_empty());
    }
}

fn happened(stream: &[u8], piece_bytes: usize) -> (Vec<Event>, Result<(), Why>) {
    let mut reader = EventReader::default();
    let mut found = Vec::new();
    for piece in stream.chunks(piece_bytes) {
        if let Err(why) = reader.push(piece, &mut found) {
            return (found, Err(why));
        }
    }
    (found, Ok(()))
}
