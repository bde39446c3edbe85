//! One exchange on its way: connecting, asking, hearing. Never blocks; keeps no time and no list
//! of others, that is the reactor's.
//!
//! ```text
//!  LookingUp ─found─▶ Connecting ─writable─▶ Open ─…─▶ over
//!                       ▲      │                (TLS shakes hands as the first bytes are sent)
//!                       └──────┘ the next address
//!  Full ─room─▶ Open   (a Unix socket whose backlog was full)
//! ```

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use rustls::{ClientConfig, StreamOwned};

use crate::error::Why;
use crate::http::exchange::{Afterwards, Exchange, Progress};
use crate::http::{Reply, Request};
use crate::net::command::Command;
use crate::net::resolve::{self, Lookup};
use crate::net::stream::Stream;
use crate::net::wait::Deadline;
use crate::net::{Endpoint, Route, access, connect, tls};

/// A whole reply is refused beyond this.
const BODY_LIMIT_BYTES: usize = 256 << 20;
/// A read costs at least this much of the budget, so that a peer that sends byte by byte does not
/// make a turn long.
const READ_COSTS_BYTES: usize = 1 << 10;

/// Where to connect, with its certificates read.
#[derive(Clone, Debug)]
pub struct Way {
    /// Where to.
    pub endpoint: Endpoint,
    /// For TLS.
    pub tls: Option<Arc<ClientConfig>>,
    /// For TCP and TLS, tried in turn. Empty: its name is still to be looked up.
    pub addresses: Vec<SocketAddr>,
}

/// How a reply is handed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// When it is complete.
    Whole,
    /// Head and body as they come.
    Stream,
    /// Not at all: nothing is sent, and the exchange is over when it is connected.
    Reach,
    /// The same, over when the addresses are known: nobody is connected to.
    Find,
}

impl Mode {
    /// Whether a request is sent.
    pub fn asks(self) -> bool {
        matches!(self, Mode::Whole | Mode::Stream)
    }
}

/// One request on one connection.
#[derive(Debug)]
pub struct Talk {
    place: Place,
    exchange: Exchange,
    /// The connection carried others before.
    reused: bool,
    /// Of the reply: what came and was not handed on yet.
    body: Vec<u8>,
}

#[derive(Debug)]
enum Place {
    LookingUp(Lookup),
    Full,
    Connecting { socket: TcpStream, failures: Failures },
    Open(Stream),
}

/// What a drive came to.
#[derive(Debug)]
pub enum Drive {
    /// Nothing more to do before the next readiness.
    Blocked,
    /// The budget is spent, there may be more.
    Unfinished,
    /// A new socket is there: register it, then drive again.
    Moved,
    /// The name has these addresses: keep them with the way, then [`Talk::set_out`].
    Found(Vec<SocketAddr>),
    /// The reply is complete; the stream, if it may carry another request.
    Complete(Option<Stream>),
    /// A connection that served before was closed before it answered.
    Stale,
    /// It failed.
    Failed(Why),
}

impl Talk {
    /// On a stream that served before.
    pub fn on(stream: Stream, exchange: Exchange) -> Talk {
        Talk { place: Place::Open(stream), exchange, reused: true, body: Vec::new() }
    }

    /// On a connection of its own, begun now.
    pub fn begin(way: &Way, exchange: Exchange) -> Result<Talk, Why> {
        Ok(Talk { place: begin(way)?, exchange, reused: false, body: Vec::new() })
    }

    /// What to wait on; nothing: wait for the next retry instead.
    pub fn fds(&self) -> Vec<BorrowedFd<'_>> {
        match &self.place {
            Place::LookingUp(lookup) => vec![lookup.fd()],
            Place::Full => Vec::new(),
            Place::Connecting { socket, .. } => vec![socket.as_fd()],
            Place::Open(stream) => stream.fds().collect(),
        }
    }

    /// Whether it is still on its way to being connected.
    pub fn is_connecting(&self) -> bool {
        match &self.place {
            Place::LookingUp(_) | Place::Full | Place::Connecting { .. } => true,
            Place::Open(Stream::Tls(stream)) => stream.conn.is_handshaking(),
            Place::Open(_) => false,
        }
    }

    /// Whether a stream is there, with or without its handshake.
    pub fn is_open(&self) -> bool {
        matches!(self.place, Place::Open(_))
    }

    /// How many addresses there are to connect to, the one under way among them.
    pub fn untried(&self, way: &Way) -> usize {
        match &self.place {
            Place::Connecting { failures, .. } => {
                way.addresses.len().saturating_sub(failures.len())
            }
            Place::LookingUp(_) | Place::Full | Place::Open(_) => 0,
        }
    }

    /// Begins to connect, once the name is found.
    pub fn set_out(&mut self, way: &Way) -> Result<(), Why> {
        self.place = begin(way)?;
        Ok(())
    }

    /// Tries what waiting does not bring: a socket that was full, or the address after a silent
    /// one. There is a new socket then, or none still.
    pub fn press_on(&mut self, way: &Way) -> Result<(), Why> {
        match &mut self.place {
            Place::Full => self.place = begin(way)?,
            Place::Connecting { failures, .. } => {
                let failed = std::mem::take(failures);
                self.place = begin_next(way, failed, Some(ErrorKind::TimedOut.into()))?;
            }
            Place::LookingUp(_) | Place::Open(_) => {}
        }
        Ok(())
    }

    /// What to say when a limit has passed.
    pub fn passed(&self, limit: Deadline) -> Why {
        match &self.place {
            Place::LookingUp(lookup) => lookup.passed(limit),
            Place::Full | Place::Connecting { .. } | Place::Open(_) => limit.passed(),
        }
    }

    /// The head, once, as soon as it is there.
    pub fn take_head(&mut self) -> Option<Reply> {
        self.exchange.take_head()
    }

    /// What came of the body since the last time.
    pub fn take_body(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.body)
    }

    /// Writes, then reads, each until it would block (edge-triggered readiness tells no second
    /// time), but reads no more than `budget` bytes.
    pub fn drive(&mut self, way: &Way, buffer: &mut [u8], budget: usize) -> Drive {
        match self.arrive(way) {
            Ok(None) => {}
            Ok(Some(drive)) => return drive,
            Err(why) => return Drive::Failed(why),
        }
        if let Place::Open(Stream::Command(command)) = &mut self.place {
            command.listen();
        }
        // Not what writing says: the reason may still be there to read.
        let unheard = self.send();
        match self.receive(buffer, budget) {
            Ok(drive) => match (drive, unheard) {
                (Drive::Blocked, Err(error)) => self.broken(way, Some(&error)),
                (drive, _) => drive,
            },
            Err(Ended::Io(error)) => self.broken(way, error.as_ref()),
            Err(Ended::Why(why)) => Drive::Failed(why),
        }
    }

    /// Connects and no more.
    pub fn reach(&mut self, way: &Way) -> Drive {
        match self.arrive(way) {
            Ok(None) => Drive::Complete(None),
            Ok(Some(drive)) => drive,
            Err(why) => Drive::Failed(why),
        }
    }

    /// Moves on towards an open stream; `None`: it is open.
    fn arrive(&mut self, way: &Way) -> Result<Option<Drive>, Why> {
        match &mut self.place {
            Place::Open(_) => Ok(None),
            Place::Full => Ok(Some(Drive::Blocked)),
            Place::LookingUp(lookup) => Ok(Some(match lookup.hear() {
                None => Drive::Blocked,
                Some(answer) => Drive::Found(answer?),
            })),
            Place::Connecting { socket, failures } => {
                if let Some(error) = socket.take_error().unwrap_or_else(Some) {
                    let failed = std::mem::take(failures);
                    self.place = begin_next(way, failed, Some(error))?;
                    return Ok(Some(Drive::Moved));
                }
                if socket.peer_addr().is_err() {
                    return Ok(Some(Drive::Blocked));
                }
                let Place::Connecting { socket, .. } =
                    std::mem::replace(&mut self.place, Place::Full)
                else {
                    unreachable!("it was a moment ago")
                };
                self.place = Place::Open(open(way, socket)?);
                Ok(None)
            }
        }
    }

    fn send(&mut self) -> io::Result<()> {
        let Place::Open(stream) = &mut self.place else { return Ok(()) };
        loop {
            let outgoing = self.exchange.outgoing();
            let done = outgoing.is_empty();
            let wrote = if done { stream.flush().map(|()| 0) } else { stream.write(outgoing) };
            match wrote {
                Ok(0) if done => return Ok(()),
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(n) => self.exchange.wrote(n),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn receive(&mut self, buffer: &mut [u8], budget: usize) -> Result<Drive, Ended> {
        let Place::Open(stream) = &mut self.place else { return Ok(Drive::Blocked) };
        let mut left = budget;
        while left > 0 {
            let n = match stream.read(buffer) {
                Ok(0) => {
                    if self.exchange.unanswered() {
                        return Err(Ended::Io(None));
                    }
                    self.exchange.end().map_err(Ended::Why)?;
                    return Ok(Drive::Complete(None));
                }
                Ok(n) => n,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Drive::Blocked),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(Ended::Io(Some(error))),
            };
            left = left.saturating_sub(n.max(READ_COSTS_BYTES));
            let input = buffer.get(..n).unwrap_or_default();
            let progress = self.exchange.feed(input, &mut self.body).map_err(Ended::Why)?;
            if self.body.len() > BODY_LIMIT_BYTES {
                let text = format!("the reply is over {} MiB", BODY_LIMIT_BYTES >> 20);
                return Err(Ended::Why(Why::Broken(text)));
            }
            if let Progress::Done(afterwards) = progress {
                let place = std::mem::replace(&mut self.place, Place::Full);
                return Ok(Drive::Complete(match (place, afterwards) {
                    (Place::Open(stream), Afterwards::Reuse) => Some(stream),
                    (_, _) => None,
                }));
            }
        }
        Ok(Drive::Unfinished)
    }

    fn broken(&mut self, way: &Way, error: Option<&io::Error>) -> Drive {
        if self.reused && self.exchange.unanswered() {
            return Drive::Stale;
        }
        let Place::Open(stream) = &mut self.place else {
            unreachable!("only an open stream is written and read")
        };
        Drive::Failed(match stream {
            // A child may take its time to say why it ended; the loop has none.
            Stream::Command(command) => Why::Unreachable(command.words_so_far()),
            stream => stream.explain(&way.endpoint, error),
        })
    }
}

/// Why reading ended before the reply did.
enum Ended {
    /// The connection: closed, without an error, or broken.
    Io(Option<io::Error>),
    /// The reply itself.
    Why(Why),
}

/// The addresses that were tried, and why they failed.
type Failures = Vec<(SocketAddr, io::Error)>;

fn begin(way: &Way) -> Result<Place, Why> {
    match &way.endpoint.route {
        Route::Unix(path) => match connect::begin_unix(path) {
            Ok(socket) => Ok(Place::Open(Stream::Unix(socket))),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(Place::Full),
            Err(error) => Err(access::socket_file(path, &error)),
        },
        Route::Tcp { host, port } | Route::Tls { host, port, .. } if way.addresses.is_empty() => {
            resolve::ask(host, *port).map(Place::LookingUp)
        }
        Route::Tcp { .. } | Route::Tls { .. } => begin_next(way, Vec::new(), None),
        Route::Command(argv) => Ok(Place::Open(Stream::Command(Box::new(Command::spawn(argv)?)))),
    }
}

/// Begins to connect to the address after those that failed, the last of them with `error`.
fn begin_next(way: &Way, mut failures: Failures, error: Option<io::Error>) -> Result<Place, Why> {
    let mut error = error;
    loop {
        let tried = failures.len();
        if let (Some(&address), Some(error)) = (way.addresses.get(tried), error.take()) {
            failures.push((address, error));
        }
        let Some(&address) = way.addresses.get(failures.len()) else {
            let silent = || Why::Unreachable("none of its addresses answers".into());
            return Err(connect::reasons(&failures).unwrap_or_else(silent));
        };
        match connect::begin_tcp(address) {
            Ok(socket) => return Ok(Place::Connecting { socket, failures }),
            Err(refusal) => error = Some(refusal),
        }
    }
}

fn open(way: &Way, socket: TcpStream) -> Result<Stream, Why> {
    match (&way.endpoint.route, &way.tls) {
        (Route::Tls { host, tls, .. }, Some(config)) => {
            let session = tls::session(config, tls, host)?;
            Ok(Stream::Tls(Box::new(StreamOwned::new(session, socket))))
        }
        _ => Ok(Stream::Tcp(socket)),
    }
}

/// What is sent, for a talk that may have to begin again.
pub fn exchange(way: &Way, request: &Request, prefix: &str) -> Result<Exchange, Why> {
    Exchange::new(request, &way.endpoint.authority, prefix)
}
