//! Signals as something to read: a pipe each, written by the handler. Decides nothing.

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

/// A signal that no longer does what it does by default.
#[derive(Debug)]
pub struct Signal {
    /// SIGTERM and the like.
    pub number: i32,
    pipe: UnixStream,
}

impl Signal {
    /// Takes a signal over, for as long as the process lives.
    pub fn mind(number: i32) -> io::Result<Signal> {
        let (pipe, theirs) = UnixStream::pair()?;
        pipe.set_nonblocking(true)?;
        signal_hook::low_level::pipe::register(number, theirs)?;
        Ok(Signal { number, pipe })
    }

    /// Whether it came since the last time this was asked.
    pub fn came(&mut self) -> bool {
        let mut came = false;
        while matches!(self.pipe.read(&mut [0; 64]), Ok(1..)) {
            came = true;
        }
        came
    }

    /// Readable when it came.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }
}
