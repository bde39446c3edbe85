//! Random groups of containers that wake and sleep as the graph and the line allow: whatever comes
//! in whatever order, the rules hold. Each seed is a world of its own.

use std::collections::BTreeMap;
use std::time::Duration;

use drowse::idle::group::{Graph, Key, Member, Outcome, Standing, WakeQueue};
use drowse::plan::{Condition, Dependency};

const SEEDS: u64 = 10_000;
/// For so long somebody knocks.
const BUSY_TURNS: u64 = 50;
/// By then every wake has ended.
const END_TURNS: u64 = 600;
/// Whoever waits longer for what never gets healthy gives up.
const PATIENCE_TURNS: u64 = 120;

/// Splitmix64.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }

    fn one_in(&mut self, sides: u64) -> bool {
        self.roll(sides) == 0
    }
}

/// What happens in a world beside knocks and idleness.
#[derive(Clone, Copy, PartialEq)]
enum Weather {
    /// Nothing.
    Calm,
    /// Wakes fail, and some containers never get healthy.
    Failures,
    /// Other hands start, stop and remove.
    OtherHands,
}

#[derive(Clone)]
struct Body {
    standing: Standing,
    /// When it goes on to the next standing.
    due: Option<u64>,
    /// Runs once and ends with 0.
    is_job: bool,
    never_healthy: bool,
    /// Since when somebody wants it.
    asked: Option<u64>,
}

struct World {
    seed: u64,
    dice: Dice,
    weather: Weather,
    limit: usize,
    now: u64,
    names: Vec<String>,
    needs: Vec<Vec<Dependency>>,
    networks: Vec<String>,
    bodies: BTreeMap<Key, Body>,
    graph: Graph,
    queue: WakeQueue,
}

fn key(at: usize) -> Key {
    Key(u32::try_from(at).unwrap())
}

fn place(key: Key) -> usize {
    usize::try_from(key.0).unwrap()
}

impl World {
    fn new(seed: u64) -> World {
        let mut dice = Dice(seed);
        let count = 2 + usize::try_from(dice.roll(9)).unwrap();
        let weather = [Weather::Calm, Weather::Failures, Weather::OtherHands];
        let weather = weather[usize::try_from(seed % 3).unwrap()];
        let limit = 1 + usize::try_from(dice.roll(3)).unwrap();
        let body = |dice: &mut Dice| Body {
            standing: Standing::Down,
            due: None,
            is_job: dice.one_in(5),
            never_healthy: weather == Weather::Failures && dice.one_in(8),
            asked: None,
        };
        let bodies: BTreeMap<Key, Body> = (0..count).map(|at| (key(at), body(&mut dice))).collect();
        let needs = (0..count).map(|at| needs(&mut dice, at, &bodies)).collect();
        let networks = (0..count).map(|at| network(&mut dice, at)).collect();
        let names = (0..count).map(|at| format!("c{at}")).collect();
        let (graph, queue) = (Graph::default(), WakeQueue::new(limit));
        let now = 0;
        let mut world =
            World { seed, dice, weather, limit, now, names, needs, networks, bodies, graph, queue };
        world.draw();
        world
    }

    /// The graph of those who are there.
    fn draw(&mut self) {
        let members = self.bodies.keys().map(|key| Member {
            key: *key,
            engine: "a",
            id: &self.names[place(*key)],
            name: &self.names[place(*key)],
            aliases: &[],
            project: "",
            service: "",
            depends_on: (&self.needs[place(*key)]).into(),
            network_mode: &self.networks[place(*key)],
            wake_timeout: Duration::from_secs(1 + u64::from(key.0)),
        });
        self.graph = Graph::new(&members.collect::<Vec<_>>());
    }

    fn run(&mut self) {
        self.check_graph();
        while self.now < END_TURNS {
            self.now += 1;
            self.transitions();
            if self.now <= BUSY_TURNS {
                self.knocks();
                self.other_hands();
            }
            self.sleepers();
            self.impatience();
            self.turns();
            self.check();
            if self.now > BUSY_TURNS && self.queue.line().next().is_none() {
                return;
            }
        }
        let line: Vec<Key> = self.queue.line().collect();
        let begun: Vec<Key> = self.queue.begun().collect();
        panic!("seed {}: wakes that never end: {line:?}, begun {begun:?}", self.seed);
    }

    fn standing(&self, key: Key) -> Standing {
        self.bodies.get(&key).map_or(Standing::Down, |body| body.standing)
    }

    fn transitions(&mut self) {
        let now = self.now;
        let due = self.bodies.iter().filter(|(_, body)| body.due.is_some_and(|due| due <= now));
        for key in due.map(|(key, _)| *key).collect::<Vec<_>>() {
            let fails = self.weather == Weather::Failures && self.dice.one_in(10);
            let wait = 1 + self.dice.roll(5);
            let mut ended = None;
            let body = self.bodies.get_mut(&key).unwrap();
            (body.standing, body.due) = match body.standing {
                Standing::Waking | Standing::Started if fails && body.due.is_some() => {
                    ended = Some(Outcome::Failed);
                    let runs = body.standing == Standing::Started && !body.is_job;
                    (if runs { Standing::Awake } else { Standing::Down }, None)
                }
                Standing::Waking => (Standing::Started, Some(now + wait)),
                Standing::Started if body.is_job => {
                    ended = Some(Outcome::Done);
                    (Standing::Done, None)
                }
                Standing::Started => {
                    ended = Some(Outcome::Ready);
                    (Standing::Awake, (!body.never_healthy).then_some(now + wait))
                }
                Standing::Awake => (Standing::Healthy, None),
                Standing::Leaving => (Standing::Down, None),
                other => unreachable!("nothing is due in {other:?}"),
            };
            if let Some(outcome) = ended {
                self.ended(key, outcome);
            }
        }
    }

    fn ended(&mut self, key: Key, outcome: Outcome) {
        let bodies = &self.bodies;
        let failed = self.queue.ended(key, outcome, &self.graph, |key| bodies[&key].standing);
        for key in failed {
            assert_eq!(outcome, Outcome::Failed, "seed {}", self.seed);
            self.bodies.get_mut(&key).unwrap().asked = None;
        }
        if outcome != Outcome::Failed {
            self.bodies.get_mut(&key).unwrap().asked = None;
        }
    }

    fn knocks(&mut self) {
        for key in self.bodies.keys().copied().collect::<Vec<_>>() {
            let standing = self.standing(key);
            if self.dice.one_in(15) && !standing.is_ready() {
                self.queue.ask(key);
                self.bodies.get_mut(&key).unwrap().asked.get_or_insert(self.now);
            }
        }
    }

    fn other_hands(&mut self) {
        if self.weather != Weather::OtherHands || !self.dice.one_in(6) {
            return;
        }
        let at = usize::try_from(self.dice.roll(self.bodies.len() as u64)).unwrap();
        let Some(key) = self.bodies.keys().nth(at).copied() else { return };
        if self.dice.one_in(8) && self.bodies.len() > 2 {
            self.bodies.remove(&key);
            self.queue.withdraw(key);
            self.draw();
            return;
        }
        let due = self.now + 1 + self.dice.roll(4);
        let body = self.bodies.get_mut(&key).unwrap();
        if !body.standing.is_up() {
            (body.standing, body.due) = (Standing::Started, Some(due));
        } else if body.standing.is_ready() {
            (body.standing, body.due) = (Standing::Down, None);
        }
    }

    /// Whoever may sleep does so now and then.
    fn sleepers(&mut self) {
        for key in self.bodies.keys().copied().collect::<Vec<_>>() {
            let standing = |key| self.standing(key);
            let may = standing(key).is_ready()
                && self.graph.may_sleep(key, standing)
                && !self.queue.needs(key, &self.graph, standing);
            if may && self.dice.one_in(6) {
                let due = self.now + 1 + self.dice.roll(4);
                let body = self.bodies.get_mut(&key).unwrap();
                (body.standing, body.due) = (Standing::Leaving, Some(due));
            }
        }
    }

    fn impatience(&mut self) {
        let (now, failures) = (self.now, self.weather == Weather::Failures);
        for (key, body) in &mut self.bodies {
            if body.standing.is_ready() {
                body.asked = None;
            }
            let waits = body.asked.is_some_and(|asked| now > asked + PATIENCE_TURNS);
            if waits && failures && !body.standing.is_up() {
                body.asked = None;
                self.queue.withdraw(*key);
            }
        }
    }

    fn turns(&mut self) {
        let bodies = self.bodies.clone();
        let standing = |key: Key| bodies.get(&key).map_or(Standing::Down, |body| body.standing);
        let turns = self.queue.next(&self.graph, standing);
        for key in &turns {
            let seed = self.seed;
            let was = standing(*key);
            assert!(matches!(was, Standing::Down | Standing::Done), "seed {seed}: {key:?} {was:?}");
            for (need, condition) in self.graph.needs(*key) {
                let met = self.is_met(need, condition);
                assert!(met, "seed {seed}: {key:?} began before {need:?} was {condition:?}");
            }
        }
        self.check_order(&turns);
        for key in turns {
            let due = self.now + 1 + self.dice.roll(5);
            let body = self.bodies.get_mut(&key).unwrap();
            (body.standing, body.due) = (Standing::Waking, Some(due));
        }
    }

    /// A job that is done was started, too.
    fn is_met(&self, need: Key, condition: Condition) -> bool {
        let (standing, is_job) = (self.standing(need), self.bodies[&need].is_job);
        match condition {
            Condition::ServiceCompletedSuccessfully => standing == Standing::Done,
            Condition::ServiceHealthy => standing == Standing::Healthy,
            Condition::ServiceStarted => {
                let runs = [Standing::Started, Standing::Awake, Standing::Healthy];
                runs.contains(&standing) || is_job && standing == Standing::Done
            }
        }
    }

    /// Room is not left empty, and nobody overtakes somebody before them in line.
    fn check_order(&self, turns: &[Key]) {
        let line: Vec<Key> = self.queue.line().collect();
        let begun: Vec<Key> = self.queue.begun().collect();
        assert!(begun.len() <= self.limit, "seed {}: {begun:?} begun", self.seed);
        let first = |key: Key| line.iter().position(|target| self.wants(*target, key));
        for (key, body) in &self.bodies {
            let down = body.standing == Standing::Down;
            // A job that ended before anybody asked runs again: what only needs it started waits.
            let met = || self.graph.needs(*key).all(|(n, c)| self.standing(n).meets(c));
            let Some(place) = first(*key) else { continue };
            if begun.contains(key) || !down || !met() {
                continue;
            }
            let overtaken = turns.iter().find(|turn| first(**turn) > Some(place));
            assert_eq!(overtaken, None, "seed {}: it overtook {key:?}", self.seed);
            assert_eq!(begun.len(), self.limit, "seed {}: room for {key:?}", self.seed);
        }
    }

    /// Whether the wake of `target` wants `key` up.
    fn wants(&self, target: Key, key: Key) -> bool {
        let needs = |target: Key| {
            let needs = self.graph.needs(target).filter(|(need, condition)| {
                *condition != Condition::ServiceCompletedSuccessfully
                    || self.standing(*need) != Standing::Done
            });
            needs.map(|(need, _)| need).collect::<Vec<_>>()
        };
        let is_up = self.standing(target).is_up();
        target == key || !is_up && needs(target).iter().any(|need| self.wants(*need, key))
    }

    /// No dependency sleeps under a dependant that is up, where nobody else puts it to sleep.
    fn check(&self) {
        if self.weather == Weather::OtherHands {
            return;
        }
        for (key, body) in self.bodies.iter().filter(|(_, body)| body.standing.is_up()) {
            for (need, condition) in self.graph.needs(*key) {
                let standing = self.standing(need);
                let is_job = self.bodies[&need].is_job;
                let had_to_end = condition == Condition::ServiceCompletedSuccessfully;
                let sleeps = !standing.is_up() || standing == Standing::Leaving;
                assert!(
                    !sleeps || is_job || had_to_end,
                    "seed {}: {need:?} {standing:?} under {key:?} {:?}",
                    self.seed,
                    body.standing,
                );
            }
        }
    }

    fn check_graph(&self) {
        for key in self.bodies.keys() {
            let order = self.graph.order(*key);
            assert_eq!(order.last(), Some(key), "seed {}: it comes last", self.seed);
            let own = Duration::from_secs(1 + u64::from(key.0));
            let mut longest = Duration::ZERO;
            for (need, _) in self.graph.needs(*key) {
                assert!(order.contains(&need), "seed {}", self.seed);
                longest = longest.max(self.graph.budget(need));
            }
            assert_eq!(self.graph.budget(*key), own + longest, "seed {}", self.seed);
            let at = |of: Key| order.iter().position(|key| *key == of);
            for of in &order {
                let before = self.graph.needs(*of).all(|(need, _)| at(need) < at(*of));
                assert!(before, "seed {}: {order:?}", self.seed);
            }
        }
    }
}

fn needs(dice: &mut Dice, at: usize, bodies: &BTreeMap<Key, Body>) -> Vec<Dependency> {
    let mut found: BTreeMap<String, Dependency> = BTreeMap::new();
    for _ in 0..dice.roll(4) {
        let other = match dice.roll(12) {
            0 => usize::try_from(dice.roll(1 + bodies.len() as u64)).unwrap(),
            _ => usize::try_from(dice.roll(1 + at as u64)).unwrap().min(at.saturating_sub(1)),
        };
        let is_job = bodies.get(&key(other)).is_some_and(|body| body.is_job);
        let condition = match dice.roll(3) {
            0 => Condition::ServiceStarted,
            _ if is_job => Condition::ServiceCompletedSuccessfully,
            1 => Condition::ServiceHealthy,
            _ => Condition::ServiceStarted,
        };
        let name = format!("c{other}");
        found.insert(name.clone(), Dependency { condition, name, restart: false });
    }
    found.into_values().collect()
}

fn network(dice: &mut Dice, at: usize) -> String {
    match dice.roll(12) {
        0 if at > 0 => format!("container:c{}", dice.roll(at as u64)),
        _ => "bridge".into(),
    }
}

#[test]
fn whatever_comes_in_whatever_order_the_rules_hold() {
    for seed in 0..SEEDS {
        World::new(seed).run();
    }
}
