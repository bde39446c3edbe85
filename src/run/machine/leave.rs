//! The end: stop, remove, and say how it went.

use std::time::{Duration, Instant};

use crate::error::{Error, Why};

use super::{Being, Run, Stage, Turn, is_unknown};
use crate::run::message::{Answer, Ask, Do, Verdict};
use crate::run::state::Status;

/// The exit code of what failed before the container ran.
pub(super) const FAILED: u8 = 1;
/// What could not be removed is tried again after this …
const REMOVE_AGAIN: Duration = Duration::from_millis(500);
/// … for so long, if the engine is away or busy with it …
const REMOVE_WITHIN: Duration = Duration::from_secs(60);
/// … or for so long, if others hold it.
const HELD_WITHIN: Duration = Duration::from_secs(5);

impl Run {
    /// Its end is asked for.
    pub(super) fn end(&mut self, code: u8, turn: &mut Turn) {
        self.ends = self.ends.saturating_add(1);
        self.end_code = code;
        match (&self.stage, self.ends) {
            (Stage::Over, _) => {}
            (_, 3..) => self.abandon(turn),
            (Stage::Running { .. }, _) => self.stop(turn),
            (Stage::Stopping { .. }, _) => turn.ask(Ask::Kill),
            (
                Stage::Greeting
                | Stage::Finding { .. }
                | Stage::Fetching
                | Stage::Pulling
                | Stage::Copying { .. }
                | Stage::Away { .. }
                | Stage::Asking(_)
                | Stage::Resting { .. },
                _,
            ) => self.wind_up(turn),
            // What they made is known with their answer.
            (Stage::Networking | Stage::Creating | Stage::Joining(_) | Stage::Starting(_), _) => {}
            // It is about to go.
            (Stage::Judging { .. } | Stage::Removing { .. } | Stage::Clearing { .. }, _) => {}
        }
    }

    pub(super) fn stop(&mut self, turn: &mut Turn) {
        let Stage::Running { since } = self.stage else { return };
        self.stage = Stage::Stopping { since };
        turn.ask(Ask::Stop(self.job.grace));
    }

    /// The first word counts.
    pub(super) fn decide(&mut self, code: i64, error: Option<String>) {
        // What the engine can't tell in a byte has failed all the same.
        let code = u8::try_from(code).unwrap_or(u8::MAX);
        self.verdict.get_or_insert(Verdict { code, error });
    }

    pub(super) fn fail(&mut self, error: &Error, code: u8, turn: &mut Turn) {
        self.decide(code.into(), Some(error.to_string()));
        self.wind_up(turn);
    }

    /// The next thing that has to go.
    pub(super) fn wind_up(&mut self, turn: &mut Turn) {
        if self.is_ending() {
            self.decide(self.state.exit_code.unwrap_or(self.end_code.into()), None);
        }
        self.hang_up(turn);
        self.state.is_down();
        if self.state.status != Status::Pulling {
            self.state.status = Status::Exited;
        }
        self.go_on(turn);
    }

    fn go_on(&mut self, turn: &mut Turn) {
        if self.made.container.may_be_there() {
            self.stage = Stage::Removing { since: turn.now, again: None };
            turn.ask(Ask::Remove);
        } else if self.made.network.may_be_there() {
            self.stage = Stage::Clearing { since: turn.now, again: None };
            turn.ask(Ask::Clear);
        } else {
            self.over(turn);
        }
    }

    pub(super) fn answered_leaving(
        &mut self,
        ask: Ask,
        answer: Result<Answer, Error>,
        turn: &mut Turn,
    ) {
        match (&self.stage, ask, answer) {
            (Stage::Stopping { since }, Ask::Stop(_), Ok(_)) => {
                let up = turn.now.saturating_duration_since(*since);
                self.ended(up, None, turn);
            }
            (Stage::Stopping { since }, Ask::Stop(_), Err(error)) => match error.why {
                Why::AlreadySo | Why::NotFound(_) => {
                    let up = turn.now.saturating_duration_since(*since);
                    self.ended(up, None, turn);
                }
                // Removing it kills it.
                _ => self.wind_up(turn),
            },
            (&Stage::Removing { since, .. }, Ask::Remove, answer) => {
                let again = match gone(answer) {
                    Ok(()) => {
                        self.made.container = Being::Absent;
                        return self.go_on(turn);
                    }
                    Err(error) => self.again(since, &error, turn),
                };
                match again {
                    Ok(at) => self.stage = Stage::Removing { since, again: Some(at) },
                    Err(left) => {
                        self.made.container = Being::Left(left);
                        self.go_on(turn);
                    }
                }
            }
            (&Stage::Clearing { since, .. }, Ask::Clear, answer) => {
                let again = match gone(answer) {
                    Ok(()) => {
                        self.made.network = Being::Absent;
                        return self.go_on(turn);
                    }
                    Err(error) => self.again(since, &error, turn),
                };
                match again {
                    Ok(at) => self.stage = Stage::Clearing { since, again: Some(at) },
                    Err(left) => {
                        self.made.network = Being::Left(left);
                        self.go_on(turn);
                    }
                }
            }
            // Asked in a stage that is over.
            (_, Ask::Stop(_) | Ask::Remove | Ask::Clear, _) => {}
            (_, other, _) => unreachable!("{other:?} is answered elsewhere"),
        }
    }

    /// When to try again, or what to say when that has been done for long enough.
    fn again(&mut self, since: Instant, error: &Error, turn: &Turn) -> Result<Instant, String> {
        let is_busy = error.why.to_string().contains("in progress");
        let within = match &error.why {
            why if is_unknown(why) || is_busy => REMOVE_WITHIN,
            _ => HELD_WITHIN,
        };
        match turn.now.saturating_duration_since(since) < within {
            true => Ok(turn.now + REMOVE_AGAIN),
            false => Err(error.to_string()),
        }
    }

    /// Nobody wants to wait any longer.
    fn abandon(&mut self, turn: &mut Turn) {
        self.decide(self.state.exit_code.unwrap_or(self.end_code.into()), None);
        self.hang_up(turn);
        for being in [&mut self.made.container, &mut self.made.network] {
            if being.may_be_there() {
                *being = Being::Left(format!("{} was not removed", self.job.name));
            }
        }
        if matches!(self.stage, Stage::Networking | Stage::Creating) {
            self.made.container = Being::Left(format!("{} may be left", self.job.name));
        }
        self.over(turn);
    }

    fn over(&mut self, turn: &mut Turn) {
        let mut verdict = self.verdict.take().unwrap_or_default();
        let left =
            [&self.made.container, &self.made.network].into_iter().filter_map(
                |being| match being {
                    Being::Left(why) => Some(why.as_str()),
                    Being::Absent | Being::Present(_) | Being::Perhaps => None,
                },
            );
        let left: Vec<&str> = left.collect();
        match left.is_empty() {
            true => self.state.status = Status::Removed,
            false => {
                let left = format!("left behind: {}: see drowse clean", left.join("; "));
                verdict.error = Some(match verdict.error {
                    Some(error) => format!("{error}; {left}"),
                    None => left,
                });
                verdict.code = if verdict.code == 0 { FAILED } else { verdict.code };
            }
        }
        self.state.error = verdict.error.clone();
        self.stage = Stage::Over;
        turn.out.push(Do::Over(verdict));
    }
}

/// What is not there has gone.
fn gone(answer: Result<Answer, Error>) -> Result<(), Error> {
    match answer {
        Ok(_) | Err(Error { why: Why::NotFound(_) | Why::AlreadySo, .. }) => Ok(()),
        Err(error) => Err(error),
    }
}
