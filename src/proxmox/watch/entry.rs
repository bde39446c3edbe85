//! One guest in the machine of its cluster: what is known of it, and what is to be asked.

use std::time::{Duration, Instant};

use super::{Do, Look};
use crate::proxmox::types::{Config, Counters, Interface, Listed, Place, Status, Version};

/// A guest that is attended to is looked at this often.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// What could not be read is tried again after this.
const RETRY_AFTER: Duration = Duration::from_secs(10);
/// A running guest without an address is asked for it again, first after this; doubles.
const ADDRESS_FIRST: Duration = Duration::from_secs(1);
/// At last.
const ADDRESS_LAST: Duration = Duration::from_secs(300);
/// A configuration is read again after this, though nothing hints at a change.
const CONFIG_LASTS: Duration = Duration::from_secs(3600);

/// A guest as it is known.
#[derive(Clone, Debug)]
pub struct Guest {
    /// Where it is.
    pub place: Place,
    /// Its name; empty if nobody told.
    pub name: String,
    /// What it does.
    pub status: Status,
    /// What holds it.
    pub lock: Option<String>,
    /// Its orders only ask the high-availability manager, as far as was seen.
    pub is_ha: bool,
    /// What is configured; `None`: it can't be read.
    pub config: Option<Config>,
    /// Its interfaces while it runs; empty where they are not known.
    pub interfaces: Vec<Interface>,
    /// The addresses of one that runs can't be asked for: PVE is too old.
    pub is_silent: bool,
    /// Its counters in the last list. Not what two guests are compared by.
    pub counters: Counters,
}

impl PartialEq for Guest {
    fn eq(&self, other: &Guest) -> bool {
        let sort = |guest: &Guest| (guest.status, guest.is_ha, guest.is_silent);
        sort(self) == sort(other)
            && self.place == other.place
            && self.name == other.name
            && self.lock == other.lock
            && self.config == other.config
            && self.interfaces == other.interfaces
    }
}

impl Guest {
    /// As far as the list tells.
    pub fn new(one: Listed) -> Guest {
        Guest {
            place: one.place,
            name: one.name,
            status: one.status,
            lock: one.lock,
            is_ha: false,
            config: None,
            interfaces: Vec::new(),
            is_silent: false,
            counters: one.counters,
        }
    }

    /// Whether it has to be asked where it is reached: it runs, and no address is configured.
    pub fn wants_addresses(&self) -> bool {
        let Some(config) = self.config.as_ref().filter(|_| self.status == Status::Running) else {
            return false;
        };
        let is_fixed = config.nets.iter().any(|net| net.ip.or(net.ip6).is_some());
        !config.nets.is_empty() && !is_fixed
    }
}

/// What is said of a guest: the word for it, and the guest.
pub(super) type Said = Option<(&'static str, Guest)>;
/// Where it is reached; `None`: that can't be asked now.
type Reached = Option<Vec<Interface>>;

/// A question, and when it is next to be asked.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Ask {
    /// Not.
    Rests,
    /// Then.
    At(Instant),
    /// It is.
    UnderWay,
}

impl Ask {
    /// At that time at the latest; what is under way comes first.
    fn by(&mut self, at: Instant) {
        *self = match *self {
            Ask::Rests => Ask::At(at),
            Ask::At(earlier) => Ask::At(earlier.min(at)),
            Ask::UnderWay => Ask::UnderWay,
        };
    }

    fn at(self) -> Option<Instant> {
        match self {
            Ask::At(at) => Some(at),
            Ask::Rests | Ask::UnderWay => None,
        }
    }

    fn begin(&mut self, now: Instant) -> bool {
        let due = self.at().is_some_and(|at| now >= at);
        if due {
            *self = Ask::UnderWay;
        }
        due
    }
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    guest: Guest,
    /// Its configuration was read or could not be, so that it may be told.
    is_told: bool,
    /// Nothing more is known than that it was there when we first looked.
    is_first: bool,
    config: Ask,
    /// The configuration that is being read may be older than what hinted at a change.
    config_again: bool,
    look: Ask,
    /// Somebody wants a look that begins after now; the one under way is not that.
    look_again: bool,
    addresses: Ask,
    /// The answer that is under way is of an earlier run, or was not to be asked for.
    addresses_old: bool,
    address_wait: Duration,
}

impl Entry {
    /// A guest that is in the list for the first time; `is_first`: and so is the list.
    pub(super) fn new(one: Listed, is_first: bool, now: Instant) -> Entry {
        let guest = Guest::new(one);
        // Of a guest whose node is silent nothing can be read.
        let is_silent = guest.status == Status::Unknown;
        Entry {
            guest,
            is_told: is_silent,
            is_first,
            config: if is_silent { Ask::Rests } else { Ask::At(now) },
            config_again: false,
            look: Ask::Rests,
            look_again: false,
            addresses: Ask::Rests,
            addresses_old: false,
            address_wait: ADDRESS_FIRST,
        }
    }

    /// The guest, if it may be told of.
    pub(super) fn told(&self) -> Option<&Guest> {
        self.is_told.then_some(&self.guest)
    }

    /// Its node.
    pub(super) fn node(&self) -> &str {
        &self.guest.place.node
    }

    /// It is in the list again.
    pub(super) fn listed(&mut self, one: Listed, now: Instant) -> Said {
        let old = self.guest.clone();
        let guest = &mut self.guest;
        guest.counters = one.counters;
        // Of a guest whose node is silent there is nothing but its place.
        if one.status == Status::Unknown {
            guest.status = Status::Unknown;
        } else {
            (guest.name, guest.lock) = (one.name, one.lock);
            if one.status != old.status {
                self.look.by(now);
            }
            if old.status == Status::Unknown {
                self.review(now);
            }
        }
        self.guest.place = one.place;
        let is_hint = old.place != self.guest.place
            || old.name != self.guest.name
            || old.lock != self.guest.lock;
        if is_hint {
            self.review(now);
        }
        if old.place != self.guest.place {
            self.look.by(now);
        }
        self.say(&old)
    }

    /// Its configuration was read, or could not be.
    pub(super) fn configured(
        &mut self,
        config: Option<Config>,
        version: Version,
        now: Instant,
    ) -> Said {
        if self.config != Ask::UnderWay {
            return None;
        }
        let old = self.guest.clone();
        let wait = match &config {
            _ if std::mem::take(&mut self.config_again) => Duration::ZERO,
            Some(_) => CONFIG_LASTS,
            None => RETRY_AFTER,
        };
        self.config = Ask::At(now + wait);
        // What was read before still holds.
        self.guest.config = config.or(self.guest.config.take());
        if self.guest.name.is_empty() {
            let hostname = self.guest.config.as_ref().map(|config| config.hostname.clone());
            self.guest.name = hostname.unwrap_or_default();
        }
        self.want_addresses(version, now);
        if !std::mem::replace(&mut self.is_told, true) {
            let event = match self.guest.status {
                _ if self.is_first => "present",
                Status::Running => "start",
                Status::Stopped | Status::Unknown => "create",
            };
            return Some((event, self.guest.clone()));
        }
        self.say(&old)
    }

    /// What is said of one that is in the list for the first time.
    pub(super) fn first_sight(&self) -> Said {
        let event = if self.is_first { "present" } else { "create" };
        self.told().map(|guest| (event, guest.clone()))
    }

    /// A look at it is over.
    pub(super) fn looked(&mut self, look: Look, version: Version, now: Instant) -> Said {
        if self.look != Ask::UnderWay {
            return None;
        }
        self.look = Ask::Rests;
        let old = self.guest.clone();
        if let Look::Seen(current) = look
            && current.status != Status::Unknown
        {
            (self.guest.status, self.guest.lock) = (current.status, current.lock);
            self.guest.is_ha = current.is_ha;
        }
        if old.status != self.guest.status {
            (self.guest.interfaces, self.address_wait) = (Vec::new(), ADDRESS_FIRST);
            self.forget_addresses();
            if self.guest.status == Status::Running {
                self.review(now);
            }
        }
        self.want_addresses(version, now);
        self.say(&old)
    }

    /// Where it is reached was answered, or not.
    pub(super) fn reached(&mut self, found: Reached, (version, now): (Version, Instant)) -> Said {
        if self.addresses != Ask::UnderWay {
            return None;
        }
        self.addresses = Ask::Rests;
        if std::mem::take(&mut self.addresses_old) {
            self.want_addresses(version, now);
            return None;
        }
        let old = self.guest.clone();
        self.guest.interfaces = found.unwrap_or_default();
        if self.guest.interfaces.iter().all(|one| one.addresses.is_empty()) {
            self.addresses = Ask::At(now + self.address_wait);
            self.address_wait = (self.address_wait * 2).min(ADDRESS_LAST);
        }
        self.say(&old)
    }

    /// Whether the look that is over began before one was wanted; then that follows.
    pub(super) fn is_old(&mut self, now: Instant) -> bool {
        let is_old = std::mem::take(&mut self.look_again);
        if is_old {
            self.look.by(now);
        }
        is_old
    }

    /// A look that begins now or later.
    pub(super) fn look_anew(&mut self, now: Instant) {
        self.look_again = self.look == Ask::UnderWay;
        self.look.by(now);
    }

    /// Looks at it at that time at the latest.
    pub(super) fn look_at(&mut self, at: Instant) {
        self.look.by(at);
        // Somebody waits for it.
        self.address_wait = ADDRESS_FIRST;
        if let Ask::At(later) = self.addresses {
            self.addresses = Ask::At(later.min(at));
        }
    }

    /// Looks at it again, in the pace of those that are attended to.
    pub(super) fn look_again(&mut self, now: Instant) {
        self.look.by(now + LOOK_EVERY);
        self.address_wait = ADDRESS_FIRST;
    }

    /// Its configuration may have changed.
    pub(super) fn review(&mut self, now: Instant) {
        self.config_again = self.config == Ask::UnderWay;
        self.config.by(now);
    }

    /// Asks for none for now; what is under way is not what will be wanted.
    fn forget_addresses(&mut self) {
        self.addresses_old = self.addresses == Ask::UnderWay;
        self.addresses = if self.addresses_old { Ask::UnderWay } else { Ask::Rests };
    }

    /// What is under way will not be answered.
    pub(super) fn give_up(&mut self, now: Instant) {
        self.addresses_old = false;
        for ask in [&mut self.config, &mut self.look, &mut self.addresses] {
            if *ask == Ask::UnderWay {
                *ask = Ask::At(now);
            }
        }
    }

    /// When it next wants to be asked something.
    pub(super) fn due(&self) -> Option<Instant> {
        let asks = [self.config, self.look, self.addresses];
        asks.into_iter().filter_map(Ask::at).min()
    }

    /// Whether something is to be asked now.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.due().is_some_and(|at| now >= at)
    }

    /// How many questions are under way.
    pub(super) fn under_way(&self) -> usize {
        let asks = [self.config, self.look, self.addresses];
        asks.into_iter().filter(|ask| *ask == Ask::UnderWay).count()
    }

    /// Begins the questions that are due, one by one, as they are taken.
    pub(super) fn begin(&mut self, now: Instant) -> impl Iterator<Item = Do> {
        let Entry { guest, look, addresses, config, .. } = self;
        let place = &guest.place;
        std::iter::from_fn(move || {
            if look.begin(now) {
                Some(Do::LookAt(place.clone()))
            } else if addresses.begin(now) {
                Some(Do::AskAddresses(place.clone()))
            } else if config.begin(now) {
                Some(Do::ReadConfig(place.clone()))
            } else {
                None
            }
        })
    }

    /// Asks where it is reached, if it runs, its configuration does not tell, and PVE can.
    fn want_addresses(&mut self, version: Version, now: Instant) {
        let wants = self.guest.wants_addresses();
        self.guest.is_silent = wants && !version.tells_interfaces();
        if !wants || self.guest.is_silent {
            self.forget_addresses();
        } else if self.addresses == Ask::Rests && self.guest.interfaces.is_empty() {
            self.addresses = Ask::At(now);
        }
    }

    /// The nearest word for the way from what it was, if it is not as it was and is told of.
    fn say(&self, old: &Guest) -> Said {
        let new = &self.guest;
        if !self.is_told || old == new {
            return None;
        }
        let event = match (old.status, new.status) {
            (old, Status::Running) if old != Status::Running => "start",
            (old, Status::Stopped) if old != Status::Stopped => "stop",
            _ if old.place != new.place => "moved",
            (
                Status::Running | Status::Stopped | Status::Unknown,
                Status::Running | Status::Stopped | Status::Unknown,
            ) => "update",
        };
        Some((event, new.clone()))
    }
}
