//! What the daemon counts, as Prometheus text, and who may ask for it. Pure: counts what it is told
//! and opens no socket.
//!
//! Source: the text exposition format 0.0.4 of Prometheus. Names of containers and engines are the
//! only labels; numbers are whole or have three places.

use std::fmt::Write;
use std::time::Duration;

/// Upper bounds of the histogram of wakes, in milliseconds: from a container that only needs its
/// kernel to one that needs the default of `proxy.wake_timeout`.
const BOUNDS_MS: [u64; 10] = [50, 100, 250, 500, 1_000, 2_500, 5_000, 15_000, 60_000, 180_000];

/// How long wakes took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wakes {
    /// How many took no longer than each bound, and longer than the one before.
    within: [u64; BOUNDS_MS.len()],
    count: u64,
    sum_ms: u64,
}

impl Wakes {
    /// One more, from the first knock until it was ready.
    pub fn add(&mut self, took: Duration) {
        let took_ms = millis(took);
        let bound = BOUNDS_MS.iter().position(|bound| took_ms <= *bound);
        if let Some(within) = bound.and_then(|bound| self.within.get_mut(bound)) {
            *within += 1;
        }
        self.count += 1;
        self.sum_ms = self.sum_ms.saturating_add(took_ms);
    }
}

/// What is counted of one container since the daemon's start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Wakes that ended with a container that is ready.
    pub wakes: u64,
    /// Wakes that did not.
    pub failures: u64,
    /// Bytes relayed at its doors, both ways.
    pub door_bytes: u64,
    /// Time spent asleep.
    pub asleep: Duration,
}

/// One container at the time of asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct One<'a> {
    /// Its engine's name in the config.
    pub engine: &'a str,
    /// Its own.
    pub name: &'a str,
    /// How it is, as `status` says it in JSON; `None`: left alone.
    pub state: Option<&'static str>,
    /// What was counted.
    pub tally: Tally,
    /// Connections held for it now.
    pub held: usize,
}

/// All that is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Picture<'a> {
    /// How long wakes took, of all containers.
    pub wakes: Wakes,
    /// The containers in the daemon's care.
    pub containers: Vec<One<'a>>,
    /// The engines, and whether they can be reached.
    pub engines: Vec<(&'a str, bool)>,
    /// Connections within all doors: held, answered or relayed.
    pub visitors: usize,
    /// Since the daemon's start.
    pub up: Duration,
}

/// A number of each container: its name, its kind, what it is, and itself.
type Tallied = (&'static str, &'static str, &'static str, fn(&One<'_>) -> String);

/// The states that are told of each container.
pub const STATES: [&str; 5] = ["asleep", "waking", "awake", "going_to_sleep", "failed"];

/// What is asked for on the metrics address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// `/metrics`
    Metrics,
    /// `/healthz`
    Health,
    /// Another path.
    Nothing,
    /// Another method than GET and HEAD.
    NoSuchMethod,
}

impl Asked {
    /// By method and path.
    pub fn of(method: &str, path: &str) -> Asked {
        match (method, path) {
            ("GET" | "HEAD", "/metrics") => Asked::Metrics,
            ("GET" | "HEAD", "/healthz") => Asked::Health,
            ("GET" | "HEAD", _) => Asked::Nothing,
            _ => Asked::NoSuchMethod,
        }
    }
}

/// The whole response; `method` is the request's.
pub fn response(asked: Asked, method: &str, picture: &Picture<'_>) -> Vec<u8> {
    let (status, kind, body) = match asked {
        Asked::Metrics => ("200 OK", "text/plain; version=0.0.4", text(picture)),
        Asked::Health => ("200 OK", "text/plain", "ok\n".to_owned()),
        Asked::Nothing => ("404 Not Found", "text/plain", "/metrics or /healthz\n".to_owned()),
        Asked::NoSuchMethod => ("405 Method Not Allowed", "text/plain", "GET\n".to_owned()),
    };
    let allow = if asked == Asked::NoSuchMethod { "allow: GET, HEAD\r\n" } else { "" };
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}; charset=utf-8\r\ncontent-length: {}\r\n\
         cache-control: no-store\r\n{allow}connection: close\r\n\r\n",
        body.len()
    );
    let body = if method == "HEAD" { String::new() } else { body };
    (head + &body).into_bytes()
}

/// Everything, as Prometheus reads it.
pub fn text(picture: &Picture<'_>) -> String {
    let mut out = String::new();
    family(&mut out, "build_info", "gauge", "The version that runs");
    let _ = writeln!(out, "drowse_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION"));
    family(&mut out, "up_seconds", "gauge", "Since the daemon's start");
    let _ = writeln!(out, "drowse_up_seconds {}", seconds(millis(picture.up)));
    family(&mut out, "engine_up", "gauge", "Whether the engine can be reached");
    for (engine, is_up) in &picture.engines {
        let (engine, is_up) = (quoted(engine), u8::from(*is_up));
        let _ = writeln!(out, "drowse_engine_up{{engine={engine}}} {is_up}");
    }
    family(&mut out, "containers", "gauge", "Watched containers by how they are");
    for state in STATES {
        let count = picture.containers.iter().filter(|one| one.state == Some(state)).count();
        let _ = writeln!(out, "drowse_containers{{state=\"{state}\"}} {count}");
    }
    histogram(&mut out, &picture.wakes);
    let tallies: [Tallied; 6] = [
        ("asleep", "gauge", "Whether it is asleep", |one| {
            u8::from(one.state == Some("asleep")).to_string()
        }),
        ("wakes_total", "counter", "Wakes until it was ready", |one| one.tally.wakes.to_string()),
        ("wake_failures_total", "counter", "Wakes that failed", |one| {
            one.tally.failures.to_string()
        }),
        ("asleep_seconds_total", "counter", "Time spent asleep, and so saved", |one| {
            seconds(millis(one.tally.asleep))
        }),
        ("door_bytes_total", "counter", "Bytes relayed at its doors, both ways", |one| {
            one.tally.door_bytes.to_string()
        }),
        ("held_connections", "gauge", "Connections held until it is ready", |one| {
            one.held.to_string()
        }),
    ];
    for (name, kind, help, value) in tallies {
        family(&mut out, name, kind, help);
        for one in &picture.containers {
            let (engine, container) = (quoted(one.engine), quoted(one.name));
            let value = value(one);
            let _ = writeln!(out, "drowse_{name}{{engine={engine},name={container}}} {value}");
        }
    }
    family(&mut out, "door_connections", "gauge", "Connections within all doors");
    let _ = writeln!(out, "drowse_door_connections {}", picture.visitors);
    out
}

fn family(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(out, "# HELP drowse_{name} {help}.\n# TYPE drowse_{name} {kind}");
}

fn histogram(out: &mut String, wakes: &Wakes) {
    family(out, "wake_seconds", "histogram", "From the first knock until it was ready");
    let mut below = 0;
    for (bound_ms, within) in BOUNDS_MS.iter().zip(wakes.within) {
        below += within;
        let bound = seconds(*bound_ms);
        let _ = writeln!(out, "drowse_wake_seconds_bucket{{le=\"{bound}\"}} {below}");
    }
    let _ = writeln!(out, "drowse_wake_seconds_bucket{{le=\"+Inf\"}} {}", wakes.count);
    let _ = writeln!(out, "drowse_wake_seconds_sum {}", seconds(wakes.sum_ms));
    let _ = writeln!(out, "drowse_wake_seconds_count {}", wakes.count);
}

fn seconds(millis: u64) -> String {
    format!("{}.{:03}", millis / 1000, millis % 1000)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// A label's value in its quotes.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '\\' => out += "\\\\",
            '"' => out += "\\\"",
            '\n' => out += "\\n",
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests;
