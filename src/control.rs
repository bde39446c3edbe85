//! What is said on the control socket: one JSON line asked, JSON lines answered, then the daemon
//! closes. Pure: opens no socket.
//!
//! ```text
//! {"do":"status"}                                  a Row for each watched container
//! {"do":"wake","names":["web"],"wait":true}        a Done for each name
//! {"do":"sleep","names":["web"],"wait":false}      a Done for each name
//! {"do":"keep","names":["web"],"for_ms":3600000}   a Done for each name
//! anything else                                    {"error":"…"}
//! ```
//!
//! Who asks may close its own side at once: the answer comes all the same.

pub mod names;
pub mod request;

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The longest line that is answered: a container can have many problems.
pub const ANSWER_LIMIT_BYTES: usize = 1 << 20;

/// How a container is, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It is down or frozen, and a knock wakes it.
    Asleep,
    /// On its way up.
    Waking,
    /// It runs and is ready.
    Awake,
    /// On its way down.
    GoingToSleep,
    /// The last order failed.
    Failed,
    /// It is not to be put to sleep; `why` says why not.
    LeftAlone,
}

impl State {
    /// The word for people.
    pub fn word(self) -> &'static str {
        match self {
            State::Asleep => "asleep",
            State::Waking => "waking",
            State::Awake => "awake",
            State::GoingToSleep => "going to sleep",
            State::Failed => "failed",
            State::LeftAlone => "left alone",
        }
    }
}

/// What `status` says of one container. Every key is always there, in this order, which is the
/// alphabet's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// What carries its orders out: `docker`, `lxc`.
    pub backend: String,
    /// The full id.
    pub container_id: String,
    /// How knocks are noticed while it is down, besides the traffic of what is paused.
    pub doors: Vec<Door>,
    /// The engine's name in the config.
    pub engine: String,
    /// How long it still may not sleep because somebody said so.
    pub kept_for_ms: Option<u64>,
    /// When it was last ready after a wake, RFC 3339.
    pub last_wake_at: Option<String>,
    /// How long that wake took.
    pub last_wake_ms: Option<u64>,
    /// The container's name.
    pub name: String,
    /// What is wrong with it, as in `drowse ps`, and what went wrong since.
    pub problems: Vec<String>,
    /// How long until it goes to sleep if nothing happens; only while awake.
    pub sleeps_in_ms: Option<u64>,
    /// How it is.
    pub state: State,
    /// The median of past wakes.
    pub usual_wake_ms: Option<u64>,
    /// Why it is as it is: what keeps it awake (`bytes`, `connection`, `cpu`, `needed by app`,
    /// `kept`), why it is left alone, or what failed.
    pub why: Option<String>,
}

/// One door of a container, as `status` tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Door {
    /// Address and port where people come; an unspecified address is every one of its family.
    pub at: String,
    /// `redirect`, `stand-in` or `front`.
    pub kind: String,
    /// `open` (people are held), `passes` (they are sent on), `shut` (the container has the port
    /// itself), `rests` (its engine needs the port), `denied` (it can't be had).
    pub state: String,
    /// The container's port.
    pub target: u16,
    /// `tcp` or `udp`.
    pub transport: String,
    /// Why it is denied; why it is a stand-in door and no redirect door.
    pub why: Option<String>,
}

/// What came of a request for one name. Every key is always there, in this order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// The engine it is on; `None`: the name was not found, or meant several.
    pub engine: Option<String>,
    /// Why it was not done.
    pub error: Option<String>,
    /// The container's name; as it was asked where there is no such container.
    pub name: String,
    /// How it is now.
    pub state: Option<State>,
    /// How long it took; `None`: not done, or nobody waited for it. 0: it was so already.
    pub took_ms: Option<u64>,
}

impl Done {
    /// A name that could not be resolved.
    pub fn unresolved(name: &str, error: String) -> Done {
        let (name, error) = (name.into(), Some(error));
        Done { engine: None, error, name, state: None, took_ms: None }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Refusal {
    error: String,
}

/// The line of an answer, its end included.
pub fn line(answer: &impl Serialize) -> String {
    match serde_json::to_string(answer) {
        Ok(text) => text + "\n",
        Err(error) => unreachable!("texts and numbers under known keys: {error}"),
    }
}

/// The line that refuses a request.
pub fn refusal(why: &str) -> String {
    line(&Refusal { error: why.into() })
}

/// Reads a line of an answer. The error is the daemon's refusal, or says that it can't be read.
pub fn answer<T: DeserializeOwned>(line: &[u8]) -> Result<T, String> {
    if let Ok(Refusal { error }) = serde_json::from_slice(line) {
        return Err(error);
    }
    serde_json::from_slice(line).map_err(|error| format!("an answer that can't be read: {error}"))
}

/// Whole milliseconds, as far as they can be counted.
pub fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_have_every_key_in_order() {
        let done = Done {
            engine: Some("pi".into()),
            error: None,
            name: "web".into(),
            state: Some(State::GoingToSleep),
            took_ms: None,
        };
        let text = concat!(
            r#"{"engine":"pi","error":null,"name":"web","state":"going_to_sleep","took_ms":null}"#,
            "\n"
        );
        assert_eq!(line(&done), text);
        assert_eq!(answer(text.as_bytes()), Ok(done));
        let row = Row {
            backend: "docker".into(),
            container_id: "ab12".into(),
            doors: vec![Door {
                at: "0.0.0.0:8080".into(),
                kind: "redirect".into(),
                state: "shut".into(),
                target: 80,
                transport: "tcp".into(),
                why: None,
            }],
            engine: "pi".into(),
            kept_for_ms: None,
            last_wake_at: Some("2026-11-21T09:05:35Z".into()),
            last_wake_ms: Some(812),
            name: "web".into(),
            problems: Vec::new(),
            sleeps_in_ms: Some(1000),
            state: State::Awake,
            usual_wake_ms: None,
            why: Some("bytes".into()),
        };
        let text = line(&row);
        let map: serde_json::Value = serde_json::from_str(&text).unwrap();
        let keys: Vec<_> = map.as_object().unwrap().keys().cloned().collect();
        assert_eq!(keys.len(), 13);
        // The last of its name: a door has a state too.
        let places: Vec<_> = keys.iter().map(|key| text.rfind(&format!("\"{key}\":"))).collect();
        assert!(places.is_sorted(), "{text}");
        assert_eq!(answer(text.as_bytes()), Ok(row));
    }

    #[test]
    fn a_refusal_is_no_answer() {
        let text = refusal("not now");
        assert_eq!(text, "{\"error\":\"not now\"}\n");
        assert_eq!(answer::<Done>(text.as_bytes()), Err("not now".into()));
        assert_eq!(answer::<Row>(text.as_bytes()), Err("not now".into()));
        let told = answer::<Row>(b"hello\n").unwrap_err();
        assert!(told.starts_with("an answer that can't be read: "), "{told}");
    }
}
