//! What is asked of doors. See [`crate::net::door`] for what they are.

use std::net::SocketAddr;
use std::time::Instant;

use mio::{Poll, Token};

use super::{GUEST, INDEX_BITS, INDEX_MASK, Reactor};
use crate::error::Why;
use crate::net::door::hall::{End, Hall, Tokens, Whose};
use crate::net::door::{Door, Opening, Visitor};

/// Indexes of tokens: exchanges are below, and above them each visitor has two.
pub(super) const VISITORS: usize = 1 << (INDEX_BITS - 1);
/// Those of doors, of the two listeners of rules and of children come before those above.
const DOOR: usize = GUEST - 1;
const REDIRECT: usize = GUEST - 2;
const CHILD: usize = GUEST - 3;

impl<T: Clone> Reactor<T> {
    /// From now on doors may stand in a published port's way, by rules that send its connections to
    /// `port`, for IPv4 and IPv6. Fails where that port can't be had; may be asked again.
    pub fn redirect(&mut self, port: u16) -> Result<(), Why> {
        self.hall.redirect(port)
    }

    /// Opens a door; it holds. The error says why it can't be had: the address in use, no right to
    /// a low port, no [`redirect`](Reactor::redirect) before.
    pub fn open_door(&mut self, opening: Opening) -> Result<Door, Why> {
        self.hall.open(opening)
    }

    /// From now on whoever comes, and who is held already, is connected to `to`.
    pub fn pass(&mut self, door: Door, to: SocketAddr) {
        self.hall.pass(door, to);
    }

    /// From now on whoever comes is held.
    pub fn hold(&mut self, door: Door) {
        self.hall.hold(door);
    }

    /// Connects a held visitor to `to`; what it said goes first.
    pub fn admit(&mut self, visitor: Visitor, to: SocketAddr) {
        self.hall.admit(visitor, to);
    }

    /// What listened at this address has ended, or may be another: who is relayed there is cut off
    /// within 5 s if it does not know their connection any more. What it said before arrives.
    pub fn doubt(&mut self, address: SocketAddr) {
        self.hall.doubt(address);
    }

    /// Says `bytes` to a held visitor and closes, so that it can read them whatever it still sends.
    /// Over UDP: one datagram.
    pub fn answer(&mut self, visitor: Visitor, bytes: Vec<u8>) {
        self.hall.answer(visitor, bytes);
    }

    /// Closes on a held visitor. Over UDP: forgets it.
    pub fn turn_away(&mut self, visitor: Visitor) {
        self.hall.turn_away(visitor);
    }

    /// Closes a door: nobody comes in any more, who is held goes (unless the door passes), who is
    /// relayed stays.
    pub fn close_door(&mut self, door: Door) {
        self.hall.close(door);
    }

    /// Gives the port of a door with a socket of its own back to who needs it: nobody comes in any
    /// more, who is held stays. Flows of datagrams end, for no answer could come from that port.
    pub fn rest(&mut self, door: Door) {
        self.hall.rest(door);
    }

    /// Bytes relayed at this door since this was last asked, both ways; 0 for a door not known.
    pub fn moved_bytes(&mut self, door: Door) -> u64 {
        self.hall.moved_bytes(door)
    }

    /// Whether somebody at a door that passes is yet to reach where it leads.
    pub fn is_leading(&self, door: Door) -> bool {
        self.hall.is_leading(door)
    }

    /// How many are held at this door now.
    pub fn held(&self, door: Door) -> usize {
        self.hall.held(door)
    }

    /// How many are within, at all doors, closed ones too: held, answered or relayed.
    pub fn visitors(&self) -> usize {
        self.hall.visitors()
    }

    /// Looks whether the host's firewall lets redirected clients in;
    /// [`Shut`](crate::net::door::Notice::Shut) tells if it does not.
    pub fn look_at_firewall(&mut self) {
        self.hall.look_at_firewall();
    }

    /// Takes all rules away, for good; [`RulesGone`](crate::net::door::Notice::RulesGone) tells
    /// when, within seconds. Told on the next turn where none were made.
    pub fn drop_rules(&mut self) {
        self.hall.drop_rules();
    }
}

/// Doors on a poll.
pub(super) fn hall(poll: &Poll, now: Instant) -> std::io::Result<Hall> {
    Ok(Hall::new(poll.registry().try_clone()?, Tokens { of: token, mask: INDEX_MASK }, now))
}

fn token(whose: Whose) -> Token {
    let (generation, index) = match whose {
        Whose::Door(bits) => (bits, DOOR),
        Whose::Redirect(which) => (which, REDIRECT),
        Whose::Child(generation) => (generation, CHILD),
        Whose::Visitor(slot, bits, End::Client) => (bits, VISITORS + 2 * slot),
        Whose::Visitor(slot, bits, End::Target) => (bits, VISITORS + 2 * slot + 1),
    };
    Token(generation << INDEX_BITS | index)
}

/// Whom of the doors a token tells of, if it is one of theirs.
pub(super) fn whose(token: usize) -> Option<Whose> {
    let (index, bits) = (token & INDEX_MASK, token >> INDEX_BITS);
    match index {
        DOOR => Some(Whose::Door(bits)),
        REDIRECT => Some(Whose::Redirect(bits)),
        CHILD => Some(Whose::Child(bits)),
        VISITORS..CHILD => {
            let end = if index % 2 == 0 { End::Client } else { End::Target };
            Some(Whose::Visitor((index - VISITORS) / 2, bits, end))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
