//! `drowse run`: a container under supervision, told as it goes, until it ends or a signal does.

mod copy;
mod live;
pub mod options;
mod setup;

use std::io::{self, IsTerminal};
use std::time::{Duration, Instant, SystemTime};

use serde_json::json;

use crate::config::Env;
use crate::docker::logs::Output;
use crate::docker::time;
use crate::json::write;
use crate::net::access::plain;
use crate::net::outlet::Outlet;
use crate::net::reactor::Reactor;
use crate::net::running::Event;
use crate::run::lines::Line;
use crate::run::message::Verdict;
use crate::run::state::{PullStatus, State, Status};
use crate::supervise::{News, Supervise, Tag};
use crate::sys;

use self::live::Live;
use self::options::Options;
use super::Outcome;
use super::engine::{self, configured};
use super::output::complain;
use super::text::harmless;

/// While stdout is full, signals are looked for this often.
const LOOK_UP_EVERY: Duration = Duration::from_millis(50);
/// Signals so close to each other are one.
const SAME_WISH: Duration = Duration::from_millis(300);
/// What ends a run.
const SIGNALS: [i32; 3] =
    [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM, signal_hook::consts::SIGHUP];
/// A shell's exit code for what a signal ended: 128 and the signal.
const SIGNALLED: i32 = 128;

/// Where it is told.
enum Show {
    Lines,
    Live(Live),
}

struct Session {
    reactor: Reactor<Tag>,
    supervise: Supervise,
    /// `None`: nobody reads any more.
    out: Option<Outlet>,
    show: Show,
    /// When its end was asked for last.
    ended_at: Option<Instant>,
    /// That an old image was taken was told.
    has_warned: bool,
}

/// Runs it to its end.
pub fn run(options: &Options) -> io::Result<Outcome> {
    let failed = |lines: Vec<String>| {
        lines.iter().for_each(|line| complain(line));
        Ok(Outcome::Failed)
    };
    let env = Env::of_process();
    let config = match configured(&options.source, &env) {
        Ok(config) => config,
        Err(lines) => return failed(lines),
    };
    let engine = match config.engines.as_slice() {
        [one] => one,
        engines => {
            let names: Vec<&str> = engines.iter().map(|one| one.name.as_str()).collect();
            let names = names.join(", ");
            return failed(vec![format!("which engine? expected --host URL, for one of {names}")]);
        }
    };
    let host = match &engine.host {
        Ok(host) => host,
        Err(why) => {
            let error = why.clone().during("", engine.url.as_str());
            return failed(vec![engine::failure(engine, &config, &error)]);
        }
    };
    let prepared = match setup::prepare(options, host.local, &env) {
        Ok(prepared) => prepared,
        Err(lines) => return failed(lines),
    };
    // Held until all is gone.
    let setup::Prepared { setup, lock } = prepared;
    sys::stay_small();
    let mut reactor = Reactor::new()?;
    reactor.mind_signals(&SIGNALS)?;
    reactor.mind_reader(io::stdout())?;
    let live = options.format.unwrap_or(match io::stdout().is_terminal() {
        true => options::Format::Live,
        false => options::Format::Lines,
    });
    let supervise = Supervise::begin(setup, &host.endpoint, 0, &mut reactor);
    let show = match live {
        options::Format::Live => Show::Live(Live::default()),
        options::Format::Lines => Show::Lines,
    };
    let out = Some(Outlet::new(io::stdout())?);
    let mut session = Session { reactor, supervise, out, show, ended_at: None, has_warned: false };
    let verdict = session.watch()?;
    drop(lock);
    if let Some(error) = &verdict.error {
        complain(error);
    }
    Ok(Outcome::Code(verdict.code))
}

impl Session {
    fn watch(&mut self) -> io::Result<Verdict> {
        let mut events = Vec::new();
        loop {
            while let Some(news) = self.supervise.news() {
                match news {
                    News::State(state) => self.tell(&state),
                    News::Line(line) => self.pass_on(&line),
                    News::Decide(_) => unreachable!("the job has a policy"),
                    News::Over(verdict) => {
                        self.leave();
                        return Ok(verdict);
                    }
                }
            }
            self.flush();
            let deadline = self.supervise.deadline(self.reactor.now());
            self.reactor.turn(deadline, &mut events)?;
            for event in events.drain(..) {
                match event {
                    Event::Signal(number) => {
                        self.signalled(u8::try_from(SIGNALLED + number).unwrap_or(u8::MAX));
                    }
                    Event::HungUp => self.nobody_reads(),
                    Event::Writable | Event::Visit(_) | Event::Door(_) => {}
                    event => self.supervise.heed(event, &mut self.reactor),
                }
            }
            self.supervise.tick(&mut self.reactor);
        }
    }

    fn tell(&mut self, state: &State) {
        if state.pull_status == PullStatus::Failed
            && state.status == Status::Created
            && !self.has_warned
        {
            self.has_warned = true;
            if let Some(error) = &state.error {
                self.aside(&format!("{error}: the image that is here is taken"));
            }
        }
        let Some(out) = &mut self.out else { return };
        match &mut self.show {
            Show::Live(live) => live.draw(state, out),
            Show::Lines => {
                let mut line = Vec::new();
                write::json(&State { at: Some(now()), ..state.clone() }, &mut line);
                line.push(b'\n');
                out.push(&line);
            }
        }
    }

    fn pass_on(&mut self, line: &Line) {
        let Some(out) = &mut self.out else { return };
        match &mut self.show {
            Show::Live(live) => live.above(&harmless(&line.text), out),
            Show::Lines => {
                let stream = match line.output {
                    Output::Stdout => "stdout",
                    Output::Stderr => "stderr",
                };
                let at = line.at_nano.map(time::rfc3339);
                let mut text = Vec::new();
                write::json(&json!({"at": at, "line": line.text, "stream": stream}), &mut text);
                text.push(b'\n');
                out.push(&text);
            }
        }
    }

    /// A remark on stderr, which may be the terminal that the live line is on.
    fn aside(&mut self, text: &str) {
        if let (Show::Live(live), Some(out)) = (&mut self.show, &mut self.out) {
            live.clear(out);
        }
        self.flush();
        complain(text);
    }

    /// Writes what the reader takes. Who does not read holds the lines up, not the signals.
    fn flush(&mut self) {
        loop {
            let Some(out) = &mut self.out else { return };
            let flushed = out.flush();
            let room = match (flushed, out.is_full()) {
                (Ok(()), false) => return,
                (Ok(()), true) => out.has_room(LOOK_UP_EVERY),
                (Err(error), _) => Err(error),
            };
            match room {
                Ok(true) => {}
                Ok(false) if !self.reactor.signalled() => {}
                // It is stopped by the next turn's deadline at the latest; what waits is lost.
                Ok(false) => {
                    self.out = None;
                    self.signalled(SIGNAL_WHILE_FULL);
                }
                Err(error) => {
                    if error.kind() != io::ErrorKind::BrokenPipe {
                        complain(&format!("write to standard output: {}", plain(&error)));
                    }
                    self.nobody_reads();
                }
            }
        }
    }

    /// Some send each signal twice (timeout(1), to its child and to its group): what follows at
    /// once is the same wish.
    fn signalled(&mut self, code: u8) {
        let now = self.reactor.now();
        if self.ended_at.is_some_and(|at| now < at + SAME_WISH) {
            return;
        }
        self.ended_at = Some(now);
        self.supervise.end(code, &mut self.reactor);
    }

    /// Without a reader there is nobody to run it for. Ctrl-C ends the reader too: that is no
    /// second wish.
    fn nobody_reads(&mut self) {
        if self.out.take().is_some() && self.ended_at.is_none() {
            self.signalled(0);
        }
    }

    /// The last lines, as far as the reader takes them.
    fn leave(&mut self) {
        if let (Show::Live(live), Some(out)) = (&mut self.show, &mut self.out) {
            live.finish(out);
        }
        self.flush();
        let Some(mut out) = self.out.take() else { return };
        while !out.is_empty() && !self.reactor.signalled() {
            if out.has_room(LOOK_UP_EVERY).is_err() || out.flush().is_err() {
                return;
            }
        }
    }
}

fn now() -> String {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    time::rfc3339(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

/// Which signal it was is not known there: SIGTERM's code.
const SIGNAL_WHILE_FULL: u8 = 143;
