//! `drowse clean`: removes what dead runs left behind, engine by engine. Touches nothing of a run
//! that lives.

use std::io;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::config::{self, Env};
use crate::error::Error;
use crate::run::whose::{self, Lock, Whose};
use crate::sorted::{Map, Set};
use crate::supervise::lock::{self, Life};
use crate::supervise::sweep::Place;

use super::engine::{self, Engine, configured};
use super::output::{Format, Printer, complain};
use super::table::Row;
use super::{Outcome, Source};

const COLUMNS: &[&str] = &["KIND", "NAME", "ENGINE", "RUN", "RESULT"];

/// What is cleaned.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the engines come from.
    pub source: Source,
    /// How long one engine may take.
    pub timeout: Duration,
    /// How it is printed.
    pub format: Option<Format>,
    /// `--id`: only of this run.
    pub id: Option<String>,
    /// `--elsewhere`: also of other hosts' runs.
    pub elsewhere: bool,
}

/// What was done with one thing.
#[derive(Debug, Serialize)]
struct Done<'a> {
    engine: &'a str,
    kind: &'static str,
    name: &'a str,
    removed: bool,
    run: &'a str,
    /// Why it was not removed.
    why: Option<String>,
}

impl Row for Done<'_> {
    fn cells(&self) -> Vec<String> {
        let result = self.why.as_ref().map_or("removed".to_owned(), |why| format!("kept: {why}"));
        [self.kind, self.name, self.engine, self.run, &result].map(str::to_owned).to_vec()
    }
}

/// One engine being cleaned.
struct Sweep<'a> {
    options: &'a Options,
    name: &'a str,
    printer: &'a mut Printer,
    /// Whose runs live, or may.
    spared: Set<String>,
    failures: Vec<Error>,
}

/// Cleans every engine; the failure of one is no other's.
pub fn run(options: &Options) -> io::Result<Outcome> {
    let config = match configured(&options.source, &Env::of_process()) {
        Ok(config) => config,
        Err(lines) => {
            lines.iter().for_each(|line| complain(line));
            return Ok(Outcome::Failed);
        }
    };
    let mut printer = Printer::new(options.format, COLUMNS);
    let mut outcome = Outcome::Done;
    for one in &config.engines {
        for failure in clean(one, options, &mut printer)? {
            printer.flush()?;
            complain(&engine::failure(one, &config, &failure));
            outcome = Outcome::Failed;
        }
        printer.flush()?;
    }
    if let Ok(folder) = lock::folder(&Env::of_process()) {
        lock::sweep(&folder);
    }
    printer.finish()?;
    Ok(outcome)
}

/// What could not be done on this engine.
fn clean(one: &config::Engine, options: &Options, printer: &mut Printer) -> io::Result<Vec<Error>> {
    let until = Instant::now() + options.timeout;
    let engine = match Engine::connect(one, until) {
        Ok(engine) => engine,
        Err(error) => return Ok(vec![error]),
    };
    let app = whose::DROWSE.to_owned();
    let whose = match &options.id {
        Some(id) => Whose::Run { app, id: id.clone() },
        None => Whose::All { app },
    };
    let (spared, failures) = (Set::new(), Vec::new());
    let mut sweep = Sweep { options, name: &one.name, printer, spared, failures };
    let place = engine.place();
    sweep.containers(&place, &whose)?;
    sweep.networks(&place, &whose)?;
    Ok(sweep.failures)
}

impl Sweep<'_> {
    fn containers(&mut self, place: &Place<'_>, whose: &Whose) -> io::Result<()> {
        let all = match place.containers(whose) {
            Ok(all) => all,
            Err(error) => {
                self.failures.push(error);
                return Ok(());
            }
        };
        for one in all {
            let name = one.names.first().map_or(&*one.id, |name| name.trim_start_matches('/'));
            let kept = self.kept(&one.labels);
            if self.spares(&one.labels, &kept) {
                continue;
            }
            let result = match kept {
                Some(why) => Ok(Some(why)),
                None => place.remove_container(&one.id).map(|()| None),
            };
            self.tell(("container", name), &one.labels, result)?;
        }
        Ok(())
    }

    fn networks(&mut self, place: &Place<'_>, whose: &Whose) -> io::Result<()> {
        let all = match place.networks(whose) {
            Ok(all) => all,
            Err(error) => {
                self.failures.push(error);
                return Ok(());
            }
        };
        for one in all {
            let kept = self.kept(&one.labels);
            if self.spares(&one.labels, &kept) {
                continue;
            }
            let result = match kept {
                Some(why) => Ok(Some(why)),
                None => place
                    .remove_network(&one.name)
                    .map(|removed| (!removed).then(|| "others are on it".to_owned())),
            };
            self.tell(("network", &one.name), &one.labels, result)?;
        }
        Ok(())
    }

    /// Why it has to stay. An empty text: its run lives, which is no news.
    fn kept(&self, labels: &Map<String, String>) -> Option<String> {
        match lock::life(Lock::of(labels).as_ref()) {
            Life::Dead => None,
            Life::Alive => Some(String::new()),
            Life::Elsewhere(_) | Life::Unknown(_) if self.options.elsewhere => None,
            Life::Elsewhere(host) => Some(format!("a run of {host} made it")),
            Life::Unknown(why) => Some(why),
        }
    }

    /// Whether it is a living run's. One that died since its container was looked at is the next
    /// clean's.
    fn spares(&mut self, labels: &Map<String, String>, kept: &Option<String>) -> bool {
        let run = labels.get(whose::ID).cloned().unwrap_or_default();
        if kept.as_ref().is_some_and(String::is_empty) {
            self.spared.insert(run.clone());
        }
        self.spared.contains(&run)
    }

    fn tell(
        &mut self,
        (kind, name): (&'static str, &str),
        labels: &Map<String, String>,
        result: Result<Option<String>, Error>,
    ) -> io::Result<()> {
        let why = match result {
            Ok(why) => why,
            Err(error) => {
                self.failures.push(error);
                return Ok(());
            }
        };
        let run = labels.get(whose::ID).map_or("", String::as_str);
        let removed = why.is_none();
        self.printer.print(&Done { engine: self.name, kind, name, removed, run, why })
    }
}
