//! One container as `/containers/{id}/json` tells it, and what of it completes the list's entry.
//! Reads leniently; no labels are understood here.

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::docker::time;
use crate::docker::types::{
    Health, HostConfig, Mount, NetworkSettings, Port, Summary, or_default, unless_empty,
};
use crate::sorted::{self, Map};

/// What inspect tells (Docker API 1.41 `ContainerInspectResponse`), as far as drowse looks at it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Inspect {
    /// The full id.
    #[serde(deserialize_with = "or_default")]
    pub id: String,
    /// The name with a leading `/`.
    #[serde(deserialize_with = "or_default")]
    pub name: String,
    /// The image's id, `sha256:…`; the reference the user gave is in `config`.
    #[serde(deserialize_with = "or_default")]
    pub image: String,
    /// How often the engine restarted it by policy.
    #[serde(deserialize_with = "or_default")]
    pub restart_count: i64,
    /// What it does now.
    #[serde(deserialize_with = "or_default")]
    pub state: State,
    /// What it was made from.
    #[serde(deserialize_with = "or_default")]
    pub config: Config,
    /// How it was put on this host.
    #[serde(deserialize_with = "or_default")]
    pub host_config: Host,
    /// Networks, addresses and the ports as they are now.
    #[serde(deserialize_with = "or_default")]
    pub network_settings: Networking,
    /// Volumes and binds.
    #[serde(deserialize_with = "or_default")]
    pub mounts: Vec<Mount>,
}

/// The state of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct State {
    /// `running`, `exited`, …, as in the list.
    #[serde(deserialize_with = "or_default")]
    pub status: String,
    /// Has processes; true while paused too.
    #[serde(deserialize_with = "or_default")]
    pub running: bool,
    /// The first process, as the engine's host counts; 0 where there is none.
    #[serde(deserialize_with = "or_default")]
    pub pid: u32,
    /// Of the last run; 128 and status `created` after a start that failed.
    #[serde(deserialize_with = "or_default")]
    pub exit_code: i64,
    /// Whether the kernel killed it for its memory.
    #[serde(rename = "OOMKilled", deserialize_with = "or_default")]
    pub oom_killed: bool,
    /// Why the last start failed.
    #[serde(deserialize_with = "or_default")]
    pub error: String,
    /// RFC 3339; year 1 for never.
    #[serde(deserialize_with = "or_default")]
    pub started_at: String,
    /// RFC 3339; year 1 for never. May lie before the start where the run was short.
    #[serde(deserialize_with = "or_default")]
    pub finished_at: String,
    /// Absent or with an empty status where there is no health check.
    #[serde(deserialize_with = "or_default")]
    pub health: Option<Health>,
}

impl State {
    /// The last start, nanoseconds since 1970; `None`: never.
    pub fn started_at_nanos(&self) -> Option<u64> {
        time::nanos(&self.started_at)
    }

    /// The end of the last run, nanoseconds since 1970; `None`: none ended yet.
    pub fn finished_at_nanos(&self) -> Option<u64> {
        time::nanos(&self.finished_at)
    }
}

/// What a container was made from.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Config {
    /// The reference the user gave.
    #[serde(deserialize_with = "or_default")]
    pub image: String,
    /// Verbatim.
    #[serde(deserialize_with = "or_default")]
    pub labels: Map<String, String>,
    /// With a terminal, logs are not framed.
    #[serde(deserialize_with = "or_default")]
    pub tty: bool,
    /// A name (Docker) or a number (Podman); `None`: SIGTERM.
    #[serde(deserialize_with = "unless_empty")]
    pub stop_signal: Option<String>,
    /// Seconds; `None`: 10.
    #[serde(deserialize_with = "or_default")]
    pub stop_timeout: Option<i64>,
    /// How it is probed, by its own or its image's wish.
    #[serde(deserialize_with = "or_default")]
    pub healthcheck: Option<Healthcheck>,
    /// `80/tcp` and the like, published or not.
    #[serde(deserialize_with = "or_default")]
    pub exposed_ports: Map<String, IgnoredAny>,
}

/// A health check; `["NONE"]` turns the image's off.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Healthcheck {
    /// `["CMD", …]`, `["CMD-SHELL", …]`, `["NONE"]` or nothing.
    #[serde(deserialize_with = "or_default")]
    pub test: Vec<String>,
}

/// How a container was put on its host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Host {
    /// As in [`HostConfig`].
    #[serde(deserialize_with = "or_default")]
    pub network_mode: String,
    /// What was asked for, by container port.
    #[serde(deserialize_with = "or_default")]
    pub port_bindings: Bindings,
    /// What the engine does when it ends.
    #[serde(deserialize_with = "or_default")]
    pub restart_policy: RestartPolicy,
    /// Vanishes when it ends.
    #[serde(deserialize_with = "or_default")]
    pub auto_remove: bool,
}

/// What the engine does when a container ends.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RestartPolicy {
    /// `no`, `always`, `unless-stopped`, `on-failure` or empty.
    #[serde(deserialize_with = "or_default")]
    pub name: String,
}

/// Networks and ports as they are now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Networking {
    /// By network name.
    #[serde(deserialize_with = "or_default")]
    pub networks: Map<String, crate::docker::types::Network>,
    /// By container port; `null`: exposed, not published.
    #[serde(deserialize_with = "or_default")]
    pub ports: Bindings,
}

/// `80/tcp` → where it is published.
pub type Bindings = Map<String, Option<Vec<Binding>>>;

/// One place a port is published on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Binding {
    /// `None`: the engine's default, mostly every address.
    #[serde(deserialize_with = "unless_empty")]
    pub host_ip: Option<String>,
    /// A number; empty, `0` or a range where the engine chooses at start.
    #[serde(deserialize_with = "or_default")]
    pub host_port: String,
}

impl Inspect {
    /// The same container as the list would tell it.
    pub fn into_summary(self) -> Summary {
        let ports = self.ports();
        let status = self.status_text();
        let name = match self.name.starts_with('/') {
            true => self.name,
            false => format!("/{}", self.name),
        };
        Summary {
            id: self.id,
            names: if name.len() > 1 { vec![name] } else { Vec::new() },
            image: self.config.image,
            image_id: self.image,
            ports,
            labels: self.config.labels,
            status,
            health: self.state.health.filter(|health| !health.status.is_empty()),
            state: self.state.status,
            host_config: Some(HostConfig { network_mode: self.host_config.network_mode }),
            network_settings: NetworkSettings { networks: self.network_settings.networks },
            mounts: self.mounts,
            problems: Vec::new(),
        }
    }

    /// Its ports, sorted: as they are while it runs, else as they were asked for (PortBindings and
    /// ExposedPorts).
    pub fn ports(&self) -> Vec<Port> {
        let mut ports = match self.state.running {
            true => bound(&self.network_settings.ports),
            false => self.configured_ports(),
        };
        sorted::sort(&mut ports);
        ports.dedup();
        ports
    }

    /// Whether it is probed.
    pub fn has_healthcheck(&self) -> bool {
        let test = self.config.healthcheck.as_ref().map(|check| check.test.as_slice());
        test.and_then(|test| test.first()).is_some_and(|first| first != "NONE")
    }

    fn configured_ports(&self) -> Vec<Port> {
        let bindings = &self.host_config.port_bindings;
        let unpublished = |key: &&String| bindings.get(*key).is_none_or(Option::is_none);
        let exposed = self.config.exposed_ports.keys().filter(unpublished);
        let mut ports = bound(bindings);
        ports.extend(exposed.filter_map(|key| private(key)));
        ports
    }

    /// What the list would say, without the times: `Up (healthy)`, `Exited (3)`.
    fn status_text(&self) -> String {
        let code = self.state.exit_code;
        let health = self.state.health.as_ref().map_or("", |health| health.status.as_str());
        match self.state.status.as_str() {
            "running" => match health {
                "" | "none" => "Up".to_owned(),
                "starting" => "Up (health: starting)".to_owned(),
                health => format!("Up ({health})"),
            },
            "paused" => "Up (Paused)".to_owned(),
            "restarting" => format!("Restarting ({code})"),
            "exited" | "stopped" => format!("Exited ({code})"),
            "removing" => "Removal In Progress".to_owned(),
            "dead" => "Dead".to_owned(),
            "created" | "configured" => "Created".to_owned(),
            other => other.to_owned(),
        }
    }
}

/// The list's entry with what only inspect knows: the ports (a stopped container lists none, Podman
/// 4.3 not all of them), and the network mode and health, which Podman's list has not.
pub fn complete(summary: Summary, inspect: &Inspect) -> Summary {
    let ports = inspect.ports();
    let mode = &inspect.host_config.network_mode;
    let told = || Some(HostConfig { network_mode: mode.clone() }).filter(|_| !mode.is_empty());
    let health = || inspect.state.health.clone().filter(|health| !health.status.is_empty());
    Summary {
        ports: if ports.is_empty() { summary.ports } else { ports },
        host_config: summary.host_config.or_else(told),
        health: summary.health.or_else(health),
        ..summary
    }
}

/// The mappings of `bindings`; a key without any is a port that is exposed, not published.
fn bound(bindings: &Bindings) -> Vec<Port> {
    let mut ports = Vec::new();
    for (key, places) in bindings {
        let Some(port) = private(key) else { continue };
        let places = places.as_deref().unwrap_or_default();
        if places.is_empty() {
            ports.push(port);
            continue;
        }
        ports.extend(places.iter().map(|place| Port {
            ip: place.host_ip.clone(),
            public_port: place.host_port.parse().ok().filter(|port| *port != 0),
            ..port.clone()
        }));
    }
    ports
}

/// `80/tcp`, or `80` for TCP.
fn private(key: &str) -> Option<Port> {
    let (number, kind) = key.split_once('/').unwrap_or((key, "tcp"));
    let private_port = number.parse().ok()?;
    Some(Port { ip: None, private_port, public_port: None, kind: kind.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inspect(json: &str) -> Inspect {
        serde_json::from_str(json).unwrap()
    }

    fn port(ip: Option<&str>, private_port: u16, public_port: Option<u16>, kind: &str) -> Port {
        Port { ip: ip.map(str::to_owned), private_port, public_port, kind: kind.to_owned() }
    }

    const STOPPED: &str = r#"{"Id":"a1","Name":"/web","Image":"sha256:2",
        "State":{"Status":"exited","Running":false,"ExitCode":3,"Health":null,
                 "StartedAt":"2026-11-21T02:50:52Z","FinishedAt":"0001-01-01T00:00:00Z"},
        "Config":{"Image":"web:1","Labels":null,"StopSignal":"","ExposedPorts":
                  {"80/tcp":{},"53/udp":{},"9000/tcp":{},"odd":{}}},
        "HostConfig":{"NetworkMode":"bridge","PortBindings":{
            "80/tcp":[{"HostIp":"","HostPort":"8080"},
            {"HostIp":"127.0.0.1","HostPort":"8081"}],"53/udp":[{"HostPort":""}],"81/tcp":null}},
        "NetworkSettings":{"Ports":{},"Networks":null},"Mounts":null}"#;

    #[test]
    fn a_stopped_container_has_the_ports_it_was_asked_to_have() {
        let expected = vec![
            port(None, 53, None, "udp"),
            port(None, 80, Some(8080), "tcp"),
            port(None, 81, None, "tcp"),
            port(None, 9000, None, "tcp"),
            port(Some("127.0.0.1"), 80, Some(8081), "tcp"),
        ];
        assert_eq!(inspect(STOPPED).ports(), expected);
    }

    #[test]
    fn inspect_becomes_the_lists_entry() {
        let stopped = inspect(STOPPED);
        assert_eq!(stopped.state.started_at_nanos(), Some(1_795_229_452_000_000_000));
        assert_eq!(stopped.state.finished_at_nanos(), None);
        let ports = stopped.ports();
        let expected = Summary {
            id: "a1".into(),
            names: vec!["/web".into()],
            image: "web:1".into(),
            image_id: "sha256:2".into(),
            ports,
            state: "exited".into(),
            status: "Exited (3)".into(),
            host_config: Some(HostConfig { network_mode: "bridge".into() }),
            ..Summary::default()
        };
        assert_eq!(stopped.into_summary(), expected);
    }

    #[test]
    fn only_what_the_list_lacks_is_completed() {
        let listed: Summary = serde_json::from_str(r#"{"Id":"a1","Status":"Up"}"#).unwrap();
        let mut told = inspect(STOPPED);
        told.state.health = Some(Health { status: "healthy".into() });
        let completed = complete(listed.clone(), &told);
        let mut expected = listed.clone();
        expected.ports = told.ports();
        expected.host_config = Some(HostConfig { network_mode: "bridge".into() });
        expected.health = Some(Health { status: "healthy".into() });
        assert_eq!(completed, expected);
        assert_eq!(complete(expected.clone(), &Inspect::default()), expected);
    }

    #[test]
    fn a_health_check_may_be_turned_off() {
        let with = |test: &str| {
            let config = format!(r#"{{"Config":{{"Healthcheck":{test}}}}}"#);
            inspect(&config).has_healthcheck()
        };
        assert!(with(r#"{"Test":["CMD","true"]}"#));
        for off in [r#"{"Test":["NONE"]}"#, r#"{"Test":[]}"#, r#"{"Test":null}"#, "null"] {
            assert!(!with(off), "{off}");
        }
    }
}
