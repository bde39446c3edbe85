//! One engine for the one-shot verbs: connect, agree on a version, list. Does not print.

use std::time::Instant;

use crate::config::{self, Config, Env};
use crate::container::{self, Container, Origin};
use crate::docker::types::Summary;
use crate::docker::version::{self, Negotiated, Version};
use crate::docker::{Filters, call, inspect, system};
use crate::error::{Error, Why};
use crate::host::{self, Host, Scheme};
use crate::http::Call;
use crate::net::blocking::Client;
use crate::sorted;
use crate::supervise::sweep::Place;

use super::Source;

/// Docker's variable for an API version that is not to be negotiated.
const VERSION: &str = "DOCKER_API_VERSION";

/// A connected engine that speaks a version we know.
pub struct Engine {
    client: Client,
    /// What was agreed on.
    pub agreed: Negotiated,
    until: Instant,
}

/// The configuration that a verb works on: the user's, with `--host` in place of its engines.
/// Errors are whole lines.
pub fn configured(source: &Source, env: &Env) -> Result<Config, Vec<String>> {
    let mut config = config::load(source.config.as_deref(), env)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    if let Some(Err(why)) = env.var(VERSION).map(str::parse::<Version>) {
        return Err(vec![format!("{VERSION}: {why}")]);
    }
    if let Some(url) = &source.host {
        config.engines = vec![config::named_on_the_command_line(url, env, &config.agents)];
        config.proxmox.clear();
    }
    warn_of_trust(&config);
    Ok(config)
}

/// What is not verified is told at every start.
fn warn_of_trust(config: &Config) {
    let hosts = config.engines.iter().filter_map(|one| Some((&one.name, one.host.as_ref().ok()?)));
    let engines = hosts.map(|(name, host)| (name, &host.endpoint));
    let clusters = config.proxmox.iter().map(|one| (&one.name, &one.endpoint));
    for (name, _) in engines.chain(clusters).filter(|(_, at)| at.trusts_anybody()) {
        log::warn!("{name}: its certificate is not checked (insecure: true)");
    }
}

/// What the containers of an engine are told to come from.
pub fn origin(engine: &config::Engine, config: &Config) -> Origin {
    let host = engine.host.as_ref().ok();
    let agent = host.and_then(|host| host.agent.as_ref());
    Origin {
        engine: engine.name.clone(),
        url: engine.url.clone(),
        agent: agent
            .map(|agent| container::Agent { addr: agent.addr.clone(), name: agent.name.clone() }),
        local: host.is_some_and(|host| host.local),
        public_host: host.map_or(String::new(), |host| host.public_name.clone()),
        problem: engine.host.as_ref().err().map(|why| problem(&engine.url, why)),
        defaults: config.idle.defaults(),
    }
}

/// `agent: unknown agent …: expected …`, as a container's errors have it.
fn problem(url: &str, why: &Why) -> String {
    let field = if host::scheme(url) == Ok(Scheme::Agent) { "agent" } else { "docker_cfg" };
    format!("{field}: {}", why.to_string().replacen(", expected", ": expected", 1))
}

/// What failed on an engine, as a line: named where there are several.
pub fn failure(engine: &config::Engine, config: &Config, error: &Error) -> String {
    match config.engines.len() {
        0 | 1 => told(error),
        _ => format!("{}: {}", engine.name, told(error)),
    }
}

/// An error with the way out that a verb's user has.
pub fn told(error: &Error) -> String {
    match error.why {
        Why::TimedOut(_) => format!("{error}: is it stuck? --timeout allows more"),
        _ => error.to_string(),
    }
}

/// The version that `DOCKER_API_VERSION` insists on; [`configured`] has told if it is none.
pub fn forced_version() -> Option<Version> {
    Env::of_process().var(VERSION)?.parse().ok()
}

impl Engine {
    /// Connects and agrees on an API version. Everything asked of this engine ends at `until`.
    pub fn connect(engine: &config::Engine, until: Instant) -> Result<Engine, Error> {
        let failed = |what: &str, why: Why| why.during(what, engine.url.as_str());
        let host: &Host = engine.host.as_ref().map_err(|why| failed("", why.clone()))?;
        let mut client =
            Client::open(&host.endpoint).map_err(|why| failed("reach the engine", why))?;
        let ping = match run(&client, &system::ping(), until)? {
            Some(ping) => ping,
            None => run(&client, &system::ping_get(), until)?,
        };
        let agreed = version::negotiate(&ping, forced_version())
            .map_err(|why| failed("agree on an API version", why))?;
        client.under(agreed.prefix());
        Ok(Engine { client, agreed, until })
    }

    /// Gives this engine another time: what is asked from now on ends at `until`.
    pub fn until(&mut self, until: Instant) {
        self.until = until;
    }

    /// The same for what is not only asked here.
    pub fn place(&self) -> Place<'_> {
        Place { client: &self.client, until: self.until }
    }

    /// Runs a call within this engine's time.
    pub fn run<T>(&self, call: &Call<T>) -> Result<T, Error> {
        run(&self.client, call, self.until)
    }

    /// Runs a call whose reply is a stream up to the head, and leaves the rest.
    pub fn knock<T>(&self, call: &Call<T>) -> Result<(), Error> {
        self.client.stream(call, self.until).map(|_| ()).map_err(|error| with_path(error, call))
    }

    /// Every container that passes the engine's filters, parsed, sorted by name.
    pub fn containers(&self, filters: &Filters, origin: &Origin) -> Result<Vec<Container>, Error> {
        let summaries = self.run(&call::list(filters))?;
        let parse = |summary| container::parse(self.complete(summary), origin);
        let mut containers: Vec<Container> = summaries.into_iter().map(parse).collect();
        sorted::sort_by(&mut containers, |a, b| a.order().cmp(&b.order()));
        Ok(containers)
    }

    fn complete(&self, mut summary: Summary) -> Summary {
        if !container::is_partial(&summary) {
            return summary;
        }
        match self.run(&call::inspect(&summary.id)) {
            Ok(whole) => inspect::complete(summary, &whole),
            // Removed since it was listed: the list's word stands.
            Err(Error { why: Why::NotFound(_), .. }) => summary,
            Err(error) => {
                summary.problems.push(format!("ports: {}: {}", error.what, error.why));
                summary
            }
        }
    }
}

fn run<T>(client: &Client, call: &Call<T>, until: Instant) -> Result<T, Error> {
    client.run(call, until).map_err(|error| with_path(error, call))
}

/// Who allows things in a proxy knows them by method and path.
fn with_path<T>(mut error: Error, call: &Call<T>) -> Error {
    if matches!(error.why, Why::Forbidden(_)) {
        let path = call.request.path.split('?').next().unwrap_or_default();
        let method = format!("{:?}", call.request.method).to_uppercase();
        error.what += &format!(" ({method} {path})");
    }
    error
}
