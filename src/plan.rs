//! Labels to the idle plan: when a container sleeps, how, and what it needs to wake. Only reads
//! labels; whether a container is managed at all is decided elsewhere too.

mod depend;
mod signal;

use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::duration;
use crate::label::{boolean, is_explicit};
use crate::sorted::Map;

pub use depend::{Condition, Dependency, dependencies};

/// Bytes between two polls that still count as no activity.
const THRESHOLD_BYTES: u64 = 1024;

/// The most CPU that can be asked for, in percent of one: more CPUs than any machine has.
const CPU_LIMIT_PERCENT: f64 = 1_000_000.0;

/// How a container is put to sleep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum StopMethod {
    /// Signal, wait, kill.
    #[default]
    Stop,
    /// Frozen, memory kept.
    Pause,
    /// The signal only.
    Kill,
}

impl StopMethod {
    /// `stop`, `pause` or `kill`, as labels and config have it.
    pub fn parse(text: &str) -> Option<StopMethod> {
        match text {
            "stop" => Some(StopMethod::Stop),
            "pause" => Some(StopMethod::Pause),
            "kill" => Some(StopMethod::Kill),
            _ => None,
        }
    }

    /// The word for it, as [`StopMethod::parse`] takes it.
    pub fn word(self) -> &'static str {
        match self {
            StopMethod::Stop => "stop",
            StopMethod::Pause => "pause",
            StopMethod::Kill => "kill",
        }
    }
}

/// The one sign that a woken container is ready, where the label asks for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Ready {
    /// The engine calls it healthy.
    Healthy,
    /// Our own probe is answered.
    Probe,
}

/// What holds where a label says nothing: the config's `idle:` section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Defaults {
    /// For `proxy.wake_timeout`.
    pub wake_timeout: Duration,
    /// For `proxy.stop_timeout`.
    pub stop_timeout: Duration,
    /// For `proxy.stop_method`.
    pub stop_method: StopMethod,
}

impl Default for Defaults {
    fn default() -> Defaults {
        Defaults {
            wake_timeout: Duration::from_secs(3 * 60),
            stop_timeout: Duration::from_secs(60),
            stop_method: StopMethod::Stop,
        }
    }
}

/// When and how a container sleeps and wakes. Printed with durations in milliseconds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    /// What must be awake first.
    pub depends_on: Vec<Dependency>,
    /// CPU, in percent of one, that counts as activity; `None`: CPU does not count.
    pub idle_cpu_percent: Option<f64>,
    /// Fewer bytes than this between two polls are noise.
    pub idle_threshold_bytes: u64,
    /// How long without activity until it sleeps; more than nothing.
    #[serde(rename = "idle_timeout_ms", serialize_with = "millis")]
    pub idle_timeout: Duration,
    /// Never answer with the loading page.
    pub no_loading_page: bool,
    /// The only sign that it is ready; `None`, and not printed: the first of both.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready: Option<Ready>,
    /// The only path that wakes it; `None`: any.
    pub start_endpoint: Option<String>,
    /// How it is put to sleep.
    pub stop_method: StopMethod,
    /// The signal to stop or kill it with, `SIGTERM` or a number without a name; `None`: the
    /// image's.
    pub stop_signal: Option<String>,
    /// How long it may take to stop before it is killed.
    #[serde(rename = "stop_timeout_ms", serialize_with = "millis")]
    pub stop_timeout: Duration,
    /// How long it may take to be ready; more than nothing.
    #[serde(rename = "wake_timeout_ms", serialize_with = "millis")]
    pub wake_timeout: Duration,
}

/// The plan that the labels make; `None` if `proxy.idle_timeout` is absent or 0, or if any idle
/// label is bad: such a container stays awake. Bad labels are told in `errors`, also where there
/// would be no plan anyway, as `label: what: what was expected`, without the value.
///
/// `compose` are the dependencies that hold without `proxy.depends_on`.
pub fn parse(
    labels: &Map<String, String>,
    compose: &[Dependency],
    defaults: &Defaults,
    errors: &mut Vec<String>,
) -> Option<Plan> {
    if !is_explicit(labels) {
        return None;
    }
    let before = errors.len();
    let plan = read(labels, compose, defaults, errors);
    let good = errors.len() == before && !plan.idle_timeout.is_zero();
    good.then_some(plan)
}

/// Whether the labels ask for sleep, rightly or not: `proxy.idle_timeout` is there, and is no zero.
pub fn is_asked_for(labels: &Map<String, String>) -> bool {
    let timeout = labels.get("proxy.idle_timeout").map(|text| duration::parse(text.trim()));
    timeout.is_some_and(|timeout| timeout != Ok(Duration::ZERO))
}

/// What the labels say of how a container sleeps and wakes, whether it is to sleep by itself or
/// not (`idle_timeout` is 0 then): for one that others need. Parameters as in [`parse`].
pub fn read(
    labels: &Map<String, String>,
    compose: &[Dependency],
    defaults: &Defaults,
    errors: &mut Vec<String>,
) -> Plan {
    let mut read = Reader { labels, errors };
    let idle_timeout = read.label("proxy.idle_timeout", duration::parse);
    Plan {
        depends_on: read
            .label("proxy.depends_on", dependencies)
            .unwrap_or_else(|| compose.to_vec()),
        idle_cpu_percent: read.label("proxy.idle_cpu", percent),
        idle_threshold_bytes: read
            .label("proxy.idle_threshold", size_bytes)
            .unwrap_or(THRESHOLD_BYTES),
        idle_timeout: idle_timeout.unwrap_or_default(),
        no_loading_page: read.label("proxy.no_loading_page", switch).unwrap_or_default(),
        ready: read.label("proxy.ready", ready),
        start_endpoint: read.label("proxy.start_endpoint", endpoint),
        stop_method: read.label("proxy.stop_method", stop_method).unwrap_or(defaults.stop_method),
        stop_signal: read.label("proxy.stop_signal", stop_signal),
        stop_timeout: read
            .label("proxy.stop_timeout", duration::seconds_or_duration)
            .unwrap_or(defaults.stop_timeout),
        wake_timeout: read
            .label("proxy.wake_timeout", positive_duration)
            .unwrap_or(defaults.wake_timeout),
    }
}

struct Reader<'a> {
    labels: &'a Map<String, String>,
    errors: &'a mut Vec<String>,
}

impl Reader<'_> {
    /// The value of a label; `None` if it is absent, or bad and told.
    fn label<T>(&mut self, label: &str, read: fn(&str) -> Result<T, String>) -> Option<T> {
        match read(self.labels.get(label)?.trim()) {
            Ok(value) => Some(value),
            Err(problem) => {
                self.errors.push(format!("{label}: {problem}"));
                None
            }
        }
    }
}

fn positive_duration(text: &str) -> Result<Duration, String> {
    match duration::parse(text)? {
        Duration::ZERO => Err("zero: expected a duration above it".into()),
        duration => Ok(duration),
    }
}

fn stop_method(text: &str) -> Result<StopMethod, String> {
    StopMethod::parse(text).ok_or_else(|| "not a way to stop: expected stop, pause or kill".into())
}

fn stop_signal(text: &str) -> Result<String, String> {
    let expected = "not a signal: expected a name such as SIGTERM, or a number from 1 to 64";
    signal::normal(text).ok_or_else(|| expected.into())
}

fn ready(text: &str) -> Result<Ready, String> {
    match text {
        "healthy" => Ok(Ready::Healthy),
        "probe" => Ok(Ready::Probe),
        _ => Err("not a sign of readiness: expected healthy or probe".into()),
    }
}

fn switch(text: &str) -> Result<bool, String> {
    boolean(text).ok_or_else(|| "neither true nor false: expected one of them".into())
}

/// A path without its fragment, which no browser sends.
fn endpoint(text: &str) -> Result<String, String> {
    let path = text.split('#').next().unwrap_or_default();
    let plain = !path.contains(|c: char| c.is_whitespace() || c.is_control());
    if path.starts_with('/') && plain {
        Ok(path.to_owned())
    } else {
        Err("not a path: expected one that begins with /".into())
    }
}

/// Bytes, with or without a unit, a blank between them or none.
fn size_bytes(text: &str) -> Result<u64, String> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let factor = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => Some(1),
        "kb" => Some(1_000),
        "mb" => Some(1_000_000),
        "kib" => Some(1 << 10),
        "mib" => Some(1 << 20),
        _ => None,
    };
    let number = digits.parse::<u64>().ok();
    let bytes = number.zip(factor).and_then(|(number, factor)| number.checked_mul(factor));
    bytes.ok_or_else(|| "not a size: expected bytes, or a number with KB, MB, KiB or MiB".into())
}

fn percent(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').unwrap_or(text).trim_end();
    let percent = decimal(number).filter(|n| *n > 0.0 && *n <= CPU_LIMIT_PERCENT);
    percent.ok_or_else(|| "not a percentage: expected a number above 0, such as 5 or 0.5".into())
}

/// A number in digits, with or without a point; what stands behind nine digits of a part is left
/// out. The standard library reads a float by tables of 15 KB, which nothing else needs.
fn decimal(text: &str) -> Option<f64> {
    const DIGITS: usize = 9;
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let plain = |digits: &str| digits.bytes().all(|b| b.is_ascii_digit());
    if !plain(whole) || !plain(part) || whole.len() + part.len() == 0 {
        return None;
    }
    let part = part.get(..DIGITS).unwrap_or(part);
    let scale = 10_u64.pow(part.len() as u32);
    let number =
        |digits: &str| if digits.is_empty() { Some(0) } else { digits.parse::<u64>().ok() };
    let value = number(whole)?.checked_mul(scale)?.checked_add(number(part)?)?;
    Some(value as f64 / scale as f64)
}

fn millis<S: Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}
