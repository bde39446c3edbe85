//! The Engine API's calls about the engine itself. Opens nothing.

use serde::Deserialize;

use crate::docker::answer;
use crate::docker::call::call;
use crate::docker::events::{self, EventReader};
use crate::docker::query::Filters;
use crate::docker::types::or_default;
use crate::docker::version::{self, Ping};
use crate::http::{Call, Method, Patience, Prefix};

/// Asks whether an engine is there and what it speaks. `None`: ask again with [`ping_get`]. Docker
/// API `SystemPingHead`: 200, and no body, whatever its headers say.
pub fn ping() -> Call<Option<Ping>> {
    let call = call("reach the engine", Method::Head, "/_ping".into(), version::read_head);
    Call { prefix: Prefix::Bare, ..call }
}

/// The same with a body, for engines and proxies that don't answer a HEAD, and for the message of
/// those that refuse. Docker API `SystemPing`: 200.
pub fn ping_get() -> Call<Ping> {
    let call = call("reach the engine", Method::Get, "/_ping".into(), version::read_get);
    Call { prefix: Prefix::Bare, ..call }
}

/// What the engine is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct EngineVersion {
    /// `20.10.24+dfsg1`
    #[serde(deserialize_with = "or_default")]
    pub version: String,
    /// The newest API version it speaks.
    #[serde(deserialize_with = "or_default")]
    pub api_version: String,
    /// The oldest one; Podman serves any.
    #[serde(rename = "MinAPIVersion", deserialize_with = "or_default")]
    pub min_api_version: String,
    /// `linux`
    #[serde(deserialize_with = "or_default")]
    pub os: String,
    /// `amd64`
    #[serde(deserialize_with = "or_default")]
    pub arch: String,
}

/// What the engine is. Slow on Podman (it runs programs for it): not for liveness. Docker API
/// `SystemVersion`: 200.
pub fn version() -> Call<EngineVersion> {
    call("ask the engine's version", Method::Get, "/version".into(), answer::json)
}

/// What the engine's host is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Info {
    /// The engine's own id.
    #[serde(rename = "ID", deserialize_with = "or_default")]
    pub id: String,
    /// The host's name.
    #[serde(deserialize_with = "or_default")]
    pub name: String,
    /// `Debian GNU/Linux 12 (bookworm)`, `Docker Desktop`.
    #[serde(deserialize_with = "or_default")]
    pub operating_system: String,
    /// `1` or `2`; empty: not told.
    #[serde(deserialize_with = "or_default")]
    pub cgroup_version: String,
    /// `name=rootless` and the like.
    #[serde(deserialize_with = "or_default")]
    pub security_options: Vec<String>,
    /// CPUs.
    #[serde(rename = "NCPU", deserialize_with = "or_default")]
    pub cpus: u32,
    /// The host's memory in bytes.
    #[serde(rename = "MemTotal", deserialize_with = "or_default")]
    pub memory_bytes: u64,
}

/// What the engine's host is. Docker API `SystemInfo`: 200.
pub fn info() -> Call<Info> {
    call("ask about the engine", Method::Get, "/info".into(), answer::json)
}

/// The events of all containers, from `since_nano` (nanoseconds since 1970 by the engine's clock,
/// included) or from now on, until the engine goes away. Filters nothing but the type: Podman 4.3
/// delivers nothing for `event=die`. The engine keeps the last 256 events. Docker API
/// `SystemEvents`: 200.
pub fn events(since_nano: Option<u64>) -> Call<EventReader> {
    let filters = Filters::one("type", "container").parameter('?');
    let since = since_nano.map(|nano| {
        let (seconds, rest) = (nano / 1_000_000_000, nano % 1_000_000_000);
        format!("&since={seconds}.{rest:09}")
    });
    let path = format!("/events{filters}{}", since.unwrap_or_default());
    let call = call("follow events", Method::Get, path, events::read);
    Call { patience: Patience::Endless, ..call }
}
