//! What `status` shows of each container in the daemon's care.

use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use crate::control::{Door, Row, State as Shown, millis};
use crate::docker::time;
use crate::idle::doors::Kind;
use crate::idle::group::Key;
use crate::idle::state::{Phase, State};
use crate::idle::step::Machine;
use crate::sorted;

use super::Daemon;
use super::act::cause;
use super::gate::{Is, Leaf};
use super::serve::state;
use super::ward::Ward;

impl Daemon {
    /// A row for each, by engine and name.
    pub(super) fn rows(&self) -> Vec<Row> {
        let mut rows: Vec<Row> =
            self.wards.iter().filter_map(|(key, ward)| self.row(*key, ward)).collect();
        sorted::sort_by(&mut rows, |a, b| (&a.engine, &a.name).cmp(&(&b.engine, &b.name)));
        rows
    }

    fn row(&self, key: Key, ward: &Ward) -> Option<Row> {
        let container = self.container(key)?;
        let machine = self.fleet.machine(key);
        let now = self.reactor.now();
        let left = |until: Instant| millis(until.saturating_duration_since(now));
        let kept = machine.and_then(Machine::kept_until).filter(|until| *until > now);
        let mut problems = container.errors.clone();
        problems.extend(self.fleet.graph().problems(key).iter().cloned());
        let is_told = |problem: &&String| container.errors.iter().any(|one| problem.contains(one));
        problems.extend(ward.rules.as_ref().err().filter(|problem| !is_told(problem)).cloned());
        problems.extend(ward.gate.problems.iter().cloned());
        let lost = ward.gate.lost.as_ref().map(|lost| lost.why.clone());
        problems.extend(lost.filter(|why| !why.is_empty()));
        for leaf in &ward.gate.leaves {
            if let Is::Denied(why) = &leaf.is
                && !problems.contains(why)
            {
                problems.push(why.clone());
            }
        }
        // While it is told as its state it needs no other words.
        let is_over = machine.is_some_and(|one| one.state().phase() != Phase::Failed);
        let failed = ward.failed.as_ref().filter(|_| is_over);
        problems.extend(failed.map(|why| format!("the last wake failed: {why}")));
        let is_new = |problem: &String| !problems.iter().any(|one| problem.contains(one));
        let last = ward.problem.clone().filter(is_new);
        problems.extend(last);
        Some(Row {
            backend: if ward.is_guest { "lxc" } else { "docker" }.into(),
            container_id: ward.id().to_owned(),
            doors: ward.gate.leaves.iter().map(|leaf| self.door(leaf)).collect(),
            engine: container.engine.clone(),
            kept_for_ms: kept.map(left),
            last_wake_at: ward.woke.map(|woke| time::rfc3339(unix_nanos(woke.at))),
            last_wake_ms: ward.woke.and_then(|woke| woke.took).map(millis),
            name: container.container_name.clone(),
            problems,
            sleeps_in_ms: machine.and_then(Machine::sleeps_at).map(left),
            state: machine.map_or(Shown::LeftAlone, |machine| state(machine.state().phase())),
            usual_wake_ms: machine.and_then(|machine| machine.past().usual()).map(millis),
            why: match machine {
                Some(machine) => self.why(key, ward, machine),
                None => ward.rules.as_ref().err().cloned(),
            },
        })
    }

    fn door(&self, leaf: &Leaf) -> Door {
        let place = leaf.wanted.place;
        let state = match leaf.is {
            Is::Open(_) | Is::Rising(_) if leaf.passes => "passes",
            Is::Open(_) | Is::Rising(_) => "open",
            Is::Resting(_) => "rests",
            Is::Shut => "shut",
            Is::Denied(_) => "denied",
        };
        let why = match (&leaf.is, leaf.wanted.kind, &self.porter.redirect) {
            (Is::Denied(why), _, _) => Some(why.clone()),
            (_, Kind::StandIn, Err(why)) => Some(why.clone()),
            _ => None,
        };
        Door {
            at: SocketAddr::new(place.ip, place.port).to_string(),
            kind: leaf.wanted.kind.word().into(),
            state: state.into(),
            target: leaf.wanted.target,
            transport: place.transport.word().into(),
            why,
        }
    }

    fn why(&self, key: Key, ward: &Ward, machine: &Machine) -> Option<String> {
        match machine.state() {
            State::Failed(failure) => return Some(failure.why.clone()),
            State::Starting(start) => return Some(cause(start.wake.cause).into()),
            State::Waiting { wake, .. } | State::Booting { wake, .. } => {
                return Some(cause(wake.cause).into());
            }
            state if state.phase() != Phase::Awake => return None,
            _ => {}
        }
        let needed: Vec<&str> = self
            .fleet
            .needed_by(key)
            .into_iter()
            .filter_map(|key| Some(self.wards.get(&key)?.name()))
            .collect();
        let is_lost = || self.follow.engines().any(|one| one.place == ward.engine && one.is_lost);
        Some(match machine.kept_until() {
            Some(until) if until > self.reactor.now() => "kept".into(),
            _ if !needed.is_empty() => format!("needed by {}", needed.join(", ")),
            _ if is_lost() => "its engine is not reachable".into(),
            _ => match (ward.sign, machine.state()) {
                (Some(sign), _) => sign.word().into(),
                (None, State::Awake(up)) => cause(up.cause).into(),
                (None, _) => return None,
            },
        })
    }
}

/// Nanoseconds since 1970.
pub(super) fn unix_nanos(at: SystemTime) -> u64 {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
