//! What a reply of PVE means: a value, or why there is none. In one place for all calls.
//!
//! PVE says what went wrong in the reason phrase beside the status; newer ones in `message` too,
//! and a request that its schema refuses (400) in `errors` (`PVE::APIServer::AnyEvent`). 595 to 599
//! are not the guest's node's: the one that was asked could not reach that (Perl's
//! `AnyEvent::HTTP`).

use serde_json::Value;

use crate::docker::answer::{broken, not_an_engine, one_line, text};
use crate::error::Why;
use crate::http::Reply;

/// The `data` of an answer that says yes. Null where there is none: PVE sends that for an empty
/// list and for what a stopped guest has not.
pub(crate) fn data(reply: Reply) -> Result<Value, Why> {
    accepted(&reply)?;
    let read: Value =
        serde_json::from_str(&text(&reply.body)).map_err(|error| match reply.body {
            ref body if body.trim_ascii_start().starts_with(b"<") => not_pve(&reply),
            _ => broken(&error),
        })?;
    match read {
        Value::Object(mut object) => object.remove("data").ok_or_else(|| not_pve(&reply)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err(not_pve(&reply))
        }
    }
}

/// The `data` that must be a list; null is an empty one.
pub(crate) fn list(reply: Reply) -> Result<Vec<Value>, Why> {
    match data(reply)? {
        Value::Array(items) => Ok(items),
        Value::Null => Ok(Vec::new()),
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            Err(Why::Broken("the answer can't be read: expected a list".into()))
        }
    }
}

/// The `data` that must be an object.
pub(crate) fn object(reply: Reply) -> Result<Value, Why> {
    match data(reply)? {
        object @ Value::Object(_) => Ok(object),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err(Why::Broken("the answer can't be read: expected an object".into()))
        }
    }
}

/// Why an answer with a status outside 200–299 says no.
pub fn why(reply: &Reply) -> Why {
    let message = said(reply);
    match reply.status {
        401 => Why::Forbidden(format!(
            "the token is not accepted ({message}): is its secret right, and neither it nor its \
             user expired or disabled?"
        )),
        403 => Why::Forbidden(message),
        501 => Why::Refused { status: 501, message },
        // Nothing was sent to the node, so nothing came of it.
        595 => Why::Unreachable(format!("its node does not answer ({message})")),
        // It was sent, and what came of it nobody knows.
        596..=599 => Why::Broken(format!("its node was lost before it answered ({message})")),
        status => meaning(&message).unwrap_or(Why::Refused { status, message }),
    }
}

/// What the words of PVE mean, as the reason of a reply or the end of a task; `None`: only what
/// they say. From `PVE::LXC`, `PVE::AbstractConfig`, `PVE::Tools::lock_file` and recordings.
pub fn meaning(words: &str) -> Option<Why> {
    let message = || words.to_owned();
    let is = |text: &str| words.contains(text);
    if words.ends_with("already running") || words.ends_with("not running") {
        Some(Why::AlreadySo)
    } else if is("is locked (") || is("can't lock file") || is("got lock timeout") {
        Some(Why::Conflict(format!("{words}: try again later")))
    } else if words.starts_with("Configuration file '") && words.ends_with("does not exist")
        || words.starts_with("hostname lookup '")
        || is("no such task")
    {
        Some(Why::NotFound(message()))
    } else {
        None
    }
}

fn accepted(reply: &Reply) -> Result<(), Why> {
    if (200..300).contains(&reply.status) { Ok(()) } else { Err(why(reply)) }
}

fn not_pve(reply: &Reply) -> Why {
    match not_an_engine(reply) {
        Why::NotAnEngine(text) => {
            Why::NotAnEngine(text.replace("not a container engine", "not Proxmox VE"))
        }
        why => why,
    }
}

/// What is said against it, as one line: the reason, what a newer PVE adds, and each parameter that
/// the schema refuses.
fn said(reply: &Reply) -> String {
    let body: Value = serde_json::from_str(&text(&reply.body)).unwrap_or_default();
    let message = body.get("message").and_then(Value::as_str).map(one_line);
    let message = message.filter(|message| !message.is_empty());
    let mut said = message.unwrap_or_else(|| one_line(&reply.reason));
    if said.is_empty() {
        said = format!("status {}", reply.status);
    }
    let errors = body.get("errors").and_then(Value::as_object).into_iter().flatten();
    for (parameter, text) in errors {
        said += &format!(" {parameter}: {}", text.as_str().unwrap_or_default());
    }
    one_line(&said)
}
