//! A container in the daemon's care: what it is to be put to sleep by, and what was seen of it.
//! Asks nobody and orders nothing.

use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use crate::container::{self, Container, Packed};
use crate::idle::activity::{Doors, Network, Rules, Sample, Sign};
use crate::idle::doors::{self, Transport};
use crate::idle::fleet::Role;
use crate::idle::proc::Waiting;
use crate::metrics::Tally;
use crate::plan::{self, Defaults, Plan};

use super::gate::Gate;
use super::lxc::Wanted;
use super::senses::Senses;

/// A plan is looked for among so many.
const PLANS_COMPARED: usize = 16;

/// Where its counters are read.
#[derive(Debug)]
pub enum Counters {
    /// It does not run, or nobody looked yet.
    Unknown,
    /// The engine was asked for its process.
    Asked,
    /// On this machine.
    Here(Senses),
    /// Only its engine can tell.
    AtEngine,
    /// Its cluster tells them with its list.
    InList,
}

/// What stood in the tables of a container before it was frozen, or when it was first seen so.
#[derive(Clone, Copy, Debug, Default)]
pub struct Frozen {
    /// `None`: not looked at since.
    pub rx_bytes: Option<u64>,
    /// What waited, the least that was seen.
    pub waiting: Option<Waiting>,
}

/// The last wake.
#[derive(Clone, Copy, Debug)]
pub struct Woke {
    /// When it was ready.
    pub at: SystemTime,
    /// How long that took, from the knock; `None`: it was not us.
    pub took: Option<Duration>,
}

/// One container.
#[derive(Debug)]
pub struct Ward {
    /// Its engine's place in the list.
    pub engine: usize,
    /// As its engine told it last.
    pub kept: Packed,
    /// How it sleeps and wakes; with a timeout of 0 it only does so for others.
    pub plan: Rc<Plan>,
    /// What counts as activity; an error: it is left alone, and why.
    pub rules: Result<Rules, String>,
    /// Its labels ask for it to sleep.
    pub is_asked_for: bool,
    /// Its engine is on this machine.
    pub is_local: bool,
    /// It is a guest of a cluster.
    pub is_guest: bool,
    /// What its machine wants a look at it for.
    pub wanted: Wanted,
    /// Where its counters are.
    pub counters: Counters,
    /// What they said at the last poll.
    pub before: Option<Sample>,
    /// When it was last looked at before being put to sleep.
    pub looked_at: Option<Instant>,
    /// It is frozen, or is to be, by our order.
    pub is_frozen_by_us: bool,
    /// By what it was last active.
    pub sign: Option<Sign>,
    /// While it is frozen.
    pub frozen: Option<Box<Frozen>>,
    /// The last wake.
    pub woke: Option<Woke>,
    /// Why the last wake failed, if it did.
    pub failed: Option<Box<str>>,
    /// The problem told last, not to tell it twice.
    pub problem: Option<String>,
    /// Its doors.
    pub gate: Gate,
    /// What is counted of it.
    pub tally: Tally,
    /// Since when it is asleep.
    asleep_since: Option<Instant>,
}

impl Ward {
    /// A container seen for the first time.
    pub fn new(engine: usize, kept: Packed, container: &Container, plan: Rc<Plan>) -> Ward {
        Ward {
            engine,
            kept,
            rules: rules(&plan, container),
            plan,
            is_asked_for: is_asked_for(container),
            is_local: true,
            is_guest: container.vmid.is_some(),
            wanted: Wanted::default(),
            counters: Counters::Unknown,
            before: None,
            looked_at: None,
            is_frozen_by_us: false,
            sign: None,
            frozen: None,
            woke: None,
            failed: None,
            problem: None,
            gate: Gate::default(),
            tally: Tally::default(),
            asleep_since: None,
        }
    }

    /// The full id.
    pub fn id(&self) -> &str {
        self.kept.id()
    }

    /// The engine's name and its own: `local/web`.
    pub fn name(&self) -> &str {
        self.kept.full_name()
    }

    /// Whether it has a listening or bound socket at a port; `None`: that is not seen from here.
    /// While its process is still looked for, it has none.
    pub fn listens(&self, port: u16, transport: Transport) -> Option<bool> {
        match &self.counters {
            Counters::Here(senses) => Some(senses.listens(port, transport)),
            Counters::Unknown | Counters::Asked => Some(false),
            Counters::AtEngine | Counters::InList => None,
        }
    }

    /// It is asleep, or is not.
    pub fn sleeps(&mut self, is_asleep: bool, now: Instant) {
        self.tally = self.tally_at(now);
        self.asleep_since = is_asleep.then_some(now);
    }

    /// What was counted up to now.
    pub fn tally_at(&self, now: Instant) -> Tally {
        let since = self.asleep_since.map(|since| now.saturating_duration_since(since));
        let asleep = self.tally.asleep + since.unwrap_or_default();
        Tally { asleep, door_bytes: self.gate.moved_bytes, ..self.tally }
    }

    /// The same container under another name, or with other defaults.
    pub fn renew(&mut self, container: &Container, plan: Rc<Plan>) {
        self.rules = rules(&plan, container);
        self.plan = plan;
        self.is_asked_for = is_asked_for(container);
    }

    /// Its counters begin anew.
    pub fn forget(&mut self) {
        (self.counters, self.before, self.frozen) = (Counters::Unknown, None, None);
    }

    /// It is awake: what was seen before does not count any more.
    pub fn rise(&mut self) {
        (self.before, self.sign, self.frozen) = (None, None, None);
        self.is_frozen_by_us = false;
    }

    /// Where to look for a knock while it is frozen, and what counts: where its network is its own.
    pub fn ears(&self) -> Option<(&Senses, &Rules)> {
        match (&self.counters, &self.rules) {
            (Counters::Here(senses), Ok(rules)) if rules.threshold_bytes.is_some() => {
                Some((senses, rules))
            }
            _ => None,
        }
    }
}

/// The plans of many containers, most of which say the same.
#[derive(Debug, Default)]
pub struct Plans(Vec<Rc<Plan>>);

impl Plans {
    /// The plan of one; if it says the same as one of the last few others, it is that one.
    pub fn of(&mut self, container: &Container, defaults: &Defaults) -> Rc<Plan> {
        let plan = plan_of(container, defaults);
        let mut last = self.0.iter().rev().take(PLANS_COMPARED);
        if let Some(same) = last.find(|one| ***one == plan) {
            return same.clone();
        }
        let plan = Rc::new(plan);
        self.0.push(plan.clone());
        plan
    }
}

/// What may be done with it.
pub fn role(container: &Container, ward: &Ward) -> Role {
    let is_database = container.is_blacklisted && !container.is_explicit;
    match (is_managed(container), &ward.rules) {
        (true, Ok(_)) => Role::Managed,
        (false, Ok(_)) if !is_database && !is_exempt(container) => Role::Follows,
        (_, Ok(_) | Err(_)) => Role::Stays,
    }
}

/// Whether its labels ask for it to be put to sleep, and nothing stands against that.
fn is_managed(container: &Container) -> bool {
    container.idlewatcher_config.is_some() && !is_exempt(container)
}

/// Whether it is to be shown, though it is left alone: somebody asked, and must see why.
fn is_asked_for(container: &Container) -> bool {
    plan::is_asked_for(&container.labels) && !is_exempt(container)
}

fn is_exempt(container: &Container) -> bool {
    container.is_excluded || container::is_swarm_task(container)
}

fn plan_of(container: &Container, defaults: &Defaults) -> Plan {
    if let Some(plan) = &container.idlewatcher_config {
        return plan.clone();
    }
    let needs = container.compose.as_ref().map_or(&[][..], |compose| &compose.depends_on);
    // What is wrong with these labels was told with the container.
    plan::read(&container.labels, needs, defaults, &mut Vec::new())
}

fn rules(plan: &Plan, container: &Container) -> Result<Rules, String> {
    if is_asked_for(container) && container.idlewatcher_config.is_none() {
        let mut wrong = Vec::new();
        plan::read(&container.labels, &[], &Defaults::default(), &mut wrong);
        // Good labels, but not for a guest.
        if wrong.is_empty() {
            wrong.clone_from(&container.errors);
        }
        return Err(wrong.join("; "));
    }
    // At a front door everybody is seen.
    let doors = if doors::has_front(container) { Doors::Some } else { Doors::None };
    Rules::of(plan, Network::of(&container.network_mode), doors)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::Origin;
    use crate::docker::types::Summary;

    #[test]
    fn equal_plans_are_one() {
        let mut plans = Plans::default();
        let mut plan = |timeout: &str| {
            let labels = [("proxy.idle_timeout".to_owned(), timeout.to_owned())].into();
            let summary = Summary { labels, ..Summary::default() };
            let container = container::parse(summary, &Origin::default());
            plans.of(&container, &Defaults::default())
        };
        let (one, other, same) = (plan("1h"), plan("5m"), plan("60m"));
        assert!(Rc::ptr_eq(&one, &same) && !Rc::ptr_eq(&one, &other));
        let far = (1..=PLANS_COMPARED).map(|n| plan(&format!("{n}s"))).count();
        assert!(far == PLANS_COMPARED && !Rc::ptr_eq(&one, &plan("1h")) && *one == *plan("1h"));
    }

    /// There is one for each container.
    #[test]
    fn a_ward_is_small() {
        assert!(size_of::<Ward>() <= 576, "{} bytes", size_of::<Ward>());
    }
}
