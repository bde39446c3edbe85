//! What an engine says about a container, made into the object that drowse prints and decides by.
//! Pure: asks nobody.

pub mod guest;
mod network;
mod packed;
mod port;

use std::mem;

use serde::Serialize;

use crate::docker::types::{self, Summary};
use crate::image::{self, Image};
use crate::label::{self, Tree};
use crate::plan::{self, Dependency, Plan};
use crate::sorted::{self, Map};

pub use packed::Packed;
pub use port::{Port, sorted as sorted_ports};

/// How many digits of an id stand for a name.
const SHORT_ID: usize = 12;

/// Mounts that only databases have: putting those to sleep is asked for or not done.
const DATABASE_MOUNTS: [&str; 6] = [
    "/var/lib/postgresql/data",
    "/var/lib/mysql",
    "/var/lib/mongodb",
    "/var/lib/mariadb",
    "/var/lib/memcached",
    "/var/lib/rabbitmq",
];

/// PostgreSQL, MySQL, Redis, memcached, MongoDB.
const DATABASE_PORTS: [u16; 5] = [5432, 3306, 6379, 11211, 27017];

/// What decides besides our own labels: a container beside a service's own, a task of Swarm's.
const DECISIVE_LABELS: [&str; 2] = ["com.docker.compose.oneoff", SWARM_TASK];

const SWARM_TASK: &str = "com.docker.swarm.task.id";

/// The engine a container comes from, as far as a container's object tells of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The engine's name in the config.
    pub engine: String,
    /// Its URL, without secrets.
    pub url: String,
    /// The agent before it.
    pub agent: Option<Agent>,
    /// Whether the engine is on this machine: a Unix socket, a loopback address, `$DOCKER_HOST`.
    pub local: bool,
    /// The host name that reaches what it publishes; empty if unknown. Not asked of a local one.
    pub public_host: String,
    /// Said in every container's errors: `agent attic.example:443: unknown: …`.
    pub problem: Option<String>,
    /// What holds where labels say nothing.
    pub defaults: plan::Defaults,
}

/// An agent, as it is printed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Agent {
    /// Host and port.
    pub addr: String,
    /// Its name in the config.
    pub name: String,
}

/// One container, or one guest of Proxmox VE. Every key is always printed (but those that only a
/// guest has), in this order, which is the alphabet's; maps are
/// sorted by key, port numbers as numbers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Container {
    /// The agent before its engine.
    pub agent: Option<Agent>,
    /// The names of its routes: [`label::aliases`].
    pub aliases: Vec<String>,
    /// What compose says of it.
    pub compose: Option<Compose>,
    /// The full id.
    pub container_id: String,
    /// The name without `/`; the id's first digits if it has none.
    pub container_name: String,
    /// The engine's URL.
    pub docker_cfg: String,
    /// The engine's name in the config.
    pub engine: String,
    /// What is wrong with it, as `label or field: what: what was expected`; never with values.
    pub errors: Vec<String>,
    /// What its health check says.
    pub health: Health,
    /// When it sleeps; `None`: it is left alone.
    pub idlewatcher_config: Option<Plan>,
    /// Its image.
    pub image: Image,
    /// It looks like a database: a mount or a private port says so.
    pub is_blacklisted: bool,
    /// `proxy.exclude` is true.
    pub is_excluded: bool,
    /// It has a label that begins with `proxy.`.
    pub is_explicit: bool,
    /// It has the host's network.
    pub is_host_network_mode: bool,
    /// Its address can't be found out while it runs, so that nothing can tell whether it is ready;
    /// not printed.
    #[serde(skip)]
    pub is_silent: bool,
    /// The engine's `HostConfig.NetworkMode`, for whose network it shares; not printed.
    #[serde(skip)]
    pub network_mode: String,
    /// All its labels, untouched.
    pub labels: Map<String, String>,
    /// By destination.
    pub mounts: Vec<Mount>,
    /// The network that reaches it; empty if there is none or the engine is elsewhere.
    pub network: String,
    /// The node a guest is on; containers have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Every mapping, by the container's port.
    pub ports: Vec<Port>,
    /// Its address on that network; empty while it is down.
    pub private_hostname: String,
    /// One mapping for each port of the container, the best of several.
    pub private_ports: Map<u16, Port>,
    /// Where what it publishes is reached; empty unless it runs.
    pub public_hostname: String,
    /// One mapping for each published port, the best of several.
    pub public_ports: Map<u16, Port>,
    /// By alias: [`label::routes`].
    pub routes: Map<String, Tree>,
    /// The state is `running`: neither paused nor restarting.
    pub running: bool,
    /// `created`, `running`, `paused`, `restarting`, `removing`, `exited` or `dead`; Podman's own
    /// turned into the nearest; any other as the engine says. A guest's is `running`, `stopped` or
    /// `unknown`.
    pub state: String,
    /// A guest's number; containers have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vmid: Option<u32>,
}

/// What compose's labels say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Compose {
    /// What it needs.
    pub depends_on: Vec<Dependency>,
    /// The project's name.
    pub project: String,
    /// The service's name; empty if not said.
    pub service: String,
}

/// The result of a container's health check.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// It has no check, does not run, or the engine does not say.
    #[default]
    None,
    /// Not known yet.
    Starting,
    /// Well.
    Healthy,
    /// Not well.
    Unhealthy,
}

impl Container {
    /// By this `ps` sorts: the name, then the id.
    pub fn order(&self) -> (&str, &str) {
        (&self.container_name, &self.container_id)
    }

    /// Without what is only printed, which decides nothing: agent, URL, image, mounts, and labels
    /// that are not ours. For who keeps many.
    pub fn pared(mut self) -> Container {
        let decides = |name: &String| DECISIVE_LABELS.contains(&name.as_str());
        self.labels.retain(|name, _| name.starts_with("proxy.") || decides(name));
        Container {
            agent: None,
            docker_cfg: String::new(),
            image: Image::default(),
            mounts: Vec::new(),
            ..self
        }
    }
}

impl Health {
    /// The word in the JSON.
    pub fn word(self) -> &'static str {
        match self {
            Health::None => "none",
            Health::Starting => "starting",
            Health::Healthy => "healthy",
            Health::Unhealthy => "unhealthy",
        }
    }
}

/// One mount.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Mount {
    /// The path in the container.
    pub destination: String,
    /// Writable?
    pub rw: bool,
    /// A path of the host; empty where there is none.
    pub source: String,
    /// `bind`, `volume`, `tmpfs`, ….
    #[serde(rename = "type")]
    pub kind: String,
}

/// Makes the object of one container. What is wrong with it goes to its errors; the rest stands.
pub fn parse(mut summary: Summary, origin: &Origin) -> Container {
    let mut errors = mem::take(&mut summary.problems);
    errors.extend(origin.problem.clone());
    let labels = mem::take(&mut summary.labels);
    let container_name = name(mem::take(&mut summary.names), &summary.id);
    let aliases = label::aliases(&labels, &container_name);
    let routes = label::routes(&labels, &aliases, &mut errors);
    let compose = compose(&labels, &mut errors);
    let needs = compose.as_ref().map_or(&[][..], |compose| &compose.depends_on);
    let idlewatcher_config = plan::parse(&labels, needs, &origin.defaults, &mut errors);
    let is_excluded = is_excluded(&labels, &mut errors);

    let state = state(mem::take(&mut summary.state));
    let health = health(summary.health.take(), &summary.status, &state);
    let project = compose.as_ref().map(|compose| compose.project.as_str());
    let running = is_running(&state);
    let facts = network::Facts { labels: &labels, project, state: &state };
    let place = network::place(&summary, origin, &facts, &mut errors);
    let ports = port::sorted(summary.ports, &mut errors);
    let private_ports = port::by_private(&ports);
    let mounts = mounts(summary.mounts);
    Container {
        agent: origin.agent.clone(),
        aliases,
        compose,
        container_id: summary.id,
        container_name,
        docker_cfg: origin.url.clone(),
        engine: origin.engine.clone(),
        errors,
        health,
        idlewatcher_config,
        image: image(&summary.image, &summary.image_id, &labels),
        is_blacklisted: is_blacklisted(&mounts, &private_ports),
        is_excluded,
        is_explicit: label::is_explicit(&labels),
        is_host_network_mode: place.is_host,
        is_silent: false,
        network_mode: summary.host_config.map(|config| config.network_mode).unwrap_or_default(),
        labels,
        mounts,
        network: place.network,
        node: None,
        private_hostname: place.private_hostname,
        private_ports,
        public_hostname: place.public_hostname,
        public_ports: port::by_public(&ports),
        ports,
        routes,
        running,
        state,
        vmid: None,
    }
}

/// Whether the list leaves out what `ps` shows: Podman's network mode and health, and the ports of
/// a container that is down, where somebody wrote labels for it.
pub fn is_partial(summary: &Summary) -> bool {
    let down = !matches!(summary.state.as_str(), "running" | "paused" | "restarting");
    let explicit = || summary.labels.keys().any(|key| key.starts_with("proxy."));
    summary.host_config.is_none() || down && explicit()
}

/// Swarm replaces a task's container when it stops: such a one is never put to sleep.
pub fn is_swarm_task(container: &Container) -> bool {
    container.labels.contains_key(SWARM_TASK)
}

/// The first name with no `/` but the leading one: the others are links' names for it.
fn name(mut names: Vec<String>, id: &str) -> String {
    let bare = |name: &str| name.strip_prefix('/').unwrap_or(name).len();
    names.retain(|name| bare(name) > 0);
    if names.is_empty() {
        return id.get(..SHORT_ID).unwrap_or(id).to_owned();
    }
    let is_own = |name: &String| !name.strip_prefix('/').unwrap_or(name).contains('/');
    let mut name = names.swap_remove(names.iter().position(is_own).unwrap_or_default());
    name.drain(..name.len() - bare(&name));
    name
}

fn image(reference: &str, id: &str, labels: &Map<String, String>) -> Image {
    let version = labels.get("org.opencontainers.image.version");
    Image { version: version.cloned().unwrap_or_default(), ..image::parse(reference, id) }
}

/// Podman has states that Docker has not (podman's `define.ContainerStatus`).
fn state(state: String) -> String {
    let nearest = match state.as_str() {
        "configured" | "initialized" => "created",
        "stopping" => "running",
        "stopped" => "exited",
        "unknown" => "dead",
        _ => return state,
    };
    nearest.to_owned()
}

fn is_running(state: &str) -> bool {
    state == "running"
}

/// From the engine's own word (Docker ≥ 29, inspect), else from the status text. The word outlives
/// the run, which the text does not: what is stopped or paused stays healthy on Podman and turns
/// unhealthy on Docker.
fn health(told: Option<types::Health>, status: &str, state: &str) -> Health {
    let told = told.filter(|_| matches!(state, "running" | "")).unwrap_or_default().status;
    match told.as_str() {
        "starting" => Health::Starting,
        "healthy" => Health::Healthy,
        "unhealthy" => Health::Unhealthy,
        "none" => Health::None,
        _ if status.ends_with("(health: starting)") => Health::Starting,
        _ if status.ends_with("(healthy)") => Health::Healthy,
        _ if status.ends_with("(unhealthy)") => Health::Unhealthy,
        _ => Health::None,
    }
}

/// A bad list of dependencies is told and empty: the container then wakes alone.
fn compose(labels: &Map<String, String>, errors: &mut Vec<String>) -> Option<Compose> {
    const NEEDS: &str = "com.docker.compose.depends_on";
    let project = labels.get("com.docker.compose.project")?.clone();
    let service = labels.get("com.docker.compose.service").cloned().unwrap_or_default();
    let needs = plan::dependencies(labels.get(NEEDS).map_or("", String::as_str));
    let depends_on = needs.unwrap_or_else(|problem| {
        errors.push(format!("{NEEDS}: {problem}"));
        Vec::new()
    });
    Some(Compose { depends_on, project, service })
}

fn is_excluded(labels: &Map<String, String>, errors: &mut Vec<String>) -> bool {
    let text = labels.get("proxy.exclude").map_or("", |text| text.trim());
    let excluded = label::boolean(text);
    if excluded.is_none() && !text.is_empty() {
        errors.push("proxy.exclude: neither true nor false: expected one of them".into());
    }
    excluded.unwrap_or_default()
}

/// Engines list mounts in no order.
fn mounts(mounts: Vec<types::Mount>) -> Vec<Mount> {
    let turned = mounts.into_iter().map(|mount| Mount {
        destination: mount.destination,
        rw: mount.rw,
        source: mount.source,
        kind: mount.kind,
    });
    let mut mounts: Vec<Mount> = turned.collect();
    sorted::sort(&mut mounts);
    mounts
}

fn is_blacklisted(mounts: &[Mount], private_ports: &Map<u16, Port>) -> bool {
    let at = |mount: &Mount| DATABASE_MOUNTS.contains(&mount.destination.trim_end_matches('/'));
    mounts.iter().any(at) || DATABASE_PORTS.iter().any(|port| private_ports.contains_key(port))
}
