//! Every engine followed at once: what the reactor tells goes to its engine's machine, and what the
//! machine wants goes to the reactor. Decides nothing and prints nothing.

use std::time::{Duration, Instant};

use crate::container::{self, Container, Origin};
use crate::docker::events::{Event as Happened, EventReader};
use crate::docker::types::Summary;
use crate::docker::version::{self, Ping, Version};
use crate::docker::watch::{Change, Do, Input, Known, Watch};
use crate::docker::{Filters, call, inspect, system};
use crate::error::Why;
use crate::http::{Call, Patience, Prefix, Reply};
use crate::net::Endpoint;
use crate::net::clients::Lease;
use crate::net::reactor::Reactor;
use crate::net::running::{Ask, Event};
use crate::net::talk::Mode;

/// What is kept of the body that says why there is no event stream.
const REFUSAL_LIMIT_BYTES: usize = 64 << 10;

/// Which containers of an engine are followed.
#[derive(Clone, Debug, Default)]
pub struct Which {
    /// The engine's own filters.
    pub filters: Filters,
    /// Only those with `proxy.` labels.
    pub only_explicit: bool,
}

/// The engines that are followed. An engine is known by its place in the list.
pub struct Follow {
    engines: Vec<Engine>,
    terms: Terms,
    began: Instant,
}

/// What holds for every engine.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// How long an answer may take; the event stream has no such limit.
    pub answer_within: Duration,
    /// The API version to speak, whatever an engine says.
    pub forced: Option<Version>,
}

struct Engine {
    terms: Terms,
    origin: Origin,
    which: Which,
    lease: Result<Lease, Why>,
    prefix: String,
    watch: Watch<Seen>,
    reader: EventReader,
    /// The reply that came instead of an event stream, as far as it is here.
    refusal: Option<Reply>,
    /// How often everything asked was given up. What was asked before is not heard any more.
    breaks: u64,
}

/// A container, and whether all was asked that there is to know.
#[derive(Clone, Debug)]
struct Seen {
    container: Container,
    complete: bool,
}

/// What an exchange was for: the engine, and the question.
#[derive(Clone, Debug)]
pub struct Tag {
    engine: usize,
    breaks: u64,
    question: Question,
}

#[derive(Clone, Debug)]
enum Question {
    Greeting,
    /// With GET, where HEAD told nothing.
    SecondGreeting,
    Events,
    List,
    Look(String),
    /// The rest of what the list left out.
    Inspect(Box<Summary>),
}

/// What changed, and at which engine.
#[derive(Clone, Debug, PartialEq)]
pub struct News {
    /// The engine's place in the list.
    pub engine: usize,
    /// What changed.
    pub change: Change<Container>,
}

/// One engine as it is known now.
#[derive(Clone, Debug)]
pub struct View<'a> {
    /// Its name in the configuration.
    pub name: &'a str,
    /// It could not be reached the last time.
    pub is_lost: bool,
    /// What is known is complete, and every change will be heard of.
    pub is_following: bool,
    /// Its containers, by id.
    pub containers: Vec<&'a Container>,
}

impl Follow {
    /// Follows nothing yet.
    pub fn new(terms: Terms, now: Instant) -> Follow {
        Follow { engines: Vec::new(), terms, began: now }
    }

    /// Follows one engine more; the first turn asks it.
    pub fn add(
        &mut self,
        reactor: &mut Reactor<Tag>,
        endpoint: Result<&Endpoint, Why>,
        engine: (Origin, Which),
    ) {
        let now = reactor.now();
        let lease = endpoint.map(|endpoint| reactor.lease(endpoint));
        let (origin, which) = engine;
        let (prefix, reader) = (String::new(), EventReader::default());
        self.engines.push(Engine {
            terms: self.terms,
            origin,
            which,
            lease,
            prefix,
            watch: Watch::new(now),
            reader,
            refusal: None,
            breaks: 0,
        });
    }

    /// When [`Follow::tick`] is next needed.
    pub fn deadline(&self) -> Option<Instant> {
        self.engines.iter().filter_map(|engine| engine.watch.deadline()).min()
    }

    /// Whether every engine was listed, or is known to be away.
    pub fn is_settled(&self) -> bool {
        self.engines.iter().all(|engine| engine.watch.is_settled())
    }

    /// The engines as they are known now, in the order they were added.
    pub fn engines(&self) -> impl Iterator<Item = View<'_>> {
        self.engines.iter().map(|engine| View {
            name: &engine.origin.engine,
            is_lost: engine.watch.is_lost(),
            is_following: engine.watch.is_following(),
            containers: engine.watch.known().map(|seen| &seen.container).collect(),
        })
    }

    /// Lets the machines do what time asks of them.
    pub fn tick(&mut self, reactor: &mut Reactor<Tag>, news: &mut Vec<News>) {
        for engine in 0..self.engines.len() {
            self.step(engine, Input::Tick, reactor, news);
        }
    }

    /// Takes what a turn told. Signals and the like are not for us.
    pub fn heed(&mut self, event: Event<Tag>, reactor: &mut Reactor<Tag>, news: &mut Vec<News>) {
        let (Event::Head(tag, _) | Event::Bytes(tag, _) | Event::Over(tag, _)) = &event else {
            return;
        };
        let engine = tag.engine;
        let one = self.engines.get_mut(engine).filter(|one| one.breaks == tag.breaks);
        let Some(one) = one else { return };
        let inputs = match event {
            Event::Head(_, reply) => one.head(reply).into_iter().collect(),
            Event::Bytes(_, bytes) => one.bytes(&bytes),
            Event::Over(tag, reply) => one.over(tag, reply, reactor).into_iter().collect(),
            Event::Signal(_) | Event::Writable | Event::HungUp => return,
        };
        for input in inputs {
            self.step(engine, input, reactor, news);
        }
    }

    fn step(
        &mut self,
        engine: usize,
        input: Input<Seen>,
        reactor: &mut Reactor<Tag>,
        news: &mut Vec<News>,
    ) {
        let now = reactor.now();
        let jitter = jitter(now.duration_since(self.began), engine);
        let Some(one) = self.engines.get_mut(engine) else { return };
        for wanted in one.watch.step(input, now, jitter) {
            match wanted {
                Do::Say(change) => {
                    news.push(News { engine, change: change.map(|seen| seen.container) })
                }
                Do::HangUp => {
                    one.breaks += 1;
                    one.refusal = None;
                    reactor.hang_up(|tag| tag.engine == engine);
                }
                Do::Greet => one.ask(system::ping(), Question::Greeting, engine, reactor),
                Do::Subscribe(since) => {
                    one.reader = EventReader::default();
                    one.ask(system::events(since), Question::Events, engine, reactor);
                }
                Do::List => {
                    let list = call::list(&one.which.filters);
                    one.ask(list, Question::List, engine, reactor);
                }
                Do::Look(id) => {
                    let mut filters = one.which.filters.clone();
                    filters.add("id", &id);
                    let look = Call { what: call::list_one(&id).what, ..call::list(&filters) };
                    one.ask(look, Question::Look(id), engine, reactor);
                }
            }
        }
    }
}

impl Engine {
    /// `None`: more of it is to come.
    fn head(&mut self, reply: Reply) -> Option<Input<Seen>> {
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

    fn bytes(&mut self, bytes: &[u8]) -> Vec<Input<Seen>> {
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
    fn over(
        &mut self,
        tag: Tag,
        reply: Result<Reply, Why>,
        reactor: &mut Reactor<Tag>,
    ) -> Option<Input<Seen>> {
        let engine = tag.engine;
        Some(match tag.question {
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
            Question::List => match reply.and_then(call::list(&Filters::default()).read) {
                Ok(all) => self.listed(all),
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

    fn ask<T>(&self, call: Call<T>, question: Question, engine: usize, reactor: &mut Reactor<Tag>) {
        let tag = Tag { engine, breaks: self.breaks, question };
        let lease = match &self.lease {
            Ok(lease) => lease,
            Err(why) => return reactor.refuse(tag, why.clone()),
        };
        let mode = match tag.question {
            Question::Events => Mode::Stream,
            _ => Mode::Whole,
        };
        let prefix = match call.prefix {
            Prefix::Versioned => self.prefix.clone(),
            Prefix::Bare => String::new(),
        };
        let patience = match call.patience {
            Patience::Endless => Patience::Endless,
            Patience::Ordinary | Patience::Within(_) => Patience::Within(self.terms.answer_within),
        };
        log::debug!("{}: {}", self.origin.engine, call.what);
        reactor.ask(lease, Ask { request: call.request, prefix, patience, mode }, tag);
    }

    fn agree(&mut self, ping: &Ping) -> Input<Seen> {
        match version::negotiate(ping, self.terms.forced) {
            Ok(agreed) => {
                self.prefix = agreed.prefix();
                Input::Agreed
            }
            Err(why) => Input::Failed(format!("agree on an API version: {why}")),
        }
    }

    fn listed(&self, all: Vec<Summary>) -> Input<Seen> {
        let see = |summary: Summary| {
            let complete = !container::is_partial(&summary);
            self.see(summary, complete)
        };
        let mut all: Vec<Seen> = all.into_iter().filter_map(see).collect();
        all.sort_unstable_by(|a, b| a.container.order().cmp(&b.container.order()));
        Input::Listed(all)
    }

    /// `None`: not one of those that are followed.
    fn see(&self, summary: Summary, complete: bool) -> Option<Seen> {
        let container = container::parse(summary, &self.origin);
        let followed = container.is_explicit || !self.which.only_explicit;
        followed.then_some(Seen { container, complete })
    }
}

/// Spreads the retries of engines that went away together: where a turn falls within a
/// microsecond is as good as a die.
fn jitter(since_start: Duration, engine: usize) -> u32 {
    let place = u32::try_from(engine % 1001).unwrap_or_default();
    (since_start.subsec_nanos() / 7 + place * 331) % 1001
}

impl PartialEq for Seen {
    fn eq(&self, other: &Seen) -> bool {
        self.container == other.container
    }
}

impl Known for Seen {
    fn id(&self) -> &str {
        &self.container.container_id
    }

    fn state(&self) -> &str {
        &self.container.state
    }

    fn is_complete(&self) -> bool {
        self.complete
    }
}
