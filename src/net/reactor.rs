//! Every socket of the loop: one poll, and the only reading of the clock. Runs HTTP exchanges side
//! by side, fairly; knows no engine, and decides nothing.

mod attend;
mod doors;
mod names;

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

use crate::error::Why;
use crate::http::{Method, Patience};
use crate::net::clients::{Clients, Lease};
use crate::net::door::Notice;
use crate::net::door::hall::Hall;
use crate::net::door::side::Seen;
use crate::net::guests::Guests;
use crate::net::running::{Ask, Event, Running};
use crate::net::signal::Signal;
use crate::net::stream::{CONNECT_LIMIT, Stream};
use crate::net::talk::{self, Drive, Mode, Talk, Way};
use crate::net::wait::Deadline;
use crate::net::{Endpoint, way};
use crate::sorted::{Map, Set};

/// What one exchange may read in a turn before the others have theirs.
const BUDGET_BYTES: usize = 64 << 10;
/// Read at once.
const BUFFER_BYTES: usize = 16 << 10;
/// Readiness taken from the kernel at once.
const EVENTS_AT_ONCE: usize = 64;
/// Connections kept open between two requests, for each endpoint.
const PARKED_LIMIT: usize = 4;
/// An ordinary call.
const ORDINARY: Duration = Duration::from_secs(30);
/// A token is an index below and a generation above, so that a late event for a socket that is
/// gone never reaches its successor.
const INDEX_BITS: u32 = usize::BITS / 2;
const INDEX_MASK: usize = (1 << INDEX_BITS) - 1;
/// Tokens above any exchange's index: a descriptor that is only minded, and signals.
const MINDED: usize = INDEX_MASK;
const SIGNALS: usize = INDEX_MASK - 65;
/// And a socket of ours, and who came to it: the number is the generation.
const LISTENER: usize = SIGNALS - 1;
const GUEST: usize = SIGNALS - 2;

/// The owner of all sockets. `T` tells exchanges apart.
pub struct Reactor<T> {
    poll: Poll,
    ready: Events,
    now: Instant,
    clients: Clients<Pool>,
    slots: Vec<Slot<T>>,
    /// Slots that spent their budget.
    unfinished: Set<usize>,
    /// What failed before it could begin: told on the next turn, as everything is.
    early: Vec<Event<T>>,
    buffer: Vec<u8>,
    signals: Map<usize, Signal>,
    minded: Option<OwnedFd>,
    guests: Option<Guests>,
    hall: Hall,
    notices: Vec<Notice>,
}

/// What is kept for an endpoint.
#[derive(Debug, Default)]
struct Pool {
    way: Option<Rc<Way>>,
    parked: Vec<Stream>,
}

struct Slot<T> {
    generation: usize,
    /// Boxed: slots stay, as many as there ever were at once.
    running: Option<Box<Running<T>>>,
}

impl<T: Clone> Reactor<T> {
    /// A reactor with nothing to do.
    pub fn new() -> io::Result<Reactor<T>> {
        let (poll, now) = (Poll::new()?, Instant::now());
        Ok(Reactor {
            hall: doors::hall(&poll, now)?,
            notices: Vec::new(),
            poll,
            ready: Events::with_capacity(EVENTS_AT_ONCE),
            now,
            clients: Clients::new(),
            slots: Vec::new(),
            unfinished: Set::new(),
            early: Vec::new(),
            buffer: vec![0; BUFFER_BYTES],
            signals: Map::new(),
            minded: None,
            guests: None,
        })
    }

    /// The time of this turn.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// A share in the client of an endpoint. Its name is looked up and its certificates are read
    /// with the first exchange, and again after one that could not connect.
    pub fn lease(&mut self, endpoint: &Endpoint) -> Lease {
        self.clients.lease(endpoint)
    }

    /// A lease on every connected client; see [`Clients::clients`].
    pub fn clients(&mut self) -> Vec<Lease> {
        self.clients.clients()
    }

    fn register(&self, fd: BorrowedFd<'_>, token: Token, interest: Interest) -> io::Result<()> {
        self.poll.registry().register(&mut SourceFd(&fd.as_raw_fd()), token, interest)
    }

    /// Begins an exchange. Whatever comes of it, also at once, is told by a later turn.
    pub fn ask(&mut self, lease: &Lease, ask: Ask, tag: T) {
        let begun = self.begin(lease, &ask);
        let (talk, way) = match begun {
            Ok(begun) => begun,
            Err(why) => {
                self.early.push(Event::Over(tag, Err(why)));
                return;
            }
        };
        let limit = match ask.patience {
            Patience::Ordinary => Some(ORDINARY),
            Patience::Within(limit) => Some(limit),
            Patience::Endless => None,
        };
        let within = |limit| Deadline::by(self.now + limit, self.now);
        let (deadline, connect_by) = (limit.map(within), within(CONNECT_LIMIT));
        let lease = lease.clone();
        let retry_at = None;
        let running = Running { talk, ask, tag, lease, way, connect_by, deadline, retry_at };
        self.seat(Box::new(running));
    }

    fn begin(&mut self, lease: &Lease, ask: &Ask) -> Result<(Talk, Rc<Way>), Why> {
        let pool = self.clients.connections(lease);
        let way = match &pool.way {
            Some(way) => way.clone(),
            None => pool.way.insert(Rc::new(way::find(lease.endpoint())?)).clone(),
        };
        let exchange = talk::exchange(&way, &ask.request, &ask.prefix)?;
        // What gives an order has a connection of its own: engines hold it until it is carried out.
        // And what is no GET could not be asked again where the connection has gone stale.
        while (ask.request.method, ask.mode.asks()) == (Method::Get, true)
            && let Some(mut stream) = pool.parked.pop()
        {
            if stream.is_at_rest() {
                return Ok((Talk::on(stream, exchange), way));
            }
        }
        Ok((Talk::begin(&way, exchange)?, way))
    }

    /// Tells, on the next turn, that what would have been asked can't be.
    pub fn refuse(&mut self, tag: T, why: Why) {
        self.early.push(Event::Over(tag, Err(why)));
    }

    /// Gives up every exchange whose tag is `of` these. Nothing more is told of them.
    pub fn hang_up(&mut self, of: impl Fn(&T) -> bool) {
        self.early.retain(|event| !matches!(event, Event::Over(tag, _) if of(tag)));
        for slot in &mut self.slots {
            slot.running.take_if(|running| of(&running.tag));
        }
    }

    /// Waits for readiness, or `wanted`, or a deadline of its own, and adds what came to `out`.
    /// Returns the time.
    pub fn turn(
        &mut self,
        wanted: Option<Instant>,
        out: &mut Vec<Event<T>>,
    ) -> io::Result<Instant> {
        let timeout = self.timeout(wanted);
        match self.poll.poll(&mut self.ready, timeout) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            Ok(()) | Err(_) => {}
        }
        self.now = Instant::now();
        self.clients.reap(self.now);
        out.append(&mut self.early);
        let mut due = std::mem::take(&mut self.unfinished);
        let mut tokens = Vec::new();
        for event in &self.ready {
            match doors::whose(event.token().0) {
                Some(whose) => self.hall.see(whose, Seen::of(event)),
                None => tokens.push(event.token().0),
            }
        }
        if let Some(minded) = self.ready.iter().find(|event| event.token().0 == MINDED) {
            let gone = minded.is_write_closed() || minded.is_error();
            out.push(if gone { Event::HungUp } else { Event::Writable });
        }
        self.ready.clear();
        for token in tokens {
            due.extend(self.heed(token, out));
        }
        if let Some(guests) = &mut self.guests {
            out.extend(guests.pass(self.now).into_iter().map(Event::Visit));
        }
        self.hall.turn(self.now, &mut self.notices);
        out.extend(self.notices.drain(..).map(Event::Door));
        // Each has one budget a turn, however often it is told of.
        for index in due {
            self.drive(index, out);
        }
        for index in 0..self.slots.len() {
            self.watch_the_clock(index, out);
        }
        Ok(self.now)
    }

    /// Turns until there is something to tell, or `wanted` has come: bytes that were relayed are
    /// nothing to tell, but that the last visitor has gone may be.
    pub fn turn_until_told(
        &mut self,
        wanted: Option<Instant>,
        out: &mut Vec<Event<T>>,
    ) -> io::Result<Instant> {
        loop {
            let now = self.turn(wanted, out)?;
            let is_due = wanted.is_some_and(|at| now >= at);
            if is_due || !out.is_empty() || self.visitors() == 0 {
                return Ok(now);
            }
        }
    }

    fn timeout(&mut self, wanted: Option<Instant>) -> Option<Duration> {
        if !self.unfinished.is_empty() || !self.early.is_empty() {
            return Some(Duration::ZERO);
        }
        let running = self.slots.iter().filter_map(|slot| slot.running.as_ref());
        let nearest = running.filter_map(|running| running.next()).min();
        let guests = self.guests.as_ref().and_then(Guests::deadline);
        let nearest = [wanted, nearest, guests, self.clients.deadline(), self.hall.deadline()];
        let nearest = nearest.into_iter().flatten().min();
        nearest.map(|at| at.saturating_duration_since(self.now))
    }

    /// The slot that a token tells of.
    fn heed(&mut self, token: usize, out: &mut Vec<Event<T>>) -> Option<usize> {
        if let Some(signal) = self.signals.get_mut(&token) {
            if signal.came() {
                out.push(Event::Signal(signal.number));
            }
            return None;
        }
        let index = token & INDEX_MASK;
        let generation = token >> INDEX_BITS;
        if matches!(index, LISTENER | GUEST) {
            self.attend(index, generation, out);
            return None;
        }
        self.slots.get(index).filter(|slot| slot.generation == generation).map(|_| index)
    }

    fn drive(&mut self, index: usize, out: &mut Vec<Event<T>>) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        let Some(mut running) = slot.running.take() else { return };
        let drive = match running.ask.mode {
            Mode::Reach | Mode::Find => running.talk.reach(&running.way),
            Mode::Whole | Mode::Stream => {
                running.talk.drive(&running.way, &mut self.buffer, BUDGET_BYTES)
            }
        };
        if running.ask.mode == Mode::Stream {
            running.hand_on(out);
        }
        if running.talk.is_open() {
            running.retry_at = None;
        }
        match drive {
            Drive::Blocked => slot.running = Some(running),
            Drive::Unfinished => {
                slot.running = Some(running);
                self.unfinished.insert(index);
            }
            Drive::Moved => self.seat(running),
            Drive::Stale => self.again(running, out),
            Drive::Found(addresses) => self.found(running, addresses),
            Drive::Failed(why) => out.push(self.failed(*running, why)),
            Drive::Complete(stream) => {
                let pool = self.clients.connections(&running.lease);
                if pool.parked.len() < PARKED_LIMIT
                    && let Some(stream) = stream
                {
                    for fd in stream.fds() {
                        let _ = self.poll.registry().deregister(&mut SourceFd(&fd.as_raw_fd()));
                    }
                    pool.parked.push(stream);
                }
                out.push(running.over());
            }
        }
    }

    /// A GET on a connection that had gone stale: once more, on a new one. The parked ones are as
    /// old.
    fn again(&mut self, mut running: Box<Running<T>>, out: &mut Vec<Event<T>>) {
        self.clients.connections(&running.lease).parked.clear();
        let (way, ask) = (&running.way, &running.ask);
        let begun = talk::exchange(way, &ask.request, &ask.prefix)
            .and_then(|exchange| Talk::begin(way, exchange));
        match begun {
            Ok(talk) => {
                running.talk = talk;
                running.connect_by = Deadline::by(self.now + CONNECT_LIMIT, self.now);
                self.seat(running);
            }
            Err(why) => out.push(Event::Over(running.tag, Err(why))),
        }
    }

    /// The way has its addresses now, for this exchange and those after it.
    fn found(&mut self, mut running: Box<Running<T>>, addresses: Vec<SocketAddr>) {
        let way = Rc::new(Way { addresses, ..(*running.way).clone() });
        self.clients.connections(&running.lease).way = Some(way.clone());
        running.way = way;
        if running.ask.mode == Mode::Find {
            return self.early.push(running.over());
        }
        match running.talk.set_out(&running.way) {
            Ok(()) => self.seat(running),
            Err(why) => {
                let failed = self.failed(*running, why);
                self.early.push(failed);
            }
        }
    }

    /// Where nothing was reached, the name may mean another address by now, and a certificate may
    /// have been renewed.
    fn failed(&mut self, running: Running<T>, why: Why) -> Event<T> {
        if running.talk.is_connecting() {
            self.clients.connections(&running.lease).way = None;
        }
        Event::Over(running.tag, Err(why))
    }

    /// Gives an exchange a free slot and registers its sockets.
    fn seat(&mut self, mut running: Box<Running<T>>) {
        let free = self.slots.iter().position(|slot| slot.running.is_none());
        let index = free.unwrap_or_else(|| {
            self.slots.push(Slot { generation: 0, running: None });
            self.slots.len() - 1
        });
        let Some(slot) = self.slots.get_mut(index).filter(|_| index < doors::VISITORS) else {
            let why = Why::Broken("too many exchanges at once".into());
            self.early.push(Event::Over(running.tag, Err(why)));
            return;
        };
        slot.generation = (slot.generation + 1) & INDEX_MASK;
        let token = Token(slot.generation << INDEX_BITS | index);
        running.plan_retry(self.now);
        let both = Interest::READABLE | Interest::WRITABLE;
        let registered = running.talk.fds().into_iter().try_for_each(|fd| {
            self.poll.registry().register(&mut SourceFd(&fd.as_raw_fd()), token, both)
        });
        match registered {
            Ok(()) => slot.running = Some(running),
            Err(error) => {
                let why = Why::Broken(format!("its socket can't be waited for: {error}"));
                self.early.push(Event::Over(running.tag, Err(why)));
            }
        }
    }

    fn watch_the_clock(&mut self, index: usize, out: &mut Vec<Event<T>>) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        let now = self.now;
        let is_due = |running: &mut Box<Running<T>>| running.next().is_some_and(|at| now >= at);
        let Some(mut running) = slot.running.take_if(is_due) else { return };
        let pressed = match running.passed(now) {
            Some(why) => Err(why),
            None => running.talk.press_on(&running.way),
        };
        match pressed {
            Ok(()) => self.seat(running),
            Err(why) => out.push(self.failed(*running, why)),
        }
    }
}

#[cfg(test)]
mod tests;
