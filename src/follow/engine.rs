//! One engine that is followed: its questions as calls, and their answers as what its machine
//! hears. Decides nothing.

use super::{Keeps, Tag, Terms, Which};
use crate::container::{self, Origin, Packed};
use crate::docker::events::{Event as Happened, EventReader};
use crate::docker::types::Summary;
use crate::docker::version::{self, Negotiated, Ping};
use crate::docker::watch::{Input, Known, Watch};
use crate::docker::{Filters, call, inspect, system};
use crate::error::Why;
use crate::http::{Call, Patience, Prefix, Reply};
use crate::net::clients::Lease;
use crate::net::reactor::Reactor;
use crate::net::running::Ask;
use crate::net::talk::Mode;
use crate::sorted;

/// What is kept of the body that says why there is no event stream.
const REFUSAL_LIMIT_BYTES: usize = 64 << 10;

/// One engine: what is asked of it, and how its answers reach its machine.
pub(super) struct Engine {
    pub(super) terms: Terms,
    pub(super) origin: Origin,
    pub(super) which: Which,
    pub(super) lease: Result<Lease, Why>,
    /// What was agreed on the last time; `None`: nothing yet.
    pub(super) agreed: Option<Negotiated>,
    pub(super) watch: Watch<Seen>,
    pub(super) reader: EventReader,
    /// The reply that came instead of an event stream, as far as it is here.
    pub(super) refusal: Option<Reply>,
    /// How often everything asked was given up. What was asked before is not heard any more.
    pub(super) breaks: u64,
    /// No longer followed.
    pub(super) is_left: bool,
}

/// A container, and whether all was asked that there is to know.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) container: Packed,
    complete: bool,
}

/// The engine, and the question.
#[derive(Clone, Debug)]
pub struct Asked {
    pub(super) engine: usize,
    pub(super) breaks: u64,
    pub(super) question: Question,
}

#[derive(Clone, Debug)]
pub(super) enum Question {
    Greeting,
    /// With GET, where HEAD told nothing.
    SecondGreeting,
    Events,
    List,
    Look(String),
    /// The rest of what the list left out.
    Inspect(Box<Summary>),
}

impl Engine {
    /// `None`: more of it is to come.
    pub(super) fn head(&mut self, reply: Reply) -> Option<Input<Seen>> {
        if !(200..300).contains(&reply.status) {
            // Its message comes with the body.
            self.refusal = Some(reply);
            return None;
        }
        Some(match (system::events(None).read)(reply) {
            Ok(reader) => {
                self.reader = reader;
                Input::Opened
            }
            Err(why) => Input::Failed(format!("follow events: {why}")),
        })
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Vec<Input<Seen>> {
        if let Some(refusal) = &mut self.refusal {
            refusal.body.extend(bytes);
            let is_enough = refusal.body.len() >= REFUSAL_LIMIT_BYTES;
            return if is_enough { vec![self.stream_ended()] } else { Vec::new() };
        }
        let mut events: Vec<Happened> = Vec::new();
        let read = self.reader.push(bytes, &mut events);
        let mut inputs: Vec<_> = events.into_iter().map(Input::Event).collect();
        if let Err(why) = read {
            inputs.push(Input::Failed(format!("follow events: {why}")));
        }
        inputs
    }

    fn stream_ended(&mut self) -> Input<Seen> {
        match self.refusal.take().map(system::events(None).read) {
            Some(Err(why)) => Input::Failed(format!("follow events: {why}")),
            Some(Ok(_)) | None => Input::Ended,
        }
    }

    /// `None`: something more had to be asked.
    pub(super) fn over(
        &mut self,
        asked: Asked,
        reply: Result<Reply, Why>,
        reactor: &mut Reactor<Tag>,
    ) -> Option<Input<Seen>> {
        let engine = asked.engine;
        Some(match asked.question {
            Question::Greeting => match reply.and_then(system::ping().read) {
                Ok(Some(ping)) => self.agree(&ping),
                Ok(None) => {
                    self.ask(system::ping_get(), Question::SecondGreeting, engine, reactor);
                    return None;
                }
                Err(why) => Input::Failed(why.to_string()),
            },
            Question::SecondGreeting => match reply.and_then(system::ping_get().read) {
                Ok(ping) => self.agree(&ping),
                Err(why) => Input::Failed(why.to_string()),
            },
            Question::Events => {
                if let Err(why) = reply {
                    log::debug!("{}: follow events: {why}", self.origin.engine);
                }
                self.stream_ended()
            }
            Question::List => match reply.and_then(|reply| self.listed(&reply)) {
                Ok(all) => Input::Listed(all),
                Err(why) => Input::Failed(format!("list containers: {why}")),
            },
            Question::Look(id) => {
                let found = reply.and_then(call::list(&Filters::default()).read);
                match found.map(|mut found| found.pop()) {
                    Ok(Some(summary)) if container::is_partial(&summary) => {
                        let rest = call::inspect(&summary.id);
                        self.ask(rest, Question::Inspect(Box::new(summary)), engine, reactor);
                        return None;
                    }
                    Ok(found) => Input::Looked(id, found.and_then(|one| self.see(one, true))),
                    Err(_) => Input::LookFailed(id),
                }
            }
            Question::Inspect(summary) => {
                let id = summary.id.clone();
                match reply.and_then(call::inspect("").read) {
                    Ok(rest) => {
                        let whole = inspect::complete(*summary, &rest);
                        Input::Looked(id, self.see(whole, true))
                    }
                    Err(Why::NotFound(_)) => Input::Looked(id, None),
                    Err(_) => Input::LookFailed(id),
                }
            }
        })
    }

    /// Asks what the machine wants to know.
    pub(super) fn ask<T>(
        &self,
        call: Call<T>,
        question: Question,
        engine: usize,
        reactor: &mut Reactor<Tag>,
    ) {
        let mode = match question {
            Question::Events => Mode::Stream,
            _ => Mode::Whole,
        };
        let patience = match call.patience {
            Patience::Endless => Patience::Endless,
            Patience::Ordinary | Patience::Within(_) => Patience::Within(self.terms.answer_within),
        };
        let call = Call { patience, ..call };
        let asked = Asked { engine, breaks: self.breaks, question };
        self.send(call, mode, Tag::Followed(asked), reactor);
    }

    /// Sends a call under what was agreed on.
    pub(super) fn send<T>(&self, call: Call<T>, mode: Mode, tag: Tag, reactor: &mut Reactor<Tag>) {
        let lease = match &self.lease {
            Ok(lease) => lease,
            Err(why) => return reactor.refuse(tag, why.clone()),
        };
        let prefix = match (call.prefix, &self.agreed) {
            (Prefix::Bare, _) => String::new(),
            (Prefix::Versioned, Some(agreed)) => agreed.prefix(),
            (Prefix::Versioned, None) => {
                let why = Why::Unreachable("the engine has not answered yet".into());
                return reactor.refuse(tag, why);
            }
        };
        log::debug!("{}: {}", self.origin.engine, call.what);
        let ask = Ask { request: call.request, prefix, patience: call.patience, mode };
        reactor.ask(lease, ask, tag);
    }

    fn agree(&mut self, ping: &Ping) -> Input<Seen> {
        match version::negotiate(ping, self.terms.forced) {
            Ok(agreed) => {
                self.agreed = Some(agreed);
                Input::Agreed
            }
            Err(why) => Input::Failed(format!("agree on an API version: {why}")),
        }
    }

    /// One after the other, so that what reading one takes is free again before the next.
    fn listed(&self, reply: &Reply) -> Result<Vec<Seen>, Why> {
        let mut all: Vec<Seen> = Vec::new();
        call::each_listed(reply, |summary| {
            let complete = !container::is_partial(&summary);
            all.extend(self.see(summary, complete));
        })?;
        sorted::sort_by(&mut all, |Seen { container: a, .. }, Seen { container: b, .. }| {
            (a.name(), a.id()).cmp(&(b.name(), b.id()))
        });
        Ok(all)
    }

    /// `None`: not one of those that are followed.
    fn see(&self, summary: Summary, complete: bool) -> Option<Seen> {
        let container = container::parse(summary, &self.origin);
        let container = match self.which.keeps {
            Keeps::All => container,
            Keeps::Decisive => container.pared(),
        };
        let followed = container.is_explicit || !self.which.only_explicit;
        followed.then(|| Seen { container: Packed::of(&container), complete })
    }
}

impl PartialEq for Seen {
    fn eq(&self, other: &Seen) -> bool {
        self.container == other.container
    }
}

impl Known for Seen {
    fn id(&self) -> &str {
        self.container.id()
    }

    fn state(&self) -> &str {
        self.container.state()
    }

    fn is_complete(&self) -> bool {
        self.complete
    }
}
