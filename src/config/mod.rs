//! What the user configured: the values, and where they are looked for. Connects to nothing.

mod context;
mod providers;
mod proxmox;
mod read;
mod settings;
mod tls;

use std::ffi::OsString;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::agent::Agents;
use crate::container::guest::Cluster;
use crate::error::Why;
use crate::host::Host;
use crate::net::Endpoint;
use crate::plan::{self, StopMethod};
use crate::proxmox::rights::Token;
use crate::sorted::Map;
use crate::yaml::Position;

pub use context::host;

/// Where the config is if nobody says otherwise.
const FILE: &str = "/etc/drowse/drowse.yml";

/// Everything the user configured, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The file it came from; `None`: the environment alone.
    pub file: Option<PathBuf>,
    /// In the file's order; agents that no engine names follow, an engine each.
    pub engines: Vec<Engine>,
    /// The agents.
    pub agents: Agents,
    /// The Proxmox VE clusters, in the file's order.
    pub proxmox: Vec<Proxmox>,
    /// The defaults for every container.
    pub idle: Idle,
    /// Idle settings of guests by vmid, as label names without `proxy.`. Names, durations and words
    /// are checked, the rest is not.
    pub lxc: Map<u32, Map<String, String>>,
    /// Where metrics are served.
    pub metrics: Option<SocketAddr>,
    /// The control socket.
    pub control: PathBuf,
    /// How knocks are noticed.
    pub doors: Doors,
}

/// One engine.
#[derive(Clone, Debug, PartialEq)]
pub struct Engine {
    /// The key in the file, without the `!`.
    pub name: String,
    /// The key ended with `!`: only containers with `proxy.*` labels.
    pub only_explicit: bool,
    /// As the user knows it, without secrets.
    pub url: String,
    /// What the URL means; an unknown agent or a missing context is an error of this engine alone.
    pub host: Result<Host, Why>,
}

/// One Proxmox VE node or cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct Proxmox {
    /// The host that is asked, with the port where that is not PVE's own.
    pub name: String,
    /// The way to its API.
    pub endpoint: Endpoint,
    /// `user@realm!name`.
    pub token_id: String,
    /// The token's secret; an error if it is a systemd credential and there are none.
    pub secret: Result<Secret, Why>,
}

impl Proxmox {
    /// The token that every call is signed with.
    pub fn token(&self) -> Result<Token, Why> {
        Ok(Token::new(&self.token_id, self.secret.as_ref().map_err(Clone::clone)?.reveal()))
    }
}

impl Config {
    /// What the guests of a cluster are told to come from.
    pub fn cluster(&self, one: &Proxmox) -> Cluster {
        let (name, url) = (one.name.clone(), one.endpoint.url.clone());
        Cluster { name, url, defaults: self.idle.defaults(), lxc: self.lxc.clone() }
    }
}

/// What must not be shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text itself, for the one place that sends it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The idle settings of containers whose labels say nothing else, and of the daemon itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Idle {
    /// How long a wake may take.
    pub wake_timeout: Duration,
    /// How long a stop may take before the container is killed.
    pub stop_timeout: Duration,
    /// How a container is put to sleep.
    pub stop_method: StopMethod,
    /// How often activity is looked at.
    pub poll: Duration,
    /// How many wake at once, over all engines.
    pub max_waking: u32,
}

impl Idle {
    /// What labels fall back to.
    pub fn defaults(&self) -> plan::Defaults {
        plan::Defaults {
            wake_timeout: self.wake_timeout,
            stop_timeout: self.stop_timeout,
            stop_method: self.stop_method,
        }
    }
}

impl Default for Idle {
    fn default() -> Self {
        Idle {
            wake_timeout: Duration::from_secs(180),
            stop_timeout: Duration::from_secs(60),
            stop_method: StopMethod::Stop,
            poll: Duration::from_secs(10),
            max_waking: 4,
        }
    }
}

/// How knocks at published ports of stopped containers are noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Doors {
    /// The port of the one listener that redirected connections come to.
    pub port: u16,
    /// Whether connections may be redirected.
    pub redirect: Redirect,
}

impl Default for Doors {
    fn default() -> Self {
        Doors { port: 41960, redirect: Redirect::Auto }
    }
}

/// Whether connections may be redirected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redirect {
    /// Where nftables can do it.
    Auto,
    /// Stand-in doors only.
    Off,
}

/// Something in the config that can't be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub file: PathBuf,
    /// Where in it, unless it is about the file as a whole.
    pub at: Option<Position>,
    /// What is there, and what was expected.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(Position { line, column }) = self.at {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}", self.what)
    }
}

/// The environment as a value, so that tests need not change their own. Has no `Debug`: it may
/// hold secrets.
#[derive(Clone, Default)]
pub struct Env {
    /// By name.
    pub vars: Map<String, String>,
    /// The file that is read if it exists and no other is named.
    pub default_file: PathBuf,
}

impl Env {
    /// The environment of this process. A variable that is not UTF-8 counts as unset.
    pub fn of_process() -> Env {
        let text = |(name, value): (OsString, OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        let mut vars = Map::new();
        vars.extend(std::env::vars_os().filter_map(text));
        Env { vars, default_file: FILE.into() }
    }

    /// A variable; empty counts as unset.
    pub fn var(&self, name: &str) -> Option<&str> {
        self.vars.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

/// Reads the config: the file `choice`, else `$DROWSE_CONFIG`, else the default file if it exists,
/// else one engine that the environment names. Returns every problem of the file, in its order.
pub fn load(choice: Option<&Path>, env: &Env) -> Result<Config, Vec<Problem>> {
    let named = choice.or_else(|| env.var("DROWSE_CONFIG").map(Path::new));
    // A default file that may exist, but can't be looked at, must not be passed over.
    let default = || env.default_file.try_exists().unwrap_or(true).then_some(&*env.default_file);
    match named.or_else(default) {
        Some(file) => settings::read(file, env),
        None => Ok(without_file(env)),
    }
}

/// The one engine of `--host URL`.
pub fn named_on_the_command_line(url: &str, env: &Env, agents: &Agents) -> Engine {
    context::engine("default", url, host(url, env, agents))
}

fn without_file(env: &Env) -> Config {
    let agents = Agents::new();
    Config {
        file: None,
        engines: vec![context::default_engine(env, &agents)],
        agents,
        proxmox: Vec::new(),
        idle: Idle::default(),
        lxc: Map::new(),
        metrics: None,
        control: settings::CONTROL.into(),
        doors: Doors::default(),
    }
}
