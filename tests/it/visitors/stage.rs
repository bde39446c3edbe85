//! A reactor with doors on the loopback, and both sides of them.

use std::io::{ErrorKind, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use drowse::net::door::{Door, First, Notice, Opening, Place, Said, Transport, Visitor};
use drowse::net::reactor::Reactor;
use drowse::net::running::Event;

/// Only a test that fails waits for it.
const LIMIT: Duration = Duration::from_secs(20);

/// A reactor and what it told.
pub struct Stage {
    pub reactor: Reactor<()>,
    pub notices: Vec<Notice>,
}

/// Where a container would listen.
pub struct Target {
    pub at: SocketAddr,
    listener: TcpListener,
}

impl Target {
    pub fn new() -> Target {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        Target { at: listener.local_addr().unwrap(), listener }
    }

    /// One whose queue is full with three that were not accepted: more are dropped without a word.
    pub fn with_a_short_queue() -> Target {
        let target = Target::new();
        rustix::net::listen(&target.listener, 2).unwrap();
        target
    }

    /// A connection that was made and not accepted yet.
    pub fn knock(&self) -> Option<TcpStream> {
        let (peer, _) = self.listener.accept().ok()?;
        peer.set_nonblocking(true).unwrap();
        Some(peer)
    }
}

/// A client's connection.
pub fn dial(at: SocketAddr) -> TcpStream {
    let client = TcpStream::connect(at).unwrap();
    client.set_nonblocking(true).unwrap();
    client
}

/// Closes so that the other side sees a reset.
pub fn reset(stream: TcpStream) {
    rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
}

/// Whether the other side has reset the connection.
pub fn is_reset(stream: &TcpStream) -> bool {
    stream.take_error().unwrap().is_some()
}

/// What can be read by now.
pub fn what_is_there(stream: &mut TcpStream) -> Vec<u8> {
    let (mut all, mut piece) = (Vec::new(), [0; 65536]);
    while let Ok(n @ 1..) = stream.read(&mut piece) {
        all.extend(&piece[..n]);
    }
    all
}

impl Stage {
    pub fn new() -> Stage {
        Stage { reactor: Reactor::new().unwrap(), notices: Vec::new() }
    }

    /// A door of its own, and its address.
    pub fn door(&mut self, first: First) -> (Door, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        drop(listener);
        (self.open(Place::Own(at), Transport::Tcp, first).unwrap(), at)
    }

    pub fn open(
        &mut self,
        place: Place,
        transport: Transport,
        first: First,
    ) -> Result<Door, drowse::error::Why> {
        let name = "test".to_owned();
        self.reactor.open_door(Opening { name, place, transport, first })
    }

    /// One turn, short where nothing happens.
    pub fn turn(&mut self) {
        let soon = Instant::now() + Duration::from_millis(1);
        let mut events = Vec::new();
        self.reactor.turn(Some(soon), &mut events).unwrap();
        for event in events {
            let Event::Door(notice) = event else { panic!("{event:?}") };
            self.notices.push(notice);
        }
    }

    pub fn turns(&mut self, count: usize) {
        (0..count).for_each(|_| self.turn());
    }

    /// Turns until there is something.
    pub fn until<R>(&mut self, mut what: impl FnMut(&mut Stage) -> Option<R>) -> R {
        let end = Instant::now() + LIMIT;
        loop {
            if let Some(found) = what(self) {
                return found;
            }
            assert!(Instant::now() < end, "it does not come; told: {:?}", self.notices);
            self.turn();
        }
    }

    /// What is told next.
    pub fn next(&mut self) -> Notice {
        self.until(|stage| (!stage.notices.is_empty()).then_some(()));
        self.notices.remove(0)
    }

    /// Somebody comes to this door.
    pub fn came(&mut self, at: Door) -> Visitor {
        match self.next() {
            Notice::Came { door, visitor, .. } if door == at => visitor,
            other => panic!("{other:?}"),
        }
    }

    /// Somebody at this door has said something.
    pub fn said(&mut self, at: Door) -> Said {
        match self.next() {
            Notice::Said { door, said, .. } if door == at => said,
            other => panic!("{other:?}"),
        }
    }

    pub fn accept(&mut self, target: &Target) -> TcpStream {
        self.until(|_| target.knock())
    }

    /// Reads so many bytes.
    pub fn read(&mut self, from: &mut TcpStream, len: usize) -> Vec<u8> {
        let mut all = Vec::new();
        self.until(|_| {
            let mut piece = vec![0; len - all.len()];
            match from.read(&mut piece) {
                Ok(0) => panic!("it ended after {all:?}"),
                Ok(n) => all.extend(&piece[..n]),
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
            }
            (all.len() == len).then_some(())
        });
        all
    }

    /// Reads to the end, or tells what came instead of it.
    pub fn read_all(&mut self, from: &mut TcpStream) -> Result<Vec<u8>, ErrorKind> {
        let mut all = Vec::new();
        let mut piece = vec![0; 65536];
        self.until(|_| match from.read(&mut piece) {
            Ok(0) => Some(Ok(())),
            Ok(n) => {
                all.extend(&piece[..n]);
                None
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => None,
            Err(error) => Some(Err(error.kind())),
        })
        .map(|()| all)
    }
}
