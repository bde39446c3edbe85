//! The part of the reactor that minds a socket of ours and who comes to it. What is said is not
//! understood here.

use std::io;
use std::os::fd::AsRawFd;

use mio::unix::SourceFd;
use mio::{Interest, Token};

use super::{GUEST, INDEX_BITS, LISTENER, Reactor};
use crate::net::guests::{Guest, Guests};
use crate::net::running::Event;

impl<T: Clone> Reactor<T> {
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
