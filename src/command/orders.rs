//! `drowse wake`, `sleep` and `keep`: asked of the daemon; without one, the first two are done all
//! the same. Not how.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::Env;
use crate::control::Done;
use crate::control::request::{Request, Until};

use super::control::{self, Daemon, Unanswered};
use super::direct::{self, Errand};
use super::output::{Format, Printer, complain};
use super::status::took;
use super::table::Row;
use super::{Outcome, Source, engine};

/// The options of these verbs.
#[derive(Clone, Debug)]
pub struct Options {
    /// What is asked.
    pub request: Request,
    /// The configuration; with `--host` that engine, past the daemon.
    pub source: Source,
    /// `--control PATH`: this daemon and nobody else.
    pub control: Option<PathBuf>,
    /// How long the daemon, or one engine, may take to answer.
    pub timeout: Duration,
    /// `None`: by where stdout goes.
    pub format: Option<Format>,
}

const COLUMNS: &[&str] = &["NAME", "ENGINE", "STATE", "TOOK"];

/// Asks the daemon, or does it; prints what came of each name.
pub fn run(options: &Options) -> io::Result<Outcome> {
    let mut teller = Teller::new(options);
    let answered = match &options.source.host {
        Some(_) => Err(Unanswered::Absent(String::new())),
        None => match ask(options, &mut teller) {
            Ok(answered) => answered,
            Err(lines) => return Ok(failed(&lines)),
        },
    };
    match (answered, errand(&options.request)) {
        (Ok(printed), _) => {
            printed?;
            if teller.told < options.request.names().len() {
                teller.complain("the daemon ended before it had answered for every name");
            }
        }
        (Err(Unanswered::Absent(_)), Some((errand, until))) if options.control.is_none() => {
            let env = Env::of_process();
            let config = match engine::configured(&options.source, &env) {
                Ok(config) => config,
                Err(lines) => return Ok(failed(&lines)),
            };
            let job = direct::Job { config: &config, errand, until, timeout: options.timeout };
            job.run(options.request.names(), &mut teller)?;
        }
        (Err(Unanswered::Absent(why) | Unanswered::Failed(why)), _) => teller.complain(&why),
    }
    teller.finish()
}

/// The daemon's answer; errors are those of the configuration, whole lines.
fn ask(
    options: &Options,
    teller: &mut Teller,
) -> Result<Result<io::Result<()>, Unanswered>, Vec<String>> {
    let file = options.source.config.as_deref();
    let socket = control::socket(options.control.as_deref(), file)?;
    let daemon = Daemon { socket, timeout: options.timeout };
    Ok(daemon.ask(&options.request, |done| teller.tell(&done)))
}

fn failed(lines: &[String]) -> Outcome {
    lines.iter().for_each(|line| complain(line));
    Outcome::Failed
}

/// What can be done without a daemon.
fn errand(request: &Request) -> Option<(Errand, Until)> {
    match request {
        Request::Wake(_, until) => Some((Errand::Wake, *until)),
        Request::Sleep(_, until) => Some((Errand::Sleep, *until)),
        Request::Status | Request::Keep(..) => None,
    }
}

/// Prints what was done and complains of what was not.
pub struct Teller {
    printer: Printer,
    verb: &'static str,
    told: usize,
    outcome: Outcome,
}

impl Teller {
    fn new(options: &Options) -> Teller {
        let verb = match options.request {
            Request::Status => "status",
            Request::Wake(..) => "wake",
            Request::Sleep(..) => "sleep",
            Request::Keep(..) => "keep",
        };
        let printer = Printer::new(options.format, COLUMNS);
        Teller { printer, verb, told: 0, outcome: Outcome::Done }
    }

    /// What came of one name. One that means no container is no more than a complaint.
    pub fn tell(&mut self, done: &Done) -> io::Result<()> {
        self.told += 1;
        let whole = done.engine.as_ref().map(|engine| format!("{engine}/{}", done.name));
        if let Some(error) = &done.error {
            let name = whole.as_ref().unwrap_or(&done.name);
            self.complain(&format!("{} {name}: {error}", self.verb));
        }
        if whole.is_none() {
            return Ok(());
        }
        self.printer.print(done)?;
        self.printer.flush()
    }

    /// A failure that is not about one name.
    pub fn complain(&mut self, line: &str) {
        complain(line);
        self.outcome = Outcome::Failed;
    }

    fn finish(self) -> io::Result<Outcome> {
        self.printer.finish()?;
        Ok(self.outcome)
    }
}

impl Row for Done {
    fn cells(&self) -> Vec<String> {
        vec![
            self.name.clone(),
            self.engine.clone().unwrap_or_default(),
            self.state.map(|state| state.word().into()).unwrap_or_default(),
            self.took_ms.map(took).unwrap_or_default(),
        ]
    }
}
