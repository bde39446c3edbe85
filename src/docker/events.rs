//! Container events out of an engine's `/events` stream, the same for Docker and Podman. Decides
//! nothing about containers: the list is the truth, an event says where to look.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::docker::answer;
use crate::docker::split::{Splitter, VALUE_LIMIT_BYTES};
use crate::docker::types::or_default;
use crate::error::Why;
use crate::http::Reply;

/// Something happened to a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What.
    pub action: Action,
    /// The container's full id.
    pub id: String,
    /// Its name (after a rename the new one), without the leading `/`.
    pub name: String,
    /// The image it was made from.
    pub image: String,
    /// When, by the engine's clock, in nanoseconds since 1970. Ask on from here: `since` includes
    /// it, so a repeat has the same time, id and action.
    pub time_nano: u64,
}

/// What happened. An exit code is not told: labels can overwrite it (ask wait or inspect).
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Action {
    Create,
    Start,
    /// The process ended: the stop itself, whoever asked for it.
    Die,
    /// An ordered stop is done; before or after `Die`, and never on Podman.
    Stop,
    /// A signal was sent.
    Kill,
    Pause,
    Unpause,
    Rename,
    /// It is gone: Docker's `destroy`, Podman's `remove`.
    Removed,
    /// `healthy`, `unhealthy`, `starting`; empty where the engine does not say. On Docker when it
    /// changed, on Podman after every probe.
    Health(String),
    Oom,
    Restart,
    /// Its limits or restart policy changed.
    Update,
    /// Any other, by its name; a command that was run in it is left out.
    Other(String),
}

impl Action {
    /// One name for it, whatever the engine calls it.
    pub fn name(&self) -> &'static str {
        match self {
            Action::Create => "create",
            Action::Start => "start",
            Action::Die => "die",
            Action::Stop => "stop",
            Action::Kill => "kill",
            Action::Pause => "pause",
            Action::Unpause => "unpause",
            Action::Rename => "rename",
            Action::Removed => "removed",
            Action::Health(_) => "health",
            Action::Oom => "oom",
            Action::Restart => "restart",
            Action::Update => "update",
            Action::Other(_) => "other",
        }
    }

    /// Whether the container may look different after it. A signal, an exec or an attach by
    /// itself changes nothing.
    pub fn changes_the_container(&self) -> bool {
        !matches!(self, Action::Kill | Action::Oom | Action::Other(_))
    }

    /// From the name an engine gives it, and Podman's extra field.
    fn named(name: &str, health: Option<&str>) -> Action {
        let (name, rest) = name.split_once(':').unwrap_or((name, ""));
        match name {
            "create" => Action::Create,
            "start" => Action::Start,
            "die" => Action::Die,
            "stop" => Action::Stop,
            "kill" => Action::Kill,
            "pause" => Action::Pause,
            "unpause" => Action::Unpause,
            "rename" => Action::Rename,
            "destroy" | "remove" => Action::Removed,
            "health_status" if rest.is_empty() => {
                Action::Health(answer::one_line(health.unwrap_or_default()))
            }
            "health_status" => Action::Health(answer::one_line(rest)),
            "oom" => Action::Oom,
            "restart" => Action::Restart,
            "update" => Action::Update,
            other => Action::Other(answer::one_line(other)),
        }
    }
}

/// Reads the stream. It ends when the engine goes away, even where the end is clean: reconnect,
/// negotiate, and ask on from the last event.
#[derive(Clone, Debug)]
pub struct EventReader {
    splitter: Splitter,
}

impl Default for EventReader {
    fn default() -> EventReader {
        EventReader { splitter: Splitter::new(VALUE_LIMIT_BYTES) }
    }
}

impl EventReader {
    /// Takes the next bytes of the stream and adds the events that end in them to `found`. Other
    /// things' events (images, networks, …) are passed over, and what can't be read as an event
    /// too.
    ///
    /// # Errors
    /// `Broken` where the stream is not JSON, `Refused` where the engine sends an error in it.
    pub fn push(&mut self, bytes: &[u8], found: &mut Vec<Event>) -> Result<(), Why> {
        self.splitter.push(bytes, |value| {
            found.extend(event(value)?);
            Ok(())
        })
    }
}

/// The head of the stream.
pub(crate) fn read(reply: Reply) -> Result<EventReader, Why> {
    answer::stream(&reply).map(|()| EventReader::default())
}

/// The fields of both forms: up to API 1.51 `status`, `id` and `from` double what `Actor` says.
#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow, rename = "Type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "Action")]
    action: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "Actor")]
    actor: Option<Actor<'a>>,
    #[serde(borrow, rename = "HealthStatus")]
    health: Option<Cow<'a, str>>,
    #[serde(default, deserialize_with = "or_default")]
    time: u64,
    #[serde(default, rename = "timeNano", deserialize_with = "or_default")]
    time_nano: u64,
}

#[derive(Deserialize)]
struct Actor<'a> {
    #[serde(borrow, rename = "ID")]
    id: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "Attributes")]
    attributes: Option<Attributes<'a>>,
}

/// The engine writes these two after the labels, so no label can stand in for them.
#[derive(Default, Deserialize)]
struct Attributes<'a> {
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    image: Option<Cow<'a, str>>,
}

fn event(json: &[u8]) -> Result<Option<Event>, Why> {
    let json = &answer::text(json);
    let Ok(wire) = serde_json::from_str::<Wire>(json) else {
        return serde_json::from_str::<IgnoredAny>(json)
            .map(|_| None)
            .map_err(|error| answer::broken(&error));
    };
    let (Some("container"), Some(action)) = (wire.kind.as_deref(), wire.action.as_deref()) else {
        return refusal(json).map_or(Ok(None), Err);
    };
    let Some(Actor { id: Some(id), attributes }) = wire.actor else { return Ok(None) };
    if id.is_empty() {
        return Ok(None); // `prune` tells of no single container
    }
    let Attributes { name, image } = attributes.unwrap_or_default();
    let name = name.unwrap_or_default();
    Ok(Some(Event {
        action: Action::named(action, wire.health.as_deref()),
        id: id.into_owned(),
        name: name.strip_prefix('/').unwrap_or(&name).to_owned(),
        image: image.unwrap_or_default().into_owned(),
        time_nano: match wire.time_nano {
            0 => wire.time.saturating_mul(1_000_000_000),
            nanos => nanos,
        },
    }))
}

/// An engine whose head was 200 can only say no within the stream.
fn refusal(json: &str) -> Option<Why> {
    #[derive(Deserialize)]
    struct Error {
        message: String,
        #[serde(default)]
        response: u16,
    }
    let error: Error = serde_json::from_str(json).ok()?;
    let message = answer::one_line(&error.message);
    Some(Why::Refused { status: error.response, message })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(stream: &str) -> (Vec<Event>, Result<(), Why>) {
        let mut found = Vec::new();
        let result = EventReader::default().push(stream.as_bytes(), &mut found);
        (found, result)
    }

    fn event(action: Action) -> Event {
        let (id, name, image) = ("1a".into(), "web".into(), "bb".into());
        Event { action, id, name, image, time_nano: 7 }
    }

    fn line(action: &str, more: &str) -> String {
        format!(
            r#"{{"Type":"container","Action":"{action}","Actor":{{"ID":"1a","Attributes":
               {{"exitCode":"9","image":"bb","name":"web"}}}},"scope":"local","timeNano":7{more}}}"#
        )
    }

    #[test]
    fn both_engines_names_become_one_action() {
        for (name, more, action) in [
            ("die", "", Action::Die),
            ("destroy", "", Action::Removed),
            ("remove", "", Action::Removed),
            ("health_status: healthy", "", Action::Health("healthy".into())),
            ("health_status", r#","HealthStatus":"starting""#, Action::Health("starting".into())),
            ("health_status", "", Action::Health(String::new())),
            ("exec_create: sh -c 'echo PASSWORD'", "", Action::Other("exec_create".into())),
            ("cleanup", "", Action::Other("cleanup".into())),
        ] {
            assert_eq!(read(&line(name, more)), (vec![event(action)], Ok(())), "{name}");
        }
    }

    #[test]
    fn what_is_no_containers_event_is_passed_over() {
        let stream = [
            r#"{"Type":"network","Action":"create","Actor":{"ID":"n"},"timeNano":1}"#,
            r#"{"Type":"container","Action":"prune","Actor":{"ID":""},"timeNano":2}"#,
            r#"{"Type":"container","Action":"start","Actor":{"ID":5}}"#,
            r#"{"Type":"container","Action":"start"}"#,
            r#"{"new":true}"#,
            &line("start", ""),
        ];
        assert_eq!(read(&stream.join("\n")), (vec![event(Action::Start)], Ok(())));
    }

    #[test]
    fn without_nanoseconds_the_seconds_count() {
        let (found, _) = read(r#"{"Type":"container","Action":"x","Actor":{"ID":"1"},"time":3}"#);
        assert_eq!(found.first().map(|event| event.time_nano), Some(3_000_000_000));
    }

    #[test]
    fn an_error_within_the_stream_ends_it() {
        let (found, result) = read(r#"{"cause":"c","message":"no\nlog","response":500}"#);
        assert_eq!(found, []);
        assert_eq!(result, Err(Why::Refused { status: 500, message: "no log".into() }));
        let (_, result) = read("{\"Type\":}");
        assert!(matches!(result, Err(Why::Broken(_))));
    }
}
