//! An engine that tells nothing: its container is looked at, often while something is to happen to
//! it, else seldom. Answers come late or not at all.

use drowse::idle::backend::Life;
use drowse::idle::message::Input;
use drowse::idle::state::{Phase, Ticket};

use super::hands::told;
use super::world::{Happening, World, Wrong};

/// From one look to the next, in the steady state.
pub const LOOK_MS: u64 = 10_000;
/// The same while it is to wake or to sleep.
const CLOSELY_MS: u64 = 1_000;
/// An answer that does not come is waited for so long.
const PATIENCE_MS: u64 = 30_000;
/// How late an answer may be.
const LATE_MS: u64 = 3_000;

/// The looks at a container.
#[derive(Debug)]
pub struct Looks {
    /// The number of the next look, or of the one that is under way.
    number: u32,
    is_under_way: bool,
    /// The next one is near.
    is_soon: bool,
    /// Somebody wants one that begins after the one under way.
    again: bool,
    wanted: Option<Ticket>,
    /// What was told last.
    pub shown: Option<Life>,
}

impl Looks {
    pub fn new(shown: Life) -> Looks {
        let shown = Some(shown);
        let (is_under_way, is_soon, again) = (false, false, false);
        Looks { number: 0, is_under_way, is_soon, again, wanted: None, shown }
    }
}

impl World {
    fn is_attended(&self) -> bool {
        matches!(self.machine.state().phase(), Phase::Waking | Phase::GoingToSleep)
    }

    /// As soon as something is to happen it is looked at, unless it is already.
    pub fn attend(&mut self) {
        let Looks { is_under_way, is_soon, .. } = self.looks;
        if self.polled && self.is_attended() && !is_under_way && !is_soon {
            self.look_after(0);
        }
    }

    /// The machine wants to know what it does: a look that begins now tells.
    pub fn look_for(&mut self, ticket: Ticket) {
        self.looks.wanted = Some(ticket);
        if self.looks.is_under_way {
            self.looks.again = true;
        } else {
            self.look_after(0);
        }
    }

    fn look_after(&mut self, delay: u64) {
        self.looks.number += 1;
        self.looks.is_soon = delay < LOOK_MS;
        let number = self.looks.number;
        self.after(delay, Happening::Look(number));
    }

    /// Looks now, if this is the look that is waited for.
    pub fn look(&mut self, number: u32) {
        if !self.polled || number != self.looks.number {
            return;
        }
        if self.lost {
            return self.look_after(CLOSELY_MS);
        }
        (self.looks.is_under_way, self.looks.is_soon) = (true, false);
        let is_late = self.is_wild() && self.dice.percent(10);
        let way = self.dice.below(if is_late { LATE_MS } else { 40 });
        let is_lost = self.is_wild() && self.dice.percent(3);
        let (stream, life) = (self.stream, self.engine.life);
        match is_lost {
            true => self.after(PATIENCE_MS, Happening::Looked(stream, None)),
            false => self.after(way, Happening::Looked(stream, Some(life))),
        }
    }

    /// A look is over; `None`: nobody answered. What differs from before is told, and whoever
    /// wanted this look is.
    pub fn looked(&mut self, stream: u32, seen: Option<Option<Life>>) -> Result<(), Wrong> {
        self.looks.is_under_way = false;
        let again = std::mem::take(&mut self.looks.again);
        let pace = if self.is_attended() { CLOSELY_MS } else { LOOK_MS };
        self.look_after(if again { 0 } else { pace });
        let Some(life) = seen.filter(|_| stream == self.stream) else { return Ok(()) };
        if self.looks.shown != life {
            self.looks.shown = life;
            self.step(told(life))?;
        }
        match (life, self.looks.wanted.filter(|_| !again)) {
            (Some(life), Some(ticket)) => {
                self.looks.wanted = None;
                self.step(Input::Status(ticket, life))
            }
            (None, _) | (_, None) => Ok(()),
        }
    }
}
