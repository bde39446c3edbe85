//! The config file as a whole, and its sections beside `providers:`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::read::{self, Reader, Section};
use super::{Config, Doors, Env, Idle, Problem, Redirect, providers};
use crate::duration;
use crate::host;
use crate::plan::StopMethod;
use crate::sorted::Map;
use crate::yaml::{self, Key, Node, Value};

/// Where the control socket is unless the file says otherwise.
pub(super) const CONTROL: &str = "/run/drowse/control.sock";

const KEYS: [&str; 6] = ["providers", "idle", "lxc", "metrics", "control", "doors"];
const IDLE_KEYS: [&str; 5] = ["wake_timeout", "stop_timeout", "stop_method", "poll", "max_waking"];
/// What labels say of idling and of a route, as far as it means something for a guest.
const LXC_KEYS: [&str; 16] = [
    "idle_timeout",
    "wake_timeout",
    "stop_method",
    "stop_timeout",
    "stop_signal",
    "depends_on",
    "start_endpoint",
    "no_loading_page",
    "idle_threshold",
    "idle_cpu",
    "ready",
    "aliases",
    "scheme",
    "bind",
    "port",
    "healthcheck.path",
];
const STOP_METHODS: [(&str, StopMethod); 3] =
    [("stop", StopMethod::Stop), ("pause", StopMethod::Pause), ("kill", StopMethod::Kill)];
/// Guests have numbers from 100 (PVE's `pve-vmid`).
const VMIDS: (u32, u32) = (100, 999_999_999);
/// Looking more often than this would be the load that drowse is there to save, and nothing wakes
/// faster.
const SHORTEST: Duration = Duration::from_millis(100);
const WAKING_LIMIT: u32 = 1000;

/// Reads a config file. Every problem is returned, in the order of the text.
pub(super) fn read(file: &Path, env: &Env) -> Result<Config, Vec<Problem>> {
    let problem = |at, what| vec![Problem { file: file.into(), at, what }];
    let text = read::whole_text(file).map_err(|what| problem(None, what))?;
    let root = yaml::parse(&text).map_err(|found| problem(Some(found.at), found.what))?;
    let mut reader = Reader { file, env, problems: Vec::new() };
    match config(&mut reader, &root) {
        Some(config) if reader.problems.is_empty() => Ok(config),
        _ => Err(reader.problems),
    }
}

fn config(reader: &mut Reader<'_>, root: &Node) -> Option<Config> {
    let section = reader.section(root, &KEYS)?;
    let providers = providers::read(reader, section.field("providers"));
    let idle = section.field("idle").and_then(|node| idle(reader, node));
    let lxc = section.field("lxc").map(|node| lxc(reader, node));
    let doors = section.field("doors").and_then(|node| doors(reader, node));
    Some(Config {
        file: Some(reader.file.into()),
        engines: providers.engines,
        agents: providers.agents,
        proxmox: providers.proxmox,
        idle: idle.unwrap_or_default(),
        lxc: lxc.unwrap_or_default(),
        metrics: reader.value(&section, "metrics", address),
        control: control(reader, &section).unwrap_or_else(|| CONTROL.into()),
        doors: doors.unwrap_or_default(),
    })
}

fn idle(reader: &mut Reader<'_>, node: &Node) -> Option<Idle> {
    let section = reader.section(node, &IDLE_KEYS)?;
    let default = Idle::default();
    let wake_timeout = reader.value(&section, "wake_timeout", at_least_shortest);
    let stop_timeout = reader.value(&section, "stop_timeout", seconds_or_duration);
    let stop_method = reader.value(&section, "stop_method", stop_method);
    let poll = reader.value(&section, "poll", at_least_shortest);
    let max_waking =
        reader.value(&section, "max_waking", |text| read::number(text, 1, WAKING_LIMIT));
    Some(Idle {
        wake_timeout: wake_timeout.unwrap_or(default.wake_timeout),
        stop_timeout: stop_timeout.unwrap_or(default.stop_timeout),
        stop_method: stop_method.unwrap_or(default.stop_method),
        poll: poll.unwrap_or(default.poll),
        max_waking: max_waking.unwrap_or(default.max_waking),
    })
}

fn doors(reader: &mut Reader<'_>, node: &Node) -> Option<Doors> {
    let section = reader.section(node, &["port", "redirect"])?;
    let default = Doors::default();
    let port = reader.value(&section, "port", read::port);
    let redirect = reader.value(&section, "redirect", |text| {
        read::word(text, &[("auto", Redirect::Auto), ("off", Redirect::Off)])
    });
    Some(Doors {
        port: port.unwrap_or(default.port),
        redirect: redirect.unwrap_or(default.redirect),
    })
}

fn lxc(reader: &mut Reader<'_>, node: &Node) -> Map<u32, Map<String, String>> {
    let mut guests = Map::new();
    for (key, node) in reader.entries(node).unwrap_or_default() {
        match read::number(&key.text, VMIDS.0, VMIDS.1) {
            Ok(vmid) => {
                let labels = guest(reader, node);
                if guests.insert(vmid, labels).is_some() {
                    reader.problem(key.at, format!("the guest {vmid} a second time"));
                }
            }
            Err(what) => reader.problem(key.at, format!("vmid {what}")),
        }
    }
    guests
}

fn guest(reader: &mut Reader<'_>, node: &Node) -> Map<String, String> {
    let mut labels = Map::new();
    for (key, node) in flat(reader.entries(node).unwrap_or_default()) {
        if !LXC_KEYS.contains(&&*key.text) {
            reader.unknown_key(&key, &LXC_KEYS);
            continue;
        }
        let Some(text) = reader.text(node) else { continue };
        if let Err(what) = guest_label(&key.text, &text) {
            reader.problem(node.at, format!("{}: {what}", key.text));
        }
        if labels.insert(key.text.clone(), text).is_some() {
            reader.problem(key.at, format!("the key `{}` a second time", key.text));
        }
    }
    labels
}

/// `healthcheck: {path: /}` is the same as `healthcheck.path: /`.
fn flat(entries: &[(Key, Node)]) -> Vec<(Key, &Node)> {
    let mut flat = Vec::new();
    for (key, node) in entries {
        match &node.value {
            Value::Map(inner) => flat.extend(inner.iter().map(|(last, node)| {
                (Key { text: format!("{}.{}", key.text, last.text), at: last.at }, node)
            })),
            Value::Null | Value::Scalar { .. } | Value::List(_) => flat.push((key.clone(), node)),
        }
    }
    flat
}

fn guest_label(key: &str, text: &str) -> Result<(), String> {
    match key {
        "idle_timeout" => plain_duration(text).map(drop),
        "wake_timeout" => at_least_shortest(text).map(drop),
        "stop_timeout" => seconds_or_duration(text).map(drop),
        "stop_method" => match stop_method(text)? {
            StopMethod::Pause => Err("`pause`, expected stop or kill: Proxmox VE can't freeze a \
                                      guest (its suspend is no freeze)"
                .into()),
            StopMethod::Stop | StopMethod::Kill => Ok(()),
        },
        _ => Ok(()),
    }
}

fn control(reader: &mut Reader<'_>, section: &Section<'_>) -> Option<PathBuf> {
    let base = reader.file.parent().unwrap_or(Path::new("")).to_owned();
    reader.value(section, "control", |text| {
        let path = base.join(text);
        match path.as_os_str().len() {
            _ if text.is_empty() => Err("nothing, expected a socket's path".into()),
            length if length > host::SOCKET_PATH_LIMIT_BYTES => Err(format!(
                "a path of {length} bytes, expected at most {}",
                host::SOCKET_PATH_LIMIT_BYTES
            )),
            _ => Ok(path),
        }
    })
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| format!("`{text}`, expected ADDRESS:PORT such as 127.0.0.1:9420"))
}

fn stop_method(text: &str) -> Result<StopMethod, String> {
    read::word(text, &STOP_METHODS)
}

fn at_least_shortest(text: &str) -> Result<Duration, String> {
    match plain_duration(text)? {
        found if found >= SHORTEST => Ok(found),
        _ => Err(format!("`{text}`, expected at least {}", duration::show(SHORTEST))),
    }
}

fn plain_duration(text: &str) -> Result<Duration, String> {
    duration::parse(text).map_err(|what| format!("`{text}`, {what}"))
}

fn seconds_or_duration(text: &str) -> Result<Duration, String> {
    duration::seconds_or_duration(text).map_err(|what| format!("`{text}`, {what}"))
}
