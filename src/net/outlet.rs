//! An output whose reader may be slow: written only as far as that does not block. Knows bytes.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// What waits for the reader; with more than this the writer has to wait too.
pub const WAITING_LIMIT_BYTES: usize = 1 << 20;

/// A pipe that has room at all has room for this much (POSIX, PIPE_BUF), without blocking.
const ROOM_BYTES: usize = 4096;

/// Bytes on their way to a descriptor.
#[derive(Debug)]
pub struct Outlet {
    fd: OwnedFd,
    waiting: VecDeque<u8>,
}

impl Outlet {
    /// An outlet to a copy of this descriptor, whose mode is left as it is: others share it.
    pub fn new(fd: impl AsFd) -> io::Result<Outlet> {
        Ok(Outlet { fd: fd.as_fd().try_clone_to_owned()?, waiting: VecDeque::new() })
    }

    /// Takes bytes, to be written by [`Outlet::flush`].
    pub fn push(&mut self, bytes: &[u8]) {
        self.waiting.extend(bytes);
    }

    /// Whether all is written.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether more waits than may.
    pub fn is_full(&self) -> bool {
        self.waiting.len() > WAITING_LIMIT_BYTES
    }

    /// Writes what the reader has room for now.
    pub fn flush(&mut self) -> io::Result<()> {
        while !self.waiting.is_empty() && self.has_room(Duration::ZERO)? {
            let (bytes, _) = self.waiting.as_slices();
            let some = bytes.get(..ROOM_BYTES).unwrap_or(bytes);
            match rustix::io::write(&self.fd, some) {
                Ok(wrote) => {
                    self.waiting.drain(..wrote);
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
        if self.waiting.is_empty() {
            self.waiting.shrink_to(ROOM_BYTES);
        }
        Ok(())
    }

    /// Waits at most this long until the reader has room; an interruption counts as none.
    pub fn has_room(&self, at_most: Duration) -> io::Result<bool> {
        let mut fds = [PollFd::new(&self.fd, PollFlags::OUT)];
        let timeout = Timespec::try_from(at_most).unwrap_or_default();
        match poll(&mut fds, Some(&timeout)) {
            Ok(ready) => Ok(ready > 0),
            Err(Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}
