//! Doors: sockets at which people come for a container that may be asleep. Here they are let in,
//! held, sent on or away; who wakes, and when, is decided elsewhere.
//!
//! A door is opened with [`Reactor::open_door`](crate::net::reactor::Reactor::open_door). It either
//! *holds* (the beginning) or *passes*: then whoever comes is connected to the container's address
//! and nothing is told of it. What happens at doors is told as [`Notice`]s in
//! [`Event::Door`](crate::net::running::Event::Door), always on a later turn.
//!
//! ```text
//!            Came                Said (doors that read a head)
//! accept ─────────▶ held ─────────────────▶ held
//!    │               │ │ admit, pass          │ answer(bytes)  turn_away
//!    │ door passes   │ ▼                      ▼                   ▼
//!    └──────────▶ connecting ──▶ relayed   answered ──▶ over    (closed)
//!                    │ Missed        └──▶ over
//!                    └──────▶ held again
//! ```
//!
//! A *visitor* is a TCP connection, or over UDP whoever sends from one address (a flow: its first
//! datagrams are held as a connection is). Numbers of visitors and doors are never used twice, so
//! an order that comes too late reaches nobody.
//!
//! - `close_door` ends the door, not those within: who is relayed stays, who is held and was not
//!   admitted goes. So `pass` first, then close, where those held shall reach the container. Who
//!   came to a redirect door before its rule went, but is accepted later, is treated as the closed
//!   door would have: passed, if it passed.
//! - `rest` gives the port of any other door back to who needs it, and keeps those held.
//! - A redirect door stands when [`Notice::Up`] is told (the rules are made by a child), any other
//!   at once. `close_door` takes its rule away; [`Notice::Down`] tells when that is done.
//! - `hold` on a UDP door forgets its flows: the next datagram of each is a new visitor.

pub mod clock;
pub mod entrance;
pub mod greeting;
pub mod hall;
pub mod herd;
pub mod limits;
pub mod pipes;
pub mod relay;
pub mod room;
pub mod side;
pub mod visits;

use std::net::SocketAddr;
use std::os::fd::OwnedFd;

/// A door's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Door(pub(in crate::net) u32);

/// The number of who came to a door.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Visitor {
    pub(in crate::net) slot: u32,
    pub(in crate::net) generation: u32,
}

/// A door to be opened.
#[derive(Debug)]
pub struct Opening {
    /// For logs: `web 0.0.0.0:8080`.
    pub name: String,
    /// Where people come.
    pub place: Place,
    /// TCP or UDP.
    pub transport: Transport,
    /// What is read of who came while it is held.
    pub first: First,
}

/// Where people come.
#[derive(Debug)]
pub enum Place {
    /// To a published binding, by rules that send new connections here (redirect door). `0.0.0.0`
    /// and `[::]` mean every address of this host of that family, and nothing of the other.
    Published(SocketAddr),
    /// To a socket of its own (stand-in door, front door).
    Own(SocketAddr),
    /// To a socket that systemd opened and keeps: listening (TCP), bound (UDP). Who waits there
    /// when the door closes waits on.
    Inherited(OwnedFd),
}

/// What the container speaks at this port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Transport {
    /// Connections.
    Tcp,
    /// Datagrams.
    Udp,
}

/// What is read of who came while it is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum First {
    /// The head of an HTTP/1 request, told as [`Notice::Said`].
    Head,
    /// Nothing.
    Nothing,
}

/// What happened at the doors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The rule of this redirect door stands.
    Up(Door),
    /// The rule of this closed redirect door is gone.
    Down(Door),
    /// Somebody came and is held.
    Came {
        /// Where to.
        door: Door,
        /// Who.
        visitor: Visitor,
        /// From where.
        peer: SocketAddr,
    },
    /// What a held visitor began with. Told once of each, at doors that read a head.
    Said {
        /// Where.
        door: Door,
        /// Who.
        visitor: Visitor,
        /// What.
        said: Said,
    },
    /// Its container could not be reached; the visitor is held again, with all it said.
    Missed {
        /// Where.
        door: Door,
        /// Who.
        visitor: Visitor,
        /// Why not, in plain words.
        why: String,
    },
    /// A held visitor went away by itself.
    Left {
        /// Where.
        door: Door,
        /// Who.
        visitor: Visitor,
    },
    /// Somebody listens where this redirect door stands, and gets nobody. Looked at every 20 s, and
    /// told each time; so does the container's own engine while it still goes down. Look yourself
    /// with [`is_taken`](crate::net::redirect::occupied::is_taken), which takes no time.
    Taken(Door),
    /// No rules can be made, and why: `nft` is missing or refuses. Redirect doors that are not up
    /// will not be; told again only after rules could be made meanwhile.
    NoRules(String),
    /// The host's firewall keeps redirected clients out: where, and the command to run.
    Shut(String),
    /// After [`drop_rules`](crate::net::reactor::Reactor::drop_rules): they are gone.
    RulesGone,
}

/// What a visitor began with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// A request of HTTP/1.
    Http(Request),
    /// Something else.
    Other,
    /// A request that must be answered with this status (400, 431).
    Bad(u16),
    /// A part of a request, and then nothing for too long (408).
    Slow,
    /// Nothing, for as long. It may wait for the other side to speak first.
    Silent,
}

/// The head of a request, as far as it decides what happens at a door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Upper case as it came: `GET`.
    pub method: String,
    /// Without its query, still percent-encoded.
    pub path: String,
    /// Is `text/html` itself among what the client accepts?
    pub accepts_html: bool,
    /// Does the client want another protocol on this connection (a websocket)?
    pub upgrade: bool,
}
