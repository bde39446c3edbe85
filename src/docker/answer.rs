//! What a reply means: a value, or why there is none. In one place for all calls.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use crate::docker::version::{self, Version};
use crate::error::Why;
use crate::http::Reply;

/// As much of a message as is passed on; an engine's longest sentences fit.
const MESSAGE_LIMIT_BYTES: usize = 600;

/// As much of a page as is searched for its meaning.
const PAGE_LIMIT_BYTES: usize = 16 * 1024;

/// Podman's causes and Docker's words that mean a conflict, whatever the status: 500 and 403 where
/// others say 409. Recorded on Docker 20.10 and 29.7, Podman 4.3 and 5.8.
const CONFLICTS: [&str; 8] = [
    "container state improper",
    "that name is already in use",
    "network already exists",
    "network is already connected",
    "network is being used",
    "is not paused",
    "has active endpoints",
    "already exists in network",
];

/// The same for things that are not there, with 500.
const ABSENCES: [&str; 3] = ["no such container", "network not found", "image not known"];

/// What Go's servers and nginx answer to plain HTTP on a TLS port.
const NEEDS_TLS: [&str; 2] = ["http request to an https server", "sent to https port"];

/// Reads an answer without content (or with none that matters: Podman says `OK`).
pub(crate) fn nothing(reply: Reply) -> Result<(), Why> {
    accepted(&reply)
}

/// Reads a JSON answer.
pub(crate) fn json<T: DeserializeOwned>(reply: Reply) -> Result<T, Why> {
    serde_json::from_str(&text(content(&reply)?)).map_err(|error| broken(&error))
}

/// Checked once as a whole, which is faster than text by text. A copy is made only of bytes that
/// are no UTF-8, with U+FFFD for what can't be read, as the engines themselves write it. All JSON
/// is read as text: each kind of input would be another copy of every decoder in the binary.
pub(crate) fn text(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(bytes),
    }
}

/// The body of an answer that must have one, and no page.
pub(crate) fn content(reply: &Reply) -> Result<&[u8], Why> {
    accepted(reply)?;
    if is_page(reply) {
        return Err(not_an_engine(reply));
    }
    if reply.body.trim_ascii().is_empty() {
        return Err(Why::Broken("the answer is empty: the engine went away".into()));
    }
    Ok(&reply.body)
}

/// The head of a stream: does it go on? Where not, `reply` must be whole, for its message.
pub(crate) fn stream(reply: &Reply) -> Result<(), Why> {
    accepted(reply)?;
    if is_page(reply) { Err(not_an_engine(reply)) } else { Ok(()) }
}

/// Why an answer with a status outside 200–299 says no.
pub fn why(reply: &Reply) -> Why {
    let Said { message, cause } = said(reply);
    let means = |texts: &[&str]| {
        let sayings = [cause.to_ascii_lowercase(), message.to_ascii_lowercase()];
        texts.iter().any(|text| sayings.iter().any(|saying| saying.contains(text)))
    };
    match reply.status {
        304 => Why::AlreadySo,
        404 if is_page(reply) => not_an_engine(reply),
        404 => Why::NotFound(message),
        409 => Why::Conflict(message),
        403 | 500 if means(&CONFLICTS) => Why::Conflict(message),
        500 if means(&ABSENCES) => Why::NotFound(message),
        401 | 403 if is_page(reply) => Why::Forbidden(format!(
            "a proxy in front of the engine does not allow it ({message}): allow it there"
        )),
        401 | 403 => Why::Forbidden(message),
        400 if means(&NEEDS_TLS) => not_an_engine(reply),
        400 => too_old(&message).unwrap_or(Why::Refused { status: 400, message }),
        status => Why::Refused { status, message },
    }
}

/// Something answered, but no engine: says what it calls itself.
pub(crate) fn not_an_engine(reply: &Reply) -> Why {
    let server = one_line(reply.header("server").unwrap_or("no name"));
    let message = said(reply).message;
    if NEEDS_TLS.iter().any(|text| message.to_ascii_lowercase().contains(text)) {
        return Why::NotAnEngine("TLS is spoken there: use https:// or tls://".into());
    }
    let who = if is_page(reply) { "a web server" } else { "something" };
    Why::NotAnEngine(format!(
        "{who} answers there ({server}: {message}), not a container engine: check the URL"
    ))
}

/// An answer that can't be read, with the place.
pub(crate) fn broken(error: &serde_json::Error) -> Why {
    let text = one_line(&error.to_string());
    Why::Broken(match error.classify() {
        Category::Eof => format!("the answer ends too early: {text}"),
        _ => format!("the answer can't be read: {text}"),
    })
}

/// Foreign text as one bounded line that a terminal can bear: control characters, line ends and
/// marks that turn the writing direction become spaces.
pub fn one_line(text: &str) -> String {
    let mut line = String::new();
    for word in text.split(|c: char| c.is_whitespace() || is_harmful(c)).filter(|w| !w.is_empty()) {
        if line.len() + word.len() >= MESSAGE_LIMIT_BYTES {
            let room = MESSAGE_LIMIT_BYTES.saturating_sub(line.len() + 1);
            let end = (0..=room.min(word.len())).rev().find(|&end| word.is_char_boundary(end));
            line.push_str(if line.is_empty() { "" } else { " " });
            line.push_str(end.and_then(|end| word.get(..end)).unwrap_or_default());
            line.push('…');
            break;
        }
        line.push_str(if line.is_empty() { "" } else { " " });
        line.push_str(word);
    }
    line
}

fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn accepted(reply: &Reply) -> Result<(), Why> {
    if (200..300).contains(&reply.status) { Ok(()) } else { Err(why(reply)) }
}

/// HTML, by its type or its looks: no engine sends it.
fn is_page(reply: &Reply) -> bool {
    let typed = reply.header("content-type").is_some_and(|kind| kind.starts_with("text/html"));
    typed || reply.body.trim_ascii_start().starts_with(b"<")
}

/// What an engine says when it says no: Docker `message`, Podman `cause` too.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Said {
    #[serde(deserialize_with = "crate::docker::types::or_default")]
    message: String,
    #[serde(deserialize_with = "crate::docker::types::or_default")]
    cause: String,
}

/// The message of an answer, as one line: from JSON, from a page, from plain text, or else from its
/// status.
fn said(reply: &Reply) -> Said {
    let json: Said = serde_json::from_str(&text(&reply.body)).unwrap_or_default();
    let message = match (json.message.is_empty(), is_page(reply), reply.header("location")) {
        (false, ..) => one_line(&json.message),
        (true, _, Some(place)) if (300..400).contains(&reply.status) => {
            one_line(&format!("moved to {place}"))
        }
        (true, true, _) => page_line(&beginning(&reply.body)),
        (true, false, _) => one_line(&beginning(&reply.body)),
    };
    let message = if message.is_empty() { reason(reply.status).to_owned() } else { message };
    Said { message, cause: json.cause }
}

fn beginning(body: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(body.get(..PAGE_LIMIT_BYTES).unwrap_or(body))
}

/// A page's title, or its text without the tags.
fn page_line(page: &str) -> String {
    let lower = page.to_ascii_lowercase();
    let title = lower.find("<title>").and_then(|start| {
        let start = start + "<title>".len();
        let length = lower.get(start..)?.find('<')?;
        page.get(start..start + length)
    });
    if let Some(title) = title.map(one_line).filter(|title| !title.is_empty()) {
        return title;
    }
    let mut words = String::new();
    for piece in page.split('<') {
        let words_of = piece.split_once('>').map_or(piece, |(_tag, text)| text);
        words.push_str(words_of);
        words.push(' ');
    }
    one_line(&words)
}

/// `client version 1.24 is too old. Minimum supported API version is 1.40, …` and its twin `too
/// new`.
fn too_old(message: &str) -> Option<Why> {
    let (_, rest) = message.split_once("client version ")?;
    let (asked, rest) = rest.split_once(" is too ")?;
    let (_, bound) = rest.split_once("supported API version is ")?;
    let bound = bound.split([',', ' ']).next().unwrap_or(bound);
    let known = bound.parse().ok().filter(|bound: &Version| *bound <= version::OURS);
    // What both speak is agreed on, unless somebody insists on another, or hides the engine's.
    let way = known.map(|bound| bound.max(version::OLDEST)).map_or_else(
        || "a newer drowse may do".to_owned(),
        |fits| format!("unset DOCKER_API_VERSION, or set it to {fits}"),
    );
    Some(Why::TooOld(if rest.starts_with("old") {
        format!("the engine wants API {bound} or newer, asked with {asked}: {way}")
    } else {
        format!("the engine speaks API {bound} at most, asked with {asked}: {way}")
    }))
}

/// RFC 9110 §15, for an answer without words of its own.
fn reason(status: u16) -> &'static str {
    match status {
        300..400 => "moved elsewhere",
        400 => "bad request",
        401 => "unauthorized",
        403 => "forbidden",
        404 => "not found",
        405 => "method not allowed",
        500 => "internal server error",
        502 => "bad gateway",
        503 => "service unavailable",
        504 => "gateway timeout",
        _ => "no words to it",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn reply(status: u16, kind: &str, body: &str) -> Reply {
        let headers = vec![("content-type".to_owned(), kind.to_owned())];
        Reply { status, headers, body: body.into(), ..Reply::default() }
    }

    fn told(status: u16, body: &str) -> Why {
        why(&reply(status, "application/json", body))
    }

    #[test]
    fn the_status_decides_and_the_engines_words_are_kept() {
        assert_eq!(told(304, ""), Why::AlreadySo);
        assert_eq!(told(404, r#"{"message":"no a"}"#), Why::NotFound("no a".into()));
        assert_eq!(told(409, r#"{"message":"taken"}"#), Why::Conflict("taken".into()));
        let plugin = "authorization denied by plugin x";
        let denied = format!(r#"{{"message":"{plugin}"}}"#);
        assert_eq!(told(403, &denied), Why::Forbidden(plugin.into()));
        let refused = |status, message: &str| Why::Refused { status, message: message.into() };
        assert_eq!(told(500, "boom\n"), refused(500, "boom"));
        assert_eq!(
            told(500, r#"{"message":null,"x":1}"#),
            refused(500, r#"{"message":null,"x":1}"#)
        );
        assert_eq!(told(502, ""), refused(502, "bad gateway"));
        assert_eq!(told(418, ""), refused(418, "no words to it"));
    }

    #[test]
    fn podmans_500_means_what_its_cause_says() {
        let podman = |cause: &str| told(500, &format!(r#"{{"cause":"{cause}","message":"m"}}"#));
        assert_eq!(podman("container state improper"), Why::Conflict("m".into()));
        assert_eq!(podman("Network not found"), Why::NotFound("m".into()));
        assert_eq!(podman("invalid argument"), Why::Refused { status: 500, message: "m".into() });
    }

    #[test]
    fn a_proxys_page_names_the_way_out() {
        let page = "<html><body><h1>403 Forbidden</h1>\nNot by\tthe rules.\n</body></html>";
        let text = "a proxy in front of the engine does not allow it \
                    (403 Forbidden Not by the rules.): allow it there";
        assert_eq!(why(&reply(403, "text/html", page)), Why::Forbidden(text.into()));
    }

    #[test]
    fn a_page_where_json_is_due_is_no_engine() {
        let page = reply(200, "text/html; charset=utf-8", "<TITLE>Log in</TITLE><p>now</p>");
        let text = "a web server answers there (no name: Log in), \
                    not a container engine: check the URL";
        assert_eq!(json::<Value>(page.clone()), Err(Why::NotAnEngine(text.into())));
        assert_eq!(stream(&page), Err(Why::NotAnEngine(text.into())));
        assert_eq!(why(&Reply { status: 404, ..page }), Why::NotAnEngine(text.into()));
    }

    #[test]
    fn bad_json_is_told_with_its_place() {
        let read = |body: &str| json::<Value>(reply(200, "application/json", body));
        let text = "the answer can't be read: expected `:` at line 2 column 4";
        assert_eq!(read("{\n\"a\"}"), Err(Why::Broken(text.into())));
        let text = "the answer ends too early: EOF while parsing a list at line 1 column 2";
        assert_eq!(read("[1"), Err(Why::Broken(text.into())));
        let text = "the answer is empty: the engine went away";
        assert_eq!(read(" \n"), Err(Why::Broken(text.into())));
    }

    #[test]
    fn foreign_text_is_one_bounded_harmless_line() {
        assert_eq!(one_line(" a\r\nb\x1b[31m\u{202e}c\u{2028} d\0"), "a b [31m c d");
        for long in ["x".repeat(5000), "ä ".repeat(5000), "äöü".repeat(5000)] {
            let line = one_line(&long);
            assert!(line.len() <= MESSAGE_LIMIT_BYTES + "…".len() && line.ends_with('…'));
        }
    }
}
