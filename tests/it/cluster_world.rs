//! The machine that follows a cluster in a random world: guests that come, go, move and change,
//! nodes and a cluster that fall silent, a list that lags behind, answers late or never. No clock,
//! no sockets. Each world is made from its seed; `DROWSE_SEED=7` plays one.

mod cluster;
mod judge;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use cluster::Cluster;
use drowse::proxmox::types::{Place, Version};
use drowse::proxmox::watch::{Do, Input, Look, Watch};
use judge::Judge;

use crate::dice::Dice;

const SEEDS: u64 = 1_500;
/// An hour of lists is long: so many worlds live on to see it.
const REVIEWED: u64 = 10;

const SEC: u64 = 1_000;
/// What the machine may need after the last trouble: its longest wait, a question that is never
/// answered, two lists, looks at all guests, and an address that is asked for again.
const WITHIN: u64 = 900 * SEC;
/// A configuration that changed without a hint is read again after an hour.
const WITHIN_A_REVIEW: u64 = 3_700 * SEC;
/// Nobody answers for so long: it is given up.
const PATIENCE: u64 = 30 * SEC;

/// What may go wrong.
struct Climate {
    /// The cluster goes away, and comes back.
    breaks: bool,
    /// Nodes fall silent.
    silences: bool,
    /// Answers that never come.
    hangs: bool,
    /// The longest that an answer is on its way.
    latency: u64,
    /// It is attended to now and then, as by a daemon that wakes and stops.
    attends: bool,
}

enum Happening {
    /// Somebody does something on the cluster.
    Act,
    Trouble,
    Back,
    /// The cluster makes its answer.
    Answer(Question, u64),
    Arrive(Input),
}

#[derive(Clone, Debug)]
enum Question {
    Version,
    List,
    Config(Place),
    Look(Place),
    Addresses(Place),
}

/// Happenings by when they come. Those of a connection end with it.
type Agenda = BTreeMap<(u64, u64), (Option<u32>, Happening)>;

struct World {
    dice: Dice,
    climate: Climate,
    began: Instant,
    now: u64,
    quiet_at: u64,
    agenda: Agenda,
    sent: u64,
    cluster: Cluster,
    is_up: bool,
    watch: Watch,
    judge: Judge,
    /// Grows when the machine hangs up.
    connection: u32,
    lives_on: bool,
}

#[test]
fn after_every_storm_what_was_said_is_what_is() {
    let one = std::env::var("DROWSE_SEED").ok().and_then(|seed| seed.parse::<u64>().ok());
    let seeds = one.map_or(0..SEEDS, |seed| seed..seed + 1);
    for seed in seeds {
        let mut world = World::new(seed);
        let lived = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| world.live()));
        assert!(lived.is_ok(), "seed {seed}: see above");
    }
}

impl World {
    fn new(seed: u64) -> World {
        let mut dice = Dice::new(seed);
        let climate = Climate {
            breaks: dice.chance(50),
            silences: dice.chance(40),
            hangs: dice.chance(30),
            latency: *dice.pick(&[1, 60, 900, 9_000]),
            attends: dice.chance(60),
        };
        let began = Instant::now();
        let version = *dice.pick(&["7.4", "8.1", "9.2"]);
        let quiet_at = (30 + dice.roll(60) as u64) * SEC;
        World {
            climate,
            began,
            now: 0,
            quiet_at,
            agenda: Agenda::new(),
            sent: 0,
            cluster: Cluster::new(Version::parse(version).unwrap(), &mut dice),
            is_up: true,
            watch: Watch::new(began),
            judge: Judge::default(),
            connection: 0,
            lives_on: seed.is_multiple_of(REVIEWED),
            dice,
        }
    }

    fn live(&mut self) {
        self.plan(0, None, Happening::Act);
        self.plan(SEC, None, Happening::Trouble);
        self.run_until(self.quiet_at);
        (self.is_up, self.cluster.silent) = (true, None);
        self.run_until(self.quiet_at + WITHIN);
        self.judge.compare(&self.cluster, &self.watch, judge::Extent::Hinted);
        self.steady();
        if self.lives_on {
            self.run_until(self.now + WITHIN_A_REVIEW);
            self.judge.compare(&self.cluster, &self.watch, judge::Extent::All);
        }
    }

    /// For five minutes nothing but the list is asked for, every ten seconds; or a configuration
    /// whose hour is over, or an address that nobody has yet.
    fn steady(&mut self) {
        for vmid in self.cluster.vmids() {
            self.watch.release(vmid);
        }
        // What was begun for those who were attended to.
        self.run_until(self.now + 20 * SEC);
        self.judge.asked.clear();
        let begin = self.now;
        self.run_until(begin + 300 * SEC);
        let lists = self.judge.asked.get("list").copied().unwrap_or_default();
        let least = 300 * SEC / (10 * SEC + 2 * self.climate.latency) - 1;
        assert!((least as usize..=31).contains(&lists), "{lists} lists in 300 s");
        for what in ["look", "version"] {
            let asked = self.judge.asked.get(what).copied().unwrap_or_default();
            assert_eq!(asked, 0, "{what} in the steady state");
        }
    }

    fn run_until(&mut self, end: u64) {
        loop {
            let next = self.agenda.first_key_value().map_or(end, |(key, _)| key.0);
            let due = self.watch.deadline().map_or(end, |at| self.ms(at));
            if next.min(due) >= end {
                self.now = end;
                return;
            }
            if due <= next {
                self.now = due.max(self.now);
                self.tick();
                continue;
            }
            let Some(((at, _), (connection, happening))) = self.agenda.pop_first() else { return };
            self.now = at.max(self.now);
            if connection.is_none_or(|one| one == self.connection) {
                self.happen(happening);
            }
        }
    }

    fn ms(&self, at: Instant) -> u64 {
        at.saturating_duration_since(self.began).as_micros().div_ceil(1_000) as u64
    }

    fn instant(&self) -> Instant {
        self.began + Duration::from_millis(self.now)
    }

    fn tick(&mut self) {
        self.step(Input::Tick);
        let deadline = self.watch.deadline();
        assert!(deadline.is_none_or(|at| at > self.instant()), "a deadline that does not move");
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Act => self.act(),
            Happening::Trouble => self.trouble(),
            Happening::Back => self.is_up = true,
            Happening::Answer(question, arrives) => match self.answer(&question) {
                Some(answer) => {
                    self.plan(arrives, Some(self.connection), Happening::Arrive(answer));
                }
                // Its node is silent, and so the answer.
                None => self.give_up(&question),
            },
            Happening::Arrive(input) => self.step(input),
        }
    }

    fn act(&mut self) {
        if self.now >= self.quiet_at {
            return;
        }
        self.cluster.act(self.now, &mut self.dice);
        let vmids = self.cluster.vmids();
        if self.climate.attends && self.dice.chance(20) && !vmids.is_empty() {
            let vmid = *self.dice.pick(&vmids);
            let now = self.instant();
            match self.dice.chance(50) {
                true => self.watch.attend(vmid, now),
                false => self.watch.release(vmid),
            }
        }
        let pause = *self.dice.pick(&[5, 300, 4 * SEC as usize]);
        let next = self.now + 1 + self.dice.roll(pause) as u64;
        self.plan(next, None, Happening::Act);
    }

    fn trouble(&mut self) {
        if self.now >= self.quiet_at {
            return;
        }
        match self.dice.roll(3) {
            0 if self.climate.breaks && self.is_up => {
                self.is_up = false;
                let back = self.now + self.dice.roll(40 * SEC as usize) as u64;
                self.plan(back, None, Happening::Back);
            }
            1 if self.climate.silences => {
                self.cluster.silent = match self.cluster.silent {
                    Some(_) => None,
                    None => Some(*self.dice.pick(&cluster::NODES)),
                };
            }
            _ => {}
        }
        let next = self.now + 1 + self.dice.roll(12 * SEC as usize) as u64;
        self.plan(next, None, Happening::Trouble);
    }

    /// `None`: none ever comes.
    fn answer(&mut self, question: &Question) -> Option<Input> {
        let now = self.now;
        let is_silent = |place: &Place| self.cluster.silent == Some(place.node.as_str());
        Some(match question {
            Question::Version | Question::List if !self.is_up => {
                Input::Failed("connection refused".into())
            }
            Question::Config(at) if !self.is_up => Input::Config(at.vmid, None),
            Question::Look(at) if !self.is_up => Input::Looked(at.vmid, Look::Failed),
            Question::Addresses(at) if !self.is_up => Input::Reached(at.vmid, None),
            Question::Config(at) | Question::Look(at) | Question::Addresses(at)
                if is_silent(at) =>
            {
                return None;
            }
            Question::Version => Input::Agreed(self.cluster.version),
            Question::List => Input::Listed(self.cluster.list(now)),
            Question::Config(at) => Input::Config(at.vmid, self.cluster.config(at)),
            Question::Look(at) => Input::Looked(at.vmid, self.cluster.current(at)),
            Question::Addresses(at) => Input::Reached(at.vmid, self.cluster.interfaces(at)),
        })
    }

    fn give_up(&mut self, question: &Question) {
        let input = match question {
            Question::Version | Question::List => Input::Failed("no answer within 30 s".into()),
            Question::Config(at) => Input::Config(at.vmid, None),
            Question::Look(at) => Input::Looked(at.vmid, Look::Failed),
            Question::Addresses(at) => Input::Reached(at.vmid, None),
        };
        self.plan(self.now + PATIENCE, Some(self.connection), Happening::Arrive(input));
    }

    fn way(&mut self) -> u64 {
        self.dice.roll(self.climate.latency as usize) as u64
    }

    fn plan(&mut self, at: u64, connection: Option<u32>, happening: Happening) {
        self.sent += 1;
        self.agenda.insert((at, self.sent), (connection, happening));
    }

    fn step(&mut self, input: Input) {
        self.judge.hear(&input);
        let jitter = self.dice.roll(1001) as u32;
        for wanted in self.watch.step(input, self.instant(), jitter) {
            self.judge.see(&wanted, self.now);
            match wanted {
                Do::Greet => self.ask(Question::Version),
                Do::List => self.ask(Question::List),
                Do::ReadConfig(place) => self.ask(Question::Config(place)),
                Do::LookAt(place) => self.ask(Question::Look(place)),
                Do::AskAddresses(place) => {
                    assert!(self.cluster.version.tells_interfaces(), "an old PVE has none");
                    self.ask(Question::Addresses(place));
                }
                Do::HangUp => self.connection += 1,
                Do::Say(change) => self.judge.believe(*change),
                Do::Show(..) => {}
            }
        }
    }

    fn ask(&mut self, question: Question) {
        if self.climate.hangs && self.now < self.quiet_at && self.dice.chance(5) {
            return self.give_up(&question);
        }
        let hears = self.now + self.way();
        let arrives = hears + self.way();
        self.plan(hears, Some(self.connection), Happening::Answer(question, arrives));
    }
}
