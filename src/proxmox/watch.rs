//! One cluster, followed: its list every ten seconds, and a guest alone where that is not enough.
//! Pure: no socket, no clock.
//!
//! ```text
//!           ┌────────────── retry_at ──────────────┐
//!           ▼                                      │
//!  start ▶ Greeting ─Agreed▶ Listing ◀─poll_at── Resting
//!           │                │  └───Listed───────▶  ▲
//!           └──── Failed ────┴───────▶ Away         └─ what is read of guests, at any time
//! ```
//!
//! PVE has no events. The list costs one request whatever the number of guests, but what it says
//! of a guest's state is up to ten seconds old: where it differs from what was known, the guest
//! itself is looked at, and only that is believed, or a guest that was just started would seem to
//! end at once. Where a guest is, the list knows at once. In the steady state nothing but the list
//! is asked for; the configuration is read when a guest is new, when it has started, when the list
//! shows another name, tag, lock or node, and once in an hour. Out of scope: what a guest means.

mod entry;

use std::time::{Duration, Instant};

use super::types::{Config, Current, Interface, Listed, Place, Version};
use crate::docker::change::Change;
use crate::sorted::{Map, Set};
use entry::Entry;

pub use entry::Guest;

/// From one list to the next: PVE's own clock for these numbers (`pvestatd`).
pub const POLL_EVERY: Duration = Duration::from_secs(10);
/// First wait after a break; doubles.
const BACKOFF_FIRST: Duration = Duration::from_secs(1);
/// Longest wait between two tries.
const BACKOFF_LAST: Duration = Duration::from_secs(30);
/// Questions about guests under way on one node: one that hangs holds up no other.
const READS_PER_NODE: usize = 4;

/// What came from the cluster, or the time.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// `deadline` has come.
    Tick,
    /// It is PVE, of this version.
    Agreed(Version),
    /// Every guest; templates, which can't be started, are none.
    Listed(Vec<Listed>),
    /// One guest's configuration; `None`: it can't be read now.
    Config(u32, Option<Config>),
    /// What one guest does.
    Looked(u32, Look),
    /// Where one guest is reached; `None`: that can't be asked now.
    Reached(u32, Option<Vec<Interface>>),
    /// The cluster does not answer: why, in words.
    Failed(String),
}

/// What a look at one guest showed.
#[derive(Clone, Debug, PartialEq)]
pub enum Look {
    /// This.
    Seen(Current),
    /// Its node has no such guest: it has moved, or is gone.
    Elsewhere,
    /// Nothing: its node does not answer, or not as it should.
    Failed,
}

/// What to ask of the cluster, or to say to whoever listens.
#[derive(Clone, Debug, PartialEq)]
pub enum Do {
    /// Ask for its version.
    Greet,
    /// Ask for all guests.
    List,
    /// Ask what is configured for one.
    ReadConfig(Place),
    /// Ask what one does.
    LookAt(Place),
    /// Ask where one is reached.
    AskAddresses(Place),
    /// Give up everything asked of this cluster.
    HangUp,
    /// Tell.
    Say(Box<Change<Guest>>),
    /// Tell whoever wanted a look at this guest what it showed.
    Show(u32, Look),
}

#[derive(Clone, Debug, PartialEq)]
enum Phase {
    Away { retry_at: Instant },
    Greeting,
    Listing,
    Resting { poll_at: Instant },
}

/// The machine of one cluster.
#[derive(Clone, Debug)]
pub struct Watch {
    phase: Phase,
    version: Version,
    /// Breaks since the last list.
    breaks: u32,
    lost: bool,
    listed_once: bool,
    /// The list that is under way may be too old: another follows it.
    again: bool,
    entries: Map<u32, Entry>,
    attended: Set<u32>,
}

impl Watch {
    /// A machine that wants to be ticked at once.
    pub fn new(now: Instant) -> Watch {
        Watch {
            phase: Phase::Away { retry_at: now },
            version: Version::default(),
            breaks: 0,
            lost: false,
            listed_once: false,
            again: false,
            entries: Map::new(),
            attended: Set::new(),
        }
    }

    /// What the cluster said it is; 0.0 before it did.
    pub fn version(&self) -> Version {
        self.version
    }

    /// What is known of the cluster's guests, by number.
    pub fn known(&self) -> impl Iterator<Item = &Guest> {
        self.entries.values().filter_map(Entry::told)
    }

    /// What is known of one guest.
    pub fn find(&self, vmid: u32) -> Option<&Guest> {
        self.entries.get(&vmid)?.told()
    }

    /// Whether the picture is complete and followed.
    pub fn is_following(&self) -> bool {
        self.listed_once && !self.lost && !matches!(self.phase, Phase::Away { .. })
    }

    /// Whether the cluster could not be reached the last time.
    pub fn is_lost(&self) -> bool {
        self.lost
    }

    /// Whether there is nothing to wait for: every guest is known, or the cluster is away.
    pub fn is_settled(&self) -> bool {
        let is_known = |entry: &Entry| entry.told().is_some();
        self.lost || self.is_following() && self.entries.values().all(is_known)
    }

    /// Looks at a guest every second from now on, and asks where it is reached as soon as it runs.
    pub fn attend(&mut self, vmid: u32, now: Instant) {
        self.attended.insert(vmid);
        if let Some(entry) = self.entries.get_mut(&vmid) {
            entry.look_at(now);
        }
    }

    /// No longer: the list will do.
    pub fn release(&mut self, vmid: u32) {
        self.attended.remove(&vmid);
    }

    /// A look at one guest that begins after now: [`Do::Show`] tells what it showed.
    pub fn look(&mut self, vmid: u32, now: Instant) {
        if let Some(entry) = self.entries.get_mut(&vmid) {
            entry.look_anew(now);
        }
    }

    /// Reads the configuration of all anew.
    pub fn review(&mut self, now: Instant) {
        self.entries.values_mut().for_each(|entry| entry.review(now));
    }

    /// Asks for the list as soon as may be: a guest is not where it was.
    pub fn relist(&mut self, now: Instant) {
        match &mut self.phase {
            Phase::Resting { poll_at } => *poll_at = now,
            Phase::Listing => self.again = true,
            Phase::Away { .. } | Phase::Greeting => {}
        }
    }

    /// When `step` next wants a `Tick`.
    pub fn deadline(&self) -> Option<Instant> {
        let phase = match self.phase {
            Phase::Away { retry_at } => return Some(retry_at),
            Phase::Greeting => return None,
            Phase::Listing => None,
            Phase::Resting { poll_at } => Some(poll_at),
        };
        // As long as it is away nothing is told of its guests, and so nothing read.
        let free = |entry: &&Entry| !self.lost && self.under_way(entry.node()) < READS_PER_NODE;
        let reads = self.entries.values().filter(free).filter_map(Entry::due);
        phase.into_iter().chain(reads).min()
    }

    /// One input; `jitter` (0–1000) spreads the retries of many.
    pub fn step(&mut self, input: Input, now: Instant, jitter: u32) -> Vec<Do> {
        let mut out = Vec::new();
        match (&self.phase, input) {
            (Phase::Away { .. }, Input::Failed(_)) => {}
            (_, Input::Failed(why)) => self.lose(why, (now, jitter), &mut out),
            (Phase::Away { retry_at }, Input::Tick) if now >= *retry_at => {
                self.phase = Phase::Greeting;
                out.push(Do::Greet);
            }
            (Phase::Greeting, Input::Agreed(version)) => {
                self.version = version;
                self.list(&mut out);
            }
            (Phase::Listing, Input::Listed(all)) => {
                let wait =
                    if std::mem::take(&mut self.again) { Duration::ZERO } else { POLL_EVERY };
                self.phase = Phase::Resting { poll_at: now + wait };
                self.listed(all, now, &mut out);
            }
            (Phase::Resting { poll_at }, Input::Tick) if now >= *poll_at => self.list(&mut out),
            (Phase::Listing | Phase::Resting { .. }, read) => self.hear(read, now, &mut out),
            // Late answers to what was given up, and ticks that came too early.
            (
                Phase::Away { .. } | Phase::Greeting,
                Input::Tick
                | Input::Agreed(_)
                | Input::Listed(_)
                | Input::Config(..)
                | Input::Looked(..)
                | Input::Reached(..),
            ) => {}
        }
        if !self.lost && matches!(self.phase, Phase::Listing | Phase::Resting { .. }) {
            self.read(now, &mut out);
        }
        out
    }
}

impl Watch {
    fn lose(&mut self, why: String, (now, jitter): (Instant, u32), out: &mut Vec<Do>) {
        let wait = BACKOFF_FIRST.saturating_mul(1 << self.breaks.min(8)).min(BACKOFF_LAST);
        self.breaks += 1;
        self.again = false;
        self.phase = Phase::Away { retry_at: now + wait * (750 + jitter.min(1000) / 2) / 1000 };
        self.entries.values_mut().for_each(|entry| entry.give_up(now));
        out.push(Do::HangUp);
        if !std::mem::replace(&mut self.lost, true) {
            out.push(Do::Say(Box::new(Change::Lost(why))));
        }
    }

    fn list(&mut self, out: &mut Vec<Do>) {
        self.phase = Phase::Listing;
        out.push(Do::List);
    }

    fn listed(&mut self, mut all: Vec<Listed>, now: Instant, out: &mut Vec<Do>) {
        all.retain(|one| !one.is_template);
        self.breaks = 0;
        if std::mem::replace(&mut self.lost, false) {
            out.push(Do::Say(Box::new(Change::Back)));
        }
        let mut there = Set::new();
        there.extend(all.iter().map(|one| one.place.vmid));
        self.attended.retain(|vmid| there.contains(vmid));
        let gone: Vec<u32> =
            self.entries.keys().copied().filter(|vmid| !there.contains(vmid)).collect();
        for vmid in gone {
            let gone = self.entries.remove(&vmid).and_then(|entry| entry.told().cloned());
            out.extend(gone.map(|guest| said(("removed", guest))));
        }
        let first = !std::mem::replace(&mut self.listed_once, true);
        for one in all {
            match self.entries.get_mut(&one.place.vmid) {
                Some(entry) => {
                    out.extend(entry.listed(one, now).map(said));
                }
                None => {
                    let (vmid, entry) = (one.place.vmid, Entry::new(one, first, now));
                    out.extend(entry.first_sight().map(said));
                    self.entries.insert(vmid, entry);
                }
            }
        }
    }

    fn hear(&mut self, input: Input, now: Instant, out: &mut Vec<Do>) {
        let (vmid, version) = match &input {
            Input::Config(vmid, _) | Input::Looked(vmid, _) | Input::Reached(vmid, _) => {
                (*vmid, self.version)
            }
            // Too early, or said twice.
            Input::Tick | Input::Agreed(_) | Input::Listed(_) => return,
            Input::Failed(_) => unreachable!("step answers this in every phase"),
        };
        if matches!(input, Input::Looked(_, Look::Elsewhere)) {
            self.relist(now);
        }
        // Nothing known of it: a late answer about one that is gone.
        let Some(entry) = self.entries.get_mut(&vmid) else { return };
        let mut shown = None;
        let told = match input {
            Input::Config(_, config) => entry.configured(config, version, now),
            Input::Looked(_, look) => {
                let told = entry.looked(look.clone(), version, now);
                shown = (!entry.is_old(now)).then_some(look);
                told
            }
            Input::Reached(_, interfaces) => entry.reached(interfaces, (version, now)),
            Input::Tick | Input::Agreed(_) | Input::Listed(_) | Input::Failed(_) => return,
        };
        if self.attended.contains(&vmid) {
            entry.look_again(now);
        }
        out.extend(told.map(said));
        out.extend(shown.map(|look| Do::Show(vmid, look)));
    }

    /// Asks what is due of guests, as far as the limits allow.
    fn read(&mut self, now: Instant, out: &mut Vec<Do>) {
        let vmids: Vec<u32> = self.entries.keys().copied().collect();
        for vmid in vmids {
            let Some(node) = self.entries.get(&vmid).filter(|entry| entry.is_due(now)) else {
                continue;
            };
            let room = READS_PER_NODE.saturating_sub(self.under_way(node.node()));
            if let Some(entry) = self.entries.get_mut(&vmid) {
                out.extend(entry.begin(now).take(room));
            }
        }
    }

    fn under_way(&self, node: &str) -> usize {
        let there = self.entries.values().filter(|entry| entry.node() == node);
        there.map(Entry::under_way).sum()
    }
}

fn said((event, container): (&'static str, Guest)) -> Do {
    Do::Say(Box::new(match event {
        "present" => Change::Present(container),
        event => Change::Changed { event, at: None, container },
    }))
}
