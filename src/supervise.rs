//! Supervised runs driven through the reactor: what their machine wants goes to the engine, what
//! the engine says goes to the machine, and what there is to tell is kept until it is fetched.
//! Decides and prints nothing.
//!
//! A program that has a loop of its own drives [`Supervise`]; one that has none waits for the next
//! thing by [`session::Session`]. Neither calls back.

mod ask;
mod counts;
mod hear;
pub mod lock;
pub mod session;
pub mod sweep;

use std::collections::VecDeque;
use std::time::Instant;

use serde_json::Value;

use crate::docker::events::EventReader;
use crate::docker::logs::LogReader;
use crate::docker::pull::Pull;
use crate::docker::stats::SampleReader;
use crate::docker::version::{Negotiated, Version};
use crate::error::{Error, Why};
use crate::net::Endpoint;
use crate::net::clients::Lease;
use crate::net::helper::{self, Helper};
use crate::net::reactor::Reactor;
use crate::run::archive::Copied;
use crate::run::job::Job;
use crate::run::lines::{Line, Lines};
use crate::run::machine::Run;
use crate::run::message::{Answer, Ask, Do, Input, Verdict};
use crate::run::policy::{Decision, Exited};
use crate::run::registry::Source;
use crate::run::state::{State, Status};
use crate::sys;
use counts::Counts;
use hear::Ear;

/// How long a credential helper may take: it may ask somebody for a password.
const HELPER_WITHIN: std::time::Duration = std::time::Duration::from_secs(120);

/// What a run is made of.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Its steps.
    pub job: Job,
    /// The body of `/containers/create`: see [`crate::run::spec::build`].
    pub spec: Value,
    /// Its own network's name, if it has one.
    pub network: String,
    /// The labels of its network; those of the container are in its spec.
    pub labels: Vec<(String, String)>,
    /// The networks it is put on besides, and its place there (null: the engine's choice).
    pub joins: Vec<(String, Value)>,
    /// What is copied in.
    pub copies: Vec<Copied>,
    /// Where the registry's credentials come from.
    pub credentials: Result<Source, String>,
    /// The network (or interface) whose received bytes count; `None`: all.
    pub count_rx: Option<String>,
    /// The same for sent bytes.
    pub count_tx: Option<String>,
    /// Whether the engine's processes may be this machine's.
    pub local: bool,
    /// The API version to speak, whatever the engine says.
    pub forced: Option<Version>,
}

/// Something to tell.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// The run is like this now.
    State(Box<State>),
    /// The container wrote this.
    Line(Line),
    /// It ended, and the job has it that somebody else decides: see [`Supervise::decide`].
    Decide(Exited),
    /// It is all over; the last that is told.
    Over(Verdict),
}

/// What an exchange was for.
#[derive(Clone, Debug)]
pub struct Tag {
    /// Which run's: see [`Supervise::begin`].
    pub run: usize,
    /// What was asked.
    question: Question,
    /// The same for errors.
    what: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Question {
    Asked(Ask),
    /// With GET, where HEAD told nothing.
    SecondGreeting,
    /// For the network, where the first one failed for what has passed.
    SecondNetwork,
}

/// What is read of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// What comes.
    Followed,
    /// What is there after that: Docker's following stops before a last line without an end.
    Rest,
}

/// One run.
pub struct Supervise {
    /// Which of the reactor's runs it is.
    place: usize,
    setup: Setup,
    run: Run,
    lease: Lease,
    url: String,
    agreed: Negotiated,
    counts: Counts,
    auth: Option<String>,
    helper: Option<(Helper, String, Instant)>,
    pull: Ear<Pull>,
    events: Ear<EventReader>,
    samples: Ear<SampleReader>,
    log: Ear<LogReader>,
    lines: Lines,
    log_part: Part,
    since_nano: Option<u64>,
    news: VecDeque<News>,
    has_given_back: bool,
}

impl Supervise {
    /// Begins a run. `place` tells it apart from the reactor's other runs.
    pub fn begin(
        setup: Setup,
        endpoint: &Endpoint,
        place: usize,
        reactor: &mut Reactor<Tag>,
    ) -> Supervise {
        let (run, first) = Run::begin(setup.job.clone());
        let counts = Counts::new(&setup);
        let mut supervise = Supervise {
            place,
            run,
            lease: reactor.lease(endpoint),
            url: endpoint.url.clone(),
            agreed: Negotiated::oldest(),
            counts,
            auth: None,
            helper: None,
            pull: Ear::default(),
            events: Ear::default(),
            samples: Ear::default(),
            log: Ear::default(),
            lines: Lines::default(),
            log_part: Part::Followed,
            since_nano: None,
            news: VecDeque::new(),
            has_given_back: false,
            setup,
        };
        supervise.act(first, reactor);
        supervise
    }

    /// The next thing to tell; `None`: nothing for now.
    pub fn news(&mut self) -> Option<News> {
        self.news.pop_front()
    }

    /// The run as it is now.
    pub fn state(&self) -> &State {
        self.run.state()
    }

    /// When [`Supervise::tick`] is next needed.
    pub fn deadline(&self, now: Instant) -> Option<Instant> {
        let look = self.helper.is_some().then(|| now + helper::LOOK_EVERY);
        [self.run.deadline(), look].into_iter().flatten().min()
    }

    /// Does what time asks of it.
    pub fn tick(&mut self, reactor: &mut Reactor<Tag>) {
        self.look_at_the_helper(reactor);
        if self.run.deadline().is_some_and(|at| reactor.now() >= at) {
            self.step(Input::Tick, reactor);
        }
    }

    /// Its end is wanted; `code` is the exit code if it never ran. A second time kills, a third
    /// time leaves all as it is.
    pub fn end(&mut self, code: u8, reactor: &mut Reactor<Tag>) {
        self.step(Input::End { code }, reactor);
    }

    /// The answer to [`News::Decide`].
    pub fn decide(&mut self, decision: Decision, reactor: &mut Reactor<Tag>) {
        self.step(Input::Decided(decision), reactor);
    }

    fn step(&mut self, input: Input, reactor: &mut Reactor<Tag>) {
        let wanted = self.run.step(input, reactor.now());
        self.act(wanted, reactor);
    }

    fn act(&mut self, wanted: Vec<Do>, reactor: &mut Reactor<Tag>) {
        for one in wanted {
            match one {
                Do::Tell => {
                    let state = self.run.state().clone();
                    self.give_back(&state);
                    self.news.push_back(News::State(Box::new(state)));
                }
                Do::HangUp => self.hang_up(reactor),
                Do::Decide(exited) => self.news.push_back(News::Decide(exited)),
                Do::Over(verdict) => self.news.push_back(News::Over(verdict)),
                Do::Ask(Ask::Credentials) => self.find_credentials(reactor),
                Do::Ask(ask) => self.ask(ask, reactor),
            }
        }
    }

    /// Once it runs, what copying and pulling took is not needed any more.
    fn give_back(&mut self, state: &State) {
        if state.status == Status::Running && !self.has_given_back {
            self.has_given_back = true;
            self.setup.copies = Vec::new();
            sys::give_memory_back();
        }
    }

    fn hang_up(&mut self, reactor: &mut Reactor<Tag>) {
        let place = self.place;
        reactor.hang_up(|tag| tag.run == place && tag.question.is_listening());
        self.helper = None;
        self.finish_log();
        (self.pull, self.events) = (Ear::default(), Ear::default());
        (self.samples, self.log) = (Ear::default(), Ear::default());
    }

    fn finish_log(&mut self) {
        let mut found = Vec::new();
        self.lines.finish(&mut found);
        self.news.extend(found.into_iter().map(News::Line));
    }

    fn find_credentials(&mut self, reactor: &mut Reactor<Tag>) {
        let (program, server) = match &self.setup.credentials {
            Ok(Source::Helper { program, server }) => (program.clone(), server.clone()),
            Ok(Source::Known(auth)) => {
                self.auth = Some(auth.clone());
                return self.answer(Ask::Credentials, Ok(Answer::Done), reactor);
            }
            Ok(Source::None) => return self.answer(Ask::Credentials, Ok(Answer::Done), reactor),
            Err(what) => {
                let why = Why::Invalid(what.clone());
                return self.answer(Ask::Credentials, Err(why), reactor);
            }
        };
        match Helper::start(&program, "get", server.as_bytes()) {
            Ok(helper) => self.helper = Some((helper, server, reactor.now() + HELPER_WITHIN)),
            Err(why) => self.answer(Ask::Credentials, Err(why), reactor),
        }
    }

    fn look_at_the_helper(&mut self, reactor: &mut Reactor<Tag>) {
        let Some((helper, server, until)) = &mut self.helper else { return };
        let answer = match helper.look() {
            Ok(None) if reactor.now() < *until => return,
            Ok(None) => Err(Why::TimedOut(HELPER_WITHIN)),
            Ok(Some(said)) => ask::credentials(&said, server),
            Err(why) => Err(why),
        };
        self.helper = None;
        let answer = answer.map(|auth| {
            self.auth = auth;
            Answer::Done
        });
        self.answer(Ask::Credentials, answer, reactor);
    }

    /// An answer that no exchange brought.
    fn answer(&mut self, ask: Ask, answer: Result<Answer, Why>, reactor: &mut Reactor<Tag>) {
        let image = &self.setup.job.image;
        let failed = |why: Why| Error {
            what: format!("find credentials for {image}"),
            at: "this machine".to_owned(),
            why,
        };
        self.step(Input::Answered(ask, answer.map_err(failed)), reactor);
    }
}

impl Question {
    /// As [`Do::HangUp`] has it.
    fn is_listening(self) -> bool {
        match self {
            Question::SecondGreeting => true,
            Question::SecondNetwork => false,
            Question::Asked(ask) => match ask {
                Ask::Greet
                | Ask::Find
                | Ask::Credentials
                | Ask::Pull
                | Ask::Copy { .. }
                | Ask::Wait
                | Ask::Look
                | Ask::Follow(_) => true,
                Ask::Network
                | Ask::Create
                | Ask::Join(_)
                | Ask::Start
                | Ask::Stop(_)
                | Ask::Kill
                | Ask::Remove
                | Ask::Clear => false,
            },
        }
    }
}
