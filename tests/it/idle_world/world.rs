//! A world around one idle machine: an engine, clients, other hands, time. It checks what must
//! never be while it plays; what the machine does is not decided here.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use drowse::error::Why;
use drowse::idle::backend::{Life, Nap, Terms};
use drowse::idle::message::Input;
use drowse::idle::state::{Door, Phase, Ticket};
use drowse::idle::step::Machine;
use drowse::plan::Ready;

use super::dice::Dice;
use super::engine::{Effect, Engine};
use super::hands::{RELIST_MS, budget, terms};
use super::looks::{LOOK_MS, Looks};

use Life::{Down, Runs};

/// How long people and engines do as they like, and how long the world is quiet after that.
const WILD_MS: u64 = 120_000;
const QUIET_MS: u64 = 400_000;
/// The counters are read so often.
const POLL_MS: u64 = 2_000;
/// From this seed on the engine is a cluster of guests.
pub const POLLED_FROM: u64 = 10_000;
/// More steps than any world needs.
const STEPS_LIMIT: u32 = 40_000;

/// What comes to pass in the world.
#[derive(Clone, Debug)]
pub enum Happening {
    /// The machine is told.
    Tell(Input),
    /// The same through the engine's event stream of that number: lost with it.
    Event(u32, Input),
    Effect(Effect),
    /// The status is read now, and told after so many ms.
    Sample(Ticket, u64),
    Probe(Ticket, u64),
    Count(Ticket, u64),
    /// Somebody connects.
    Client,
    /// A connection to that run moves bytes, and will so many times more.
    Flow(u32, u64),
    Healthy(u32),
    Peek,
    Poll,
    Relist,
    /// A polled engine is asked what the container does; the number of that round of looks.
    Look(u32),
    /// The answer to that, if the stream of that number is still the one; `None`: none came.
    Looked(u32, Option<Option<Life>>),
    Mischief,
    EngineBack,
}

/// Something that must never be.
pub type Wrong = String;

pub struct World {
    pub dice: Dice,
    t0: Instant,
    pub now: u64,
    queue: BTreeMap<(u64, u64), Happening>,
    number: u64,
    pub machine: Machine,
    pub terms: Terms,
    pub engine: Engine,
    /// How long the application takes to answer.
    pub boot: u64,
    pub has_health: bool,
    /// The counters come from the engine, and late.
    pub remote: bool,
    /// When those came whom the door holds, and whom the kernel holds.
    pub held: Vec<u64>,
    pub frozen: Vec<u64>,
    pub door: Door,
    /// When bytes moved, and when the counters were read last.
    pub active_at: Vec<u64>,
    pub looked_at: u64,
    /// The event stream's number, and when its last event comes.
    pub stream: u32,
    pub stream_at: u64,
    pub lost: bool,
    /// The engine tells nothing and has to be looked at: a cluster of guests.
    pub polled: bool,
    pub looks: Looks,
    /// What the machine was told last.
    pub told: Life,
    /// The run that the machine knows of.
    pub known_run: u32,
    pub needed: bool,
    pub kept_until: Option<u64>,
    pub told_to_sleep: bool,
    pub left: bool,
    /// How long somebody may wait.
    pub budget: u64,
    /// How often each action was taken.
    pub tally: BTreeMap<&'static str, u32>,
    trace: Option<Vec<String>>,
}

/// Plays the world of one seed.
pub fn play(seed: u64, trace: bool) -> Result<World, Box<(Wrong, World)>> {
    let mut world = World::new(seed, trace);
    match world.run() {
        Ok(()) => Ok(world),
        Err(wrong) => Err(Box::new((wrong, world))),
    }
}

impl World {
    fn new(seed: u64, trace: bool) -> World {
        let mut dice = Dice::new(seed);
        let polled = seed >= POLLED_FROM;
        let life = dice.one(&[Runs, Down(Nap::Stopped), Down(Nap::Stopped), Down(Nap::Paused)]);
        let life = if polled && life != Runs { Down(Nap::Stopped) } else { life };
        let terms = terms(&mut dice, polled);
        let slowness = dice.one(&[30, 400, 3_000, 12_000]);
        let t0 = Instant::now();
        let (machine, actions) = Machine::new(life, terms, t0);
        let engine = Engine { polled, ..Engine::new(life, slowness) };
        let has_health = terms.ready == Some(Ready::Healthy) || !polled && dice.percent(30);
        let (boot, remote) = (dice.one(&[0, 50, 1_500, 6_000, 60_000]), polled || dice.percent(30));
        let mut world = World {
            dice,
            t0,
            now: 0,
            queue: BTreeMap::new(),
            number: 0,
            machine,
            terms,
            engine,
            boot,
            has_health,
            remote,
            held: Vec::new(),
            frozen: Vec::new(),
            door: Door::Down,
            active_at: Vec::new(),
            looked_at: 0,
            stream: 0,
            stream_at: 0,
            lost: false,
            polled,
            looks: Looks::new(life),
            told: life,
            known_run: 1,
            needed: false,
            kept_until: None,
            told_to_sleep: false,
            left: false,
            budget: budget(&terms),
            tally: BTreeMap::new(),
            trace: trace.then(Vec::new),
        };
        actions.into_iter().for_each(|action| world.act(action).unwrap());
        for (at, what) in [
            (world.dice.below(5_000), Happening::Client),
            (world.dice.below(POLL_MS), Happening::Poll),
            (RELIST_MS, Happening::Relist),
            (LOOK_MS / 2, Happening::Look(0)),
            (world.dice.below(9_000), Happening::Mischief),
            (WILD_MS + 1, Happening::Mischief),
        ] {
            world.after(at, what);
        }
        world
    }

    /// What was seen, line by line.
    pub fn trace(&self) -> String {
        self.trace.as_ref().map(|lines| lines.join("\n")).unwrap_or_default()
    }

    fn run(&mut self) -> Result<(), Wrong> {
        for _ in 0..STEPS_LIMIT {
            let due = self.queue.first_key_value().map(|((at, _), _)| *at);
            let tick = self.machine.deadline().map(|at| self.ms(at));
            let Some(next) = due.into_iter().chain(tick).min() else {
                break;
            };
            if next > WILD_MS + QUIET_MS || self.left {
                return self.at_the_end();
            }
            self.now = self.now.max(next);
            self.engine.calm |= self.now > WILD_MS;
            if tick.is_some_and(|tick| tick <= self.now) {
                self.tick()?;
            } else if let Some((_, what)) = self.queue.pop_first() {
                self.happen(what)?;
            }
            self.nobody_waits_too_long()?;
        }
        Err("a busy loop".into())
    }

    fn ms(&self, at: Instant) -> u64 {
        at.saturating_duration_since(self.t0).as_micros().div_ceil(1_000) as u64
    }

    pub fn instant(&self) -> Instant {
        self.t0 + Duration::from_millis(self.now)
    }

    pub fn after(&mut self, delay: u64, what: Happening) {
        self.number += 1;
        self.queue.insert((self.now + delay, self.number), what);
    }

    pub fn is_wild(&self) -> bool {
        self.now < WILD_MS
    }

    fn tick(&mut self) -> Result<(), Wrong> {
        self.step(Input::Tick)?;
        match self.machine.deadline() {
            Some(at) if at <= self.instant() => Err("a due tick did not move the deadline".into()),
            Some(_) | None => Ok(()),
        }
    }

    pub fn step(&mut self, input: Input) -> Result<(), Wrong> {
        if self.left {
            return Ok(());
        }
        let now = self.instant();
        let was = self.trace.is_some().then(|| format!("{input:?}"));
        self.told_to_sleep = input == Input::SleepOrder;
        match input {
            Input::SleepOrder => self.kept_until = None,
            Input::Saw(life) => self.told = life,
            Input::Status(ticket, life) if self.machine.state().awaits(ticket) => self.told = life,
            _ => {}
        }
        if matches!(input, Input::Saw(Runs) | Input::Status(_, Runs)) {
            self.known_run = self.engine.run;
        }
        let actions = self.machine.step(input, now);
        self.attend();
        if let (Some(trace), Some(input)) = (&mut self.trace, was) {
            let (now, life) = (self.now, self.engine.life);
            let state = format!("{:?}", self.machine.state());
            let kind = state.split([' ', '(']).next().unwrap_or_default();
            trace.push(format!("{now:>7} {input} [{life:?}] -> {kind} {actions:?}"));
        }
        actions.into_iter().try_for_each(|action| self.act(action))
    }

    fn happen(&mut self, what: Happening) -> Result<(), Wrong> {
        match what {
            Happening::Tell(Input::Accepted(ticket)) if self.lost => {
                self.step(Input::Refused(ticket, Why::Broken("the engine went away".into())))
            }
            Happening::Tell(input) => self.step(input),
            Happening::Event(stream, _) if stream != self.stream => Ok(()),
            Happening::Event(_, input) => self.step(input),
            Happening::Effect(effect) => {
                self.effect(effect);
                Ok(())
            }
            Happening::Sample(ticket, delay) => {
                let input = self.engine.life.map_or(Input::Gone, |l| Input::Status(ticket, l));
                if !self.lost {
                    self.after(delay, Happening::Tell(input));
                }
                Ok(())
            }
            Happening::Probe(ticket, delay) => {
                let ready = self.engine.answers(self.now);
                let input = if ready { Input::Ready(ticket) } else { Input::NotReady(ticket) };
                self.after(delay, Happening::Tell(input));
                Ok(())
            }
            Happening::Count(ticket, delay) => {
                let input = self.count().unwrap_or(Input::Quiet(ticket));
                self.after(delay, Happening::Tell(input));
                Ok(())
            }
            Happening::Client => self.client(),
            Happening::Flow(run, left) => {
                self.flow(run, left);
                Ok(())
            }
            Happening::Healthy(run) => {
                self.healthy(run);
                Ok(())
            }
            Happening::Peek => self.peek(),
            Happening::Poll => {
                let counted = (!self.lost || !self.remote).then(|| self.count()).flatten();
                self.after(POLL_MS, Happening::Poll);
                counted.map_or(Ok(()), |input| self.step(input))
            }
            Happening::Relist => {
                self.relist();
                Ok(())
            }
            Happening::Look(number) => {
                self.look(number);
                Ok(())
            }
            Happening::Looked(stream, life) => self.looked(stream, life),
            Happening::Mischief => self.mischief(),
            Happening::EngineBack => self.engine_back(),
        }
    }

    /// Everything is quiet: the machine and the engine are of one mind, and it sleeps.
    fn at_the_end(&self) -> Result<(), Wrong> {
        let (state, life) = (self.machine.state(), self.engine.life);
        let door = if life == Some(Down(Nap::Stopped)) { Door::Up } else { Door::Down };
        match () {
            () if state.life() != life => Err(format!("it ends as {state:?}, but is {life:?}")),
            () if self.left => Ok(()),
            () if self.door != door => Err(format!("the door stays {:?}", self.door)),
            () if !self.held.is_empty() => Err("somebody is still held".into()),
            () if state.phase() == Phase::Awake && self.terms.idle_timeout.is_none() => Ok(()),
            () if state.phase() != Phase::Asleep => Err(format!("it never sleeps: {state:?}")),
            () => Ok(()),
        }
    }
}
