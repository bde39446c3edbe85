//! What is asked on the control socket: requests and their lines. Answers nothing.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{line, millis};
use crate::nearest::nearest;

/// The longest line that is asked.
pub const LINE_LIMIT_BYTES: usize = 64 << 10;

/// The longest time that a container is kept awake by one `keep`.
pub const KEEP_LIMIT: Duration = Duration::from_secs(366 * 24 * 3600);

/// What can be asked.
const DEEDS: [&str; 4] = ["status", "wake", "sleep", "keep"];

/// When a request is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// When it is begun.
    Begun,
    /// When the container is ready, or down, or has failed to be.
    Settled,
}

/// What is asked of the daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// What is watched, and how it is: [`Row`]s.
    Status,
    /// Wake these: a [`Done`] each.
    Wake(Vec<String>, Until),
    /// Put these to sleep: a [`Done`] each.
    Sleep(Vec<String>, Until),
    /// Let these not sleep for so long from now on; no time at all lets go of them. A [`Done`]
    /// each.
    Keep(Vec<String>, Duration),
}

/// The line of a request; keys that a request has no use for are ignored, unknown ones are not.
#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    #[serde(rename = "do")]
    deed: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    names: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    wait: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    for_ms: Option<u64>,
}

impl Request {
    /// The line that asks for it, its end included.
    pub fn line(&self) -> String {
        let wire = |deed: &str, names: &[String]| Wire {
            deed: deed.into(),
            names: names.into(),
            ..Wire::default()
        };
        let wait = |until: Until| Some(until == Until::Settled);
        line(&match self {
            Request::Status => wire("status", &[]),
            Request::Wake(names, until) => Wire { wait: wait(*until), ..wire("wake", names) },
            Request::Sleep(names, until) => Wire { wait: wait(*until), ..wire("sleep", names) },
            Request::Keep(names, time) => {
                Wire { for_ms: Some(millis(*time)), ..wire("keep", names) }
            }
        })
    }

    /// Reads a line. The error says what is wrong with it and what was expected.
    pub fn parse(line: &[u8]) -> Result<Request, String> {
        let wire: Wire = serde_json::from_slice(line).map_err(|error| {
            format!("not a request: {error}: expected one line such as {{\"do\":\"status\"}}")
        })?;
        let until = if wire.wait == Some(true) { Until::Settled } else { Until::Begun };
        let request = match wire.deed.as_str() {
            "status" => return Ok(Request::Status),
            "wake" => Request::Wake(wire.names, until),
            "sleep" => Request::Sleep(wire.names, until),
            "keep" => Request::Keep(wire.names, kept_for(wire.for_ms)?),
            other => return Err(unknown(other)),
        };
        if request.names().is_empty() {
            return Err(format!("{}: no names, expected {{\"names\":[…]}}", wire.deed));
        }
        Ok(request)
    }

    /// The names it is about, as they were asked.
    pub fn names(&self) -> &[String] {
        match self {
            Request::Status => &[],
            Request::Wake(names, _) | Request::Sleep(names, _) | Request::Keep(names, _) => names,
        }
    }
}

fn kept_for(millis: Option<u64>) -> Result<Duration, String> {
    let Some(millis) = millis else {
        return Err("keep: for how long? expected {\"for_ms\":…}".into());
    };
    Some(Duration::from_millis(millis)).filter(|time| *time <= KEEP_LIMIT).ok_or_else(|| {
        format!("keep: {millis} ms is too long: expected {} at most", KEEP_LIMIT.as_millis())
    })
}

fn unknown(deed: &str) -> String {
    let hint = nearest(deed, DEEDS.into_iter())
        .map_or(String::new(), |near| format!("; did you mean `{near}`?"));
    format!("`{deed}`: unknown request: expected one of {}{hint}", DEEDS.join(", "))
}

/// A request as its bytes arrive.
#[derive(Debug, Default)]
pub struct Asking {
    bytes: Vec<u8>,
}

impl Asking {
    /// Takes what came. The request once its line is whole; the error once it can't become one.
    pub fn more(&mut self, bytes: &[u8]) -> Option<Result<Request, String>> {
        let before = self.bytes.len();
        let room = LINE_LIMIT_BYTES.saturating_sub(before);
        let end = bytes.iter().position(|byte| *byte == b'\n');
        if end.unwrap_or(bytes.len()) > room {
            return Some(Err(format!("a line of more than {LINE_LIMIT_BYTES} bytes")));
        }
        self.bytes.extend(&bytes[..end.unwrap_or(bytes.len())]);
        end.map(|_| Request::parse(&self.bytes))
    }

    /// Nothing more comes: the last line needs no end.
    pub fn end(&self) -> Result<Request, String> {
        Request::parse(&self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_request_is_a_line_and_the_line_is_the_request() {
        let web = || names(&["web", "pi/db"]);
        for (request, text) in [
            (Request::Status, r#"{"do":"status"}"#),
            (
                Request::Wake(web(), Until::Settled),
                r#"{"do":"wake","names":["web","pi/db"],"wait":true}"#,
            ),
            (
                Request::Sleep(web(), Until::Begun),
                r#"{"do":"sleep","names":["web","pi/db"],"wait":false}"#,
            ),
            (
                Request::Keep(web(), Duration::from_millis(90_500)),
                r#"{"do":"keep","names":["web","pi/db"],"for_ms":90500}"#,
            ),
        ] {
            assert_eq!(request.line(), format!("{text}\n"));
            assert_eq!(Request::parse(text.as_bytes()), Ok(request));
        }
        let short = br#" {"do": "wake", "names": ["web"]} "#;
        assert_eq!(Request::parse(short), Ok(Request::Wake(names(&["web"]), Until::Begun)));
    }

    #[test]
    fn a_bad_line_is_told_with_what_was_expected() {
        let known = "expected one of status, wake, sleep, keep";
        for (text, told) in [
            (
                r#"{"do":"stauts"}"#,
                format!("`stauts`: unknown request: {known}; did you mean `status`?"),
            ),
            (r#"{"do":"reboot"}"#, format!("`reboot`: unknown request: {known}")),
            (r#"{"do":"wake"}"#, r#"wake: no names, expected {"names":[…]}"#.into()),
            (
                r#"{"do":"keep","names":["web"]}"#,
                r#"keep: for how long? expected {"for_ms":…}"#.into(),
            ),
            (
                r#"{"do":"keep","names":["web"],"for_ms":31622400001}"#,
                "keep: 31622400001 ms is too long: expected 31622400000 at most".into(),
            ),
            (
                "status",
                "not a request: expected value at line 1 column 1: expected one line such as \
                 {\"do\":\"status\"}"
                    .into(),
            ),
            (
                r#"{"do":"status","name":"web"}"#,
                "not a request: unknown field `name`, expected one of `do`, `names`, `wait`, \
                 `for_ms` at line 1 column 21: expected one line such as {\"do\":\"status\"}"
                    .into(),
            ),
        ] {
            assert_eq!(Request::parse(text.as_bytes()), Err(told), "{text}");
        }
    }

    #[test]
    fn a_line_may_come_in_any_pieces() {
        let line = Request::Wake(names(&["web"]), Until::Settled).line();
        for at in 0..line.len() {
            let mut asking = Asking::default();
            assert_eq!(asking.more(&line.as_bytes()[..at]), None, "{at}");
            let whole = asking.more(&line.as_bytes()[at..]);
            assert_eq!(whole, Some(Ok(Request::Wake(names(&["web"]), Until::Settled))), "{at}");
        }
        let mut asking = Asking::default();
        assert_eq!(asking.more(br#"{"do":"status"}"#), None);
        assert_eq!(asking.end(), Ok(Request::Status));
    }

    #[test]
    fn a_line_has_a_limit() {
        let mut asking = Asking::default();
        assert_eq!(asking.more(&vec![b' '; LINE_LIMIT_BYTES]), None);
        let told = "a line of more than 65536 bytes".to_string();
        assert_eq!(asking.more(b" "), Some(Err(told)));
        let mut asking = Asking::default();
        let mut line = vec![b' '; LINE_LIMIT_BYTES - 15];
        line.extend(b"{\"do\":\"status\"}\n and no more");
        assert_eq!(asking.more(&line), Some(Ok(Request::Status)));
    }
}
