//! What a run's machine and the world say to each other. Does nothing.

use std::time::Duration;

use crate::docker::events::Action;
use crate::docker::pull::Progress;
use crate::docker::stats::Sample;
use crate::error::Error;

use super::figures::Counted;
use super::policy::{Decision, Exited};

/// A question to the engine, or an order. Each has one answer, but for those that are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Is it there, and what does it speak? [`Answer::Done`].
    Greet,
    /// Is the image here? [`Answer::Done`], or an error of the kind `NotFound`.
    Find,
    /// What does its registry want to know? [`Answer::Done`]: whoever drives keeps it.
    Credentials,
    /// Pull it, and tell by [`Input::Pulling`]. [`Answer::Done`] at the proper end.
    Pull,
    /// Make its network. [`Answer::Made`].
    Network,
    /// Make the container. [`Answer::Made`].
    Create,
    /// Put it on the network of this place in the list.
    Join(usize),
    /// Copy in what has this place in the list: into its folder, or with so many of the folders
    /// above it, where they are not there.
    Copy {
        /// Which.
        which: usize,
        /// How many folders are brought along.
        folders: usize,
    },
    /// Start it.
    Start,
    /// How does it end? [`Answer::Exit`] when it does.
    Wait,
    /// How is it? [`Answer::Looked`].
    Look,
    /// Stop it: signal, so long, kill.
    Stop(Duration),
    /// Kill it.
    Kill,
    /// Remove it, whether or not it runs, with its anonymous volumes.
    Remove,
    /// Remove its network.
    Clear,
    /// Follow this, and tell by [`Input::Opened`], by what it brings, and by [`Input::Closed`].
    Follow(Sense),
}

/// What is followed while it is up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sense {
    /// What the engine tells of it: [`Input::Heard`].
    Events,
    /// What it uses: [`Input::Sampled`].
    Samples,
    /// What it writes, which is nothing to the machine but its end.
    Log,
}

/// What an engine answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is done, or is so.
    Done,
    /// Something was made, and this is its id.
    Made(String),
    /// The container is like this.
    Looked(Look),
    /// The container ended with this exit code.
    Exit(i64),
}

/// A look at the container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// It has processes.
    pub running: bool,
    /// They are frozen.
    pub paused: bool,
    /// Of the last run that ended.
    pub exit_code: i64,
    /// The kernel killed it for its memory.
    pub oom_killed: bool,
    /// `starting`, `healthy`, `unhealthy`; `None`: no health check.
    pub health: Option<String>,
    /// Which interfaces count, as far as that could be found out.
    pub counted: Counted,
    /// What could not be found out.
    pub problem: Option<String>,
}

/// What is heard.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// The answer to what was asked.
    Answered(Ask, Result<Answer, Error>),
    /// So much of the image is here.
    Pulling(Progress),
    /// What is followed begins.
    Opened(Sense),
    /// It has ended.
    Closed(Sense),
    /// Something happened to the container.
    Heard(Action),
    /// What it uses.
    Sampled(Sample),
    /// The answer to [`Do::Decide`].
    Decided(Decision),
    /// It is no longer wanted: it is stopped. A second time: it is killed. A third time: all is
    /// left as it is.
    End {
        /// The exit code, if the container never ran.
        code: u8,
    },
    /// Time has passed: see [`Run::deadline`](super::machine::Run::deadline).
    Tick,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Do {
    /// Ask this.
    Ask(Ask),
    /// Hang up on everything that is only listened to: what is followed, [`Ask::Pull`],
    /// [`Ask::Wait`], [`Ask::Look`], [`Ask::Greet`], [`Ask::Credentials`], [`Ask::Find`] and
    /// [`Ask::Copy`].
    HangUp,
    /// Tell [`Run::state`](super::machine::Run::state): it has changed.
    Tell,
    /// Ask the caller what to do; the answer is [`Input::Decided`].
    Decide(Exited),
    /// It is over. Comes once, and nothing after it.
    Over(Verdict),
}

/// How it all ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// The exit code to end with.
    pub code: u8,
    /// What the user is told last.
    pub error: Option<String>,
}
