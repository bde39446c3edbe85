//! From the container's start until it is decided what its end means.

use std::time::{Duration, Instant};

use crate::docker::events::Action;
use crate::error::{Error, Why};

use super::{Ear, Run, Stage, Turn};
use crate::run::figures::Figures;
use crate::run::job::Restart;
use crate::run::message::{Answer, Ask, Do, Look, Sense};
use crate::run::policy::{self, Decision, Exited};
use crate::run::state::Status;

/// What broke off while the container runs is opened again after this.
pub(super) const LISTEN_AGAIN: Duration = Duration::from_secs(1);
/// How long the log may go on after the container ended.
const LOG_WITHIN: Duration = Duration::from_secs(2);
/// An engine that is away is tried again after this, then after twice as long, …
const RETRY: Duration = Duration::from_millis(500);
/// … up to this.
const RETRY_LONGEST: Duration = Duration::from_secs(30);
/// How a kill by the kernel looks: 128 + SIGKILL.
const KILLED: i64 = 137;

impl Run {
    pub(super) fn is_up(&mut self, turn: &mut Turn) {
        self.figures = Figures::default();
        self.oom = false;
        if self.state.restarts > 0 {
            self.state.error = None;
        }
        self.state.status = Status::Running;
        self.live(turn.now, turn);
        if self.is_ending() {
            self.stop(turn);
        }
    }

    fn live(&mut self, since: Instant, turn: &mut Turn) {
        self.stage = Stage::Running { since };
        turn.ask(Ask::Wait);
        turn.ask(Ask::Look);
        for sense in [Sense::Events, Sense::Samples, Sense::Log] {
            self.follow(sense, turn);
        }
    }

    pub(super) fn follow_again(&mut self, turn: &mut Turn) {
        for sense in [Sense::Events, Sense::Samples, Sense::Log] {
            if self.ear(sense).again().is_some_and(|at| turn.now >= at) {
                self.follow(sense, turn);
            }
        }
    }

    pub(super) fn heard(&mut self, action: &Action) {
        if !matches!(self.stage, Stage::Running { .. } | Stage::Stopping { .. }) {
            return;
        }
        match action {
            Action::Health(health) if !health.is_empty() => {
                self.state.health = Some(health.clone())
            }
            Action::Pause => self.state.status = Status::Paused,
            Action::Unpause => self.state.status = Status::Running,
            Action::Oom => self.oom = true,
            // Its start, end and removal are told by the answers to start, wait and look; the
            // others change nothing that is told.
            Action::Create
            | Action::Start
            | Action::Die
            | Action::Stop
            | Action::Kill
            | Action::Rename
            | Action::Removed
            | Action::Health(_)
            | Action::Restart
            | Action::Update
            | Action::Other(_) => {}
        }
    }

    pub(super) fn answered_living(
        &mut self,
        ask: Ask,
        answer: Result<Answer, Error>,
        turn: &mut Turn,
    ) {
        match (&mut self.stage, answer) {
            (Stage::Running { since }, Ok(Answer::Exit(code))) => {
                let up = turn.now.saturating_duration_since(*since);
                self.ended(up, Some(code), turn);
            }
            (Stage::Running { .. }, Ok(Answer::Looked(look))) => self.looked(look),
            (Stage::Running { since }, Err(error)) if ask == Ask::Wait => {
                let since = *since;
                match error.why {
                    Why::NotFound(_) => self.ended(turn.now - since, None, turn),
                    _ => self.lose(since, &error, turn),
                }
            }
            (Stage::Away { since, .. }, Ok(Answer::Looked(look))) => {
                let since = *since;
                self.state.error = None;
                match look.running {
                    true => {
                        self.looked(look);
                        self.live(since, turn);
                    }
                    false => {
                        let up = turn.now.saturating_duration_since(since);
                        self.stage = judging(up, (None, Some(look)), turn.now);
                        self.judge(turn);
                    }
                }
            }
            (&mut Stage::Away { since, .. }, Err(error)) if ask == Ask::Look => match error.why {
                Why::NotFound(_) => self.vanished(turn),
                _ => self.away_still(since, &error, turn),
            },
            (Stage::Judging { code, .. }, Ok(Answer::Exit(exit))) => *code = Some(exit),
            (Stage::Judging { look, .. }, Ok(Answer::Looked(seen))) => {
                *look = Some(seen);
                self.judge(turn);
            }
            (&mut Stage::Judging { up, .. }, Err(error)) if ask == Ask::Look => match error.why {
                Why::NotFound(_) => self.vanished(turn),
                _ if self.is_ending() => self.wind_up(turn),
                _ => self.lose(turn.now.checked_sub(up).unwrap_or(turn.now), &error, turn),
            },
            // The stop's own answer comes, and then it is looked at.
            (Stage::Stopping { .. }, _) => {}
            // Asked in a stage that is over; or a look that failed while it runs: the next event
            // brings another.
            (_, _) => {}
        }
    }

    fn looked(&mut self, look: Look) {
        self.state.status = if look.paused { Status::Paused } else { Status::Running };
        self.state.health = look.health;
        self.counted = look.counted;
        if look.problem.is_some() {
            self.state.error = look.problem;
        }
    }

    /// It ended, or so it seems.
    pub(super) fn ended(&mut self, up: Duration, code: Option<i64>, turn: &mut Turn) {
        self.stage = judging(up, (code, None), turn.now);
        turn.ask(Ask::Look);
    }

    /// When it was looked at, and its log has come to its end.
    pub(super) fn judge(&mut self, turn: &mut Turn) {
        let Stage::Judging { up, code, look: Some(look), .. } = &self.stage else { return };
        let (up, look) = (*up, look.clone());
        if look.running {
            // Somebody else has started it, or stopping it failed.
            match self.is_ending() {
                true => self.wind_up(turn),
                false => {
                    let since = turn.now.checked_sub(up).unwrap_or(turn.now);
                    self.live(since, turn);
                }
            }
            return;
        }
        if self.log == Ear::On {
            return;
        }
        let code = code.unwrap_or(look.exit_code);
        self.hang_up(turn);
        self.state.is_down();
        self.state.exit_code = Some(code);
        self.state.error = None;
        self.oom = look.oom_killed || (self.oom && code == KILLED);
        let exited = Exited { code, restarts: self.in_a_row, up };
        if self.is_ending() {
            return self.wind_up(turn);
        }
        self.ask_what_follows(exited, turn);
    }

    fn ask_what_follows(&mut self, exited: Exited, turn: &mut Turn) {
        match self.job.restart {
            Restart::By(policy) => self.decided(exited, policy::judge(&policy, &exited), turn),
            Restart::Asked => {
                self.state.status = Status::Exited;
                self.stage = Stage::Asking(exited);
                turn.out.push(Do::Decide(exited));
            }
        }
    }

    pub(super) fn decided(&mut self, exited: Exited, decision: Decision, turn: &mut Turn) {
        match decision {
            Decision::Restart { after } => {
                self.in_a_row = policy::in_a_row(&exited).saturating_add(1);
                self.state.restarts = self.state.restarts.saturating_add(1);
                self.state.status = Status::Restarting;
                if self.state.error.is_none() {
                    self.state.error = self.what_ended(exited.code);
                }
                self.stage = Stage::Resting { until: turn.now + after };
            }
            Decision::End { error } => {
                let ended = self.state.error.take().or_else(|| self.what_ended(exited.code));
                let error = match (ended, error) {
                    (Some(ended), Some(error)) => Some(format!("{ended}; {error}")),
                    (ended, error) => ended.or(error),
                };
                self.decide(exited.code, error);
                self.wind_up(turn);
            }
        }
    }

    /// `None`: well.
    fn what_ended(&self, code: i64) -> Option<String> {
        let name = &self.job.name;
        match code {
            0 => None,
            _ if self.oom => Some(format!("{name} was killed: out of memory (exit code {code})")),
            129..=192 => {
                Some(format!("{name} ended with exit code {code} (signal {})", code - 128))
            }
            _ => Some(format!("{name} ended with exit code {code}")),
        }
    }

    /// A restart that failed counts as a run that ended at once.
    pub(super) fn failed_again(&mut self, error: &Error, code: i64, turn: &mut Turn) {
        self.hang_up(turn);
        self.state.exit_code = Some(code);
        self.state.error = Some(error.to_string());
        let exited = Exited { code, restarts: self.in_a_row, up: Duration::ZERO };
        self.ask_what_follows(exited, turn);
    }

    pub(super) fn lose(&mut self, since: Instant, error: &Error, turn: &mut Turn) {
        self.hang_up(turn);
        self.state.error = Some(error.to_string());
        self.stage = Stage::Away { since, tries: 0, at: Some(turn.now + RETRY) };
    }

    fn away_still(&mut self, since: Instant, error: &Error, turn: &mut Turn) {
        let Stage::Away { tries, .. } = self.stage else { return };
        let pause = RETRY.saturating_mul(1u32.checked_shl(tries).unwrap_or(u32::MAX));
        let at = Some(turn.now + pause.min(RETRY_LONGEST));
        self.state.error = Some(error.to_string());
        self.stage = Stage::Away { since, tries: tries.saturating_add(1), at };
    }

    pub(super) fn greeted_again(&mut self, answer: Result<Answer, Error>, turn: &mut Turn) {
        let Stage::Away { since, .. } = self.stage else { return };
        match answer {
            Ok(_) => turn.ask(Ask::Look),
            Err(error) => self.away_still(since, &error, turn),
        }
    }

    /// Somebody else has removed it.
    fn vanished(&mut self, turn: &mut Turn) {
        self.made.container = super::Being::Absent;
        let code = match self.stage {
            Stage::Judging { code, .. } => code,
            _ => None,
        };
        self.state.exit_code = code.or(self.state.exit_code);
        if !self.is_ending() {
            let text = format!("{} was removed by somebody else", self.job.name);
            self.decide(code.filter(|code| *code != 0).unwrap_or(1), Some(text));
        }
        self.wind_up(turn);
    }
}

fn judging(up: Duration, (code, look): (Option<i64>, Option<Look>), now: Instant) -> Stage {
    Stage::Judging { up, code, look, log_until: now + LOG_WITHIN }
}
