//! `Watch` in a random world: engines that come and go, answers late or never, events lost, doubled
//! and forged. No clock, no sockets. Each world is made from its seed.

mod engine;
mod judge;
mod table;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use drowse::docker::events::Event;
use drowse::docker::watch::{Do, Input, Watch};
use engine::{Dice, Engine, One};
use judge::Judge;

const SEEDS: u64 = 10_000;

const MS: u64 = 1_000_000;
const SEC: u64 = 1_000 * MS;

/// What the machine may need after the last trouble: to hear of a break that nobody told (60 s of
/// keepalive), its longest wait, and the checks of a stream that is merely silent.
const RELIST: u64 = 300 * SEC;
const WITHIN_A_RELIST: u64 = RELIST + 180 * SEC;
/// After a break that was told: the longest wait, a greeting, a list.
const WITHIN_A_BREAK: u64 = 60 * SEC;
/// Without one: the looks that wait, four at a time, one a second for each container.
const WITHIN_SECONDS: u64 = 12 * SEC;

/// What may go wrong.
struct Climate {
    /// The list is incomplete: each container has to be looked at.
    podman: bool,
    /// Events get lost on their way.
    loses: bool,
    forges: bool,
    /// Streams end, the engine goes away.
    breaks: bool,
    /// Answers that never come, breaks that nobody tells.
    hangs: bool,
    /// Looks fail.
    fails: bool,
    /// The engine hears late of what was asked.
    late_stream: bool,
    /// A proxy holds the head of the stream back until the first event.
    held_head: bool,
    noise: bool,
    /// The longest that a question or an answer is on its way.
    latency: u64,
}

enum Happening {
    /// The engine does something, if it is up.
    Act,
    /// Something goes wrong.
    Trouble,
    Up,
    /// The engine hears of the stream that was asked for.
    Attach {
        since: Option<u64>,
    },
    /// The engine makes its answer.
    Answer(Question, u64),
    /// It arrives.
    Arrive(Input<One>),
}

#[derive(Clone)]
enum Question {
    Greeting,
    List,
    Look(String),
}

/// Happenings by when they come, in the order they were sent. Those of a connection end with it.
type Agenda = BTreeMap<(u64, u64), (Option<u32>, Happening)>;

struct World {
    dice: Dice,
    climate: Climate,
    began: Instant,
    now: u64,
    quiet_at: u64,
    agenda: Agenda,
    sent: u64,
    engine: Engine,
    is_up: bool,
    watch: Watch<One>,
    judge: Judge,
    /// Grows when the machine hangs up.
    connection: u32,
    /// When the stream's last bytes arrive, while it is open; and a head that is held back.
    stream: Option<u64>,
    head_is_held: bool,
}

#[test]
fn after_every_storm_what_was_said_is_what_is() {
    for seed in 0..SEEDS {
        let mut world = World::new(seed);
        let lived = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| world.live()));
        assert!(lived.is_ok(), "seed {seed}: see above");
    }
}

impl World {
    fn new(seed: u64) -> World {
        let mut dice = Dice::new(seed);
        let mut some = |many| dice.one_in(many);
        let climate = Climate {
            podman: some(3),
            loses: some(3),
            forges: some(2),
            breaks: some(2),
            hangs: some(4),
            fails: some(4),
            late_stream: some(3),
            held_head: some(4),
            noise: some(4),
            latency: [1, 50, 300][dice.below(3) as usize] * MS,
        };
        let began = Instant::now();
        let quiet_at = (20 + dice.below(40)) * SEC;
        World {
            dice,
            climate,
            began,
            now: 0,
            quiet_at,
            agenda: Agenda::new(),
            sent: 0,
            engine: Engine::default(),
            is_up: true,
            watch: Watch::new(began),
            judge: Judge::default(),
            connection: 0,
            stream: None,
            head_is_held: false,
        }
    }

    fn live(&mut self) {
        for _ in 0..self.dice.below(8) {
            self.engine.act(0, &mut self.dice);
        }
        self.plan(0, None, Happening::Act);
        self.plan(SEC, None, Happening::Trouble);
        self.run_until(self.quiet_at);
        self.climate.loses = false;
        if !self.is_up {
            self.is_up = true;
        }
        let climate = &self.climate;
        // Nobody can tell what a proxy hides that is late and silent.
        let hidden = climate.late_stream && climate.held_head;
        if !(self.judge.missed || climate.hangs || climate.fails || hidden) {
            let within = if climate.breaks { WITHIN_A_BREAK } else { WITHIN_SECONDS };
            self.run_until(self.quiet_at + within);
            self.judge.compare(&self.engine, &self.watch);
        }
        self.run_until(self.quiet_at + WITHIN_A_RELIST);
        self.judge.compare(&self.engine, &self.watch);
    }

    fn run_until(&mut self, end: u64) {
        loop {
            let next = self.agenda.first_key_value().map_or(end, |(key, _)| key.0);
            let due = self.watch.deadline().map_or(end, |at| (at - self.began).as_nanos() as u64);
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
            if self.dice.one_in(4) {
                self.tick();
            }
        }
    }

    fn instant(&self) -> Instant {
        self.began + Duration::from_nanos(self.now)
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
            Happening::Up => self.is_up = true,
            Happening::Attach { since } => self.attach(since),
            Happening::Answer(question, arrives) => {
                let answer = self.answer(&question);
                self.plan(arrives, Some(self.connection), Happening::Arrive(answer));
            }
            Happening::Arrive(input) => self.step(input),
        }
    }

    fn act(&mut self) {
        if self.now >= self.quiet_at {
            return;
        }
        let storm = if self.dice.one_in(6) { 10 } else { 1 };
        for _ in 0..storm {
            let events = self.engine.act(self.now, &mut self.dice);
            if self.is_up {
                events.into_iter().for_each(|event| self.send(event));
            }
        }
        let pause = [5 * MS, 200 * MS, 3 * SEC][self.dice.below(3) as usize];
        let next = self.now + 1 + self.dice.below(pause);
        self.plan(next, None, Happening::Act);
    }

    fn trouble(&mut self) {
        if self.now >= self.quiet_at {
            return;
        }
        match self.dice.below(4) {
            0 if self.climate.breaks => self.cut(),
            1 if self.climate.breaks && self.is_up => {
                self.cut();
                self.is_up = false;
                self.engine.forget();
                let back = self.now + self.dice.below(40 * SEC);
                self.plan(back, None, Happening::Up);
            }
            2 if self.climate.forges && self.is_up => {
                let event = self.engine.forge(self.now, &mut self.dice);
                self.send(event);
            }
            3 if self.climate.noise => self.engine.make_noise(self.now),
            _ => {}
        }
        let next = self.now + self.dice.below(8 * SEC);
        self.plan(next, None, Happening::Trouble);
    }

    /// The stream ends; the machine hears of it, perhaps only by keepalive.
    fn cut(&mut self) {
        if let Some(last) = self.stream.take() {
            let untold = if self.climate.hangs { 60 * SEC } else { 0 };
            let at = last.max(self.now) + self.way() + untold;
            self.plan(at, Some(self.connection), Happening::Arrive(Input::Ended));
        }
    }

    fn attach(&mut self, since: Option<u64>) {
        if !self.is_up {
            let at = self.now + self.way();
            return self.plan(at, Some(self.connection), Happening::Arrive(Input::Ended));
        }
        self.stream = Some(self.now);
        self.head_is_held = self.climate.held_head;
        if !self.head_is_held {
            self.stream_on(Input::Opened);
        }
        let replayed = since.map(|since| self.engine.since(since)).unwrap_or_default();
        replayed.into_iter().for_each(|event| self.send(event));
    }

    /// An event on its way, if a stream is open.
    fn send(&mut self, event: Event) {
        if self.stream.is_none() {
            return;
        }
        if self.climate.loses && self.dice.one_in(5) {
            self.judge.missed = true;
            return;
        }
        if std::mem::take(&mut self.head_is_held) {
            self.stream_on(Input::Opened);
        }
        for _ in 0..=u64::from(self.dice.one_in(10)) {
            self.stream_on(Input::Event(event.clone()));
        }
    }

    /// The stream keeps its order.
    fn stream_on(&mut self, input: Input<One>) {
        let at = self.stream.unwrap_or(self.now).max(self.now + self.way());
        self.stream = Some(at);
        self.plan(at, Some(self.connection), Happening::Arrive(input));
    }

    fn answer(&mut self, question: &Question) -> Input<One> {
        let fails = self.climate.fails && self.dice.one_in(5);
        match question {
            Question::Look(id) if !self.is_up || fails => Input::LookFailed(id.clone()),
            Question::Look(id) => Input::Looked(id.clone(), self.engine.one(id).cloned()),
            _ if !self.is_up => Input::Failed("connection refused".into()),
            Question::Greeting => Input::Agreed,
            Question::List => {
                let podman = self.climate.podman;
                let listed =
                    |one: &One| One { detail: one.detail.filter(|_| !podman), ..one.clone() };
                Input::Listed(self.engine.all().map(listed).collect())
            }
        }
    }

    /// How long something is on its way.
    fn way(&mut self) -> u64 {
        self.dice.below(self.climate.latency)
    }

    fn plan(&mut self, at: u64, connection: Option<u32>, happening: Happening) {
        self.sent += 1;
        self.agenda.insert((at, self.sent), (connection, happening));
    }

    fn step(&mut self, input: Input<One>) {
        self.judge.hear(&input);
        let jitter = self.dice.below(1001) as u32;
        let todo = self.watch.step(input, self.instant(), jitter);
        for one in todo {
            self.judge.see(&one, self.now);
            match one {
                Do::Greet => self.ask(Question::Greeting),
                Do::List => self.ask(Question::List),
                Do::Look(id) => self.ask(Question::Look(id)),
                Do::Subscribe(since) => self.subscribe(since),
                Do::HangUp => self.hang_up(),
                Do::Say(change) => self.judge.believe(change),
            }
        }
    }

    fn subscribe(&mut self, since: Option<u64>) {
        let late = if self.climate.late_stream { self.dice.below(3 * SEC) } else { 0 };
        let at = self.now + self.way() + late;
        self.plan(at, Some(self.connection), Happening::Attach { since });
    }

    fn ask(&mut self, question: Question) {
        let hears = self.now + self.way();
        if self.climate.hangs && self.now < self.quiet_at && self.dice.one_in(20) {
            let gives_up = match question {
                Question::Look(id) => Input::LookFailed(id),
                _ => Input::Failed("no answer within 30 s".into()),
            };
            let at = self.now + 30 * SEC;
            return self.plan(at, Some(self.connection), Happening::Arrive(gives_up));
        }
        let arrives = hears + self.way();
        self.plan(hears, Some(self.connection), Happening::Answer(question, arrives));
    }

    /// What came in the same turn is still told.
    fn hang_up(&mut self) {
        let mut late = Vec::new();
        for (connection, happening) in self.agenda.values() {
            match happening {
                Happening::Arrive(input) if *connection == Some(self.connection) => {
                    late.push(input.clone());
                }
                _ => {}
            }
        }
        self.connection += 1;
        self.stream = None;
        let now = self.instant();
        for input in late.into_iter().take(self.dice.below(4) as usize) {
            let told = self.watch.clone().step(input.clone(), now, 0);
            assert_eq!(told, [], "to what came late: {input:?}");
        }
    }
}
