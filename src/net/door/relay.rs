//! Bytes from a visitor to its container and back: two courses, each with its own end. Memory is
//! held only while bytes are under way. Knows no door.
//!
//! ```text
//! course:  open ──end read──▶ draining ──all written──▶ ended ──the other side is told──▶ over
//!            └─────────────────── the other side takes no more ─────────────────▶ over
//! ```
//!
//! A course that has much to move is switched to a pipe, so that its bytes stay in the kernel.

use std::io;
use std::net::SocketAddr;

use rustix::pipe::{SpliceFlags, splice};

use crate::net::door::pipes::{PIPE_BYTES, Pipe, Pipes};
use crate::net::door::side::{Moved, Side};

/// Copied at once.
const COPY_BYTES: usize = 32 << 10;
/// After so many full reads in a row a course is switched to a pipe.
const FULL_READS: u8 = 2;
/// A course that got less than that at a time copies again.
const PAYS_BYTES: usize = 16 << 10;

/// What all relays of a turn share.
#[derive(Debug, Default)]
pub struct Means {
    /// To read into; at least [`COPY_BYTES`] long when anything is relayed.
    pub buffer: Vec<u8>,
    /// Pipes to be had.
    pub pipes: Pipes,
    /// Bytes that may be moved for one visitor in this turn.
    pub budget: usize,
    /// Bytes moved, ever.
    pub moved: u64,
}

/// A visitor and its container.
#[derive(Debug)]
pub struct Relay {
    /// Who came.
    pub client: Side,
    /// Where it is let in.
    pub target: Side,
    is_connected: bool,
    there: Course,
    back: Course,
}

/// One direction.
#[derive(Debug, Default)]
struct Course {
    /// Read and not yet written.
    rest: Vec<u8>,
    pipe: Option<Pipe>,
    stage: Stage,
    /// Full reads in a row.
    full: u8,
    /// Read through the pipe since it was lent.
    piped: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Open,
    Draining,
    Ended,
    Over,
}

/// How far a relay has come.
#[derive(Debug)]
pub enum Step {
    /// It waits for its sockets.
    Blocked,
    /// It could go on: its share of the turn is used up.
    Unfinished,
    /// The container could not be reached; nothing was sent there.
    Missed(io::Error),
    /// It is over.
    Over,
}

impl Relay {
    /// A client whose container is being connected to, and what it said already.
    pub fn new(client: Side, target: Side, said: Vec<u8>) -> Relay {
        let there = Course { rest: said, ..Course::default() };
        Relay { client, target, is_connected: false, there, back: Course::default() }
    }

    /// Whether the container is yet to be reached.
    pub fn is_connecting(&self) -> bool {
        !self.is_connected
    }

    /// The client and what it said, when the container could not be reached.
    pub fn give_up(self) -> (Side, Vec<u8>) {
        (self.client, self.there.rest)
    }

    /// Whether it has reached this address.
    pub fn leads_to(&self, address: SocketAddr) -> bool {
        self.is_connected && self.target.peer() == Some(address)
    }

    /// Moves what can be moved.
    pub fn step(&mut self, means: &mut Means) -> Step {
        if !self.is_connected {
            if self.client.is.broken {
                self.target.reset();
                return Step::Over;
            }
            if self.target.is.broken {
                return Step::Missed(self.target.error());
            }
            if !self.target.is.writable {
                return Step::Blocked;
            }
            self.is_connected = true;
        }
        let there = self.there.run(&mut self.client, &mut self.target, means);
        let back = self.back.run(&mut self.target, &mut self.client, means);
        if self.there.is_done() && self.back.is_done() {
            // To close tells both.
            return Step::Over;
        }
        // Of a side that has said all it had, no reading tells that it broke afterwards.
        let is_lost = self.client.is.broken && self.there.is_done()
            || self.target.is.broken && self.back.is_done();
        if is_lost || there == Run::Broken || back == Run::Broken {
            // A reset on one side is one on the other: what was cut short must not look whole.
            self.client.reset();
            self.target.reset();
            self.put_back(&mut means.pipes);
            return Step::Over;
        }
        if self.there.stage == Stage::Ended {
            self.target.end();
            self.there.stage = Stage::Over;
        }
        if self.back.stage == Stage::Ended {
            self.client.end();
            self.back.stage = Stage::Over;
        }
        if there == Run::Unfinished || back == Run::Unfinished {
            return Step::Unfinished;
        }
        Step::Blocked
    }

    /// Gives its pipes back, when it is over.
    pub fn put_back(&mut self, pipes: &mut Pipes) {
        for course in [&mut self.there, &mut self.back] {
            course.pipe.take().into_iter().for_each(|pipe| pipes.take_back(pipe));
        }
    }
}

/// How far one direction has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Run {
    Blocked,
    Unfinished,
    Broken,
}

impl Course {
    fn is_done(&self) -> bool {
        matches!(self.stage, Stage::Ended | Stage::Over)
    }

    fn run(&mut self, from: &mut Side, to: &mut Side, means: &mut Means) -> Run {
        let mut left = means.budget / 2;
        loop {
            if self.is_done() {
                return Run::Blocked;
            }
            match self.write(to) {
                Moved::Bytes(_) | Moved::End => {}
                Moved::Blocked => return Run::Blocked,
                Moved::Broken => {
                    // What the other side said before it went may still be read; its reading will
                    // tell of the reset.
                    self.stage = Stage::Over;
                    to.is.readable = true;
                    return Run::Unfinished;
                }
            }
            if self.stage == Stage::Draining {
                self.stage = Stage::Ended;
                return Run::Blocked;
            }
            if !from.is.readable {
                self.rest_a_while(&mut means.pipes);
                return Run::Blocked;
            }
            if left == 0 {
                return Run::Unfinished;
            }
            match self.read(from, to, means) {
                Moved::Bytes(read) => {
                    left = left.saturating_sub(read);
                    means.moved += read as u64;
                }
                Moved::End => self.stage = Stage::Draining,
                Moved::Blocked => {}
                Moved::Broken => return Run::Broken,
            }
        }
    }

    /// Writes what waits: `End` when nothing does.
    fn write(&mut self, to: &mut Side) -> Moved {
        while !self.rest.is_empty() {
            if !to.is.writable {
                return Moved::Blocked;
            }
            match to.write(&self.rest) {
                Moved::Bytes(written) if written >= self.rest.len() => self.rest = Vec::new(),
                Moved::Bytes(written) => drop(self.rest.drain(..written)),
                other => return other,
            }
        }
        let Some(pipe) = &mut self.pipe else { return Moved::End };
        while pipe.len > 0 {
            if !to.is.writable {
                return Moved::Blocked;
            }
            let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
            match to.has_written(splice(&pipe.out, None, &to.fd, None, pipe.len, flags)) {
                Moved::Bytes(written) => pipe.len = pipe.len.saturating_sub(written),
                other => return other,
            }
        }
        Moved::End
    }

    /// Reads once, into the pipe or through the buffer to where it goes.
    fn read(&mut self, from: &mut Side, to: &mut Side, means: &mut Means) -> Moved {
        if self.full >= FULL_READS && self.pipe.is_none() {
            self.pipe = means.pipes.lend();
            self.piped = 0;
        }
        if let Some(pipe) = &mut self.pipe {
            let flags = SpliceFlags::MOVE | SpliceFlags::NONBLOCK;
            let read = splice(&from.fd, None, &pipe.into, None, PIPE_BYTES, flags);
            let moved = from.has_read(read);
            if let Moved::Bytes(read) = moved {
                pipe.len += read;
                self.piped += read;
            }
            return moved;
        }
        let Some(buffer) = means.buffer.get_mut(..COPY_BYTES) else { return Moved::Broken };
        let moved = from.read(buffer);
        let Moved::Bytes(read) = moved else { return moved };
        let bytes = buffer.get(..read).unwrap_or_default();
        self.full = if read == COPY_BYTES { self.full.saturating_add(1) } else { 0 };
        let written = if to.is.writable { to.write(bytes) } else { Moved::Blocked };
        match written {
            Moved::Bytes(written) => {
                self.rest.extend_from_slice(bytes.get(written..).unwrap_or_default());
            }
            Moved::Blocked => self.rest.extend_from_slice(bytes),
            Moved::End | Moved::Broken => {
                self.stage = Stage::Over;
                to.is.readable = true;
            }
        }
        moved
    }

    /// Nothing to read for now: an empty pipe goes to others.
    fn rest_a_while(&mut self, pipes: &mut Pipes) {
        if let Some(pipe) = self.pipe.take_if(|pipe| pipe.len == 0) {
            pipes.take_back(pipe);
            if self.piped < PAYS_BYTES {
                self.full = 0;
            }
        }
    }
}
