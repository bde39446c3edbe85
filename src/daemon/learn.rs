//! What engines tell of their containers, to the machines.

use crate::container::{Container, Packed};
use crate::docker::change::Change;
use crate::follow::News;
use crate::idle::backend::{Life, Nap};
use crate::idle::docker::life;
use crate::idle::fleet::{Known, Sight};
use crate::idle::group::{Key, Member};
use crate::idle::lxc;
use crate::idle::message::Input;
use crate::idle::state::{Phase, State};
use crate::plan::Condition;

use super::asked::Asked;
use super::keys::Met;
use super::provider::{Means, Provider};
use super::ward::{self, Counters, Plans, Ward};
use super::{Daemon, look};

/// A container while all of them are looked at together.
struct There {
    key: Key,
    engine: usize,
    means: Means,
    kept: Packed,
    container: Container,
}

impl Daemon {
    /// Takes what changed.
    pub(super) fn learn(&mut self, news: &mut Vec<News>) {
        self.is_moved |= !news.is_empty();
        if !news.is_empty() {
            self.litter = look::LITTERED;
        }
        let mut back = Vec::new();
        let mut seen = Vec::new();
        for one in std::mem::take(news) {
            let engine = one.engine;
            match one.change {
                Change::Present(container) => self.meet(engine, container, &mut seen),
                Change::Changed { event: "removed", container, .. } => {
                    self.is_dirty = true;
                    self.keys.forget(engine, container.id());
                }
                Change::Changed { event, container, .. } => {
                    if matches!(event, "start" | "restart" | "die" | "stop") {
                        self.forget(engine, container.id());
                    }
                    self.meet(engine, container, &mut seen);
                }
                Change::Lost(why) => {
                    log::error!("{}: {why}", self.engine_name(engine));
                    self.tell_all(engine, &Input::EngineLost);
                }
                Change::Back => {
                    log::warn!("{}: back", self.engine_name(engine));
                    back.push(engine);
                }
            }
        }
        if std::mem::take(&mut self.is_dirty) {
            self.arrange();
        }
        for (key, engine, container) in seen {
            self.saw(key, engine, container.id());
        }
        for engine in back {
            self.learn_host(engine);
            self.tend_all(engine);
            self.tell_all(engine, &Input::EngineBack);
        }
    }

    /// A container is there, or is not as it was.
    fn meet(&mut self, engine: usize, container: Packed, seen: &mut Vec<(Key, usize, Packed)>) {
        let key = match self.keys.meet(engine, &container) {
            Met::Again(key) => key,
            Met::New(key) => {
                self.is_dirty = true;
                key
            }
        };
        if let Some(ward) = self.wards.get_mut(&key) {
            self.is_dirty |= ward.name() != container.full_name();
            ward.kept = container.clone();
        }
        seen.push((key, engine, container));
    }

    /// Its process is another now, or none.
    fn forget(&mut self, engine: usize, id: &str) {
        if let Some(key) = self.keys.find(engine, id) {
            self.forget_process(key);
        }
    }

    /// What its machine knows. The list may know less: it is looked at once a second at most, and
    /// its news comes by [`Daemon::saw`].
    fn told_last(&self, key: Key) -> Option<Life> {
        self.fleet.machine(key)?.state().life()
    }

    /// The whole picture, to the fleet.
    pub(super) fn arrange(&mut self) {
        let defaults = self.config.idle.defaults();
        let now = self.reactor.now();
        let (there, mut plans) = (self.there(), Plans::default());
        let (mut all, mut refused) = (Vec::new(), Vec::new());
        for There { key, engine, means, kept, container } in &there {
            let key = *key;
            let Some(sight) = self.sight(key, container) else { continue };
            let sight = Sight { life: self.told_last(key).unwrap_or(sight.life), ..sight };
            let plan = plans.of(container, &defaults);
            let new = || Ward::new(*engine, kept.clone(), container, plan.clone());
            let ward = self.wards.entry(key).or_insert_with(new);
            ward.renew(container, plan.clone());
            match means.terms(&ward.plan) {
                Ok(terms) => all.push(Known {
                    member: Member::of(key, container, &container.network_mode, &defaults),
                    sight,
                    role: ward::role(container, ward),
                    terms,
                }),
                Err(problem) => {
                    if ward.rules.is_ok() {
                        ward.rules = Err(problem);
                    }
                    refused.push(key);
                }
            }
        }
        let actions = self.fleet.arrange(&all, now);
        // What is left alone, though its labels ask for sleep, is shown with the reason.
        let mut there = refused;
        there.extend(all.iter().map(|known| known.member.key));
        drop(all);
        let is_there = |key: &Key| there.contains(key);
        let stays = |(key, ward): &(&Key, &Ward)| {
            self.fleet.machine(**key).is_some() || ward.is_asked_for && is_there(key)
        };
        let left = self.wards.iter().filter(|one| !stays(one)).map(|(key, _)| *key);
        for key in left.collect::<Vec<_>>() {
            self.leave_ward(key);
        }
        self.wards.shrink_to_fit();
        self.act(actions);
        for key in self.wards.keys().copied().collect::<Vec<_>>() {
            self.renew_gate(key);
            self.tend(key);
            self.ask_of_past(key);
        }
        // Who is new does not know yet that its engine is away.
        let lost = self.follow.engines().filter(|view| view.is_lost).map(|view| view.place);
        for engine in lost.collect::<Vec<_>>() {
            self.tell_all(engine, &Input::EngineLost);
        }
        self.tell_problems();
        self.ask_exits();
    }

    /// All that are known, with their objects, which are not kept.
    fn there(&self) -> Vec<There> {
        let mut all = Vec::new();
        for view in self.follow.engines() {
            let means = self.means(view.place);
            all.extend(view.containers.into_iter().filter_map(|kept| {
                let (engine, means, container) = (view.place, means.clone(), kept.container());
                let key = self.keys.find(engine, kept.id())?;
                Some(There { key, engine, means, kept: kept.clone(), container })
            }));
        }
        all
    }

    /// A container that was down before we came: which ports it publishes and when it ran last, its
    /// engine's list does not tell.
    fn ask_of_past(&mut self, key: Key) {
        let machine = self.fleet.machine(key);
        let is_down = machine.is_some_and(|one| one.state().phase() == Phase::Asleep);
        let Some(ward) = self.wards.get_mut(&key).filter(|_| is_down) else { return };
        if ward.is_guest {
            return;
        }
        if ward.gate.ran_nanos == 0 && !ward.gate.is_asked {
            ward.gate.is_asked = true;
            self.ask_about(key, Asked::Exit(key));
        }
    }

    /// What one container does now, to its machine.
    fn saw(&mut self, key: Key, engine: usize, id: &str) {
        let Some(container) = self.follow.container(engine, id) else { return };
        let Some(sight) = self.sight(key, &container) else { return };
        self.renew_gate(key);
        let state = self.fleet.machine(key).map(|machine| machine.state());
        let is_booting = matches!(state, Some(State::Booting { .. }));
        if sight.life != Life::Runs && !self.is_guest(key) && (self.is_job(key) || is_booting) {
            // What a job ended with comes with it. And who was seen to run may have been listed
            // before it was started.
            return self.ask_about(key, Asked::Exit(key));
        }
        let actions = self.fleet.saw(key, sight, self.reactor.now());
        self.act(actions);
        self.attend(key, sight.life);
        self.follow_move(key);
        self.probe_now(key);
    }

    /// Looks for the counters of one that runs, and lets go of those of one that ended.
    pub(super) fn attend(&mut self, key: Key, life: Life) {
        let Some(ward) = self.wards.get_mut(&key) else { return };
        match (&ward.counters, life) {
            (_, Life::Down(Nap::Stopped)) => self.forget_process(key),
            (Counters::Unknown, _) if ward.is_guest => ward.counters = Counters::InList,
            (Counters::Unknown, _) if ward.is_local => {
                ward.counters = Counters::Asked;
                self.ask_about(key, Asked::Process(key));
            }
            (Counters::Unknown, _) => ward.counters = Counters::AtEngine,
            (Counters::Asked | Counters::Here(_) | Counters::AtEngine, _) => {}
            (Counters::InList, _) => {}
        }
    }

    /// Whether something waits for it to end.
    fn is_job(&self, key: Key) -> bool {
        let mut dependants = self.fleet.graph().dependants(key);
        dependants.any(|(_, condition)| condition == Condition::ServiceCompletedSuccessfully)
    }

    /// The exit codes of all jobs that ended, where nobody knows them yet.
    fn ask_exits(&mut self) {
        let jobs: Vec<Key> = self.wards.keys().copied().filter(|key| self.is_job(*key)).collect();
        for key in jobs {
            let life = self.fleet.machine(key).and_then(|machine| machine.state().life());
            if life.is_some_and(|life| life != Life::Runs) {
                self.ask_about(key, Asked::Exit(key));
            }
        }
    }

    /// A warning for each thing that is wrong, once.
    fn tell_problems(&mut self) {
        for (key, ward) in &mut self.wards {
            let graph = self.fleet.graph().problems(*key).iter();
            let rules = ward.rules.as_ref().err().into_iter();
            let problem = graph.chain(rules).cloned().collect::<Vec<_>>().join("; ");
            if problem.is_empty() {
                ward.problem = None;
            } else if ward.problem.as_ref() != Some(&problem) {
                log::warn!("{}: {problem}", ward.name());
                ward.problem = Some(problem);
            }
        }
    }

    fn tell_all(&mut self, engine: usize, input: &Input) {
        let of_it = |(key, ward): (&Key, &Ward)| (ward.engine == engine).then_some(*key);
        let keys: Vec<Key> = self.wards.iter().filter_map(of_it).collect();
        for key in keys {
            self.tell(key, input.clone());
        }
    }

    /// The engine's name in the configuration.
    pub(super) fn engine_name(&self, engine: usize) -> &str {
        let engine = self.engines.get(engine).and_then(Option::as_ref);
        engine.map_or("", Provider::name)
    }

    /// What the list tells of a container. Of a guest whose node is silent, what it did last;
    /// `None`: nobody knows that either.
    fn sight(&self, key: Key, container: &Container) -> Option<Sight> {
        let life = match container.vmid {
            None => life(&container.state),
            Some(_) => {
                let machine = self.fleet.machine(key);
                let last = || machine.and_then(|machine| machine.state().life());
                lxc::life(&container.state).or_else(last)?
            }
        };
        Some(Sight { life, health: container.health, exit: None })
    }
}
