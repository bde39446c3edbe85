//! `drowse ps`: every engine's containers, parsed. One engine after the other, each printed when it
//! has answered; one that fails hides nobody.

use std::io;
use std::time::{Duration, Instant};

use crate::config::{self, Config, Env};
use crate::container::{Container, Health};
use crate::duration;
use crate::error::Error;

use super::cluster::Cluster;
use super::engine::{self, Engine};
use super::filter::Filter;
use super::output::{Format, Printer, complain};
use super::table::Row;
use super::{Outcome, Source};

/// The options of `ps`.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which engines.
    pub source: Source,
    /// How long one engine may take, all its calls together.
    pub timeout: Duration,
    /// `None`: by where stdout goes.
    pub format: Option<Format>,
    /// Which containers.
    pub filter: Filter,
    /// Once, or on and on.
    pub until: Until,
}

/// When `ps` ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// When every engine has been asked once.
    Listed,
    /// `--watch`: when a signal comes.
    Stopped,
}

/// The columns of a container.
pub const COLUMNS: &[&str] = &["NAME", "ENGINE", "STATE", "IMAGE", "PORTS", "IDLE", "PROBLEMS"];

/// Lists, prints, and says what failed.
pub fn run(options: &Options) -> io::Result<Outcome> {
    let config = match engine::configured(&options.source, &Env::of_process()) {
        Ok(config) => config,
        Err(lines) => {
            lines.iter().for_each(|line| complain(line));
            return Ok(Outcome::Failed);
        }
    };
    let mut printer = Printer::new(options.format, COLUMNS);
    let mut outcome = Outcome::Done;
    for engine in &config.engines {
        match list(engine, &config, options) {
            Ok(containers) => {
                containers.iter().try_for_each(|container| printer.print(container))?;
                printer.flush()?;
            }
            Err(error) => {
                complain(&engine::failure(engine, &config, &error));
                outcome = Outcome::Failed;
            }
        }
    }
    for one in &config.proxmox {
        let until = Instant::now() + options.timeout;
        let listed = Cluster::connect(one, &config, until).and_then(|known| known.containers());
        match listed {
            Ok(guests) => {
                let mut shown = guests.iter().filter(|guest| options.filter.admits(guest));
                shown.try_for_each(|guest| printer.print(guest))?;
                printer.flush()?;
            }
            Err(error) => {
                complain(&engine::told(&error));
                outcome = Outcome::Failed;
            }
        }
    }
    printer.finish()?;
    Ok(outcome)
}

fn list(
    engine: &config::Engine,
    config: &Config,
    options: &Options,
) -> Result<Vec<Container>, Error> {
    let connected = Engine::connect(engine, Instant::now() + options.timeout)?;
    let origin = engine::origin(engine, config);
    let mut containers = connected.containers(&options.filter.engine, &origin)?;
    containers
        .retain(|one| (one.is_explicit || !engine.only_explicit) && options.filter.admits(one));
    Ok(containers)
}

impl Row for Container {
    fn cells(&self) -> Vec<String> {
        let health = match self.health {
            Health::None => String::new(),
            health => format!(" ({})", health.word()),
        };
        let idle = self.idlewatcher_config.as_ref().map_or(String::new(), |plan| {
            format!("{} after {}", plan.stop_method.word(), duration::show(plan.idle_timeout))
        });
        let problems = match self.errors.len() {
            0 => String::new(),
            n => n.to_string(),
        };
        vec![
            self.container_name.clone(),
            self.engine.clone(),
            format!("{}{health}", self.state),
            self.image.to_string(),
            ports(self),
            idle,
            problems,
        ]
    }
}

/// `8080→80 53→53/udp 9000`; the twins of one port on IPv4 and IPv6 are one.
fn ports(container: &Container) -> String {
    let mut shown: Vec<String> = Vec::new();
    for port in &container.ports {
        let kind = if port.kind == "tcp" { String::new() } else { format!("/{}", port.kind) };
        let text = match port.public_port {
            Some(public) => format!("{public}→{}{kind}", port.private_port),
            None => format!("{}{kind}", port.private_port),
        };
        if !shown.contains(&text) {
            shown.push(text);
        }
    }
    shown.join(" ")
}
