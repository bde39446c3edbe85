//! What is asked of doors. See [`crate::net::door`] for what they are.

use std::net::SocketAddr;

use super::Reactor;
use crate::error::Why;
use crate::net::door::{Door, Opening, Visitor};

impl<T: Clone> Reactor<T> {
    /// From now on doors may stand in a published port's way, by rules that send its connections to
    /// `port`, for IPv4 and IPv6. Fails where that port can't be had; may be asked again.
    pub fn redirect(&mut self, port: u16) -> Result<(), Why> {
        let _ = port;
        Err(Why::Unreachable("doors are not built yet".into()))
    }

    /// Opens a door; it holds. The error says why it can't be had: the address in use, no right to
    /// a low port, no [`redirect`](Reactor::redirect) before.
    pub fn open_door(&mut self, opening: Opening) -> Result<Door, Why> {
        Err(Why::Unreachable(format!("{}: doors are not built yet", opening.name)))
    }

    /// From now on whoever comes, and who is held already, is connected to `to`.
    pub fn pass(&mut self, door: Door, to: SocketAddr) {
        let _ = (door, to);
    }

    /// From now on whoever comes is held.
    pub fn hold(&mut self, door: Door) {
        let _ = door;
    }

    /// Connects a held visitor to `to`; what it said goes first.
    pub fn admit(&mut self, visitor: Visitor, to: SocketAddr) {
        let _ = (visitor, to);
    }

    /// Says `bytes` to a held visitor and closes, so that it can read them whatever it still sends.
    /// Over UDP: one datagram.
    pub fn answer(&mut self, visitor: Visitor, bytes: Vec<u8>) {
        let _ = (visitor, bytes);
    }

    /// Closes on a held visitor. Over UDP: forgets it.
    pub fn turn_away(&mut self, visitor: Visitor) {
        let _ = visitor;
    }

    /// Closes a door: nobody comes in any more, who is held goes, who is relayed stays.
    pub fn close_door(&mut self, door: Door) {
        let _ = door;
    }

    /// Bytes relayed at this door since this was last asked, both ways; 0 for a door not known.
    pub fn moved_bytes(&mut self, door: Door) -> u64 {
        let _ = door;
        0
    }

    /// How many are held at this door now.
    pub fn held(&self, door: Door) -> usize {
        let _ = door;
        0
    }

    /// How many are within, at all doors, closed ones too: held, answered or relayed.
    pub fn visitors(&self) -> usize {
        0
    }

    /// Takes all rules away, for good; [`RulesGone`](crate::net::door::Notice::RulesGone) tells
    /// when, within seconds. Told at once where none were made.
    pub fn drop_rules(&mut self) {}
}
