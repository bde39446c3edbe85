//! ureq-proto as a second opinion on replies: same status and body, or both refuse. Where the two
//! differ on purpose, the reason is listed here and nowhere else.

use drowse::error::Why;
use drowse::http::exchange::Exchange;
use drowse::http::{Method, Request};
use ureq_proto::Error;
use ureq_proto::client::{Call, RecvResponseResult, SendRequestResult, state};
use ureq_proto::http;

type Received = (u16, Vec<u8>);

/// What ureq-proto made of it.
#[derive(Debug)]
enum Theirs {
    Whole(Received),
    EndedEarly,
    Refused(Error),
}

/// Feeds `wire`, then its end, to both.
pub fn compare(method: Method, wire: &[u8]) {
    let ours = ours(method, wire);
    let theirs = theirs(method, wire);
    let agreed = match (&ours, &theirs) {
        (Ok(ours), Theirs::Whole(theirs)) => ours == theirs || may_differ(ours.0, wire),
        (Ok(_), refused) => may_be_taken(refused, wire),
        (Err(why), Theirs::Whole(_)) => may_be_refused(why, wire),
        (Err(_), _) => true,
    };
    assert!(agreed, "{}\nours: {ours:?}\ntheirs: {theirs:?}", wire.escape_ascii());
}

/// Both take it, with another body.
fn may_differ(status: u16, wire: &[u8]) -> bool {
    // What follows a 101 we pass on as the body; ureq-proto leaves it to the caller.
    status == 101 || is_old_and_coded(wire)
}

/// We take it, ureq-proto does not.
fn may_be_taken(theirs: &Theirs, wire: &[u8]) -> bool {
    match theirs {
        // An interim reply may have headers (RFC 9110 §15.2).
        Theirs::Refused(Error::HeadersWith100) => true,
        // Their limit for a size and its extensions is 20 bytes.
        Theirs::Refused(Error::ChunkExpectedCrLf) => {
            let is_long = |line: &[u8]| line.len() > 20 && line[0].is_ascii_hexdigit();
            wire.split(|byte| *byte == b'\n').any(is_long)
        }
        _ => is_old_and_coded(wire),
    }
}

/// We refuse it, ureq-proto does not.
fn may_be_refused(why: &Why, wire: &[u8]) -> bool {
    let stricter = [
        // They pass on a body whose coding they don't know as it is.
        "a Transfer-Encoding other than chunked",
        // They take a sign and any white space around a size (RFC 9112 §7.1: 1*HEXDIG).
        "a chunk size that is no number",
        "something after a chunk size",
        // They skip both unread, with control characters and lone LFs.
        "a bad chunk extension",
        "a bad trailer",
        // They skip empty lines before a reply.
        "it began \"\\r",
        "it began \"\\n",
        // They have no limit there.
        "chunk extensions or trailers without end",
        "longer than 64 KiB",
    ];
    let text = why.to_string();
    stricter.iter().any(|part| text.contains(part)) || is_old_and_coded(wire)
}

/// They ignore the Transfer-Encoding of HTTP/1.0; we decode it and close (RFC 9112 §6.1).
fn is_old_and_coded(wire: &[u8]) -> bool {
    let text = wire.to_ascii_lowercase();
    let has = |part: &[u8]| text.windows(part.len()).any(|window| window == part);
    has(b"http/1.0") && has(b"transfer-encoding:")
}

fn ours(method: Method, wire: &[u8]) -> Result<Received, Why> {
    let path = "/".to_string();
    let request = Request { method, path, headers: Vec::new(), body: Vec::new() };
    let mut exchange = Exchange::new(&request, "docker", "")?;
    let mut body = Vec::new();
    exchange.feed(wire, &mut body)?;
    exchange.end()?;
    Ok((exchange.head().map_or(0, |head| head.status), body))
}

fn theirs(method: Method, wire: &[u8]) -> Theirs {
    let method = if method == Method::Head { http::Method::HEAD } else { http::Method::GET };
    match receive(asked(method), wire) {
        Ok(Some(received)) => Theirs::Whole(received),
        Ok(None) => Theirs::EndedEarly,
        Err(error) => Theirs::Refused(error),
    }
}

/// A call that waits for its reply.
fn asked(method: http::Method) -> Call<state::RecvResponse> {
    let request = http::Request::builder().method(method).uri("http://docker/").body(());
    let call = Call::new(request.expect("a sound request")).expect("a sound call");
    let mut call = call.proceed();
    call.write(&mut [0; 1024]).expect("room for the request");
    match call.proceed() {
        Ok(Some(SendRequestResult::RecvResponse(call))) => call,
        _ => unreachable!("a GET has nothing more to send"),
    }
}

/// `None`: it ended early.
fn receive(
    mut call: Call<state::RecvResponse>,
    mut wire: &[u8],
) -> Result<Option<Received>, Error> {
    let status = loop {
        let (used, response) = call.try_response(wire, false)?;
        wire = &wire[used..];
        match response {
            Some(response) => break response.status().as_u16(),
            None if used == 0 => return Ok(None),
            None => {}
        }
    };
    let Some(RecvResponseResult::RecvBody(mut call)) = call.proceed() else {
        return Ok(Some((status, Vec::new())));
    };
    let mut body = vec![0; wire.len() + 1];
    let mut len = 0;
    loop {
        let (used, got) = call.read(wire, &mut body[len..])?;
        wire = &wire[used..];
        len += got;
        if used == 0 && got == 0 {
            break;
        }
    }
    body.truncate(len);
    Ok(call.can_proceed().then_some((status, body)))
}
