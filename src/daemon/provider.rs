//! Who is followed, by the configuration: an engine or a cluster, and what each can do with those
//! in its care. Asks nobody.

use crate::config::{Config, Engine, Proxmox};
use crate::idle::backend::{Backend, Terms};
use crate::idle::docker::Docker;
use crate::idle::lxc::Lxc;
use crate::plan::Plan;

/// One of them.
#[derive(Clone, Debug, PartialEq)]
pub enum Provider {
    /// A container engine.
    Engine(Engine),
    /// A cluster of guests.
    Cluster(Proxmox),
}

impl Provider {
    /// Its name in what is printed.
    pub fn name(&self) -> &str {
        match self {
            Provider::Engine(engine) => &engine.name,
            Provider::Cluster(cluster) => &cluster.name,
        }
    }

    /// All that a configuration names, in its order, engines first.
    pub fn all(config: &Config) -> Vec<Provider> {
        let engines = config.engines.iter().cloned().map(Provider::Engine);
        engines.chain(config.proxmox.iter().cloned().map(Provider::Cluster)).collect()
    }
}

/// What carries orders out.
#[derive(Clone, Debug)]
pub enum Means {
    /// A container engine.
    Docker(Docker),
    /// A cluster of guests.
    Lxc(Lxc),
}

impl Means {
    /// What the plan comes to here; an error says why it can't be followed.
    pub fn terms(&self, plan: &Plan) -> Result<Terms, String> {
        match self {
            Means::Docker(docker) => docker.terms(plan),
            Means::Lxc(lxc) => lxc.terms(plan),
        }
    }
}
