//! One supervised container as a machine: what is heard goes in, what is to be done comes out.
//! Sends nothing, reads no clock.
//!
//! ```text
//!  Greeting ─▶ Finding ─▶ Fetching ─▶ Pulling ─▶ Networking ─▶ Creating ─▶ Joining* ─▶ Copying*
//!                 └──── it is here ──────────────────▲                                   │
//!                                                                                        ▼
//!             ┌───────────────────────────────────────────────────────────────────▶ Starting
//!          Resting ◀── restart ── Judging ◀── it ended ── Running ◀──────────────────────┘
//!                                                            ⇅ Away (the engine is)
//!
//!  whatever fails, ends or is no longer wanted:
//!     [Stopping ─▶ Judging ─▶] Removing ─▶ Clearing ─▶ Over
//! ```
//!
//! Once an order that makes something was given, its answer is awaited before anything is removed:
//! so nothing is made behind our back. `Over` comes once, and only when all that was made is gone
//! or is known to be left.

mod leave;
mod live;
mod prepare;

use std::time::{Duration, Instant};

use crate::error::{Error, Why};

use super::figures::{Counted, Figures};
use super::job::{Job, Logs};
use super::message::{Answer, Ask, Do, Input, Look, Sense, Verdict};
use super::policy::Exited;
use super::state::State;

/// A pull's progress is told no more often than this.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);

#[derive(Clone, Debug)]
enum Stage {
    Greeting,
    /// Is the image here? After a pull that failed: at least an old one?
    Finding {
        failed: Option<Error>,
    },
    Fetching,
    Pulling,
    Networking,
    Creating,
    Joining(usize),
    Copying {
        which: usize,
        folders: usize,
    },
    Starting(Attempt),
    Running {
        since: Instant,
    },
    /// The engine is away; `at`: when it is tried next, `None`: it is being tried.
    Away {
        since: Instant,
        tries: u32,
        at: Option<Instant>,
    },
    /// It ended, and is looked at once more; the log may have more to say.
    Judging {
        up: Duration,
        code: Option<i64>,
        look: Option<Look>,
        log_until: Instant,
    },
    Asking(Exited),
    Resting {
        until: Instant,
    },
    Stopping {
        since: Instant,
    },
    /// `again`: when it is tried next, `None`: it is being tried.
    Removing {
        since: Instant,
        again: Option<Instant>,
    },
    Clearing {
        since: Instant,
        again: Option<Instant>,
    },
    Over,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attempt {
    First,
    Again,
}

/// How a sense is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Ear {
    #[default]
    Off,
    On,
    /// It broke off, and is opened again then.
    Again(Instant),
}

/// What there is to remove.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Made {
    container: Being,
    network: Being,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Being {
    #[default]
    Absent,
    /// By this id.
    Present(String),
    /// Nobody knows, for its order had no answer. If it is there, it has its name.
    Perhaps,
    /// It could not be removed, for this reason.
    Left(String),
}

/// A run.
#[derive(Clone, Debug)]
pub struct Run {
    job: Job,
    stage: Stage,
    state: State,
    told: Option<State>,
    told_at: Option<Instant>,
    made: Made,
    /// How often its end was asked for, and the exit code if it never ran.
    ends: u32,
    end_code: u8,
    events: Ear,
    samples: Ear,
    log: Ear,
    counted: Counted,
    figures: Figures,
    oom: bool,
    in_a_row: u32,
    verdict: Option<Verdict>,
}

/// The time, and what is to be done.
struct Turn {
    now: Instant,
    out: Vec<Do>,
}

impl Turn {
    fn ask(&mut self, ask: Ask) {
        self.out.push(Do::Ask(ask));
    }
}

impl Run {
    /// A run, and what is to be done first.
    pub fn begin(job: Job) -> (Run, Vec<Do>) {
        let state = State {
            id: job.id.clone(),
            name: job.name.clone(),
            image: job.image.clone(),
            ..State::default()
        };
        let run = Run {
            job,
            stage: Stage::Greeting,
            told: Some(state.clone()),
            state,
            told_at: None,
            made: Made::default(),
            ends: 0,
            end_code: 0,
            events: Ear::Off,
            samples: Ear::Off,
            log: Ear::Off,
            counted: Counted::default(),
            figures: Figures::default(),
            oom: false,
            in_a_row: 0,
            verdict: None,
        };
        (run, vec![Do::Tell, Do::Ask(Ask::Greet)])
    }

    /// As it is now.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The container's id; `None`: it has none, or the engine did not tell it: its name is its own.
    pub fn container(&self) -> Option<&str> {
        self.made.container.id()
    }

    /// Its own network's id; `None`: as for the container.
    pub fn network(&self) -> Option<&str> {
        self.made.network.id()
    }

    /// When [`Input::Tick`] is wanted.
    pub fn deadline(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Away { at, .. } => *at,
            Stage::Judging { log_until, .. } if self.log == Ear::On => Some(*log_until),
            Stage::Resting { until } => Some(*until),
            Stage::Removing { again, .. } | Stage::Clearing { again, .. } => *again,
            Stage::Running { .. } => {
                let ears = [self.events, self.samples, self.log];
                ears.into_iter().filter_map(Ear::again).min()
            }
            Stage::Greeting
            | Stage::Finding { .. }
            | Stage::Fetching
            | Stage::Pulling
            | Stage::Networking
            | Stage::Creating
            | Stage::Joining(_)
            | Stage::Copying { .. }
            | Stage::Starting(_)
            | Stage::Judging { .. }
            | Stage::Asking(_)
            | Stage::Stopping { .. }
            | Stage::Over => None,
        }
    }

    /// Takes what was heard; returns what is to be done, in this order.
    pub fn step(&mut self, input: Input, now: Instant) -> Vec<Do> {
        let mut turn = Turn { now, out: Vec::new() };
        match input {
            Input::Answered(ask, answer) => self.answered(ask, answer, &mut turn),
            Input::End { code } => self.end(code, &mut turn),
            Input::Tick => self.tick(&mut turn),
            Input::Pulling(progress) => {
                if matches!(self.stage, Stage::Pulling) {
                    self.state.note(progress);
                }
            }
            Input::Opened(sense) => self.opened(sense, &mut turn),
            Input::Closed(sense) => self.closed(sense, &mut turn),
            Input::Heard(action) => self.heard(&action),
            Input::Sampled(sample) => {
                if matches!(self.stage, Stage::Running { .. } | Stage::Stopping { .. }) {
                    self.figures.take(&sample, &self.counted, &mut self.state);
                }
            }
            Input::Decided(decision) => {
                if let Stage::Asking(exited) = self.stage {
                    self.decided(exited, decision, &mut turn);
                }
            }
        }
        self.tell(turn)
    }

    /// Only once: what changed on the way through a step is told as it is in the end.
    fn tell(&mut self, turn: Turn) -> Vec<Do> {
        let Turn { now, mut out } = turn;
        let is_soon = self.told_at.is_some_and(|at| now < at + PROGRESS_EVERY);
        let is_same = |told: &State| {
            let as_soon = State { progress: told.progress.clone(), ..self.state.clone() };
            let as_soon = match is_soon {
                true => State { pull_percent: told.pull_percent, ..as_soon },
                false => as_soon,
            };
            let moved = !is_soon && told.progress != self.state.progress;
            as_soon == *told && !moved
        };
        if !self.told.as_ref().is_some_and(is_same) {
            self.told = Some(self.state.clone());
            self.told_at = Some(now);
            // Before the end, which is the last of all.
            let end = out.iter().position(|one| matches!(one, Do::Over(_))).unwrap_or(out.len());
            out.insert(end, Do::Tell);
        }
        out
    }

    fn answered(&mut self, ask: Ask, answer: Result<Answer, Error>, turn: &mut Turn) {
        match ask {
            Ask::Greet | Ask::Find | Ask::Credentials | Ask::Pull => {
                self.answered_before(ask, answer, turn);
            }
            Ask::Network | Ask::Create | Ask::Join(_) | Ask::Copy { .. } | Ask::Start => {
                self.answered_making(ask, answer, turn);
            }
            Ask::Wait | Ask::Look => self.answered_living(ask, answer, turn),
            Ask::Stop(_) | Ask::Remove | Ask::Clear => self.answered_leaving(ask, answer, turn),
            // The stop under way, or the look after it, tells.
            Ask::Kill => {}
            // What is followed has no answer, only an end.
            Ask::Follow(sense) => self.closed(sense, turn),
        }
    }

    fn tick(&mut self, turn: &mut Turn) {
        if self.deadline().is_none_or(|at| turn.now < at) {
            return;
        }
        match &mut self.stage {
            Stage::Running { .. } => self.follow_again(turn),
            Stage::Away { at, .. } => {
                *at = None;
                turn.ask(Ask::Greet);
            }
            Stage::Judging { .. } => {
                self.log = Ear::Off;
                self.judge(turn);
            }
            Stage::Resting { .. } => self.start(Attempt::Again, turn),
            Stage::Removing { again, .. } => {
                *again = None;
                turn.ask(Ask::Remove);
            }
            Stage::Clearing { again, .. } => {
                *again = None;
                turn.ask(Ask::Clear);
            }
            // These have no deadline.
            Stage::Greeting
            | Stage::Finding { .. }
            | Stage::Fetching
            | Stage::Pulling
            | Stage::Networking
            | Stage::Creating
            | Stage::Joining(_)
            | Stage::Copying { .. }
            | Stage::Starting(_)
            | Stage::Asking(_)
            | Stage::Stopping { .. }
            | Stage::Over => {}
        }
    }

    fn opened(&mut self, sense: Sense, turn: &mut Turn) {
        // What happened before the first event would else not be known.
        if sense == Sense::Events && matches!(self.stage, Stage::Running { .. }) {
            turn.ask(Ask::Look);
        }
    }

    fn closed(&mut self, sense: Sense, turn: &mut Turn) {
        let is_up = matches!(self.stage, Stage::Running { .. });
        let again = if is_up { Ear::Again(turn.now + live::LISTEN_AGAIN) } else { Ear::Off };
        let wanted = sense != Sense::Log || self.job.logs == Logs::Followed;
        *self.ear(sense) = if wanted { again } else { Ear::Off };
        if sense == Sense::Log && matches!(self.stage, Stage::Judging { .. }) {
            self.judge(turn);
        }
    }

    fn ear(&mut self, sense: Sense) -> &mut Ear {
        match sense {
            Sense::Events => &mut self.events,
            Sense::Samples => &mut self.samples,
            Sense::Log => &mut self.log,
        }
    }

    fn hang_up(&mut self, turn: &mut Turn) {
        (self.events, self.samples, self.log) = (Ear::Off, Ear::Off, Ear::Off);
        turn.out.push(Do::HangUp);
    }

    /// It is about to end: nothing more is begun.
    fn is_ending(&self) -> bool {
        self.ends > 0
    }
}

impl Ear {
    fn again(self) -> Option<Instant> {
        match self {
            Ear::Again(at) => Some(at),
            Ear::Off | Ear::On => None,
        }
    }
}

impl Being {
    fn id(&self) -> Option<&str> {
        match self {
            Being::Present(id) => Some(id),
            Being::Absent | Being::Perhaps | Being::Left(_) => None,
        }
    }

    /// Whether it has to be removed.
    fn may_be_there(&self) -> bool {
        matches!(self, Being::Present(_) | Being::Perhaps)
    }
}

/// Whether an order may have been carried out though it failed: nobody said no to it.
fn is_unknown(why: &Why) -> bool {
    matches!(why, Why::Unreachable(_) | Why::TimedOut(_) | Why::Broken(_))
}
