//! From the first word to the engine until the container's process runs; what lives then is
//! live.rs.

use crate::error::{Error, Why};

use super::leave::FAILED;
use super::{Attempt, Being, Run, Stage, Turn, is_unknown};
use crate::run::job::{Logs, Network, PullWhen};
use crate::run::message::{Answer, Ask, Sense};
use crate::run::state::{PullStatus, Status};

/// A shell's exit codes for what can't be run, and for what is not there (POSIX, XCU 2.8.2).
const NOT_EXECUTABLE: u8 = 126;
const NO_SUCH_COMMAND: u8 = 127;

impl Run {
    /// Nothing is made yet: what is no longer wanted has ended already, and hears no answer.
    pub(super) fn answered_before(
        &mut self,
        ask: Ask,
        answer: Result<Answer, Error>,
        turn: &mut Turn,
    ) {
        match (&mut self.stage, ask, answer) {
            (Stage::Greeting, Ask::Greet, Ok(_)) => self.look_for_the_image(turn),
            (Stage::Greeting, Ask::Greet, Err(error)) => self.fail(&error, FAILED, turn),
            (Stage::Away { .. }, Ask::Greet, answer) => self.greeted_again(answer, turn),
            (Stage::Finding { failed }, Ask::Find, answer) => {
                let failed = failed.take();
                self.found(failed, answer, turn);
            }
            (Stage::Fetching, Ask::Credentials, answer) => {
                // Many images need none: the registry will say.
                self.state.error = answer.err().map(|error| error.to_string());
                self.stage = Stage::Pulling;
                self.state.pull_status = PullStatus::Downloading;
                turn.ask(Ask::Pull);
            }
            (Stage::Pulling, Ask::Pull, Ok(_)) => {
                self.state.error = None;
                self.state.pull_percent = Some(100);
                self.image_is_here(PullStatus::Done, turn);
            }
            (Stage::Pulling, Ask::Pull, Err(mut error)) => {
                if let Some(credentials) = self.state.error.take() {
                    error.why = Why::Invalid(format!("{} ({credentials})", error.why));
                }
                self.state.error = Some(error.to_string());
                self.state.pull_status = PullStatus::Failed;
                self.stage = Stage::Finding { failed: Some(error) };
                turn.ask(Ask::Find);
            }
            // Asked in a stage that is over.
            (_, Ask::Greet | Ask::Find | Ask::Credentials | Ask::Pull, _) => {}
            (_, other, _) => unreachable!("{other:?} is answered elsewhere"),
        }
    }

    fn look_for_the_image(&mut self, turn: &mut Turn) {
        match self.job.pull {
            PullWhen::Always => self.fetch(turn),
            PullWhen::Missing | PullWhen::Never => {
                self.stage = Stage::Finding { failed: None };
                turn.ask(Ask::Find);
            }
        }
    }

    fn fetch(&mut self, turn: &mut Turn) {
        self.stage = Stage::Fetching;
        turn.ask(Ask::Credentials);
    }

    fn found(&mut self, failed: Option<Error>, answer: Result<Answer, Error>, turn: &mut Turn) {
        match (answer, failed) {
            // That the pull failed stays in the state's error.
            (Ok(_), Some(_)) => self.image_is_here(PullStatus::Failed, turn),
            (Ok(_), None) => self.image_is_here(PullStatus::Local, turn),
            (Err(_), Some(failed)) => self.fail(&failed, FAILED, turn),
            (Err(error), None) => match (&error.why, self.job.pull) {
                (Why::NotFound(_), PullWhen::Missing) => self.fetch(turn),
                _ => self.fail(&error, FAILED, turn),
            },
        }
    }

    fn image_is_here(&mut self, how: PullStatus, turn: &mut Turn) {
        self.state.pull_status = how;
        match self.job.network {
            Network::Own => {
                self.stage = Stage::Networking;
                turn.ask(Ask::Network);
            }
            Network::Other => self.create(turn),
        }
    }

    fn create(&mut self, turn: &mut Turn) {
        self.stage = Stage::Creating;
        turn.ask(Ask::Create);
    }

    /// These make something: their answers are awaited also when it is no longer wanted.
    pub(super) fn answered_making(
        &mut self,
        ask: Ask,
        answer: Result<Answer, Error>,
        turn: &mut Turn,
    ) {
        match (&self.stage, ask) {
            (Stage::Networking, Ask::Network) => match answer {
                Ok(answer) => {
                    self.made.network = made(answer);
                    self.onward(turn, Run::create);
                }
                Err(error) => {
                    self.made.network = perhaps(&error.why);
                    self.fail(&error, FAILED, turn);
                }
            },
            (Stage::Creating, Ask::Create) => match answer {
                Ok(answer) => {
                    self.made.container = made(answer);
                    self.state.container_id = self.made.container.id().map(str::to_owned);
                    self.state.status = Status::Created;
                    self.onward(turn, |run, turn| run.join(0, turn));
                }
                Err(error) => {
                    self.made.container = perhaps(&error.why);
                    self.fail(&error, FAILED, turn);
                }
            },
            (&Stage::Joining(place), Ask::Join(_)) => match answer {
                Ok(_) => self.onward(turn, |run, turn| run.join(place + 1, turn)),
                Err(error) => self.fail(&error, FAILED, turn),
            },
            (&Stage::Copying { which, folders }, Ask::Copy { .. }) => {
                self.copied((which, folders), answer, turn);
            }
            (&Stage::Starting(attempt), Ask::Start) => match answer {
                Ok(_) => self.is_up(turn),
                // Somebody else was faster.
                Err(Error { why: Why::AlreadySo, .. }) => self.is_up(turn),
                Err(error) => self.not_started(attempt, &error, turn),
            },
            // A copy that was hung up on.
            (_, Ask::Copy { .. }) => {}
            (_, Ask::Network | Ask::Create | Ask::Join(_) | Ask::Start) => {}
            (_, other) => unreachable!("{other:?} is answered elsewhere"),
        }
    }

    fn onward(&mut self, turn: &mut Turn, next: impl FnOnce(&mut Run, &mut Turn)) {
        match self.is_ending() {
            true => self.wind_up(turn),
            false => next(self, turn),
        }
    }

    fn join(&mut self, place: usize, turn: &mut Turn) {
        match place < self.job.joins {
            true => {
                self.stage = Stage::Joining(place);
                turn.ask(Ask::Join(place));
            }
            false => self.copy((0, 0), turn),
        }
    }

    fn copy(&mut self, (which, folders): (usize, usize), turn: &mut Turn) {
        match which < self.job.copies.len() {
            true => {
                self.stage = Stage::Copying { which, folders };
                turn.ask(Ask::Copy { which, folders });
            }
            false => self.start(Attempt::First, turn),
        }
    }

    /// A folder that is not there is brought along, and if the one above is not there either, that
    /// one too.
    fn copied(
        &mut self,
        (which, folders): (usize, usize),
        answer: Result<Answer, Error>,
        turn: &mut Turn,
    ) {
        let above = self.job.copies.get(which).copied().unwrap_or_default();
        match answer {
            Ok(_) => self.onward(turn, |run, turn| run.copy((which + 1, 0), turn)),
            Err(Error { why: Why::NotFound(_), .. }) if folders < above => {
                self.onward(turn, |run, turn| run.copy((which, folders + 1), turn));
            }
            Err(error) => self.fail(&error, FAILED, turn),
        }
    }

    pub(super) fn start(&mut self, attempt: Attempt, turn: &mut Turn) {
        self.stage = Stage::Starting(attempt);
        // Before it starts, so that nothing of it is missed.
        self.follow(Sense::Events, turn);
        turn.ask(Ask::Start);
    }

    pub(super) fn follow(&mut self, sense: Sense, turn: &mut Turn) {
        if sense == Sense::Log && self.job.logs == Logs::Left {
            return;
        }
        let ear = self.ear(sense);
        if *ear != super::Ear::On {
            *ear = super::Ear::On;
            turn.ask(Ask::Follow(sense));
        }
    }

    fn not_started(&mut self, attempt: Attempt, error: &Error, turn: &mut Turn) {
        let code = code_of(&error.why);
        match attempt {
            _ if self.is_ending() => self.wind_up(turn),
            Attempt::First => self.fail(error, code, turn),
            Attempt::Again if matches!(error.why, Why::NotFound(_)) => self.fail(error, code, turn),
            // The engine has gone away: when it is back, the container is looked at.
            Attempt::Again if is_unknown(&error.why) => self.lose(turn.now, error, turn),
            Attempt::Again => self.failed_again(error, code.into(), turn),
        }
    }
}

/// What nobody said no to may be there: it is removed by its name, which nobody else has.
fn perhaps(why: &Why) -> Being {
    if is_unknown(why) { Being::Perhaps } else { Being::Absent }
}

fn made(answer: Answer) -> Being {
    match answer {
        Answer::Made(id) => Being::Present(id),
        Answer::Done | Answer::Looked(_) | Answer::Exit(_) => Being::Perhaps,
    }
}

/// The exit code that a shell has for it, as `docker run` does.
fn code_of(why: &Why) -> u8 {
    let text = why.to_string();
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    match () {
        () if says(&["executable file not found", "no such file or directory"]) => NO_SUCH_COMMAND,
        () if says(&["permission denied", "exec format error"]) => NOT_EXECUTABLE,
        () => FAILED,
    }
}
