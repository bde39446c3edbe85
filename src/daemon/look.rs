//! Polls and glances: what the counters say, to the machines.

use std::time::{Duration, Instant};

use crate::docker::call;
use crate::docker::stats;
use crate::idle::activity::{self, Activity, Sample, Sign};
use crate::idle::backend::{Life, Nap, Order};
use crate::idle::group::Key;
use crate::idle::knock::{self, Hint, Knock};
use crate::idle::message::Input;
use crate::idle::proc::Waiting;
use crate::idle::state::{Phase, Ticket};
use crate::sorted::Map;
use crate::sys;

use super::Daemon;
use super::asked::{Asked, Purpose};
use super::ward::{Counters, Frozen};

/// A frozen container of this machine is looked at this often.
const GLANCE_EVERY: Duration = Duration::from_millis(200);

/// So many polls in a row begin with tidying up.
pub const LITTERED: u8 = 2;

/// A sample that an engine is to be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    key: Key,
    purpose: Purpose,
}

impl Daemon {
    /// Does what is due.
    pub(super) fn look(&mut self, now: Instant) {
        if now >= self.poll_at {
            self.poll_at = now + self.config.idle.poll;
            self.tidy();
            self.poll();
            self.retry_doors();
        }
        self.mind_gates(now);
        if now >= self.glance_at {
            self.glance_at = now + GLANCE_EVERY;
            self.glance();
        }
    }

    /// What a list, or a burst of questions, took is not needed once all is answered; nor is what
    /// the first poll took after that.
    fn tidy(&mut self) {
        if self.litter > 0 && self.asked.is_empty() {
            self.litter -= 1;
            self.asked = Map::new();
            sys::give_memory_back();
        }
    }

    /// Whether a poll would look at anything.
    pub(super) fn is_anybody_polled(&self) -> bool {
        self.wards.iter().any(|(key, ward)| self.is_polled(*key) || ward.gate.is_denied())
    }

    /// Whether a glance would look at anything.
    pub(super) fn is_anybody_frozen(&self) -> bool {
        self.wards.iter().any(|(key, ward)| ward.ears().is_some() && self.is_frozen(*key))
    }

    /// Awake, or frozen where only the engine can tell.
    fn is_polled(&self, key: Key) -> bool {
        let is_awake = |key| {
            let machine = self.fleet.machine(key);
            machine.is_some_and(|machine| machine.state().phase() == Phase::Awake)
        };
        let is_far =
            || self.wards.get(&key).is_some_and(|ward| matches!(ward.counters, Counters::AtEngine));
        !self.is_guest(key) && (is_awake(key) || self.is_frozen(key) && is_far())
    }

    fn is_frozen(&self, key: Key) -> bool {
        let life = self.fleet.machine(key).and_then(|machine| machine.state().life());
        life == Some(Life::Down(Nap::Paused))
    }

    fn poll(&mut self) {
        let polled: Vec<Key> =
            self.wards.keys().copied().filter(|key| self.is_polled(*key)).collect();
        let now = self.reactor.now();
        for key in polled {
            match self.wards.get(&key).map(|ward| &ward.counters) {
                Some(Counters::Here(_)) => {
                    let seen = self.sense(key);
                    self.later.extend(seen.and_then(|seen| input(seen, now)).map(|one| (key, one)));
                }
                Some(Counters::AtEngine) => self.want_sample(key, Purpose::Poll),
                // What was asked last did not tell.
                Some(Counters::Unknown) => self.attend(key, Life::Runs),
                Some(Counters::Asked | Counters::InList) | None => {}
            }
        }
    }

    /// What a container of this machine did since the last time; `None`: it can't be seen from
    /// here.
    pub(super) fn sense(&mut self, key: Key) -> Option<Activity> {
        let (at_nanos, door_bytes) = (self.nanos(), self.door_bytes(key));
        let ward = self.wards.get_mut(&key)?;
        let (Counters::Here(senses), Ok(rules)) = (&ward.counters, &ward.rules) else {
            return None;
        };
        let before = ward.before.as_ref();
        let Ok(sample) = senses.sample(at_nanos, (rules, before), &mut self.text) else {
            // It was restarted, and nobody told us yet.
            self.forget_process(key);
            self.attend(key, Life::Runs);
            return Some(Activity::Unknown);
        };
        Some(self.compare(key, Some(Sample { door_bytes, ..sample })))
    }

    /// The clock of the samples.
    pub(super) fn nanos(&self) -> u64 {
        let since = self.reactor.now().saturating_duration_since(self.began);
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    }

    /// A sample against the one before.
    pub(super) fn compare(&mut self, key: Key, sample: Option<Sample>) -> Activity {
        let Some(ward) = self.wards.get_mut(&key) else { return Activity::Unknown };
        let Ok(rules) = &ward.rules else { return Activity::Unknown };
        let mut seen = activity::activity(rules, ward.before.as_ref(), sample.as_ref());
        // Who is let in just now has moved nothing yet.
        let is_leading = ward.gate.doors().any(|door| self.reactor.is_leading(door));
        if is_leading || ward.gate.missed.iter().any(|one| one.waits) {
            seen = Activity::Yes(Sign::Door);
        }
        if let Activity::Yes(sign) = seen {
            ward.sign = Some(sign);
        }
        log::trace!("{}: {seen:?}", ward.name());
        ward.before = sample.or(ward.before.take());
        seen
    }

    /// Somebody may have come to those who are frozen.
    fn glance(&mut self) {
        let frozen: Vec<Key> =
            self.wards.keys().copied().filter(|key| self.is_frozen(*key)).collect();
        for key in frozen {
            if let Some(found) = self.glance_at_one(key) {
                let name = self.wards.get(&key).map_or("", |ward| ward.name());
                log::debug!("{name}: {found:?}");
                self.later.push_back((key, Input::Knock));
            }
        }
    }

    fn glance_at_one(&mut self, key: Key) -> Option<Knock> {
        let at_nanos = self.nanos();
        let ward = self.wards.get_mut(&key)?;
        let (senses, rules) = ward.ears()?;
        let rx_bytes = senses.rx_bytes(&mut self.text)?;
        let old = ward.frozen.as_deref().copied().unwrap_or_default();
        if knock::hint(old.rx_bytes, rx_bytes) == Hint::Still {
            return None;
        }
        let waiting = senses.waiting(&mut self.text);
        // Who was there before us, was it in vain? But datagrams may lie unread for ever.
        let nobody = Waiting { datagram_bytes: waiting.datagram_bytes, ..Waiting::default() };
        let least = old.waiting.unwrap_or(nobody);
        let mut found = knock::find(least, waiting);
        if let (None, Some(look), None, true) =
            (old.rx_bytes, &ward.before, found, ward.is_frozen_by_us)
        {
            let rules = rules.without_cpu();
            let sample = senses.sample(at_nanos, (&rules, Some(look)), &mut self.text);
            found = sample.ok().and_then(|sample| knock::taken(&rules, look, &sample));
        }
        let waiting = Some(least.least(waiting));
        ward.frozen = Some(Box::new(Frozen { rx_bytes: Some(rx_bytes), waiting }));
        found
    }

    /// The last look before it is put to sleep: what waits now has been seen by it. Before the
    /// counters are read, so that nothing falls between.
    pub(super) fn listen(&mut self, key: Key) {
        let now = self.reactor.now();
        let Some(ward) = self.wards.get_mut(&key) else { return };
        if let Counters::Here(senses) = &ward.counters {
            let waiting = Some(senses.waiting(&mut self.text));
            ward.frozen = Some(Box::new(Frozen { rx_bytes: None, waiting }));
            ward.looked_at = Some(now);
        }
    }

    /// An order to freeze. What comes after the last look is a knock; if there was none, as when
    /// somebody said so, it is taken now.
    pub(super) fn freeze(&mut self, key: Key, ticket: Ticket) {
        let Some(ward) = self.wards.get(&key) else { return };
        let is_looked_at = ward.looked_at == Some(self.reactor.now());
        match &ward.counters {
            Counters::AtEngine if !is_looked_at => {
                return self.want_sample(key, Purpose::Freeze(ticket));
            }
            Counters::Here(_) if !is_looked_at => {
                self.listen(key);
                self.sense(key);
            }
            Counters::Here(_) | Counters::AtEngine | Counters::Unknown | Counters::Asked => {}
            Counters::InList => {}
        }
        self.order(key, Order::Pause, ticket);
    }

    /// Asks the engine for a sample, when those before it have answered.
    pub(super) fn want_sample(&mut self, key: Key, purpose: Purpose) {
        let wanted = Wanted { key, purpose };
        match purpose {
            Purpose::Look(_) | Purpose::Freeze(_) => self.samples.push_front(wanted),
            Purpose::Poll if self.samples.contains(&wanted) => {}
            Purpose::Poll => self.samples.push_back(wanted),
        }
        self.ask_samples();
    }

    /// One at a time for each engine.
    pub(super) fn ask_samples(&mut self) {
        for _ in 0..self.samples.len() {
            let Some(wanted) = self.samples.pop_front() else { return };
            let Some(ward) = self.wards.get(&wanted.key) else { continue };
            if !self.sampled.insert(ward.engine) {
                self.samples.push_back(wanted);
                continue;
            }
            let (engine, call) = (ward.engine, call::stats_once(ward.id()));
            let number = self.number(Asked::Sample(engine, wanted.key, wanted.purpose));
            self.follow.ask(engine, (number, call), &mut self.reactor);
        }
    }

    /// A sample came, or did not.
    pub(super) fn sampled(&mut self, key: Key, purpose: Purpose, sample: Option<stats::Sample>) {
        let (now, is_frozen) = (self.reactor.now(), self.is_frozen(key));
        let door_bytes = self.door_bytes(key);
        if let Some(ward) = self.wards.get_mut(&key) {
            let sample = sample.map(|sample| Sample::of(&sample, door_bytes));
            let input = match purpose {
                Purpose::Freeze(ticket) => {
                    ward.before = sample;
                    self.freeze_now(key, ticket);
                    None
                }
                Purpose::Poll | Purpose::Look(_) if is_frozen => self.knocked(key, sample),
                Purpose::Poll => input(self.compare(key, sample), now),
                Purpose::Look(ticket) => {
                    ward.looked_at = Some(now);
                    input(self.compare(key, sample), now).or(Some(Input::Quiet(ticket)))
                }
            };
            self.later.extend(input.map(|input| (key, input)));
        }
        self.ask_samples();
    }

    /// The order that waited for a sample, if it is still wanted.
    fn freeze_now(&mut self, key: Key, ticket: Ticket) {
        let machine = self.fleet.machine(key);
        if machine.is_some_and(|machine| machine.state().awaits(ticket)) {
            self.order(key, Order::Pause, ticket);
        }
    }

    fn knocked(&mut self, key: Key, sample: Option<Sample>) -> Option<Input> {
        let ward = self.wards.get_mut(&key)?;
        let sample = sample?;
        let before = ward.before.replace(sample.clone());
        let found = knock::remote(ward.rules.as_ref().ok()?, before.as_ref()?, &sample);
        found.map(|_| Input::Knock)
    }
}

/// What a look means to a machine; `None`: nothing happened. Time of which nobody knows does not
/// count towards its sleep.
pub fn input(seen: Activity, now: Instant) -> Option<Input> {
    match seen {
        Activity::Yes(_) | Activity::Unknown => Some(Input::Activity(now)),
        Activity::No => None,
    }
}
