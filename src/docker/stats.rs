//! What a container uses, as the engine counts it. Counters only; what they mean between two
//! samples is worked out elsewhere.

use serde::Deserialize;

use crate::docker::answer;
use crate::docker::split::{Splitter, VALUE_LIMIT_BYTES};
use crate::docker::time;
use crate::docker::types::or_default;
use crate::error::Why;
use crate::http::Reply;
use crate::sorted::Map;

/// One sample of a running or paused container (Docker API 1.41 `ContainerStats`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// When it was taken, by the engine's clock, nanoseconds since 1970.
    pub read_nano: u64,
    /// CPU time since the start, over all CPUs.
    pub cpu_nanos: u64,
    /// Memory the cgroup holds, page cache included.
    pub memory_bytes: u64,
    /// The part of it that the kernel would drop first: `total_inactive_file` (cgroup v1) or
    /// `inactive_file` (v2); 0 where the engine does not tell (Podman).
    pub inactive_file_bytes: u64,
    /// The most it may hold: its own limit, or the host's memory; 0: not told.
    pub memory_limit_bytes: u64,
    /// By interface, without `lo`; `None`: on the host's network, or without one. A container that
    /// shares another's network tells the other's numbers. Podman before 5 has one sum, `network`.
    pub networks: Option<Map<String, Traffic>>,
}

/// Bytes through one interface since it came up, as the container sees them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Traffic {
    /// Came in.
    #[serde(deserialize_with = "or_default")]
    pub rx_bytes: u64,
    /// Went out.
    #[serde(deserialize_with = "or_default")]
    pub tx_bytes: u64,
}

/// Which side an engine counts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Container,
    /// The host's end of the cable: Podman before 4.4 (containers/podman#16628).
    Host,
}

/// Reads a stream of samples, about one a second.
#[derive(Clone, Debug)]
pub struct SampleReader {
    splitter: Splitter,
    side: Side,
}

impl SampleReader {
    /// Takes the next bytes of the stream and adds the samples that end in them to `found`; `None`
    /// for each time the engine says that the container does not run.
    ///
    /// # Errors
    /// `Broken` where the stream is not JSON.
    pub fn push(&mut self, bytes: &[u8], found: &mut Vec<Option<Sample>>) -> Result<(), Why> {
        let side = self.side;
        self.splitter.push(bytes, |value| {
            found.push(sample(value, side)?);
            Ok(())
        })
    }
}

/// Reads a single answer. `None`: the container does not run. Docker says so by a document of
/// zeros, Podman 4.3 by an empty 200, 5.8 by an error in a 200.
pub(crate) fn read_once(reply: Reply) -> Result<Option<Sample>, Why> {
    answer::stream(&reply)?;
    match reply.body.trim_ascii() {
        [] => Ok(None),
        body => sample(body, side(&reply)),
    }
}

/// The head of a stream.
pub(crate) fn read_stream(reply: Reply) -> Result<SampleReader, Why> {
    answer::stream(&reply)?;
    Ok(SampleReader { splitter: Splitter::new(VALUE_LIMIT_BYTES), side: side(&reply) })
}

fn side(reply: &Reply) -> Side {
    let podman = reply.header("libpod-api-version").and_then(|version| {
        let (major, rest) = version.split_once('.')?;
        let minor = rest.split('.').next()?;
        Some((major.parse::<u32>().ok()?, minor.parse::<u32>().ok()?))
    });
    if podman.is_some_and(|version| version < (4, 4)) { Side::Host } else { Side::Container }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Wire {
    #[serde(deserialize_with = "or_default")]
    read: String,
    #[serde(deserialize_with = "or_default")]
    cpu_stats: Cpu,
    #[serde(deserialize_with = "or_default")]
    memory_stats: Memory,
    #[serde(deserialize_with = "or_default")]
    networks: Option<Map<String, Traffic>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Cpu {
    #[serde(deserialize_with = "or_default")]
    cpu_usage: CpuUsage,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct CpuUsage {
    #[serde(deserialize_with = "or_default")]
    total_usage: u64,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Memory {
    #[serde(deserialize_with = "or_default")]
    usage: u64,
    #[serde(deserialize_with = "or_default")]
    limit: u64,
    #[serde(deserialize_with = "or_default")]
    stats: MemoryParts,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct MemoryParts {
    #[serde(deserialize_with = "or_default")]
    total_inactive_file: Option<u64>,
    #[serde(deserialize_with = "or_default")]
    inactive_file: u64,
}

fn sample(json: &[u8], side: Side) -> Result<Option<Sample>, Why> {
    let wire: Wire =
        serde_json::from_str(&answer::text(json)).map_err(|error| answer::broken(&error))?;
    let Some(read_nano) = time::nanos(&wire.read) else { return Ok(None) };
    let memory = wire.memory_stats;
    let mut networks = wire.networks;
    for traffic in networks.iter_mut().flat_map(Map::values_mut) {
        *traffic = side.as_the_container_sees_it(*traffic);
    }
    Ok(Some(Sample {
        read_nano,
        cpu_nanos: wire.cpu_stats.cpu_usage.total_usage,
        memory_bytes: memory.usage,
        inactive_file_bytes: memory.stats.total_inactive_file.unwrap_or(memory.stats.inactive_file),
        memory_limit_bytes: memory.limit,
        networks,
    }))
}

impl Side {
    fn as_the_container_sees_it(self, Traffic { rx_bytes, tx_bytes }: Traffic) -> Traffic {
        match self {
            Side::Container => Traffic { rx_bytes, tx_bytes },
            Side::Host => Traffic { rx_bytes: tx_bytes, tx_bytes: rx_bytes },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn once(libpod: Option<&str>, body: &str) -> Result<Option<Sample>, Why> {
        let headers = libpod.map(|version| ("libpod-api-version".to_owned(), version.to_owned()));
        let headers = headers.into_iter().collect();
        read_once(Reply { status: 200, headers, body: body.into(), ..Reply::default() })
    }

    const SAMPLE: &str = r#"{"read":"1970-01-01T00:00:01Z",
        "cpu_stats":{"cpu_usage":{"total_usage":5}},
        "memory_stats":{"usage":9,"limit":99,"stats":{"inactive_file":2,"total_inactive_file":3}},
        "networks":{"eth0":{"rx_bytes":10,"tx_bytes":20}}}"#;

    #[test]
    fn a_sample_is_read_as_the_container_sees_it() {
        let sample = |rx_bytes, tx_bytes| Sample {
            read_nano: 1_000_000_000,
            cpu_nanos: 5,
            memory_bytes: 9,
            inactive_file_bytes: 3,
            memory_limit_bytes: 99,
            networks: Some([("eth0".to_owned(), Traffic { rx_bytes, tx_bytes })].into()),
        };
        assert_eq!(once(None, SAMPLE), Ok(Some(sample(10, 20))));
        assert_eq!(once(Some("4.4.0"), SAMPLE), Ok(Some(sample(10, 20))));
        assert_eq!(once(Some("5.8.2"), SAMPLE), Ok(Some(sample(10, 20))));
        assert_eq!(once(Some("4.3.1"), SAMPLE), Ok(Some(sample(20, 10))));
    }

    #[test]
    fn what_does_not_run_has_no_sample() {
        for body in ["", "\n", r#"{"read":"0001-01-01T00:00:00Z"}"#, r#"{"cause":"is stopped"}"#] {
            assert_eq!(once(None, body), Ok(None), "{body}");
        }
        assert!(matches!(once(None, "{\"read\":"), Err(Why::Broken(_))));
    }
}
