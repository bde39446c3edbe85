//! `drowse ps --watch`: the list, then one line a change, until a signal comes or nobody reads.

use std::io::{self, IsTerminal};
use std::mem;
use std::time::{Duration, SystemTime};

use serde::Serialize;

use crate::config::{self, Config, Env};
use crate::container::Container;
use crate::docker::change::Change;
use crate::docker::time;
use crate::follow::{Follow, News, Tag, Terms, Which};
use crate::json::write;
use crate::net::outlet::Outlet;
use crate::net::pace::Pace;
use crate::net::reactor::Reactor;
use crate::net::running::Event;
use crate::sys;

use super::filter::Filter;
use super::output::{Format, complain};
use super::screen::Screen;
use super::{Outcome, engine, ps};

/// While stdout is full, signals are looked for this often.
const LOOK_UP_EVERY: Duration = Duration::from_millis(50);

/// A change as a line of JSON.
#[derive(Serialize)]
struct Line<'a> {
    at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    container: Option<&'a Container>,
    #[serde(skip_serializing_if = "Option::is_none")]
    engine: Option<&'a str>,
    event: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'a str>,
}

/// Where the changes go.
enum Show {
    Lines,
    Screen(Box<Screen>),
}

struct Session<'a> {
    config: &'a Config,
    filter: &'a Filter,
    out: Outlet,
    show: Show,
}

/// Follows every engine until SIGINT, SIGTERM or the reader's end.
pub fn run(options: &ps::Options) -> io::Result<Outcome> {
    let config = match engine::configured(&options.source, &Env::of_process()) {
        Ok(config) => config,
        Err(lines) => {
            lines.iter().for_each(|line| complain(line));
            return Ok(Outcome::Failed);
        }
    };
    let is_nobody = config.proxmox.iter().all(|one| one.secret.is_err());
    if is_nobody && config.engines.iter().all(|one| one.host.is_err()) {
        unusable(&config).iter().for_each(|line| complain(line));
        return Ok(Outcome::Failed);
    }
    let table = options.format.map_or(io::stdout().is_terminal(), |format| format == Format::Table);
    let mut session = Session {
        config: &config,
        filter: &options.filter,
        out: Outlet::new(io::stdout())?,
        show: if table { Show::Screen(Box::default()) } else { Show::Lines },
    };
    sys::stay_small();
    let mut reactor = Reactor::new()?;
    reactor.mind_signals(&[signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM])?;
    reactor.mind_reader(io::stdout())?;
    let mut follow = Follow::new(
        Terms { answer_within: options.timeout, forced: engine::forced_version() },
        reactor.now(),
    );
    for one in &config.engines {
        let endpoint = one.host.as_ref().map(|host| &host.endpoint).map_err(Clone::clone);
        let (filters, only_explicit) = (options.filter.engine.clone(), one.only_explicit);
        let which = Which { filters, only_explicit, ..Which::default() };
        follow.add(&mut reactor, endpoint, (engine::origin(one, &config), which));
    }
    for one in &config.proxmox {
        follow.add_cluster(&mut reactor, &one.endpoint, (config.cluster(one), one.token()));
    }
    session.follow(&mut reactor, &mut follow)
}

/// A line for each engine that no waiting will bring back: it is configured wrongly.
fn unusable(config: &Config) -> Vec<String> {
    let line = |one: &config::Engine| {
        let why = one.host.as_ref().err()?.clone();
        Some(engine::failure(one, config, &why.during("", one.url.as_str())))
    };
    let cluster = |one: &config::Proxmox| {
        let why = one.secret.as_ref().err()?.clone();
        Some(engine::told(&why.during("", one.endpoint.url.as_str())))
    };
    let clusters = config.proxmox.iter().filter_map(cluster);
    config.engines.iter().filter_map(line).chain(clusters).collect()
}

impl Session<'_> {
    fn follow(&mut self, reactor: &mut Reactor<Tag>, follow: &mut Follow) -> io::Result<Outcome> {
        let (mut events, mut news) = (Vec::new(), Vec::new());
        let mut settled = false;
        let mut pace = Pace::default();
        loop {
            let began = reactor.turn(follow.deadline(), &mut events)?;
            for event in mem::take(&mut events) {
                match event {
                    Event::Signal(_) | Event::HungUp => return Ok(Outcome::Done),
                    Event::Writable | Event::Visit(_) | Event::Door(_) => {}
                    event => follow.heed(event, reactor, &mut news),
                }
            }
            follow.tick(reactor, &mut news);
            if !self.tell(&mut news, reactor)? {
                return Ok(Outcome::Done);
            }
            if !settled && follow.is_settled() {
                settled = true;
                sys::give_memory_back();
            }
            pace.turned(began);
        }
    }

    /// Writes what changed; `false`: a signal came while the reader let us wait.
    fn tell(&mut self, news: &mut Vec<News>, reactor: &mut Reactor<Tag>) -> io::Result<bool> {
        let quiet = news.is_empty();
        for one in mem::take(news) {
            let change = one.change.map(|packed| packed.container());
            if admitted(self.filter, &change) {
                self.show_one(one.engine, &change);
            }
        }
        if let (false, Show::Screen(screen)) = (quiet, &mut self.show) {
            screen.draw(&mut self.out)?;
        }
        self.out.flush()?;
        while self.out.is_full() {
            if reactor.signalled() {
                return Ok(false);
            }
            if self.out.has_room(LOOK_UP_EVERY)? {
                self.out.flush()?;
            }
        }
        Ok(true)
    }

    fn show_one(&mut self, engine: usize, change: &Change<Container>) {
        let engines = self.config.engines.iter().map(|one| one.name.as_str());
        let clusters = self.config.proxmox.iter().map(|one| one.name.as_str());
        let engine = engines.chain(clusters).nth(engine).unwrap_or_default();
        match &mut self.show {
            Show::Screen(screen) => screen.take(engine, change),
            Show::Lines => self.out.push(&json_line(engine, change)),
        }
    }
}

fn admitted(filter: &Filter, change: &Change<Container>) -> bool {
    match change {
        Change::Present(container) | Change::Changed { container, .. } => filter.admits(container),
        Change::Lost(_) | Change::Back => true,
    }
}

fn json_line(engine: &str, change: &Change<Container>) -> Vec<u8> {
    let line = |event| Line { at: now(), container: None, engine: None, event, why: None };
    let engine = Some(engine);
    let mut out = Vec::new();
    match change {
        Change::Present(container) => write::json(container, &mut out),
        Change::Changed { event, at, container } => {
            let at = at.map_or_else(now, time::rfc3339);
            let line = Line { at, container: Some(container), ..line(event) };
            write::json(&line, &mut out);
        }
        Change::Lost(why) => {
            write::json(&Line { engine, why: Some(why), ..line("lost") }, &mut out);
        }
        Change::Back => write::json(&Line { engine, ..line("back") }, &mut out),
    }
    out.push(b'\n');
    out
}

/// For what no engine gave a time.
fn now() -> String {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    time::rfc3339(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}
