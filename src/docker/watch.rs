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
//! the picture wrong for longer than until the next look. A list and a look are never under way
//! together: nobody could tell which of them is the newer. Out of scope: what a container means.

use std::mem;
use std::time::{Duration, Instant};

use super::change::Change;
use super::events::Event;
use super::look::{Heard, Looks, Shown};
use crate::sorted::Set;

/// First wait after a break; doubles.
const BACKOFF_FIRST: Duration = Duration::from_secs(1);
/// Longest wait between two tries.
const BACKOFF_LAST: Duration = Duration::from_secs(30);
/// A proxy may hold the head of the event stream back until the first event: list after this.
const HEAD_WAIT: Duration = Duration::from_secs(1);
/// A stream that is merely silent is checked against the list this often.
const RELIST: Duration = Duration::from_secs(300);
/// Breaks in a row that are not told, where greetings are answered: perhaps only the stream ended.
const BREAKS_BORNE: u32 = 2;
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

#[derive(Clone, Debug, PartialEq)]
enum Phase {
    Away {
        retry_at: Instant,
    },
    Greeting,
    Subscribing {
        list_at: Instant,
    },
    /// `stale`: the stream opened after the list was asked for, which may not tell what happened
    /// in between.
    Listing {
        stale: bool,
    },
    /// `relist_at`: `None`: as soon as the looks under way are over; none begins before.
    Following {
        relist_at: Option<Instant>,
    },
}

/// The machine of one engine.
#[derive(Clone, Debug)]
pub struct Watch<C> {
    phase: Phase,
    /// Breaks since the last complete list.
    breaks: u32,
    lost: bool,
    listed_once: bool,
    /// By id.
    known: Vec<C>,
    looks: Looks,
    /// The newest event's time, and those already seen.
    since: Option<u64>,
    seen: Set<(u64, String, &'static str)>,
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
            known: Vec::new(),
            looks: Looks::default(),
            since: None,
            seen: Set::new(),
        }
    }

    /// What is known of the engine's containers, by id.
    pub fn known(&self) -> impl Iterator<Item = &C> {
        self.known.iter()
    }

    /// What is known of one container.
    pub fn find(&self, id: &str) -> Option<&C> {
        self.known.get(self.place(id).ok()?)
    }

    /// Where it is among the known, or where it would have to be.
    fn place(&self, id: &str) -> Result<usize, usize> {
        self.known.binary_search_by(|one| one.id().cmp(id))
    }

    /// We told this one to start: what that comes to is looked at without delay.
    pub fn foresee(&mut self, id: &str) {
        self.looks.foresee(id);
    }

    /// Asks for all again as soon as may be: what is known is to be read anew.
    pub fn relist(&mut self) {
        if self.is_following() {
            self.phase = Phase::Following { relist_at: None };
        }
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
        self.lost || self.is_following() && self.looks.are_quiet()
    }

    /// When `step` next wants a `Tick`.
    pub fn deadline(&self) -> Option<Instant> {
        let phase = match self.phase {
            Phase::Away { retry_at } => Some(retry_at),
            Phase::Greeting | Phase::Listing { .. } => None,
            Phase::Subscribing { list_at } => Some(list_at),
            Phase::Following { relist_at: None } => return None,
            Phase::Following { relist_at } => relist_at,
        };
        let looks = self.is_following().then(|| self.looks.next()).flatten();
        phase.into_iter().chain(looks).min()
    }

    /// One input; `jitter` (0–1000) spreads the retries of many.
    pub fn step(&mut self, input: Input<C>, now: Instant, jitter: u32) -> Vec<Do<C>> {
        let mut out = Vec::new();
        match (&self.phase, input) {
            (Phase::Away { .. }, Input::Failed(_) | Input::Ended) => {}
            (_, Input::Failed(why)) => {
                self.hang_up(now, jitter, &mut out);
                self.lose(why, &mut out);
            }
            // Perhaps only the stream. The engine is lost if it does not answer the next greeting,
            // or if the stream never lives to see a list.
            (_, Input::Ended) => {
                self.hang_up(now, jitter, &mut out);
                if self.breaks > BREAKS_BORNE {
                    self.lose("follow events: the stream ends at once".into(), &mut out);
                }
            }

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
            (Phase::Listing { .. }, Input::Opened) => self.phase = Phase::Listing { stale: true },
            (Phase::Listing { stale }, Input::Listed(all)) => {
                let relist_at = (!stale).then_some(now + RELIST);
                self.phase = Phase::Following { relist_at };
                self.listed(all, now, &mut out);
            }
            // A proxy held the head back. What happened before it let us through nobody told.
            (Phase::Following { .. }, Input::Opened) => {
                self.phase = Phase::Following { relist_at: None };
            }
            (Phase::Following { relist_at: Some(at) }, Input::Tick) if now >= *at => {
                self.phase = Phase::Following { relist_at: None };
            }

            (
                Phase::Subscribing { .. } | Phase::Listing { .. } | Phase::Following { .. },
                event,
            ) => self.hear(event, now, &mut out),
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
        if let Phase::Following { relist_at } = self.phase {
            self.look(now, relist_at, &mut out);
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

    fn lose(&mut self, why: String, out: &mut Vec<Do<C>>) {
        if !mem::replace(&mut self.lost, true) {
            out.push(Do::Say(Change::Lost(why)));
        }
    }

    fn list(&mut self, out: &mut Vec<Do<C>>) {
        self.phase = Phase::Listing { stale: false };
        out.push(Do::List);
    }

    fn listed(&mut self, all: Vec<C>, now: Instant, out: &mut Vec<Do<C>>) {
        self.breaks = 0;
        if mem::replace(&mut self.lost, false) {
            out.push(Do::Say(Change::Back));
        }
        let mut ids = Set::new();
        ids.extend(all.iter().map(Known::id));
        let known = self.known.iter().map(Known::id);
        let gone: Vec<String> = known.filter(|id| !ids.contains(id)).map(str::to_owned).collect();
        for id in gone {
            self.learn(&id, None, ("removed", None), out);
        }
        for one in all {
            let id = one.id().to_string();
            let heard = match self.find(&id) {
                None if !self.listed_once => FIRST_SIGHT,
                old => (between(old, &one), None),
            };
            if one.is_complete() {
                self.learn(&id, Some(one), heard, out);
            } else {
                self.looks.hear(id, heard, now);
            }
        }
        self.listed_once = true;
    }

    fn hear(&mut self, input: Input<C>, now: Instant, out: &mut Vec<Do<C>>) {
        match input {
            Input::Event(event) => self.event(event, now),
            Input::Looked(id, one) => {
                let shown = one.as_ref().map(|one| Shown {
                    state: one.state(),
                    is_as_known: self.find(&id) == Some(one),
                });
                let asked = self.looks.end(&id, shown, now);
                // Nothing asked: a late answer from before a break; or one to be doubted.
                if let Some(heard) = asked {
                    self.learn(&id, one, heard, out);
                }
            }
            Input::LookFailed(id) => self.looks.fail(&id, now),
            // Too early, or said twice.
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
            self.looks.hear(event.id, (name, Some(event.time_nano)), now);
        }
    }

    /// Asks for what was heard of, as far as the limits allow; or, if it is time, for all.
    fn look(&mut self, now: Instant, relist_at: Option<Instant>, out: &mut Vec<Do<C>>) {
        self.looks.count(now);
        match relist_at {
            Some(_) => out.extend(self.looks.begin().into_iter().map(Do::Look)),
            None if self.looks.under_way() == 0 => self.list(out),
            None => {}
        }
    }

    /// What one container is now; said if it is new.
    fn learn(&mut self, id: &str, one: Option<C>, heard: Heard, out: &mut Vec<Do<C>>) {
        let place = self.place(id);
        let Some(one) = one else {
            if let Ok(place) = place {
                let (at, container) = (heard.1, self.known.remove(place));
                out.push(Do::Say(Change::Changed { event: "removed", at, container }));
            }
            return;
        };
        let old = match place {
            Ok(place) if self.known[place] == one => return,
            Ok(place) => Some(mem::replace(&mut self.known[place], one.clone())),
            Err(place) => {
                self.known.insert(place, one.clone());
                None
            }
        };
        out.push(Do::Say(match heard {
            FIRST_SIGHT => Change::Present(one),
            // It can't have been this one, or it would not be there.
            ("removed", at) => {
                Change::Changed { event: between(old.as_ref(), &one), at, container: one }
            }
            (event, at) => Change::Changed { event, at, container: one },
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
