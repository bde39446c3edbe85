//! The daemon: what comes in goes to the machines, and what they want goes out. Decides nothing.
//!
//! Engines are followed (`follow`), containers sleep and wake (`idle::fleet`); here the one is told
//! to the other, orders become calls and their answers inputs.

mod act;
mod admit;
mod asked;
mod doors;
mod end;
mod gate;
mod greet;
mod hear;
mod keys;
mod learn;
mod look;
mod lxc;
mod porter;
mod probe;
mod provider;
mod reload;
mod rivals;
mod rows;
mod senses;
mod serve;
mod target;
mod visitors;
mod ward;
mod way;

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::mem;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::config::{self, Config};
use crate::container::Origin;
use crate::docker::version::{Negotiated, Version};
use crate::follow::{Follow, News, Tag, Terms, Which};
use crate::idle::docker::Docker;
use crate::idle::fleet::Fleet;
use crate::idle::group::Key;
use crate::idle::lxc::Lxc;
use crate::idle::message::{Action, Input};
use crate::idle::state::Phase;
use crate::metrics::Wakes;
use crate::net::guests::Guests;
use crate::net::pace::Pace;
use crate::net::reactor::Reactor;
use crate::net::running::Event;
use crate::sorted::{Map, Set};
use crate::sys;
use crate::systemd::Watchdog;
use crate::systemd::notify::{News as Told, Notify};
use asked::Asked;
use end::Ending;
use keys::Keys;
use lxc::Errand;
use porter::Porter;
use provider::{Means, Provider};
use serve::Pending;
use target::Seat;
use ward::Ward;
use way::Named;

pub use porter::Handed;

/// Inputs that follow from inputs of one turn; more is a bug of ours, and ends the turn.
const TOLD_LIMIT: usize = 100_000;

/// Room for so many of them stays; a poll may tell of all containers at once.
const LATER_KEPT: usize = 16;

/// Where the daemon reads its settings, and how it makes others of them.
pub struct Setup {
    /// Reads them anew; an error is one line for each problem.
    pub load: Box<dyn Fn() -> Result<Config, Vec<String>>>,
    /// What an engine's containers are told to come from.
    pub origin: fn(&config::Engine, &Config) -> Origin,
    /// The API version that is spoken whatever an engine says.
    pub forced: Option<Version>,
    /// Who started us, if that wants to hear of us.
    pub notify: Notify,
    /// Who restarts us if we hang.
    pub watchdog: Option<Watchdog>,
    /// Sockets for front doors that were opened for us.
    pub sockets: Vec<Handed>,
}

/// The daemon's whole memory.
pub struct Daemon {
    setup: Setup,
    config: Config,
    /// The engines and clusters by their place in `follow`; `None`: no longer configured.
    engines: Vec<Option<Provider>>,
    reactor: Reactor<Tag>,
    follow: Follow,
    fleet: Fleet,
    wards: Map<Key, Ward>,
    keys: Keys,
    asked: Map<u32, Asked>,
    last_number: u32,
    /// To be told to the machines before the turn ends.
    later: VecDeque<(Key, Input)>,
    /// Samples to ask engines for, and at which one is under way.
    samples: VecDeque<look::Wanted>,
    sampled: Set<usize>,
    /// Tasks of clusters that are to be looked at.
    errands: Vec<Errand>,
    /// Guests that wait for something to happen.
    pending: Vec<Pending>,
    poll_at: Instant,
    glance_at: Instant,
    began: Instant,
    /// Containers came, went or changed.
    is_dirty: bool,
    is_settled: bool,
    /// Long answers came: so often what they leave in memory is still to be given back.
    litter: u8,
    /// Somebody woke, fell asleep, came or went: ports may be another's now.
    is_moved: bool,
    /// What holds for all doors.
    porter: Porter,
    /// Where the engines are, by their place in `follow`.
    seats: Vec<Seat>,
    /// Those that are elsewhere and known by a name, by that place.
    named: Map<usize, Named>,
    /// How long wakes took.
    wakes: Wakes,
    ending: Option<Ending>,
    /// As systemd was told.
    count: Option<Count>,
    text: Vec<u8>,
}

/// Runs until SIGTERM or SIGINT. Containers are left as they are then.
pub fn run(config: Config, mut setup: Setup, guests: Guests) -> io::Result<()> {
    sys::stay_small();
    let mut reactor = Reactor::new()?;
    reactor.mind_signals(&[SIGINT, SIGTERM, SIGHUP])?;
    reactor.listen(guests)?;
    let now = reactor.now();
    let terms = Terms { answer_within: ANSWER_WITHIN, forced: setup.forced };
    let sockets = mem::take(&mut setup.sockets);
    let porter = Porter { redirect: Ok(()), metrics: None, sockets };
    let mut daemon = Daemon {
        follow: Follow::new(terms, now),
        fleet: Fleet::new(config.idle.max_waking as usize),
        engines: Vec::new(),
        reactor,
        setup,
        config,
        wards: Map::new(),
        keys: Keys::default(),
        asked: Map::new(),
        last_number: 0,
        later: VecDeque::new(),
        samples: VecDeque::new(),
        sampled: Set::new(),
        errands: Vec::new(),
        pending: Vec::new(),
        poll_at: now,
        glance_at: now,
        began: now,
        is_dirty: false,
        is_settled: false,
        litter: 0,
        is_moved: false,
        porter,
        seats: Vec::new(),
        named: Map::new(),
        wakes: Wakes::default(),
        ending: None,
        count: None,
        text: Vec::new(),
    };
    daemon.prepare_doors();
    for provider in Provider::all(&daemon.config) {
        daemon.add(provider);
    }
    daemon.run()
}

/// An engine that does not tell all there is to know keeps systemd waiting no longer.
const READY_WITHIN: Duration = Duration::from_secs(10);

/// How long an engine may take for an ordinary answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// What systemd is told of all together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Count {
    watched: usize,
    asleep: usize,
    lost: usize,
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Count { watched, asleep, lost } = self;
        write!(f, "{watched} watched, {asleep} asleep")?;
        match lost {
            0 => Ok(()),
            1 => write!(f, "; an engine is not reachable"),
            _ => write!(f, "; {lost} engines are not reachable"),
        }
    }
}

/// Whether the loop goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Turn,
    End,
}

impl Daemon {
    fn run(&mut self) -> io::Result<()> {
        let (mut events, mut news) = (Vec::new(), Vec::new());
        let mut pace = Pace::default();
        loop {
            let began = self.reactor.turn_until_told(self.deadline(), &mut events)?;
            for event in mem::take(&mut events) {
                if self.heed(event, &mut news) == Next::End {
                    return Ok(());
                }
            }
            self.turn(&mut news);
            pace.turned(began);
            if self.is_over() {
                return Ok(());
            }
        }
    }

    fn heed(&mut self, event: Event<Tag>, news: &mut Vec<News>) -> Next {
        match event {
            Event::Signal(SIGHUP) => self.reload(),
            Event::Signal(number) => return self.end(number),
            Event::Visit(visit) => self.visit(visit),
            Event::Head(Tag::Guest(number), reply) => self.hear_head(number, &reply),
            Event::Over(Tag::Guest(number), reply) => self.hear(number, reply),
            Event::Door(notice) => self.notice(notice),
            Event::Bytes(Tag::Guest(_), _) | Event::Writable | Event::HungUp => {}
            event @ (Event::Head(..) | Event::Bytes(..) | Event::Over(..)) => {
                self.follow.heed(event, &mut self.reactor, news);
            }
        }
        Next::Turn
    }

    /// What follows when all that came is heard.
    fn turn(&mut self, news: &mut Vec<News>) {
        let now = self.reactor.now();
        self.follow.tick(&mut self.reactor, news);
        self.learn(news);
        self.attend_guests(now);
        self.look(now);
        let due = self.fleet.tick(now);
        self.act(due);
        self.settle();
        if mem::take(&mut self.is_moved) {
            self.share_doors();
        }
        let is_late = now.saturating_duration_since(self.began) >= READY_WITHIN;
        if !self.is_settled && (is_late || self.follow.is_settled()) {
            self.is_settled = true;
            sys::give_memory_back();
            self.warn_of_idle_sockets();
            self.setup.notify.tell(&[Told::Ready]);
        }
        self.tell_count();
        self.report(now);
    }

    fn deadline(&self) -> Option<Instant> {
        let due = [
            self.follow.deadline(),
            self.fleet.deadline(),
            self.is_anybody_polled().then_some(self.poll_at),
            self.is_anybody_frozen().then_some(self.glance_at),
            self.errands.iter().map(|errand| errand.at).min(),
            self.setup.watchdog.as_ref().map(Watchdog::deadline),
            (!self.is_settled).then_some(self.began + READY_WITHIN),
            self.wards.values().filter_map(|ward| ward.gate.again_at).min(),
            self.ends_at(),
        ];
        due.into_iter().flatten().min()
    }

    /// Tells one machine something, now.
    fn tell(&mut self, key: Key, input: Input) {
        let actions = self.fleet.tell(key, input, self.reactor.now());
        self.act(actions);
    }

    /// Tells what came up while the turn's work was done.
    fn settle(&mut self) {
        for _ in 0..TOLD_LIMIT {
            let Some((key, input)) = self.later.pop_front() else {
                self.later.shrink_to(LATER_KEPT);
                return;
            };
            self.tell(key, input);
        }
        log::error!("a turn did not come to rest: {} inputs dropped", self.later.len());
        self.later.clear();
    }

    fn act(&mut self, actions: Vec<(Key, Action)>) {
        for (key, action) in actions {
            self.do_one(key, action);
        }
    }

    /// What an engine can do; the least there is, while it has not answered.
    fn docker(&self, engine: usize) -> Docker {
        let agreed = self.follow.agreed(engine).cloned();
        Docker::new(&agreed.unwrap_or_else(Negotiated::oldest))
    }

    /// What an engine or a cluster can do.
    fn means(&self, place: usize) -> Means {
        match self.follow.cluster_version(place) {
            Some(version) => Means::Lxc(Lxc::new(version)),
            None => Means::Docker(self.docker(place)),
        }
    }

    /// Follows an engine or a cluster more.
    fn add(&mut self, provider: Provider) {
        match &provider {
            Provider::Engine(engine) => {
                let host = engine.host.as_ref();
                let endpoint = host.map(|host| &host.endpoint).map_err(Clone::clone);
                let which = Which::for_decisions(engine.only_explicit);
                let origin = (self.setup.origin)(engine, &self.config);
                self.follow.add(&mut self.reactor, endpoint, (origin, which));
            }
            Provider::Cluster(one) => {
                let who = (self.config.cluster(one), one.token());
                self.follow.add_cluster(&mut self.reactor, &one.endpoint, who);
            }
        }
        self.seats.push(Seat::of(&provider));
        self.engines.push(Some(provider));
        self.note_name(self.engines.len() - 1);
    }

    /// Tells how many there are, if that has changed.
    fn tell_count(&mut self) {
        if !self.setup.notify.is_heard() || !self.is_settled {
            return;
        }
        let phases = self.fleet.machines().map(|(_, machine)| machine.state().phase());
        let lost = self.follow.engines().filter(|view| view.is_lost).count();
        let mut count = Count { watched: 0, asleep: 0, lost };
        for phase in phases {
            count.watched += 1;
            count.asleep += usize::from(phase == Phase::Asleep);
        }
        if self.count != Some(count) {
            self.count = Some(count);
            self.setup.notify.tell(&[Told::Status(&count.to_string())]);
        }
    }

    fn report(&mut self, now: Instant) {
        if let Some(watchdog) = &mut self.setup.watchdog
            && watchdog.due(now)
        {
            self.setup.notify.tell(&[Told::Watchdog]);
        }
    }
}
