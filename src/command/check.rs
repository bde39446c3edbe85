//! `drowse check`: is the configuration right, can every engine be reached, is everything allowed
//! that the idlewatcher needs, are the labels good? Changes nothing.

mod clusters;
mod labels;

use std::io;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::config::{self, Config, Env, Redirect};
use crate::container::Container;
use crate::docker::{Filters, call, system};
use crate::error::{Error, Why};
use crate::{agent, duration};
use labels::Picture;

use super::engine::{self, Engine};
use super::firewall;
use super::output::{Format, Printer, complain};
use super::table::Row;
use super::{Outcome, Source};

/// The options of `check`.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which configuration, or which engine.
    pub source: Source,
    /// How long one engine may take, all its calls together.
    pub timeout: Duration,
    /// `None`: by where stdout goes.
    pub format: Option<Format>,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
struct Finding {
    /// What is good about it: a version, a number of containers.
    found: String,
    kind: &'static str,
    name: String,
    problems: Vec<String>,
}

const COLUMNS: &[&str] = &["KIND", "NAME", "FOUND", "PROBLEMS"];

/// A container id that no engine has: an order for it tells whether orders are allowed.
const NOBODY: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Looks at everything and prints what it found.
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
    let mut tell = |finding: Finding| {
        for problem in &finding.problems {
            complain(&format!("{} {}: {problem}", finding.kind, finding.name));
            outcome = Outcome::Failed;
        }
        printer.print(&finding)
    };
    if let Some(file) = &config.file {
        let name = file.display().to_string();
        tell(Finding { kind: "config", name, found: "valid".into(), problems: Vec::new() })?;
    }
    for (finding, containers) in look_at_engines(&config, options.timeout) {
        tell(finding)?;
        let told = |one: &Container| one.is_explicit || !one.errors.is_empty();
        for container in containers.into_iter().filter(told) {
            tell(look_at_container(container))?;
        }
    }
    for finding in clusters::look_at_all(&config, options.timeout) {
        tell(finding)?;
    }
    let advice = match config.doors.redirect {
        Redirect::Auto => firewall::advice(config.doors.port),
        Redirect::Off => None,
    };
    if let Some(advice) = advice {
        let (name, found) = ("firewall".to_owned(), "in the way".to_owned());
        tell(Finding { kind: "doors", name, found, problems: vec![advice] })?;
    }
    printer.finish()?;
    Ok(outcome)
}

/// Each with its containers. What one needs may be on another engine, so all are judged together.
fn look_at_engines(config: &Config, timeout: Duration) -> Vec<(Finding, Vec<Container>)> {
    let (mut findings, mut all) = (Vec::new(), Vec::new());
    for engine in &config.engines {
        let is_here = engine.host.as_ref().is_ok_and(|host| host.local);
        let (finding, containers) = look_at_engine(engine, config, timeout);
        findings.push((finding, containers.len()));
        all.extend(containers.into_iter().map(|container| (container, is_here)));
    }
    let is_whole =
        config.proxmox.is_empty() && findings.iter().all(|(one, _)| one.problems.is_empty());
    let picture = if is_whole { Picture::Whole } else { Picture::Partial };
    labels::judge(&mut all, picture, &config.idle.defaults());
    let mut all = all.into_iter().map(|(container, _)| container);
    findings
        .into_iter()
        .map(|(finding, count)| (finding, all.by_ref().take(count).collect()))
        .collect()
}

fn look_at_engine(
    engine: &config::Engine,
    config: &Config,
    timeout: Duration,
) -> (Finding, Vec<Container>) {
    let (kind, name) = ("engine", engine.name.clone());
    let connected = match Engine::connect(engine, Instant::now() + timeout) {
        Ok(connected) => connected,
        Err(error) => {
            let (found, problems) = ("not reached".into(), vec![engine::told(&error)]);
            return (Finding { kind, name, found, problems }, Vec::new());
        }
    };
    let mut found = spoken(&connected);
    let mut failures = Vec::new();
    if engine.host.as_ref().is_ok_and(|host| host.agent.is_some()) {
        match connected.run(&agent::info()) {
            Ok(info) => found += &format!(", agent {} ({})", info.version, info.runtime),
            Err(error) => failures.push(error),
        }
    }
    let listed = connected.containers(&Filters::default(), &engine::origin(engine, config));
    let mut containers = listed.unwrap_or_else(|error| {
        failures.push(error);
        Vec::new()
    });
    containers.retain(|one| one.is_explicit || !engine.only_explicit);
    if failures.is_empty() {
        let plural = if containers.len() == 1 { "" } else { "s" };
        found += &format!(", {} container{plural}", containers.len());
    }
    // Who was silent once would be so again.
    if !failures.iter().any(is_silent) {
        let managed = containers.iter().any(|one| one.idlewatcher_config.is_some());
        failures.extend(missing_permissions(&connected, managed));
    }
    let problems = failures.iter().map(engine::told).collect();
    (Finding { kind, name, found, problems }, containers)
}

fn spoken(engine: &Engine) -> String {
    let agreed = &engine.agreed;
    let server = if agreed.server.is_empty() { "an engine" } else { &agreed.server };
    format!("{server}, API {}", agreed.version)
}

/// Reading is always needed; orders only where a container is to be put to sleep.
fn missing_permissions(engine: &Engine, managed: bool) -> Vec<Error> {
    // A container that nobody has: "no such container" is what shall come.
    let mut tried = vec![engine.run(&call::inspect(NOBODY)).err(), engine.knock(&past()).err()];
    if managed {
        tried.push(engine.run(&call::stats_once(NOBODY)).err());
        tried.push(engine.run(&call::start(NOBODY)).err());
        tried.push(engine.run(&call::stop(NOBODY, None, Duration::ZERO)).err());
        tried.push(engine.run(&call::kill(NOBODY, "SIGTERM")).err());
        tried.push(engine.run(&call::pause(NOBODY)).err());
        tried.push(engine.run(&call::unpause(NOBODY)).err());
    }
    let is_missing = |error: &Error| matches!(error.why, Why::Forbidden(_)) || is_silent(error);
    tried.into_iter().flatten().filter(is_missing).map(without_id).collect()
}

fn is_silent(error: &Error) -> bool {
    matches!(error.why, Why::TimedOut(_))
}

/// `start container {id} (POST /containers/{id}/start)`: which container it was does not matter.
fn without_id(mut error: Error) -> Error {
    let short = NOBODY.get(..12).unwrap_or(NOBODY);
    error.what = error.what.replace(NOBODY, "{id}").replace(short, "{id}");
    error
}

/// The events of a second long past: answered at once, where a proxy would hold back the head of a
/// stream in which nothing happens.
fn past() -> crate::http::Call<crate::docker::events::EventReader> {
    let mut events = system::events(Some(1_000_000_000));
    events.request.path += "&until=2";
    events
}

fn look_at_container(container: Container) -> Finding {
    let found = managed(&container);
    let name = format!("{}/{}", container.engine, container.container_name);
    Finding { kind: "container", name, found, problems: container.errors }
}

/// How it sleeps, and when.
fn managed(container: &Container) -> String {
    container.idlewatcher_config.as_ref().map_or_else(
        || "not managed".to_string(),
        |plan| format!("{} after {}", plan.stop_method.word(), duration::show(plan.idle_timeout)),
    )
}

impl Row for Finding {
    fn cells(&self) -> Vec<String> {
        let problems = match self.problems.len() {
            0 => String::new(),
            n => n.to_string(),
        };
        vec![self.kind.to_string(), self.name.clone(), self.found.clone(), problems]
    }
}
