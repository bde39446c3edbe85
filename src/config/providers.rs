//! `providers:`: the engines, agents and Proxmox nodes of the config file.

use super::read::{self, Reader};
use super::{Engine, Proxmox, context, proxmox, tls};
use crate::agent::{self, Agent, Agents};
use crate::error::Why;
use crate::host;
use crate::net::Tls;
use crate::sorted::Map;
use crate::yaml::{Key, Node, Value};

/// The value that stands for the engine Docker's own tools would take.
const DISCOVERY: &str = "${DOCKER_HOST}";

/// What stands under `providers:`.
#[derive(Default)]
pub(super) struct Providers {
    pub engines: Vec<Engine>,
    pub agents: Agents,
    pub proxmox: Vec<Proxmox>,
}

/// Reads `providers:`. Without the section there is the one engine of the environment.
pub(super) fn read(reader: &mut Reader<'_>, node: Option<&Node>) -> Providers {
    let Some(node) = node else {
        let agents = Agents::new();
        let engines = vec![context::default_engine(reader.env, &agents)];
        return Providers { engines, agents, proxmox: Vec::new() };
    };
    let Some(section) = reader.section(node, &["docker", "agents", "proxmox"]) else {
        return Providers::default();
    };
    let agents = section.field("agents").map(|node| agents(reader, node)).unwrap_or_default();
    let docker = section.field("docker").map(|node| engines(reader, node, &agents));
    let mut engines = docker.unwrap_or_default();
    for engine in unnamed(&agents, &engines) {
        if engines.iter().any(|other| other.name == engine.name) {
            let name = &engine.name;
            reader.problem(section.at, format!("an engine and another agent named `{name}`"));
        }
        engines.push(engine);
    }
    let proxmox = section.field("proxmox").map(|node| proxmox::read(reader, node));
    Providers { engines, agents, proxmox: proxmox.unwrap_or_default() }
}

/// An engine for each agent that none of these engines goes through.
fn unnamed(agents: &Agents, engines: &[Engine]) -> Vec<Engine> {
    let engine = |agent: &Agent| {
        let url = format!("agent://{}", agent.addr);
        context::engine(&agent.name, &url, host::parse(&url, None, agents))
    };
    agents.iter().filter(|agent| !is_used(agent, engines)).map(engine).collect()
}

fn is_used(agent: &Agent, engines: &[Engine]) -> bool {
    let addr = |engine: &Engine| Some(engine.host.as_ref().ok()?.agent.as_ref()?.addr.clone());
    engines.iter().any(|engine| addr(engine).as_deref() == Some(&agent.addr))
}

fn agents(reader: &mut Reader<'_>, node: &Node) -> Agents {
    let mut agents = Agents::new();
    for item in reader.items(node) {
        let Some(agent) = agent(reader, item) else { continue };
        if agents.by_name(&agent.name).is_some() {
            reader.problem(item.at, format!("a second agent named `{}`", agent.name));
        }
        let addr = agent.addr.clone();
        if !agents.add(agent) {
            reader.problem(item.at, format!("a second agent at `{addr}`"));
        }
    }
    agents
}

fn agent(reader: &mut Reader<'_>, node: &Node) -> Option<Agent> {
    let section = reader.section(node, &["addr", "name", "tls"])?;
    let addr = reader.required(&section, "addr", |text| {
        host::place(text).map(|_| text.to_owned()).map_err(|why| why.to_string())
    });
    let name = match section.field("name") {
        Some(_) => reader.value(&section, "name", name),
        None => addr.clone(),
    };
    let Some(tls_node) = section.field("tls") else {
        reader.problem(node.at, "expected `tls: {ca_file: …, cert_file: …, key_file: …}`");
        return None;
    };
    let tls = tls::section(reader, tls_node)?;
    if tls.identity.is_none() {
        reader.problem(tls_node.at, "expected `cert_file` and `key_file`");
    }
    let server_name = tls.server_name.or_else(|| Some(agent::SERVER_NAME.into()));
    Some(Agent { addr: addr?, name: name?, tls: Tls { server_name, ..tls } })
}

fn engines(reader: &mut Reader<'_>, node: &Node, agents: &Agents) -> Vec<Engine> {
    let mut engines: Vec<Engine> = Vec::new();
    let mut seen = Map::new();
    for (key, node) in reader.entries(node).unwrap_or_default() {
        let (name, only_explicit) = match key.text.strip_suffix('!') {
            Some(name) => (name, true),
            None => (&*key.text, false),
        };
        if let Err(what) = self::name(name) {
            reader.problem(key.at, what);
        }
        if let Some(first) = seen.insert(name.to_owned(), key.at.line) {
            reader.problem(key.at, format!("a second engine named `{name}`, see line {first}"));
        }
        if let Some(found) = engine(reader, node, agents) {
            engines.push(Engine { name: name.into(), only_explicit, ..found });
        }
    }
    engines
}

/// An engine's name is the first half of `engine/container`.
fn name(text: &str) -> Result<String, String> {
    if text.is_empty() || text.contains('/') || text.contains(char::is_control) {
        return Err(format!("`{text}`, expected a name without `/`"));
    }
    Ok(text.to_owned())
}

fn engine(reader: &mut Reader<'_>, node: &Node, agents: &Agents) -> Option<Engine> {
    let (url, tls) = match &node.value {
        Value::Null => {
            reader.problem(node.at, "nothing, expected a URL or a map");
            return None;
        }
        Value::Scalar { text, .. } if text == DISCOVERY => {
            return Some(context::default_engine(reader.env, agents));
        }
        Value::Scalar { .. } => (reader.text(node)?, None),
        Value::Map(entries) => in_parts(reader, node, entries)?,
        Value::List(_) => {
            reader.problem(node.at, "a list, expected a URL or a map");
            return None;
        }
    };
    match host::parse(&url, tls, agents) {
        Err(Why::Invalid(what)) => {
            reader.problem(node.at, what);
            None
        }
        host => {
            let host = host.map(|host| context::as_local(host, &url, reader.env));
            Some(context::engine("", &url, host))
        }
    }
}

/// `{url, tls}` or `{scheme, host, port, tls}`.
fn in_parts(
    reader: &mut Reader<'_>,
    node: &Node,
    entries: &[(Key, Node)],
) -> Option<(String, Option<Tls>)> {
    let section = reader.section(node, &["scheme", "host", "port", "url", "tls"])?;
    let before = reader.problems.len();
    let text = |text: &str| Ok(text.to_owned());
    let url = if section.field("url").is_some() {
        for (key, _) in entries.iter().filter(|(key, _)| is_part(&key.text)) {
            reader
                .problem(key.at, format!("`{}` beside `url`, expected one or the other", key.text));
        }
        reader.value(&section, "url", text)
    } else {
        let scheme = reader.required(&section, "scheme", text);
        let host = reader.required(&section, "host", text);
        let port = reader.value(&section, "port", read::port);
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        scheme.zip(host).map(|(scheme, host)| format!("{scheme}://{}{port}", bracketed(&host)))
    };
    let tls = section.field("tls").map(|node| tls::section(reader, node));
    // What is wrong is noted; to go on would only tell it twice.
    if reader.problems.len() > before {
        return None;
    }
    Some((url?, tls.flatten()))
}

fn is_part(key: &str) -> bool {
    matches!(key, "scheme" | "host" | "port")
}

fn bracketed(host: &str) -> String {
    match host.parse::<std::net::Ipv6Addr>() {
        Ok(_) => format!("[{host}]"),
        Err(_) => host.to_owned(),
    }
}
