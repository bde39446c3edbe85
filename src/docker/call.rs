//! The Engine API's container calls as values: what is asked, and how the answer is read. Opens
//! nothing, waits for nothing.
//!
//! Statuses are read in one place (`answer`): 304 is `AlreadySo`, 404 `NotFound`, 409 (and what
//! Podman says with 500) `Conflict`. "Docker API" below is its description of version 1.41.

use std::time::Duration;

use serde::Deserialize;

use crate::docker::answer;
use crate::docker::documents;
use crate::docker::inspect::Inspect;
use crate::docker::logs::{self, Framing, LogReader};
use crate::docker::query::{Filters, encoded};
use crate::docker::stats::{self, Sample, SampleReader};
use crate::docker::types::{Summary, or_default};
use crate::error::Why;
use crate::http::{Call, Method, Patience, Prefix, Reply, Request};

/// What an engine takes, after the grace period, to kill a container and clean up behind it.
const STOP_MARGIN: Duration = Duration::from_secs(30);

/// The longest grace period; engines read it as a 32-bit number of seconds at the least.
const GRACE_LIMIT_SECONDS: u64 = i32::MAX as u64;

/// How long an upload may take, all in all.
const UPLOAD_WITHIN: Duration = Duration::from_secs(600);

/// All containers, running or not, that pass the engine's own `filters`. Docker API
/// `ContainerList`: 200; 400 (Podman 500) for a filter it does not know.
pub fn list(filters: &Filters) -> Call<Vec<Summary>> {
    let path = format!("/containers/json?all=1{}", filters.parameter('&'));
    call("list containers", Method::Get, path, read_list)
}

/// Calls `found` with each container of an answer to [`list`], which has them all at once.
///
/// # Errors
/// As reading it otherwise; what stands before a fault was found.
pub fn each_listed(reply: &Reply, found: impl FnMut(Summary)) -> Result<(), Why> {
    documents::each_listed(answer::content(reply)?, found)
}

/// The one container of this full id, or nothing: a prefix would find others too. 100 times cheaper
/// than the list. Docker API `ContainerList`.
pub fn list_one(id: &str) -> Call<Vec<Summary>> {
    Call { what: format!("look at container {}", short(id)), ..list(&Filters::one("id", id)) }
}

/// Everything about one container, by id or name. Docker API `ContainerInspect`: 200, 404.
pub fn inspect(id: &str) -> Call<Inspect> {
    let path = format!("/containers/{}/json", encoded(id));
    call(format!("inspect container {}", short(id)), Method::Get, path, read_inspect)
}

/// Starts a container; 204 comes when its process runs. Docker API `ContainerStart`: 204, 304, 404;
/// 400 its command can't be run, 409 it is paused (Podman 500), 500 its port is taken. A body is
/// refused.
pub fn start(id: &str) -> Call<()> {
    order("start", id, "start")
}

/// Stops a container: signal, `grace` rounded up to seconds, kill. Answers when it is down; giving
/// up the call does not call it off. Ask for a `signal` only where
/// [`stops_with_signal`](super::version::Negotiated::stops_with_signal) holds: it came with API
/// 1.42, and is ignored before. Docker API `ContainerStop`: 204, 304, 404.
pub fn stop(id: &str, signal: Option<&str>, grace: Duration) -> Call<()> {
    let seconds = grace.as_secs().saturating_add(u64::from(grace.subsec_nanos() > 0));
    let seconds = seconds.min(GRACE_LIMIT_SECONDS);
    let signal = signal.map(|signal| format!("&signal={}", encoded(signal))).unwrap_or_default();
    let patience = Duration::from_secs(seconds) + STOP_MARGIN;
    let order = order("stop", id, &format!("stop?t={seconds}{signal}"));
    Call { patience: Patience::Within(patience), ..order }
}

/// Sends a signal, by name with or without SIG, or by number. Docker API `ContainerKill`: 204, 404,
/// 409 it does not run; 400 (Podman 500) no such signal.
pub fn kill(id: &str, signal: &str) -> Call<()> {
    order("kill", id, &format!("kill?signal={}", encoded(signal)))
}

/// Freezes a container. Docker API `ContainerPause`: 204, 404; 409 it is paused or does not run
/// (Podman 500).
pub fn pause(id: &str) -> Call<()> {
    order("pause", id, "pause")
}

/// Lets a frozen container go on. Docker API `ContainerUnpause`: 204, 404; 500 it is not paused,
/// which reads as `Conflict`.
pub fn unpause(id: &str) -> Call<()> {
    order("unpause", id, "unpause")
}

/// What to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Ends at once where it does not run.
    NotRunning,
    /// The next end; never comes where it does not run.
    NextExit,
    /// Until it is gone.
    Removed,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exit {
    /// The exit code; 128 + the signal where one ended it.
    pub code: i64,
    /// What the engine could not find out, in its words.
    pub error: Option<String>,
}

/// Waits for the end of a container; the head comes at once, the body with the end. Docker API
/// `ContainerWait`: 200, 404; 400 for a condition it does not know. An empty or cut body is
/// `Broken`: the engine went away, ask again.
pub fn wait(id: &str, condition: Condition) -> Call<Exit> {
    let condition = match condition {
        Condition::NotRunning => "not-running",
        Condition::NextExit => "next-exit",
        Condition::Removed => "removed",
    };
    let path = format!("/containers/{}/wait?condition={condition}", encoded(id));
    let what = format!("wait for container {}", short(id));
    Call { patience: Patience::Endless, ..call(what, Method::Post, path, read_exit) }
}

/// One sample of what a container uses; `None`: it does not run. Takes a second on Docker 20.10,
/// milliseconds from 25 on. Docker API `ContainerStats`: 200, 404.
pub fn stats_once(id: &str) -> Call<Option<Sample>> {
    let path = format!("/containers/{}/stats?stream=false&one-shot=true", encoded(id));
    call(format!("sample container {}", short(id)), Method::Get, path, stats::read_once)
}

/// A sample about every second. Docker API `ContainerStats`: 200, 404. (`one-shot` beside a stream
/// is 400 on Docker 25 to 28.)
pub fn stats_stream(id: &str) -> Call<SampleReader> {
    let path = format!("/containers/{}/stats?stream=true", encoded(id));
    let what = format!("follow the samples of container {}", short(id));
    Call { patience: Patience::Endless, ..call(what, Method::Get, path, stats::read_stream) }
}

/// Which part of a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogPart {
    /// The last so many lines; `None`: all.
    pub tail: Option<u32>,
    /// Seconds since 1970; `None`: from the first line.
    pub since_seconds: Option<u64>,
    /// With the time before each line, RFC 3339, and a space.
    pub timestamps: bool,
    /// What there is by now; else also what comes.
    pub once: bool,
}

/// Both outputs of a container up to now and as they come. `framing` by its `Config.Tty`. Docker
/// API `ContainerLogs`: 200, 404.
pub fn logs(id: &str, framing: Framing, part: LogPart) -> Call<LogReader> {
    let since = part.since_seconds.map(|since| format!("&since={since}")).unwrap_or_default();
    let tail = part.tail.map(|tail| format!("&tail={tail}")).unwrap_or_default();
    let stamps = if part.timestamps { "&timestamps=1" } else { "" };
    let id_path = encoded(id);
    let follow = if part.once { 0 } else { 1 };
    let path = format!(
        "/containers/{id_path}/logs?follow={follow}&stdout=1&stderr=1{since}{tail}{stamps}"
    );
    let read = match framing {
        Framing::Frames => logs::read_frames,
        Framing::Raw => logs::read_raw,
    };
    let what = format!("follow the log of container {}", short(id));
    Call { patience: Patience::Endless, ..call(what, Method::Get, path, read) }
}

/// A container that was made.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Created {
    /// Its full id.
    pub id: String,
    /// What the engine thinks the user should know.
    #[serde(default, deserialize_with = "or_default")]
    pub warnings: Vec<String>,
}

/// Makes a container from raw API JSON (`Config` with `HostConfig` and `NetworkingConfig`; one
/// network at most before API 1.44). Docker API `ContainerCreate`: 201; 400 a bad spec, 404 no such
/// image, 409 the name is taken (Podman 500).
pub fn create(name: Option<&str>, spec: &serde_json::Value) -> Call<Created> {
    let query = name.map(|name| format!("?name={}", encoded(name))).unwrap_or_default();
    let what = format!("create container {}", name.unwrap_or("without a name"));
    let path = format!("/containers/create{query}");
    with_json(call(what, Method::Post, path, answer::json), spec)
}

/// How to remove.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removal {
    /// Kill it first where it runs; else that is a `Conflict`.
    pub force: bool,
    /// Its anonymous volumes too.
    pub volumes: bool,
}

/// Removes a container. Docker API `ContainerDelete`: 204, 404; 409 it runs (Podman 500).
pub fn remove(id: &str, removal: Removal) -> Call<()> {
    let Removal { force, volumes } = removal;
    let path = format!("/containers/{}?force={force}&v={volumes}", encoded(id));
    call(format!("remove container {}", short(id)), Method::Delete, path, answer::nothing)
}

/// Unpacks a tar archive into the directory `path` of a container. Docker API
/// `PutContainerArchive`: 200; 404 no such container or directory (Podman makes it); 400 or 500 for
/// a read-only one. Podman may reset the connection right after its reply.
pub fn upload(id: &str, path: &str, tar: Vec<u8>) -> Call<()> {
    let url = format!("/containers/{}/archive?path={}", encoded(id), encoded(path));
    let what = format!("copy files into container {}", short(id));
    let mut call = call(what, Method::Put, url, answer::nothing);
    call.patience = Patience::Within(UPLOAD_WITHIN);
    call.request.headers.push(("content-type", "application/x-tar".into()));
    call.request.body = tar;
    call
}

/// A call that answers at once, below the negotiated version, without a body.
pub(crate) fn call<T>(
    what: impl Into<String>,
    method: Method,
    path: String,
    read: fn(Reply) -> Result<T, Why>,
) -> Call<T> {
    Call {
        what: what.into(),
        request: Request { method, path, headers: Vec::new(), body: Vec::new() },
        prefix: Prefix::Versioned,
        patience: Patience::Ordinary,
        read,
    }
}

/// With a JSON body, and the Content-Type that Docker insists on.
pub(crate) fn with_json<T>(mut call: Call<T>, body: &serde_json::Value) -> Call<T> {
    call.request.headers.push(("content-type", "application/json".into()));
    call.request.body = body.to_string().into_bytes();
    call
}

/// A full id as people write it; names stay whole.
pub(crate) fn short(id: &str) -> &str {
    let full = id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    id.get(..12).filter(|_| full).unwrap_or(id)
}

fn order(verb: &str, id: &str, action: &str) -> Call<()> {
    let path = format!("/containers/{}/{action}", encoded(id));
    call(format!("{verb} container {}", short(id)), Method::Post, path, answer::nothing)
}

fn read_list(reply: Reply) -> Result<Vec<Summary>, Why> {
    documents::summaries(answer::content(&reply)?)
}

fn read_inspect(reply: Reply) -> Result<Inspect, Why> {
    let inspect: Inspect = answer::json(reply)?;
    match inspect.id.is_empty() {
        true => Err(Why::Broken("the answer can't be read: no Id".into())),
        false => Ok(inspect),
    }
}

fn read_exit(reply: Reply) -> Result<Exit, Why> {
    #[derive(Deserialize)]
    struct Wire {
        #[serde(rename = "StatusCode")]
        code: i64,
        #[serde(default, rename = "Error", deserialize_with = "or_default")]
        error: Error,
    }
    #[derive(Default, Deserialize)]
    struct Error {
        #[serde(default, rename = "Message", deserialize_with = "or_default")]
        message: String,
    }
    let Wire { code, error } = answer::json(reply)?;
    let error = Some(answer::one_line(&error.message)).filter(|text| !text.is_empty());
    Ok(Exit { code, error })
}
