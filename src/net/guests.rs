//! Who comes to a Unix socket of ours with one line, and is answered in lines. Reads no clock and
//! understands nothing of what is said.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};

use crate::sorted::Map;

/// At once; who comes then finds the door shut.
const GUESTS: usize = 32;
/// The longest line.
const LINE_LIMIT_BYTES: usize = 64 << 10;
/// How long saying it may take.
const LINE_WITHIN: Duration = Duration::from_secs(5);
/// What waits for a guest who does not read; more, and it is sent away.
const WAITING_LIMIT_BYTES: usize = 8 << 20;
/// How long a guest may take to read what is left when all is said.
const READ_WITHIN: Duration = Duration::from_secs(30);

/// A guest's number; not another's before 65,535 others came.
pub type Guest = u16;

/// What a guest did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Visit {
    /// Said a line (without its end).
    Said(Guest, Vec<u8>),
    /// Went away before all was said.
    Left(Guest),
}

/// A listening socket and those who came to it.
#[derive(Debug)]
pub struct Guests {
    listener: UnixListener,
    guests: Map<Guest, Talk>,
    last: Guest,
}

#[derive(Debug)]
struct Talk {
    stream: UnixStream,
    line: Vec<u8>,
    /// Its line was heard.
    heard: bool,
    waiting: Vec<u8>,
    /// All was said: it goes when it has read that.
    done: bool,
    /// When it is sent away; `None`: it may stay until all was said.
    until: Option<Instant>,
}

impl Guests {
    /// Listens on a socket that is bound already.
    pub fn new(listener: UnixListener) -> io::Result<Guests> {
        listener.set_nonblocking(true)?;
        Ok(Guests { listener, guests: Map::new(), last: 0 })
    }

    /// The listening socket.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }

    /// The socket of a guest.
    pub fn fd_of(&self, guest: Guest) -> Option<BorrowedFd<'_>> {
        Some(self.guests.get(&guest)?.stream.as_fd())
    }

    /// When somebody's time is up.
    pub fn deadline(&self) -> Option<Instant> {
        self.guests.values().filter_map(|talk| talk.until).min()
    }

    /// Lets in who waits at the door: their numbers. An error of one who has gone is not ours.
    pub fn come(&mut self, now: Instant) -> Vec<Guest> {
        let mut come = Vec::new();
        loop {
            match self.listener.accept() {
                Ok((stream, _)) if self.guests.len() < GUESTS => {
                    if stream.set_nonblocking(true).is_ok() {
                        self.last = self.last.wrapping_add(1);
                        self.guests.insert(self.last, Talk::new(stream, now));
                        come.push(self.last);
                    }
                }
                Ok(_) => log::warn!("control socket: more than {GUESTS} at once: one turned away"),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return come,
            }
        }
    }

    /// A guest's socket is ready.
    pub fn heed(&mut self, guest: Guest) -> Option<Visit> {
        let talk = self.guests.get_mut(&guest)?;
        let visit = match talk.heed() {
            Ok(Some(line)) => {
                talk.until = None;
                Some(Visit::Said(guest, line))
            }
            Ok(None) => None,
            Err(_) => return self.send_away(guest),
        };
        self.see_out(guest);
        visit
    }

    /// Says something to a guest, if it is still there.
    pub fn say(&mut self, guest: Guest, bytes: &[u8]) -> Option<Visit> {
        let talk = self.guests.get_mut(&guest)?;
        talk.waiting.extend_from_slice(bytes);
        if talk.write().is_err() || talk.waiting.len() > WAITING_LIMIT_BYTES {
            return self.send_away(guest);
        }
        None
    }

    /// All is said: the guest goes when it has read that.
    pub fn part(&mut self, guest: Guest, now: Instant) {
        if let Some(talk) = self.guests.get_mut(&guest) {
            talk.done = true;
            talk.until = Some(now + READ_WITHIN);
            self.see_out(guest);
        }
    }

    /// Sends away whose time is up.
    pub fn pass(&mut self, now: Instant) -> Vec<Visit> {
        let late = |(guest, talk): (&Guest, &Talk)| {
            talk.until.is_some_and(|until| now >= until).then_some(*guest)
        };
        let late: Vec<Guest> = self.guests.iter().filter_map(late).collect();
        late.into_iter().filter_map(|guest| self.send_away(guest)).collect()
    }

    /// Closes where all was said and read.
    fn see_out(&mut self, guest: Guest) {
        let is_over = |talk: &Talk| talk.done && talk.waiting.is_empty();
        if self.guests.get(&guest).is_some_and(is_over) {
            self.guests.remove(&guest);
        }
    }

    fn send_away(&mut self, guest: Guest) -> Option<Visit> {
        let talk = self.guests.remove(&guest)?;
        (talk.heard && !talk.done).then_some(Visit::Left(guest))
    }
}

impl Talk {
    fn new(stream: UnixStream, now: Instant) -> Talk {
        let until = Some(now + LINE_WITHIN);
        let (line, waiting) = (Vec::new(), Vec::new());
        Talk { stream, line, heard: false, waiting, done: false, until }
    }

    /// Writes, then reads, each until it would block. The line, once.
    fn heed(&mut self) -> io::Result<Option<Vec<u8>>> {
        self.write()?;
        let mut buffer = [0; 4096];
        let mut said = None;
        loop {
            match self.stream.read(&mut buffer) {
                // Who has said all may still want to read.
                // What was said is heard, even if nobody waits for the answer.
                Ok(0) if said.is_some() => return Ok(said),
                Ok(0) if self.heard => return self.has_left().map(|()| None),
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(n) if !self.heard => {
                    self.line.extend_from_slice(buffer.get(..n).unwrap_or_default());
                    if let Some(end) = self.line.iter().position(|byte| *byte == b'\n') {
                        self.heard = true;
                        self.line.truncate(end);
                        said = Some(std::mem::take(&mut self.line));
                    } else if self.line.len() > LINE_LIMIT_BYTES {
                        return Err(ErrorKind::InvalidData.into());
                    }
                }
                // One line is all that is asked.
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(said),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// An error if the other side is closed altogether, not only for writing.
    fn has_left(&self) -> io::Result<()> {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let mut fds = [PollFd::new(&self.stream, PollFlags::OUT)];
        poll(&mut fds, Some(&Timespec::default()))?;
        let [fd] = &fds;
        let gone = fd.revents().intersects(PollFlags::HUP | PollFlags::ERR);
        if gone { Err(ErrorKind::BrokenPipe.into()) } else { Ok(()) }
    }

    fn write(&mut self) -> io::Result<()> {
        while !self.waiting.is_empty() {
            match self.stream.write(&self.waiting) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(n) => drop(self.waiting.drain(..n)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
