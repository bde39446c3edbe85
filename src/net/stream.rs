//! One kind of byte stream for every way to an engine, non-blocking but for `wait` and `explain`.
//! Knows no HTTP.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use crate::error::Why;
use crate::net::access::plain;
use crate::net::command::Command;
use crate::net::wait::{Deadline, wait};
use crate::net::{Endpoint, Route, connect, resolve, tls};

/// How long connecting may take: looking up the name, the socket, and the TLS handshake together.
pub const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// An endpoint with its certificates read: whatever opens streams to it.
#[derive(Clone, Debug)]
pub struct Dialer {
    endpoint: Endpoint,
    tls: Option<Arc<ClientConfig>>,
}

/// A connected byte stream, non-blocking. [`Stream::wait`] makes it a blocking one with a deadline;
/// a reactor registers [`Stream::fd`] instead.
#[derive(Debug)]
pub enum Stream {
    /// A Unix socket.
    Unix(UnixStream),
    /// Plain TCP.
    Tcp(TcpStream),
    /// TLS over TCP, its handshake done.
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
    /// The stdin and stdout of a child.
    Command(Box<Command>),
}

/// What to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Ready {
    Read,
    Write,
}

impl Dialer {
    /// Reads the endpoint's certificate files, connects nothing.
    pub fn new(endpoint: &Endpoint) -> Result<Dialer, Why> {
        let tls = match &endpoint.route {
            Route::Tls { tls, .. } => Some(tls::client_config(tls)?),
            Route::Unix(_) | Route::Tcp { .. } | Route::Command(_) => None,
        };
        Ok(Dialer { endpoint: endpoint.clone(), tls })
    }

    /// Where it connects to.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Opens a stream within [`CONNECT_LIMIT`] and no later than `until`.
    pub fn dial(&self, until: Instant) -> Result<Stream, Why> {
        let deadline = Deadline::within(CONNECT_LIMIT, until, Instant::now());
        match &self.endpoint.route {
            Route::Unix(path) => connect::unix(path, deadline).map(Stream::Unix),
            Route::Tcp { host, port } => tcp(host, *port, deadline).map(Stream::Tcp),
            Route::Tls { host, port, tls } => {
                let Some(config) = &self.tls else {
                    unreachable!("a dialer for TLS is made with its configuration")
                };
                let session = tls::session(config, tls, host)?;
                let stream = StreamOwned::new(session, tcp(host, *port, deadline)?);
                let mut stream = Stream::Tls(Box::new(stream));
                stream.shake_hands(&self.endpoint, deadline)?;
                Ok(stream)
            }
            Route::Command(argv) => Command::spawn(argv).map(Box::new).map(Stream::Command),
        }
    }
}

impl Stream {
    /// Waits until a read or write that would block is worth another try; for ever without
    /// `until`. Fails with [`io::ErrorKind::TimedOut`].
    pub fn wait(&mut self, ready: Ready, until: Option<Instant>) -> io::Result<()> {
        let flags = match (&*self, ready) {
            // To read TLS one may have to write first, and the reverse.
            (Stream::Tls(stream), _) => {
                let mut flags = PollFlags::empty();
                flags.set(PollFlags::OUT, stream.conn.wants_write());
                flags.set(PollFlags::IN, stream.conn.wants_read());
                flags
            }
            (_, Ready::Read) => PollFlags::IN,
            (_, Ready::Write) => PollFlags::OUT,
        };
        match self {
            Stream::Command(command) => command.wait(flags, until),
            Stream::Unix(_) | Stream::Tcp(_) | Stream::Tls(_) => {
                wait(&mut [PollFd::from_borrowed_fd(self.fd(), flags)], until)
            }
        }
    }

    /// The descriptor to wait on.
    pub fn fd(&self) -> BorrowedFd<'_> {
        match self {
            Stream::Unix(stream) => stream.as_fd(),
            Stream::Tcp(stream) => stream.as_fd(),
            Stream::Tls(stream) => stream.sock.as_fd(),
            Stream::Command(command) => command.fd(),
        }
    }

    /// All that a reactor waits on: a command whose stderr is not read is held up.
    pub fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let stderr = match self {
            Stream::Command(command) => command.stderr(),
            Stream::Unix(_) | Stream::Tcp(_) | Stream::Tls(_) => None,
        };
        [Some(self.fd()), stderr].into_iter().flatten()
    }

    /// Whether a stream that rests between two exchanges can take the next: still open, and
    /// nothing on it that nobody asked for.
    pub fn is_at_rest(&mut self) -> bool {
        matches!(self.read(&mut [0]), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Why `error` came up, or, without one, why the other side may have closed the stream. Waits
    /// up to half a second for the last words of a command.
    pub fn explain(&mut self, endpoint: &Endpoint, error: Option<&io::Error>) -> Why {
        let tls_error = error.and_then(tls::rustls_error);
        match (self, &endpoint.route, tls_error) {
            (_, Route::Tls { tls, host, .. }, Some(error)) => {
                Why::Unreachable(tls::words(tls, host, error))
            }
            (Stream::Command(command), ..) => Why::Unreachable(command.last_words()),
            _ => match error {
                Some(error) if !is_hang_up(error) => Why::Broken(plain(error)),
                _ => Why::Broken("the other side closed the connection".into()),
            },
        }
    }

    fn shake_hands(&mut self, endpoint: &Endpoint, deadline: Deadline) -> Result<(), Why> {
        while let Stream::Tls(stream) = self
            && stream.conn.is_handshaking()
        {
            let error = match stream.conn.complete_io(&mut stream.sock) {
                Ok(_) => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    match self.wait(Ready::Read, Some(deadline.until)) {
                        Ok(()) => continue,
                        Err(error) => error,
                    }
                }
                Err(error) => error,
            };
            return Err(match error.kind() {
                io::ErrorKind::TimedOut => deadline.passed(),
                _ if is_hang_up(&error) => Why::Unreachable(
                    "the other side broke off the TLS handshake: does it speak TLS?".into(),
                ),
                _ => self.explain(endpoint, Some(&error)),
            });
        }
        Ok(())
    }
}

impl Read for Stream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Unix(stream) => stream.read(buf),
            Stream::Tcp(stream) => stream.read(buf),
            Stream::Tls(stream) => match stream.read(buf) {
                Err(error) if is_hang_up(&error) => read_the_rest(stream, buf, error),
                other => other,
            },
            Stream::Command(command) => command.read(buf),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Unix(stream) => stream.write(buf),
            Stream::Tcp(stream) => stream.write(buf),
            Stream::Tls(stream) => stream.write(buf),
            Stream::Command(command) => command.write(buf),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Stream::Unix(stream) => stream.flush(),
            Stream::Tcp(stream) => stream.flush(),
            Stream::Tls(stream) => stream.flush(),
            Stream::Command(command) => command.flush(),
        }
    }
}

/// Whether an error only says that the other side is gone.
pub fn is_hang_up(error: &io::Error) -> bool {
    use io::ErrorKind as K;
    let kinds = [K::BrokenPipe, K::ConnectionReset, K::ConnectionAborted, K::UnexpectedEof];
    kinds.contains(&error.kind())
}

fn tcp(host: &str, port: u16, deadline: Deadline) -> Result<TcpStream, Why> {
    connect::tcp(&resolve::addresses(host, port, deadline)?, deadline)
}

/// Rustls wants to write before it reads. Where the other side hung up, its last words (an alert, a
/// reply to half a request) may still be there to read.
fn read_the_rest(
    stream: &mut StreamOwned<ClientConnection, TcpStream>,
    buf: &mut [u8],
    hang_up: io::Error,
) -> io::Result<usize> {
    while let Ok(1..) = stream.conn.read_tls(&mut stream.sock) {
        let state = stream.conn.process_new_packets();
        let state = state.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        if state.plaintext_bytes_to_read() > 0 {
            return stream.conn.reader().read(buf);
        }
    }
    Err(hang_up)
}
