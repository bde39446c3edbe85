//! Every engine and cluster followed at once: what the reactor tells goes to its machine, and what
//! the machine wants goes to the reactor. Decides nothing and prints nothing.

mod cluster;
mod engine;
mod guests;

use std::time::{Duration, Instant};

use crate::container::{Container, Origin, Packed};
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
use crate::proxmox::watch;
use cluster::Cluster;
use engine::{Asked, Engine, Question, Seen};

pub use guests::Attend;

/// Which containers of an engine are followed.
#[derive(Clone, Debug, Default)]
pub struct Which {
    /// The engine's own filters.
    pub filters: Filters,
    /// Only those with `proxy.` labels.
    pub only_explicit: bool,
    /// What is kept of them.
    pub keeps: Keeps,
}

/// What is kept of a container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keeps {
    /// All, to be printed.
    #[default]
    All,
    /// What decides when it sleeps and how it is reached.
    Decisive,
}

impl Which {
    /// All containers, or only those with `proxy.` labels, and no more of them than decides.
    pub fn for_decisions(only_explicit: bool) -> Which {
        Which { only_explicit, keeps: Keeps::Decisive, ..Which::default() }
    }
}

/// The engines and clusters that are followed. Each is known by its place in the list.
pub struct Follow {
    places: Vec<Followed>,
    terms: Terms,
    began: Instant,
}

/// Who is followed.
#[allow(clippy::large_enum_variant)]
enum Followed {
    /// A container engine.
    Engine(Engine),
    /// A cluster of guests.
    Cluster(Cluster),
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
    /// To follow a cluster.
    OfCluster(cluster::Asked),
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
    pub change: Change<Packed>,
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
    pub containers: Vec<&'a Packed>,
}

impl Follow {
    /// Follows nothing yet.
    pub fn new(terms: Terms, now: Instant) -> Follow {
        Follow { places: Vec::new(), terms, began: now }
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
        self.places.push(Followed::Engine(Engine {
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
        }));
    }

    /// Follows an engine or a cluster no longer. Its place in the list stays empty.
    pub fn leave(&mut self, place: usize, reactor: &mut Reactor<Tag>) {
        let gone = || Err(Why::Unreachable("it is no longer followed".into()));
        match self.places.get_mut(place) {
            Some(Followed::Engine(one)) => {
                (one.is_left, one.lease) = (true, gone());
                one.breaks += 1;
            }
            Some(Followed::Cluster(one)) => {
                (one.is_left, one.lease) = (true, gone());
                one.breaks += 1;
                one.shown.clear();
            }
            None => return,
        }
        reactor.hang_up(|tag| match tag {
            Tag::Followed(asked) => asked.engine == place,
            Tag::OfCluster(asked) => asked.place == place,
            Tag::Guest(_) => false,
        });
    }

    /// From now on what an engine's containers say is read in this light: all are looked at again.
    pub fn review(&mut self, engine: usize, origin: Origin) {
        let Some(Followed::Engine(one)) = self.places.get_mut(engine) else { return };
        one.origin = origin;
        one.watch.relist();
    }

    /// A container was told to start: it is looked at as soon as it has, whatever was heard of it
    /// before.
    pub fn foresee(&mut self, engine: usize, id: &str) {
        if let Some(Followed::Engine(one)) = self.places.get_mut(engine) {
            one.watch.foresee(id);
        }
    }

    /// When [`Follow::tick`] is next needed.
    pub fn deadline(&self) -> Option<Instant> {
        let deadline = |one: &Followed| match one {
            Followed::Engine(engine) => engine.watch.deadline(),
            Followed::Cluster(cluster) => cluster.watch.deadline(),
        };
        self.followed().filter_map(|(_, one)| deadline(one)).min()
    }

    /// Whether every engine and cluster was listed, or is known to be away.
    pub fn is_settled(&self) -> bool {
        self.followed().all(|(_, one)| match one {
            Followed::Engine(engine) => engine.watch.is_settled(),
            Followed::Cluster(cluster) => cluster.watch.is_settled(),
        })
    }

    /// The engines and clusters as they are known now, in the order they were added.
    pub fn engines(&self) -> impl Iterator<Item = View<'_>> {
        self.followed().map(|(place, one)| match one {
            Followed::Engine(engine) => View {
                place,
                name: &engine.origin.engine,
                is_lost: engine.watch.is_lost(),
                is_following: engine.watch.is_following(),
                containers: engine.watch.known().map(|seen| &seen.container).collect(),
            },
            Followed::Cluster(cluster) => View {
                place,
                name: &cluster.about.name,
                is_lost: cluster.watch.is_lost(),
                is_following: cluster.watch.is_following(),
                containers: cluster.shown.values().collect(),
            },
        })
    }

    fn followed(&self) -> impl Iterator<Item = (usize, &Followed)> {
        self.places.iter().enumerate().filter(|(_, one)| match one {
            Followed::Engine(engine) => !engine.is_left,
            Followed::Cluster(cluster) => !cluster.is_left,
        })
    }

    /// Lets the machines do what time asks of them.
    pub fn tick(&mut self, reactor: &mut Reactor<Tag>, news: &mut Vec<News>) {
        for place in 0..self.places.len() {
            self.step(place, Input::Tick, reactor, news);
            self.step_cluster(place, watch::Input::Tick, reactor, news);
        }
    }

    /// Takes what a turn told. Signals and the like are not for us.
    pub fn heed(&mut self, event: Event<Tag>, reactor: &mut Reactor<Tag>, news: &mut Vec<News>) {
        let (Event::Head(tag, _) | Event::Bytes(tag, _) | Event::Over(tag, _)) = &event else {
            return;
        };
        if let Event::Over(Tag::OfCluster(asked), reply) = event {
            let place = asked.place;
            let Some(Followed::Cluster(one)) = self.places.get_mut(place) else { return };
            if let Some(input) = one.over(&asked, reply) {
                self.step_cluster(place, input, reactor, news);
            }
            return;
        }
        let Tag::Followed(asked) = tag else { return };
        let engine = asked.engine;
        let Some(Followed::Engine(one)) = self.places.get_mut(engine) else { return };
        if one.breaks != asked.breaks {
            return;
        }
        let inputs = match event {
            Event::Head(_, reply) => one.head(reply).into_iter().collect(),
            Event::Bytes(_, bytes) => one.bytes(&bytes),
            Event::Over(Tag::Followed(asked), reply) => {
                one.over(asked, reply, reactor).into_iter().collect()
            }
            Event::Over(Tag::Guest(_) | Tag::OfCluster(_), _) => return,
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
        match self.places.get(engine) {
            Some(Followed::Engine(one)) => one.send(call, Mode::Whole, Tag::Guest(number), reactor),
            Some(Followed::Cluster(one)) => one.send(call, Tag::Guest(number), reactor),
            None => unreachable!("engines are never taken from the list"),
        }
    }

    /// What was agreed on with an engine; `None`: it has not answered yet.
    pub fn agreed(&self, engine: usize) -> Option<&Negotiated> {
        match self.places.get(engine)? {
            Followed::Engine(one) => one.agreed.as_ref(),
            Followed::Cluster(_) => None,
        }
    }

    /// One container as it is known now.
    pub fn container(&self, engine: usize, id: &str) -> Option<Container> {
        self.packed(engine, id).map(Packed::container)
    }

    /// The same as it is kept: for its names.
    pub fn packed(&self, engine: usize, id: &str) -> Option<&Packed> {
        match self.places.get(engine)? {
            Followed::Engine(one) => Some(&one.watch.find(id)?.container),
            Followed::Cluster(one) => one.shown.get(&id.parse().ok()?),
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
        let Some(Followed::Engine(one)) = self.places.get_mut(engine) else { return };
        if one.is_left {
            return;
        }
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
