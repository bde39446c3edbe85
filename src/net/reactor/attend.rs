//! What the reactor minds beside exchanges: signals, a reader, and who comes to a socket of ours.
//! What is said is not understood here.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Instant;

use mio::unix::SourceFd;
use mio::{Interest, Token};

use super::{GUEST, INDEX_BITS, LISTENER, MINDED, Reactor, SIGNALS};
use crate::net::guests::{Guest, Guests};
use crate::net::running::Event;
use crate::net::signal::Signal;

impl<T: Clone> Reactor<T> {
    /// Tells of these signals from now on, instead of what they do by default.
    pub fn mind_signals(&mut self, numbers: &[i32]) -> io::Result<()> {
        for (&number, token) in numbers.iter().zip(SIGNALS..MINDED) {
            let signal = Signal::mind(number)?;
            self.register(signal.fd(), Token(token), Interest::READABLE)?;
            self.signals.insert(token, signal);
        }
        Ok(())
    }

    /// A signal that came since the last turn; for one who has to wait for something else, which
    /// may take long: reads the clock.
    pub fn signalled(&mut self) -> bool {
        self.now = Instant::now();
        self.signals.values_mut().any(Signal::came)
    }

    /// Tells when the reader of this descriptor has made room, or has gone. Of files nothing is
    /// told: they always have room.
    pub fn mind_reader(&mut self, fd: impl AsFd) -> io::Result<()> {
        let fd = fd.as_fd().try_clone_to_owned()?;
        match self.register(fd.as_fd(), Token(MINDED), Interest::WRITABLE) {
            Ok(()) => self.minded = Some(fd),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Lets people in by this socket from now on.
    pub fn listen(&mut self, guests: Guests) -> io::Result<()> {
        self.register(guests.fd(), Token(LISTENER), Interest::READABLE)?;
        self.guests = Some(guests);
        Ok(())
    }

    /// Says something to who came.
    pub fn say(&mut self, guest: Guest, bytes: &[u8]) {
        let visit = self.guests.as_mut().and_then(|guests| guests.say(guest, bytes));
        self.early.extend(visit.map(Event::Visit));
    }

    /// All is said to who came.
    pub fn part(&mut self, guest: Guest) {
        if let Some(guests) = &mut self.guests {
            guests.part(guest, self.now);
        }
    }

    /// Somebody is at our socket, or who came has something to say.
    pub(super) fn attend(&mut self, index: usize, generation: usize, out: &mut Vec<Event<T>>) {
        let Some(guests) = &mut self.guests else { return };
        if index == GUEST {
            let guest = Guest::try_from(generation).ok();
            out.extend(guest.and_then(|guest| guests.heed(guest)).map(Event::Visit));
            return;
        }
        let registry = self.poll.registry();
        for guest in guests.come(self.now) {
            let Some(fd) = guests.fd_of(guest) else { continue };
            let token = Token(usize::from(guest) << INDEX_BITS | GUEST);
            let both = Interest::READABLE | Interest::WRITABLE;
            if registry.register(&mut SourceFd(&fd.as_raw_fd()), token, both).is_err() {
                guests.part(guest, self.now);
            }
        }
    }
}
