//! Our streams as ureq's transport: one limit for a whole exchange, and our own words for what
//! breaks. Knows nothing of requests.

use std::fmt;
use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport,
};

use crate::error::Why;
use crate::net::Route;
use crate::net::stream::{Dialer, Ready, Stream, is_hang_up};
use crate::net::wait::Deadline;

/// Both have to be larger than the longest head: it is parsed and written in one piece.
const INPUT_BYTES: usize = 128 << 10;
const OUTPUT_BYTES: usize = 80 << 10;

/// A status line is read no further than this.
const STATUS_LINE_LIMIT_BYTES: usize = 4 << 10;

/// The first byte of a TLS alert (RFC 8446 §5.1), which is what TLS says to plain HTTP.
const TLS_ALERT: u8 = 0x15;

/// The limit of the exchange under way, shared with the link that ureq has it on: ureq's own limits
/// can't stop at the head of a reply. None: without limit.
#[derive(Clone, Debug, Default)]
pub struct Limit(Arc<Mutex<Option<Deadline>>>);

/// The status line of the reply under way, for its reason, which ureq drops.
#[derive(Clone, Debug, Default)]
pub struct StatusLine(Arc<Mutex<Vec<u8>>>);

/// Opens links for ureq.
#[derive(Debug)]
pub struct Opener {
    /// The way there.
    pub dialer: Arc<Dialer>,
    /// What each of its links keeps to.
    pub limit: Limit,
    /// Where each of its links writes what it hears first.
    pub line: StatusLine,
}

/// A stream under ureq.
#[derive(Debug)]
pub struct Link {
    stream: Stream,
    dialer: Arc<Dialer>,
    limit: Limit,
    line: StatusLine,
    buffers: LazyBuffers,
    phase: Phase,
    hears: Hears,
}

/// Whether bytes of the reply came, and whether the connection served before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Fresh,
    Reused,
    Answered,
}

/// Whether the other side still takes what is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hears {
    Yes,
    No,
}

/// What came of an exchange, as it travels through ureq.
#[derive(Debug)]
pub enum Fault {
    /// A connection that served before was closed before it answered: worth another try.
    Stale,
    /// Anything else.
    Why(Why),
}

/// There is nothing to resolve: the opener knows the way. (ureq's own would start a thread.)
#[derive(Debug)]
pub struct NoResolver;

impl Limit {
    /// Sets the limit for what follows.
    pub fn set(&self, deadline: Option<Deadline>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = deadline;
    }

    /// The limit now.
    pub fn now(&self) -> Option<Deadline> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StatusLine {
    /// The words after the status of the last reply.
    pub fn reason(&self) -> String {
        let line = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&line);
        text.splitn(3, ' ').nth(2).unwrap_or_default().trim().to_owned()
    }

    /// Another reply begins.
    fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// What came of it next.
    fn hear(&self, bytes: &[u8]) {
        let mut line = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if line.last() == Some(&b'\n') || line.len() > STATUS_LINE_LIMIT_BYTES {
            return;
        }
        let end = bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |at| at + 1);
        line.extend_from_slice(bytes.get(..end).unwrap_or_default());
    }
}

impl Connector for Opener {
    type Out = Link;

    fn connect(
        &self,
        _: &ConnectionDetails<'_>,
        _: Option<()>,
    ) -> Result<Option<Link>, ureq::Error> {
        let Some(deadline) = self.limit.now() else {
            unreachable!("every exchange has a limit when it begins")
        };
        let stream = self.dialer.dial(deadline.until).map_err(Fault::Why)?;
        Ok(Some(Link {
            stream,
            dialer: self.dialer.clone(),
            limit: self.limit.clone(),
            line: self.line.clone(),
            buffers: LazyBuffers::new(INPUT_BYTES, OUTPUT_BYTES),
            phase: Phase::Fresh,
            hears: Hears::Yes,
        }))
    }
}

impl Resolver for NoResolver {
    fn resolve(
        &self,
        _: &ureq::http::Uri,
        _: &ureq::config::Config,
        _: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        Ok(self.empty())
    }
}

impl Link {
    /// Waits within the limit.
    fn wait(&mut self, ready: Ready) -> Result<(), Fault> {
        let limit = self.limit.now();
        match self.stream.wait(ready, limit.map(|limit| limit.until)) {
            Ok(()) => Ok(()),
            Err(error) => Err(Fault::Why(match (error.kind(), limit) {
                (io::ErrorKind::TimedOut, Some(limit)) => limit.passed(),
                _ => self.stream.explain(self.dialer.endpoint(), Some(&error)),
            })),
        }
    }

    /// Sends the first `amount` bytes of the output, as far as the other side takes them.
    fn send(&mut self, amount: usize) -> Result<(), Fault> {
        let mut sent = 0;
        while self.hears == Hears::Yes {
            let rest = self.buffers.output().get(sent..amount).unwrap_or_default();
            let done = match rest {
                [] => self.stream.flush().map(|()| None),
                rest => self.stream.write(rest).map(Some),
            };
            match done {
                Ok(None) => return Ok(()),
                Ok(Some(0)) => self.hears = Hears::No,
                Ok(Some(n)) => sent += n,
                Err(error) => self.bear(error, Ready::Write)?,
            }
        }
        Ok(())
    }

    /// Waits where that helps. A peer that takes no more may have answered already (a refusal
    /// before the end of an upload, a TLS alert): whether it has, the next read tells.
    fn bear(&mut self, error: io::Error, ready: Ready) -> Result<(), Fault> {
        match error.kind() {
            io::ErrorKind::WouldBlock => self.wait(ready),
            io::ErrorKind::Interrupted => Ok(()),
            _ if ready == Ready::Write && is_hang_up(&error) => {
                self.hears = Hears::No;
                Ok(())
            }
            _ => Err(self.fault(Some(&error))),
        }
    }

    /// More input; `false` at the end of a stream that has answered. The limit holds also for who
    /// never lets us wait.
    fn receive(&mut self) -> Result<bool, Fault> {
        loop {
            if let Some(limit) = self.limit.now()
                && limit.until <= Instant::now()
            {
                return Err(Fault::Why(limit.passed()));
            }
            match self.stream.read(self.buffers.input_append_buf()) {
                Ok(0) if self.phase == Phase::Answered => return Ok(false),
                Ok(0) => return Err(self.fault(None)),
                Ok(n) => {
                    let first = self.phase != Phase::Answered;
                    if first {
                        self.line.clear();
                    }
                    let came = self.buffers.input_append_buf().get(..n).unwrap_or_default();
                    self.line.hear(came);
                    self.buffers.input_appended(n);
                    if first {
                        self.phase = Phase::Answered;
                        self.check_first_byte()?;
                    }
                    return Ok(true);
                }
                Err(error) => self.bear(error, Ready::Read)?,
            }
        }
    }

    /// The end of the exchange before its time, by `error` or by the end of the stream.
    fn fault(&mut self, error: Option<&io::Error>) -> Fault {
        let hung_up = error.is_none_or(is_hang_up);
        if hung_up && self.phase == Phase::Reused {
            return Fault::Stale;
        }
        let why = self.stream.explain(self.dialer.endpoint(), error);
        Fault::Why(match (why, self.phase) {
            (Why::Broken(_), Phase::Answered) if hung_up => ended_early(),
            (Why::Broken(_), Phase::Fresh) if hung_up => {
                Why::Broken("the other side closed the connection without an answer".into())
            }
            (why, Phase::Fresh | Phase::Reused | Phase::Answered) => why,
        })
    }

    fn check_first_byte(&mut self) -> Result<(), Fault> {
        let speaks_tls = matches!(self.dialer.endpoint().route, Route::Tls { .. });
        match self.buffers.input().first() {
            Some(&TLS_ALERT) if !speaks_tls => Err(Fault::Why(wants_tls())),
            _ => Ok(()),
        }
    }
}

impl Transport for Link {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, _: NextTimeout) -> Result<(), ureq::Error> {
        Ok(self.send(amount)?)
    }

    fn await_input(&mut self, _: NextTimeout) -> Result<bool, ureq::Error> {
        Ok(self.receive()?)
    }

    /// Asked before a link rests and before it is used again.
    fn is_open(&mut self) -> bool {
        self.phase = Phase::Reused;
        self.hears == Hears::Yes && self.stream.is_at_rest()
    }
}

/// What a plain connection to a TLS port comes to.
pub fn wants_tls() -> Why {
    Why::Unreachable("this port speaks TLS: use tls:// with certificates".into())
}

/// A reply without its end.
pub fn ended_early() -> Why {
    Why::Broken("the reply ended early".into())
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Stale => f.write_str("the connection was closed while it rested"),
            Fault::Why(why) => why.fmt(f),
        }
    }
}

impl std::error::Error for Fault {}

impl From<Fault> for ureq::Error {
    fn from(fault: Fault) -> ureq::Error {
        ureq::Error::Other(Box::new(fault))
    }
}
