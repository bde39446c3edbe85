//! An engine with one image, one network and one container, whose answers fail by chance. Knows no
//! machine.

use drowse::docker::events::Action;
use drowse::error::{Error, Why};
use drowse::run::job::Job;
use drowse::run::message::{Answer, Ask, Look};

use crate::dice::Dice;

/// What comes of a question.
pub type Outcome = Result<Answer, Error>;

/// An engine.
pub struct Engine {
    image: bool,
    network: bool,
    container: Option<Container>,
    /// It can't be reached.
    pub away: bool,
    /// How often an answer is a failure, in a hundred.
    foul: usize,
    has_folders: bool,
    job: Job,
}

#[derive(Clone, Debug, Default)]
struct Container {
    running: bool,
    paused: bool,
    code: i64,
}

/// An error of this kind.
pub fn failed(why: Why) -> Outcome {
    Err(why.during("do it", "unix:///x"))
}

impl Engine {
    pub fn new(dice: &mut Dice, job: &Job) -> Engine {
        Engine {
            image: dice.chance(50),
            network: false,
            container: None,
            away: false,
            foul: *dice.pick(&[0, 2, 10]),
            has_folders: dice.chance(50),
            job: job.clone(),
        }
    }

    /// What is there that should not be, in the end.
    pub fn leftovers(&self) -> String {
        let mut left = String::new();
        left += if self.network { "network " } else { "" };
        left += if self.container.is_some() { "container" } else { "" };
        left
    }

    /// The end of the container, if it has come.
    pub fn wait(&mut self, dice: &mut Dice) -> Option<Outcome> {
        if self.away || (self.foul > 0 && dice.chance(1)) {
            return Some(failed(Why::Broken("cut".into())));
        }
        match &self.container {
            None => Some(failed(Why::NotFound("none".into()))),
            Some(container) if container.running => None,
            Some(container) => Some(Ok(Answer::Exit(container.code))),
        }
    }

    /// Something happens to the container; what the engine tells of it.
    pub fn live(&mut self, dice: &mut Dice) -> Option<Action> {
        let container = self.container.as_mut()?;
        match dice.roll(12) {
            0..4 if container.running => {
                (container.running, container.paused) = (false, false);
                container.code = *dice.pick(&[0, 0, 1, 3, 137, 255]);
                Some(Action::Die)
            }
            4 if container.running => Some(Action::Oom),
            5 if container.running => {
                container.paused = !container.paused;
                Some(if container.paused { Action::Pause } else { Action::Unpause })
            }
            6 if container.running => Some(Action::Health("healthy".into())),
            // A stranger's hand.
            7 if !container.running => {
                container.running = true;
                Some(Action::Start)
            }
            8 if dice.chance(10) => {
                self.container = None;
                Some(Action::Removed)
            }
            _ => None,
        }
    }

    pub fn answer(&mut self, ask: Ask, dice: &mut Dice) -> Outcome {
        if self.away {
            return failed(Why::Unreachable("refused".into()));
        }
        if dice.chance(self.foul) {
            return self.fail(ask, dice);
        }
        self.do_it(ask)
    }

    /// Said no to, or nobody knows: then it may have been done.
    fn fail(&mut self, ask: Ask, dice: &mut Dice) -> Outcome {
        match dice.roll(4) {
            0 => failed(Why::Refused { status: 500, message: "no".into() }),
            1 => failed(Why::Conflict("removal is already in progress".into())),
            2 => failed(Why::TimedOut(std::time::Duration::from_secs(30))),
            _ => {
                let _ = self.do_it(ask);
                failed(Why::Broken("cut".into()))
            }
        }
    }

    fn do_it(&mut self, ask: Ask) -> Outcome {
        let none = || failed(Why::NotFound("no such container".into()));
        match ask {
            Ask::Greet | Ask::Credentials => Ok(Answer::Done),
            Ask::Find if self.image => Ok(Answer::Done),
            Ask::Find => failed(Why::NotFound("no such image".into())),
            Ask::Pull => {
                self.image = true;
                Ok(Answer::Done)
            }
            Ask::Network => {
                self.network = true;
                Ok(Answer::Made("n1".into()))
            }
            Ask::Create => {
                assert!(self.image && self.container.is_none(), "created twice, or of nothing");
                self.container = Some(Container::default());
                Ok(Answer::Made("c1".into()))
            }
            Ask::Clear if self.container.is_some() => failed(Why::Conflict("in use".into())),
            Ask::Clear if self.network => {
                self.network = false;
                Ok(Answer::Done)
            }
            Ask::Clear => none(),
            ask => match self.container.take() {
                None => none(),
                Some(container) => self.handle(ask, container),
            },
        }
    }

    /// What is done to a container that is there.
    fn handle(&mut self, ask: Ask, mut container: Container) -> Outcome {
        let outcome = match ask {
            Ask::Join(place) => {
                assert!(place < self.job.joins);
                Ok(Answer::Done)
            }
            Ask::Copy { which, folders } => {
                match self.has_folders || folders == self.job.copies[which] {
                    true => Ok(Answer::Done),
                    false => failed(Why::NotFound("no such folder".into())),
                }
            }
            Ask::Start if container.running => failed(Why::AlreadySo),
            Ask::Start => {
                container.running = true;
                Ok(Answer::Done)
            }
            Ask::Stop(_) if !container.running => failed(Why::AlreadySo),
            Ask::Stop(_) | Ask::Kill => {
                let code = if ask == Ask::Kill { 137 } else { 143 };
                (container.running, container.paused, container.code) = (false, false, code);
                Ok(Answer::Done)
            }
            Ask::Look => Ok(Answer::Looked(Look {
                running: container.running,
                paused: container.paused,
                exit_code: container.code,
                ..Look::default()
            })),
            Ask::Remove => return Ok(Answer::Done),
            other => unreachable!("{other:?} is no container's"),
        };
        self.container = Some(container);
        outcome
    }
}
