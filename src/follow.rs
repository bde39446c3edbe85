//! Every engine followed at once: what the reactor tells goes to its engine's machine, and what the
//! machine wants goes to the reactor. Decides nothing and prints nothing.

mod engine;

use std::time::{Duration, Instant};

use crate::container::{Container, Origin};
use crate::docker::change::Change;
use crate::docker::events::EventReader;
use crate::docker::version::{Negotiated, Version};
use crate::docker::watch::{Do, Input, Watch};
use crate::docker::{Filters, call, system};
use crate::error::Why;
use crate::http::Call;
use crate::net::Endpoint;
use crate::net::reactor::Reactor;
use crate::net::running::Event;
use crate::net::talk::Mode;
use engine::{Asked, Engine, Question, Seen};

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

/// What an exchange was for.
#[derive(Clone, Debug)]
pub enum Tag {
    /// To follow an engine.
    Followed(Asked),
    /// Somebody else's question, by their number. Outlives a break: an order may be carried out
    /// while the events are lost.
    Guest(u32),
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
    /// Its place in the list.
    pub place: usize,
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
        let reader = EventReader::default();
        self.engines.push(Engine {
            terms: self.terms,
            origin,
            which,
            lease,
            agreed: None,
            watch: Watch::new(now),
            reader,
            refusal: None,
            breaks: 0,
            is_left: false,
        });
    }

    /// Follows an engine no longer. Its place in the list stays empty.
    pub fn leave(&mut self, engine: usize, reactor: &mut Reactor<Tag>) {
        let Some(one) = self.engines.get_mut(engine) else { return };
        (one.is_left, one.lease) = (true, Err(Why::Unreachable("it is no longer followed".into())));
        one.breaks += 1;
        reactor.hang_up(|tag| matches!(tag, Tag::Followed(asked) if asked.engine == engine));
    }

    /// From now on what an engine's containers say is read in this light: all are looked at again.
    pub fn review(&mut self, engine: usize, origin: Origin) {
        let Some(one) = self.engines.get_mut(engine) else { return };
        one.origin = origin;
        one.watch.relist();
    }

    /// When [`Follow::tick`] is next needed.
    pub fn deadline(&self) -> Option<Instant> {
        self.followed().filter_map(|(_, engine)| engine.watch.deadline()).min()
    }

    /// Whether every engine was listed, or is known to be away.
    pub fn is_settled(&self) -> bool {
        self.followed().all(|(_, engine)| engine.watch.is_settled())
    }

    /// The engines as they are known now, in the order they were added.
    pub fn engines(&self) -> impl Iterator<Item = View<'_>> {
        self.followed().map(|(place, engine)| View {
            place,
            name: &engine.origin.engine,
            is_lost: engine.watch.is_lost(),
            is_following: engine.watch.is_following(),
            containers: engine.watch.known().map(|seen| &seen.container).collect(),
        })
    }

    fn followed(&self) -> impl Iterator<Item = (usize, &Engine)> {
        self.engines.iter().enumerate().filter(|(_, engine)| !engine.is_left)
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
        let Tag::Followed(asked) = tag else { return };
        let engine = asked.engine;
        let one = self.engines.get_mut(engine).filter(|one| one.breaks == asked.breaks);
        let Some(one) = one else { return };
        let inputs = match event {
            Event::Head(_, reply) => one.head(reply).into_iter().collect(),
            Event::Bytes(_, bytes) => one.bytes(&bytes),
            Event::Over(Tag::Followed(asked), reply) => {
                one.over(asked, reply, reactor).into_iter().collect()
            }
            Event::Over(Tag::Guest(_), _) => return,
            Event::Signal(_) | Event::Writable | Event::HungUp => return,
            Event::Visit(_) | Event::Door(_) => return,
        };
        for input in inputs {
            self.step(engine, input, reactor, news);
        }
    }

    /// Asks something else of an engine; the answer comes as an event with [`Tag::Guest`].
    pub fn ask<T>(&self, engine: usize, guest: (u32, Call<T>), reactor: &mut Reactor<Tag>) {
        let (number, call) = guest;
        match self.engines.get(engine) {
            Some(one) => one.send(call, Mode::Whole, Tag::Guest(number), reactor),
            None => unreachable!("engines are never taken from the list"),
        }
    }

    /// What was agreed on with an engine; `None`: it has not answered yet.
    pub fn agreed(&self, engine: usize) -> Option<&Negotiated> {
        self.engines.get(engine)?.agreed.as_ref()
    }

    /// One container as it is known now.
    pub fn container(&self, engine: usize, id: &str) -> Option<&Container> {
        Some(&self.engines.get(engine)?.watch.find(id)?.container)
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
        let one = self.engines.get_mut(engine).filter(|one| !one.is_left);
        let Some(one) = one else { return };
        for wanted in one.watch.step(input, now, jitter) {
            match wanted {
                Do::Say(change) => {
                    news.push(News { engine, change: change.map(|seen| seen.container) })
                }
                Do::HangUp => {
                    one.breaks += 1;
                    one.refusal = None;
                    reactor
                        .hang_up(|tag| matches!(tag, Tag::Followed(one) if one.engine == engine));
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

/// Spreads the retries of engines that went away together: where a turn falls within a
/// microsecond is as good as a die.
fn jitter(since_start: Duration, engine: usize) -> u32 {
    let place = u32::try_from(engine % 1001).unwrap_or_default();
    (since_start.subsec_nanos() / 7 + place * 331) % 1001
}
