//! The calls of PVE's API as values: what is asked, and how the answer is read. Opens nothing,
//! waits for nothing. The token is not in them: see [`Token::sign`](super::rights::Token::sign).
//!
//! Orders answer with the number of a task within 90 ms; the order is carried out by that.
//! Parameters and privileges are those of PVE's API viewer, for 7.4, 8.4 and 9.1.

use std::net::IpAddr;
use std::time::Duration;

use serde_json::Value;

use super::answer;
use super::field;
use super::task::{self, Task, Upid};
use super::types::{Config, Counters, Current, Interface, Listed, Net, Place, Status, Version};
use crate::docker::answer::one_line;
use crate::docker::encoded;
use crate::error::Why;
use crate::http::{Call, Method, Patience, Prefix, Reply, Request};
use crate::sorted::{Set, sort_by_key};

/// Where the API begins.
const BASE: &str = "/api2/json";
/// A node that is down is told with 595, after 30 s at the latest.
const ANSWER_WITHIN: Duration = Duration::from_secs(35);
/// Lines of a task's log that are asked for; `start` and `shutdown` write a dozen.
const LOG_LIMIT_LINES: u32 = 500;
/// Lines of a log that are told, the last ones.
const LOG_TOLD_LINES: usize = 3;
/// PVE's interfaces are `net0` to `net31`.
const NETS: u32 = 32;

/// What PVE it is. For every token: `GET /version`.
pub fn version() -> Call<Version> {
    get("ask for the version", "/version".into(), read_version)
}

/// Every guest that the token may see (VM.Audit), with its node, state and counters; of the LXC
/// kind. `GET /cluster/resources?type=vm`. Without any right: 200 and an empty list.
pub fn resources() -> Call<Vec<Listed>> {
    get("list guests", "/cluster/resources?type=vm".into(), read_resources)
}

/// What one guest does now. VM.Audit; `NotFound`: it is gone, or on another node.
/// `GET /nodes/{node}/lxc/{vmid}/status/current`.
pub fn current(place: &Place) -> Call<Current> {
    get(about("look at", place), path(place, "status/current"), read_current)
}

/// What is configured for one guest. VM.Audit. `GET /nodes/{node}/lxc/{vmid}/config`.
pub fn config(place: &Place) -> Call<Config> {
    get(about("read the configuration of", place), path(place, "config"), read_config)
}

/// The interfaces of one guest; none where it does not run. VM.Audit, and
/// [`Version::tells_interfaces`]. `GET /nodes/{node}/lxc/{vmid}/interfaces`.
pub fn interfaces(place: &Place) -> Call<Vec<Interface>> {
    get(about("ask for the addresses of", place), path(place, "interfaces"), read_interfaces)
}

/// Starts a guest. VM.PowerMgmt. `POST …/status/start`; `AlreadySo`: it runs.
pub fn start(place: &Place) -> Call<Upid> {
    order("start", place, "")
}

/// Shuts a guest down: signal, `grace` rounded up to seconds, then it is stopped. VM.PowerMgmt.
/// `POST …/status/shutdown`; `AlreadySo`: it does not run.
pub fn shutdown(place: &Place, grace: Duration) -> Call<Upid> {
    let seconds = grace.as_secs().saturating_add(u64::from(grace.subsec_nanos() > 0));
    let seconds = seconds.min(i32::MAX as u64);
    order("shutdown", place, &format!("timeout={seconds}&forceStop=1"))
}

/// What a stop does about a shutdown that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overrule {
    /// Calls it off. Only where [`Version::overrules_shutdown`] holds.
    Shutdown,
    /// Waits 10 s for it, then fails with `Conflict`.
    Nothing,
}

/// Stops a guest at once. VM.PowerMgmt. `POST …/status/stop`; `AlreadySo`: it does not run.
pub fn stop(place: &Place, overrule: Overrule) -> Call<Upid> {
    let body = match overrule {
        Overrule::Shutdown => "overrule-shutdown=1",
        Overrule::Nothing => "",
    };
    order("stop", place, body)
}

/// How far a task has come. Only for the token that gave the order, its user, or Sys.Audit.
/// `GET /nodes/{node}/tasks/{upid}/status`.
pub fn task(upid: &Upid) -> Call<Task> {
    let path = format!("/nodes/{}/tasks/{}/status", encoded(upid.node()), encoded(upid.text()));
    get("look at a task", path, read_task)
}

/// The last lines of what a task wrote, without how it ended. As [`task`].
/// `GET /nodes/{node}/tasks/{upid}/log`.
pub fn task_log(upid: &Upid) -> Call<Vec<String>> {
    let (node, upid) = (encoded(upid.node()), encoded(upid.text()));
    let path = format!("/nodes/{node}/tasks/{upid}/log?limit={LOG_LIMIT_LINES}");
    get("read the log of a task", path, read_log)
}

/// What the token may do with one guest: `VM.Audit`, `VM.PowerMgmt`, …. For every token.
/// `GET /access/permissions?path=/vms/{vmid}`.
pub fn privileges(vmid: u32) -> Call<Set<String>> {
    let path = format!("/access/permissions?path={}", encoded(&format!("/vms/{vmid}")));
    get(format!("ask for the privileges on guest {vmid}"), path, read_privileges)
}

fn get<T>(what: impl Into<String>, path: String, read: fn(Reply) -> Result<T, Why>) -> Call<T> {
    let path = format!("{BASE}{path}");
    Call {
        what: what.into(),
        request: Request { method: Method::Get, path, headers: Vec::new(), body: Vec::new() },
        prefix: Prefix::Bare,
        patience: Patience::Within(ANSWER_WITHIN),
        read,
    }
}

/// PVE reads forms; without a body it wants no type.
fn order(verb: &str, place: &Place, body: &str) -> Call<Upid> {
    let mut call = get(about(verb, place), path(place, &format!("status/{verb}")), read_upid);
    call.request.method = Method::Post;
    if !body.is_empty() {
        call.request.headers.push(("content-type", "application/x-www-form-urlencoded".into()));
        call.request.body = body.into();
    }
    call
}

fn about(verb: &str, place: &Place) -> String {
    format!("{verb} guest {}/{}", place.node, place.vmid)
}

fn path(place: &Place, what: &str) -> String {
    format!("/nodes/{}/lxc/{}/{what}", encoded(&place.node), place.vmid)
}

fn unread(what: &str) -> Why {
    Why::Broken(format!("the answer can't be read: {what}"))
}

fn read_version(reply: Reply) -> Result<Version, Why> {
    let data = answer::object(reply)?;
    let version = field::text(&data, "version").or_else(|| field::text(&data, "release"));
    version.and_then(|text| Version::parse(&text)).ok_or_else(|| unread("no version"))
}

/// An entry that is none hides no other.
fn read_resources(reply: Reply) -> Result<Vec<Listed>, Why> {
    let entries = answer::list(reply)?;
    let mut guests: Vec<Listed> = entries.iter().filter_map(listed).collect();
    sort_by_key(&mut guests, |guest| guest.place.vmid);
    guests.dedup_by_key(|guest| guest.place.vmid);
    Ok(guests)
}

fn listed(entry: &Value) -> Option<Listed> {
    if field::text(entry, "type").as_deref() != Some("lxc") {
        return None;
    }
    let place = Place { node: field::text(entry, "node")?, vmid: field::vmid(entry)? };
    Some(Listed {
        place,
        name: field::text(entry, "name").unwrap_or_default(),
        status: status(entry),
        is_template: field::is_set(entry, "template"),
        lock: field::text(entry, "lock"),
        tags: field::text(entry, "tags").unwrap_or_default(),
        counters: counters(entry, "maxcpu"),
    })
}

fn status(object: &Value) -> Status {
    Status::parse(&field::text(object, "status").unwrap_or_default())
}

/// `cpu` is the part in use of all the CPUs that the guest may use.
fn counters(object: &Value, cpus: &str) -> Counters {
    let part = field::number(object, "cpu").zip(field::number(object, cpus));
    Counters {
        in_bytes: field::count(object, "netin"),
        out_bytes: field::count(object, "netout"),
        cpus: part.map(|(part, of)| part * of),
    }
}

fn read_current(reply: Reply) -> Result<Current, Why> {
    let data = answer::object(reply)?;
    let is_ha = data.get("ha").is_some_and(|ha| field::is_set(ha, "managed"));
    let (lock, counters) = (field::text(&data, "lock"), counters(&data, "cpus"));
    Ok(Current { status: status(&data), lock, is_ha, counters })
}

fn read_config(reply: Reply) -> Result<Config, Why> {
    let data = answer::object(reply)?;
    let text = |name| field::text(&data, name).unwrap_or_default();
    let nets = (0..NETS).filter_map(|nth| field::text(&data, &format!("net{nth}")));
    Ok(Config {
        notes: text("description"),
        hostname: text("hostname"),
        is_template: field::is_set(&data, "template"),
        digest: text("digest"),
        nets: nets.map(|net| self::net(&net)).collect(),
    })
}

/// `name=eth0,bridge=vmbr0,ip=10.0.3.15/24,gw=10.0.3.1`.
fn net(text: &str) -> Net {
    let mut net = Net::default();
    for part in text.split(',') {
        match part.split_once('=') {
            Some(("name", name)) => net.name = name.into(),
            Some(("ip", ip)) => net.ip = address(ip),
            Some(("ip6", ip)) => net.ip6 = address(ip),
            Some(_) | None => {}
        }
    }
    net
}

/// Of an address with or without the length of its network; `dhcp`, `auto` and `manual` are none.
fn address(text: &str) -> Option<IpAddr> {
    let address = text.split('/').next()?.parse().ok()?;
    is_reachable(&address).then_some(address)
}

fn is_reachable(address: &IpAddr) -> bool {
    let is_local = match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    !is_local && !address.is_loopback() && !address.is_unspecified()
}

fn read_interfaces(reply: Reply) -> Result<Vec<Interface>, Why> {
    let entries = answer::list(reply)?;
    Ok(entries.iter().filter_map(interface).collect())
}

/// From the list of addresses; `inet` and `inet6`, which older ones have alone, keep only the last.
fn interface(entry: &Value) -> Option<Interface> {
    let name = field::text(entry, "name")?;
    let list = entry.get("ip-addresses").and_then(Value::as_array).into_iter().flatten();
    let mut texts: Vec<String> =
        list.filter_map(|address| field::text(address, "ip-address")).collect();
    texts.extend(["inet", "inet6"].into_iter().filter_map(|name| field::text(entry, name)));
    let mut addresses: Vec<IpAddr> = texts.iter().filter_map(|text| address(text)).collect();
    sort_by_key(&mut addresses, IpAddr::is_ipv6);
    let mut seen = Set::new();
    addresses.retain(|address| seen.insert(*address));
    Some(Interface { name, addresses })
}

fn read_upid(reply: Reply) -> Result<Upid, Why> {
    let data = answer::data(reply)?;
    data.as_str().and_then(Upid::parse).ok_or_else(|| unread("no task"))
}

fn read_task(reply: Reply) -> Result<Task, Why> {
    let data = answer::object(reply)?;
    match field::text(&data, "status").as_deref() {
        Some("running") => Ok(Task::Running),
        Some("stopped") => {
            let exit = field::text(&data, "exitstatus").unwrap_or_default();
            Ok(Task::Ended(task::outcome(&one_line(&exit))))
        }
        Some(_) | None => Err(unread("no status of a task")),
    }
}

/// PVE 7 and 8 answer with an object where a task is not known.
fn read_log(reply: Reply) -> Result<Vec<String>, Why> {
    let Value::Array(lines) = answer::data(reply)? else { return Ok(Vec::new()) };
    let line = |line: &Value| field::text(line, "t").map(|text| one_line(&text));
    let mut lines: Vec<String> = lines.iter().filter_map(line).collect();
    lines.retain(|line| !line.is_empty() && !line.starts_with("TASK "));
    lines.drain(..lines.len().saturating_sub(LOG_TOLD_LINES));
    Ok(lines)
}

fn read_privileges(reply: Reply) -> Result<Set<String>, Why> {
    let Value::Object(paths) = answer::data(reply)? else { return Ok(Set::new()) };
    let mut names = Set::new();
    for granted in paths.values().filter_map(Value::as_object) {
        names.extend(granted.keys().cloned());
    }
    Ok(names)
}
