//! One engine, followed: subscribe, list, then every change. Pure: no socket, no clock.
//!
//! ```text
//!           ┌───────────────────────── retry_at ─────────────────────────┐
//!           ▼                                                            │
//!  start ▶ Greeting ─Agreed▶ Subscribing ─Opened, late▶ Listing ─Listed▶ Following ─▶ Listing
//!           │                    │                         │              │
//!           └────── Failed ──────┴──────── Failed, Ended ──┴──────────────┴──────▶ Away
//! ```
//!
//! The list is the truth and events are hints: an event makes us look at its one container again,
//! and what differs from what we knew is said. So a lost, late, doubled or forged event can't make
//! the picture wrong for longer than until the next look. Out of scope: what a container means.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::events::Event;
use super::look::{Heard, Look};

/// First wait after a break; doubles.
const BACKOFF_FIRST: Duration = Duration::from_secs(1);
/// Longest wait between two tries.
const BACKOFF_LAST: Duration = Duration::from_secs(30);
/// A proxy may hold the head of the event stream back until the first event: list after this.
const HEAD_WAIT: Duration = Duration::from_secs(1);
/// A stream that is merely silent is checked against the list this often.
const RELIST: Duration = Duration::from_secs(300);
/// Looks under way at one engine; the rest wait their turn.
const LOOKS_UNDER_WAY: usize = 4;
/// Events remembered to drop repeats: as many as an engine keeps.
const REMEMBERED: usize = 256;

/// What is kept of a container: enough to tell whether it changed.
pub trait Known: PartialEq + Clone {
    /// The full id.
    fn id(&self) -> &str;
    /// `running`, `exited`, ….
    fn state(&self) -> &str;
    /// Podman's list leaves things out: such a container is looked at before it is shown.
    fn is_complete(&self) -> bool;
}

/// What came from the engine, or the time.
#[derive(Clone, Debug, PartialEq)]
pub enum Input<C> {
    /// `deadline` has come.
    Tick,
    /// The engine speaks a version we know.
    Agreed,
    /// The head of the event stream came.
    Opened,
    /// Every container.
    Listed(Vec<C>),
    /// One container, `None`: there is no such.
    Looked(String, Option<C>),
    /// One container could not be read; the engine is not lost for that.
    LookFailed(String),
    /// From the stream.
    Event(Event),
    /// A greeting or a list failed: why, in words.
    Failed(String),
    /// The event stream ended, well or badly. Proxies end silent ones after minutes.
    Ended,
}

/// What to ask of the engine, or to say to whoever listens.
#[derive(Clone, Debug, PartialEq)]
pub enum Do<C> {
    /// Ask for its version.
    Greet,
    /// Open the event stream, from this time (Unix, ns; inclusive) on.
    Subscribe(Option<u64>),
    /// Ask for all containers.
    List,
    /// Ask for one.
    Look(String),
    /// Give up everything asked of this engine.
    HangUp,
    /// Tell.
    Say(Change<C>),
}

/// What changed, as `ps --watch` prints it.
#[derive(Clone, Debug, PartialEq)]
pub enum Change<C> {
    /// Was there when we first looked.
    Present(C),
    /// Differs from what was known; `at` (Unix, ns) is the engine's, if an event told.
    Changed {
        /// The engine's word for it, or the nearest.
        event: &'static str,
        /// When, by the engine's clock.
        at: Option<u64>,
        /// As it is now; for `removed`, as it was last.
        container: C,
    },
    /// The engine can't be reached: told once.
    Lost(String),
    /// It can again.
    Back,
}

impl<C> Change<C> {
    /// The same about something else.
    pub fn map<D>(self, to: impl FnOnce(C) -> D) -> Change<D> {
        match self {
            Change::Present(one) => Change::Present(to(one)),
            Change::Changed { event, at, container } => {
                Change::Changed { event, at, container: to(container) }
            }
            Change::Lost(why) => Change::Lost(why),
            Change::Back => Change::Back,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Phase {
    Away { retry_at: Instant },
    Greeting,
    Subscribing { list_at: Instant },
    Listing,
    Following { relist_at: Instant },
}

/// The machine of one engine.
#[derive(Clone, Debug)]
pub struct Watch<C> {
    phase: Phase,
    /// Breaks since the last complete list.
    breaks: u32,
    lost: bool,
    listed_once: bool,
    known: BTreeMap<String, C>,
    looks: BTreeMap<String, Look>,
    /// The newest event's time, and those already seen.
    since: Option<u64>,
    seen: BTreeSet<(u64, String, &'static str)>,
}

/// Not an event: the container is to be seen for the first time.
const FIRST_SIGHT: Heard = ("present", None);

impl<C: Known> Watch<C> {
    /// A machine that wants to be ticked at once.
    pub fn new(now: Instant) -> Watch<C> {
        Watch {
            phase: Phase::Away { retry_at: now },
            breaks: 0,
            lost: false,
            listed_once: false,
            known: BTreeMap::new(),
            looks: BTreeMap::new(),
            since: None,
            seen: BTreeSet::new(),
        }
    }

    /// What is known of the engine's containers, by id.
    pub fn known(&self) -> impl Iterator<Item = &C> {
        self.known.values()
    }

    /// Whether the picture is complete and followed.
    pub fn is_following(&self) -> bool {
        matches!(self.phase, Phase::Following { .. })
    }

    /// Whether the engine could not be reached the last time.
    pub fn is_lost(&self) -> bool {
        self.lost
    }

    /// Whether there is nothing to wait for: the picture is complete, or the engine is away.
    pub fn is_settled(&self) -> bool {
        self.lost || self.is_following() && self.looks.values().all(Look::is_quiet)
    }

    /// When `step` next wants a `Tick`.
    pub fn deadline(&self) -> Option<Instant> {
        let phase = match self.phase {
            Phase::Away { retry_at } => Some(retry_at),
            Phase::Greeting | Phase::Listing => None,
            Phase::Subscribing { list_at } => Some(list_at),
            Phase::Following { relist_at } => Some(relist_at),
        };
        let looks = self.is_following().then(|| self.looks.values().filter_map(Look::next).min());
        phase.into_iter().chain(looks.flatten()).min()
    }

    /// One input; `jitter` (0–1000) spreads the retries of many.
    pub fn step(&mut self, input: Input<C>, now: Instant, jitter: u32) -> Vec<Do<C>> {
        let mut out = Vec::new();
        match (&self.phase, input) {
            (Phase::Away { .. }, Input::Failed(_) | Input::Ended) => {}
            (_, Input::Failed(why)) => {
                self.hang_up(now, jitter, &mut out);
                if !std::mem::replace(&mut self.lost, true) {
                    out.push(Do::Say(Change::Lost(why)));
                }
            }
            // Perhaps only the stream. The engine is lost if it does not answer the next greeting.
            (_, Input::Ended) => self.hang_up(now, jitter, &mut out),

            (Phase::Away { retry_at }, Input::Tick) if now >= *retry_at => {
                self.phase = Phase::Greeting;
                out.push(Do::Greet);
            }
            (Phase::Greeting, Input::Agreed) => {
                self.phase = Phase::Subscribing { list_at: now + HEAD_WAIT };
                out.push(Do::Subscribe(self.since));
            }
            (Phase::Subscribing { .. }, Input::Opened) => self.list(&mut out),
            (Phase::Subscribing { list_at }, Input::Tick) if now >= *list_at => {
                self.list(&mut out);
            }
            (Phase::Listing, Input::Listed(all)) => self.listed(all, now, &mut out),
            (Phase::Following { relist_at }, Input::Tick) if now >= *relist_at => {
                self.list(&mut out);
            }
            (Phase::Following { .. }, Input::Tick) => {}

            (Phase::Subscribing { .. } | Phase::Listing | Phase::Following { .. }, event) => {
                self.hear(event, now, &mut out);
            }
            // Late answers to what was given up, and ticks that came too early.
            (
                Phase::Away { .. } | Phase::Greeting,
                Input::Tick
                | Input::Agreed
                | Input::Opened
                | Input::Listed(_)
                | Input::Looked(..)
                | Input::LookFailed(_)
                | Input::Event(_),
            ) => {}
        }
        if self.is_following() {
            self.look(now, &mut out);
        }
        out
    }
}

impl<C: Known> Watch<C> {
    fn hang_up(&mut self, now: Instant, jitter: u32, out: &mut Vec<Do<C>>) {
        let wait = BACKOFF_FIRST.saturating_mul(1 << self.breaks.min(8)).min(BACKOFF_LAST);
        self.breaks += 1;
        self.phase = Phase::Away { retry_at: now + wait * (750 + jitter.min(1000) / 2) / 1000 };
        // The list that follows the next greeting tells what these would have told.
        self.looks.clear();
        out.push(Do::HangUp);
    }

    fn list(&mut self, out: &mut Vec<Do<C>>) {
        self.phase = Phase::Listing;
        out.push(Do::List);
    }

    fn listed(&mut self, all: Vec<C>, now: Instant, out: &mut Vec<Do<C>>) {
        self.phase = Phase::Following { relist_at: now + RELIST };
        self.breaks = 0;
        if std::mem::replace(&mut self.lost, false) {
            out.push(Do::Say(Change::Back));
        }
        let ids: BTreeSet<&str> = all.iter().map(Known::id).collect();
        let gone: Vec<String> =
            self.known.keys().filter(|id| !ids.contains(id.as_str())).cloned().collect();
        for id in gone {
            self.learn(&id, None, ("removed", None), out);
        }
        for one in all {
            let id = one.id().to_string();
            let heard = match self.known.get(&id) {
                None if !self.listed_once => FIRST_SIGHT,
                old => (between(old, &one), None),
            };
            if one.is_complete() {
                self.learn(&id, Some(one), heard, out);
            } else {
                self.heard(id, heard, now);
            }
        }
        self.listed_once = true;
    }

    fn hear(&mut self, input: Input<C>, now: Instant, out: &mut Vec<Do<C>>) {
        match input {
            Input::Event(event) => self.event(event, now),
            Input::Looked(id, one) => {
                let asked = self.looks.get_mut(&id).and_then(Look::end);
                // Nothing asked: a late answer from before a break.
                if let Some(heard) = asked {
                    self.learn(&id, one, heard, out);
                }
            }
            Input::LookFailed(id) => {
                if let Some(look) = self.looks.get_mut(&id) {
                    look.fail();
                }
            }
            // Said twice, or a moment after we gave up waiting for it.
            Input::Tick | Input::Agreed | Input::Opened | Input::Listed(_) => {}
            Input::Failed(_) | Input::Ended => unreachable!("step answers these in every phase"),
        }
    }

    fn event(&mut self, event: Event, now: Instant) {
        let name = event.action.name();
        if !self.seen.insert((event.time_nano, event.id.clone(), name)) {
            return;
        }
        if self.seen.len() > REMEMBERED {
            self.seen.pop_first();
        }
        self.since = self.since.max(Some(event.time_nano));
        if event.action.changes_the_container() {
            self.heard(event.id, (name, Some(event.time_nano)), now);
        }
    }

    fn heard(&mut self, id: String, heard: Heard, now: Instant) {
        self.looks.entry(id).or_insert_with(|| Look::new(now)).hear(heard);
    }

    /// Asks for what was heard of, as far as the limits allow.
    fn look(&mut self, now: Instant, out: &mut Vec<Do<C>>) {
        for look in self.looks.values_mut() {
            look.count(now);
        }
        self.looks.retain(|_, look| !look.is_over());
        let mut under_way = self.looks.values().filter(|look| look.is_under_way()).count();
        for (id, look) in &mut self.looks {
            if under_way == LOOKS_UNDER_WAY {
                return;
            }
            if look.begin() {
                under_way += 1;
                out.push(Do::Look(id.clone()));
            }
        }
    }

    /// What one container is now; said if it is new.
    fn learn(&mut self, id: &str, one: Option<C>, heard: Heard, out: &mut Vec<Do<C>>) {
        let (event, at) = heard;
        let Some(one) = one else {
            if let Some(container) = self.known.remove(id) {
                out.push(Do::Say(Change::Changed { event: "removed", at, container }));
            }
            return;
        };
        if self.known.get(id) == Some(&one) {
            return;
        }
        self.known.insert(id.to_string(), one.clone());
        out.push(Do::Say(match heard {
            FIRST_SIGHT => Change::Present(one),
            _ => Change::Changed { event, at, container: one },
        }));
    }
}

/// The engine's word for the way from one state to another, where no event told.
fn between<C: Known>(old: Option<&C>, new: &C) -> &'static str {
    match (old.map(Known::state), new.state()) {
        (None, "running") => "start",
        (None, _) => "create",
        (Some(old), new) if old == new => "update",
        (Some("paused"), "running") => "unpause",
        (Some(_), "running") => "start",
        (Some(_), "paused") => "pause",
        (Some(_), "exited" | "dead") => "die",
        (Some(_), _) => "update",
    }
}
