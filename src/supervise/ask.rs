//! The machine's questions as calls, and whole answers as what it hears. Decides nothing.

use super::{Part, Question, Supervise, Tag};
use crate::docker::call::{self, LogPart, Removal};
use crate::docker::inspect::Inspect;
use crate::docker::logs::Framing;
use crate::docker::version::{self, Ping};
use crate::docker::{answer, image, network, system};
use crate::error::{Error, Why};
use crate::http::{Call, Prefix, Reply};
use crate::net::helper::Said;
use crate::net::reactor::Reactor;
use crate::net::running;
use crate::net::talk::Mode;
use crate::run::message::{Answer, Ask, Input, Look, Sense};
use crate::run::registry;
use crate::sorted::Map;

impl Supervise {
    /// Sends a question.
    pub(super) fn ask(&mut self, ask: Ask, reactor: &mut Reactor<Tag>) {
        let id = self.run.container().unwrap_or(&self.setup.job.name).to_owned();
        let job = &self.setup.job;
        match ask {
            Ask::Greet => self.send(ask, system::ping(), reactor),
            Ask::Find => self.send(ask, image::inspect(&job.image), reactor),
            Ask::Credentials => unreachable!("no engine is asked for them"),
            Ask::Pull => {
                self.stream(ask, image::pull(&job.image, self.auth.as_deref()), reactor);
            }
            Ask::Network => self.send(ask, self.network(), reactor),
            Ask::Create => self.send(ask, call::create(Some(&job.name), &self.setup.spec), reactor),
            Ask::Join(place) => {
                let Some((network, as_what)) = self.setup.joins.get(place) else {
                    unreachable!("the job counts what the setup lists")
                };
                self.send(ask, network::connect_as(network, &id, as_what), reactor);
            }
            Ask::Copy { which, folders } => {
                let Some(copied) = self.setup.copies.get(which) else {
                    unreachable!("the job counts what the setup lists")
                };
                let (to, tar) = copied.archive(folders);
                self.send(ask, call::upload(&id, &to, tar), reactor);
            }
            Ask::Start => self.send(ask, call::start(&id), reactor),
            Ask::Wait => self.send(ask, call::wait(&id, call::Condition::NotRunning), reactor),
            Ask::Look => self.send(ask, call::inspect(&id), reactor),
            Ask::Stop(grace) => self.send(ask, call::stop(&id, None, grace), reactor),
            Ask::Kill => self.send(ask, call::kill(&id, "KILL"), reactor),
            Ask::Remove => {
                let removal = Removal { force: true, volumes: true };
                self.send(ask, call::remove(&id, removal), reactor);
            }
            Ask::Clear => {
                // By name: see `Place::remove_network`.
                self.send(ask, network::remove(&self.setup.network), reactor);
            }
            Ask::Follow(Sense::Events) => self.stream(ask, system::events(None), reactor),
            Ask::Follow(Sense::Samples) => self.stream(ask, call::stats_stream(&id), reactor),
            Ask::Follow(Sense::Log) => {
                self.log_part = Part::Followed;
                self.open_log(reactor);
            }
        }
    }

    fn network(&self) -> Call<String> {
        let labels: Map<_, _> = self.setup.labels.iter().cloned().collect();
        network::create(&self.setup.network, &labels)
    }

    /// From where it was read up to.
    pub(super) fn open_log(&mut self, reactor: &mut Reactor<Tag>) {
        self.since_nano = self.lines.reopen();
        let id = self.run.container().unwrap_or(&self.setup.job.name).to_owned();
        self.stream(Ask::Follow(Sense::Log), self.logs(&id), reactor);
    }

    /// With timestamps: they tell what was read before.
    pub(super) fn logs(&self, id: &str) -> Call<crate::docker::logs::LogReader> {
        let framing = match self.setup.spec["Tty"].as_bool() {
            Some(true) => Framing::Raw,
            _ => Framing::Frames,
        };
        let since_seconds = self.since_nano.map(|nano| nano / 1_000_000_000);
        let once = self.log_part == Part::Rest;
        call::logs(id, framing, LogPart { since_seconds, timestamps: true, tail: None, once })
    }

    fn send<T>(&self, ask: Ask, call: Call<T>, reactor: &mut Reactor<Tag>) {
        self.post(Question::Asked(ask), call, Mode::Whole, reactor);
    }

    fn stream<T>(&self, ask: Ask, call: Call<T>, reactor: &mut Reactor<Tag>) {
        self.post(Question::Asked(ask), call, Mode::Stream, reactor);
    }

    fn post<T>(&self, question: Question, call: Call<T>, mode: Mode, reactor: &mut Reactor<Tag>) {
        let Call { what, request, prefix, patience, .. } = call;
        log::debug!("{}: {what}", self.setup.job.name);
        let prefix = match prefix {
            Prefix::Versioned => self.agreed.prefix(),
            Prefix::Bare => String::new(),
        };
        let ask = running::Ask { request, prefix, patience, mode };
        reactor.ask(&self.lease, ask, Tag { run: self.place, question, what });
    }

    /// A whole answer.
    pub(super) fn over(&mut self, tag: Tag, reply: Result<Reply, Why>, reactor: &mut Reactor<Tag>) {
        let ask = match tag.question {
            Question::Asked(ask) => ask,
            Question::SecondGreeting => Ask::Greet,
            Question::SecondNetwork => Ask::Network,
        };
        let answer = match (tag.question, ask) {
            (Question::SecondGreeting, _) => {
                reply.and_then(system::ping_get().read).and_then(|ping| self.agree(&ping))
            }
            (_, Ask::Greet) => match reply.and_then(system::ping().read) {
                Ok(Some(ping)) => self.agree(&ping),
                Ok(None) => {
                    let again = system::ping_get();
                    return self.post(Question::SecondGreeting, again, Mode::Whole, reactor);
                }
                Err(why) => Err(why),
            },
            (question, Ask::Network) => match reply.and_then(self.network().read) {
                Err(why) if is_passing(&why) && matches!(question, Question::Asked(_)) => {
                    let again = self.network();
                    return self.post(Question::SecondNetwork, again, Mode::Whole, reactor);
                }
                made => made.map(Answer::Made),
            },
            (_, Ask::Create) => {
                reply.and_then(call::create(None, &serde_json::Value::Null).read).map(|created| {
                    for warning in &created.warnings {
                        log::warn!("{}: {}", self.setup.job.name, answer::one_line(warning));
                    }
                    Answer::Made(created.id)
                })
            }
            (_, Ask::Wait) => {
                let exit = reply.and_then(call::wait("", call::Condition::NotRunning).read);
                exit.map(|exit| Answer::Exit(exit.code))
            }
            (_, Ask::Look) => reply
                .and_then(call::inspect("").read)
                .map(|inspect| Answer::Looked(self.look(&inspect))),
            (_, Ask::Pull) => self.pulled(reply),
            (_, Ask::Follow(sense)) => return self.ended(sense, reply, reactor),
            (_, _) => reply.and_then(answer::nothing).map(|()| Answer::Done),
        };
        if let Err(why) = &answer {
            log::debug!("{}: {}: {why}", self.setup.job.name, tag.what);
        }
        let failed = |why| Error { what: tag.what.clone(), at: self.url.clone(), why };
        self.step(Input::Answered(ask, answer.map_err(failed)), reactor);
    }

    fn agree(&mut self, ping: &Ping) -> Result<Answer, Why> {
        self.agreed = version::negotiate(ping, self.setup.forced)?;
        Ok(Answer::Done)
    }

    fn look(&mut self, inspect: &Inspect) -> Look {
        let state = &inspect.state;
        let health = state.health.as_ref().map(|health| health.status.clone());
        let counted = self.counts.find(inspect);
        Look {
            running: state.running,
            paused: state.status == "paused",
            exit_code: state.exit_code,
            oom_killed: state.oom_killed,
            health: health.filter(|health| !matches!(&**health, "" | "none")),
            problem: counted.as_ref().err().cloned(),
            counted: counted.unwrap_or_default(),
        }
    }
}

/// What a helper has said: the value of `X-Registry-Auth`, or that it knows none.
pub(super) fn credentials(said: &Said, server: &str) -> Result<Option<String>, Why> {
    let text = String::from_utf8_lossy(&said.answer);
    match said.success {
        true => registry::from_helper(&said.answer, server).map(Some).map_err(Why::Broken),
        false if registry::knows_none(&text) => Ok(None),
        false => Err(Why::Forbidden(answer::one_line(&format!("its helper says: {text}")))),
    }
}

/// Podman looks at all interfaces of its host for a free subnet, and gives up if one of them, of
/// another container, goes meanwhile (Go's `net.Interface.Addrs`): it is asked once more.
fn is_passing(why: &Why) -> bool {
    matches!(why, Why::Refused { message, .. } if message.contains("no such network interface"))
}
