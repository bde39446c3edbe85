//! A reactor and the other side of its sockets, both played by the test's own thread, step by step.
//! No server: what is answered, and when, is said in each test.

use std::io::{ErrorKind, Read};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};

use drowse::http::{Method, Patience, Request};
use drowse::net::clients::Lease;
use drowse::net::reactor::Reactor;
use drowse::net::running::{Ask, Event};
use drowse::net::talk::Mode;
use drowse::net::{Endpoint, Route};
use tempfile::TempDir;

/// Only a test that fails waits for it.
const LIMIT: Duration = Duration::from_secs(20);

/// A reactor, the leases it gave, and what it told, a line each.
pub struct Stage {
    pub reactor: Reactor<String>,
    leases: Vec<Lease>,
    told: Vec<String>,
}

/// A Unix socket that is listened to.
pub struct Door {
    pub at: Endpoint,
    pub listener: UnixListener,
    _dir: TempDir,
}

impl Door {
    pub fn new() -> Door {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let listener = UnixListener::bind(&path).unwrap();
        listener.set_nonblocking(true).unwrap();
        Door { at: endpoint(Route::Unix(path)), listener, _dir: dir }
    }

    /// A connection that was made and not accepted yet.
    pub fn knock(&self) -> Option<UnixStream> {
        let (peer, _) = self.listener.accept().ok()?;
        peer.set_nonblocking(true).unwrap();
        Some(peer)
    }
}

pub fn endpoint(route: Route) -> Endpoint {
    Endpoint { url: "test:".into(), authority: "docker".into(), route }
}

/// A request that is told of when its reply is complete.
pub fn ask(method: Method, path: &str) -> Ask {
    let request = Request { method, path: path.into(), headers: Vec::new(), body: Vec::new() };
    let (prefix, patience, mode) = (String::new(), Patience::Ordinary, Mode::Whole);
    Ask { request, prefix, patience, mode }
}

/// One that gives up after so many milliseconds.
pub fn hasty(path: &str, millis: u64) -> Ask {
    let patience = Patience::Within(Duration::from_millis(millis));
    Ask { patience, ..ask(Method::Get, path) }
}

/// One whose reply is told as it comes, for ever.
pub fn stream(path: &str) -> Ask {
    Ask { mode: Mode::Stream, patience: Patience::Endless, ..ask(Method::Get, path) }
}

impl Stage {
    pub fn new() -> Stage {
        Stage { reactor: Reactor::new().unwrap(), leases: Vec::new(), told: Vec::new() }
    }

    /// Asks; the path is the tag.
    pub fn ask(&mut self, at: &Endpoint, ask: Ask) {
        let lease = self.reactor.lease(at);
        let tag = ask.request.path.clone();
        self.reactor.ask(&lease, ask, tag);
        self.leases.push(lease);
    }

    pub fn get(&mut self, at: &Endpoint, path: &str) {
        self.ask(at, ask(Method::Get, path));
    }

    /// One turn that waits for nothing, and what it told.
    pub fn turn(&mut self) -> Vec<String> {
        let mut events = Vec::new();
        self.reactor.turn(Some(Instant::now()), &mut events).unwrap();
        events.into_iter().map(line).collect()
    }

    /// What was told, once it is so many lines.
    pub fn told(&mut self, lines: usize) -> Vec<String> {
        let until = Instant::now() + LIMIT;
        while self.told.len() < lines {
            let mut events = Vec::new();
            let now = self.reactor.turn(Some(until), &mut events).unwrap();
            self.told.extend(events.into_iter().map(line));
            assert!(now < until, "{lines} lines were to come, these did: {:?}", self.told);
        }
        std::mem::take(&mut self.told)
    }

    /// What was told by now.
    pub fn told_by_now(&mut self) -> Vec<String> {
        self.some_turns();
        std::mem::take(&mut self.told)
    }

    /// The next connection.
    pub fn accept(&mut self, door: &Door) -> UnixStream {
        self.until(|| door.knock())
    }

    /// The next request on a connection: `GET /a`; empty when it was closed.
    pub fn hear(&mut self, peer: &mut UnixStream) -> String {
        let mut text = Vec::new();
        self.until(|| {
            let mut byte = [0];
            loop {
                match peer.read(&mut byte) {
                    Ok(0) => return Some(()),
                    Ok(_) => text.push(byte[0]),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
                    // Closed before it was read to its end.
                    Err(error) if error.kind() == ErrorKind::ConnectionReset => return Some(()),
                    Err(error) => panic!("{error}"),
                }
                if text.ends_with(b"\r\n\r\n") {
                    return Some(());
                }
            }
        });
        let text = String::from_utf8(text).unwrap();
        text.split(" HTTP/1.1").next().unwrap_or_default().to_owned()
    }

    /// The next connection and its first request.
    pub fn next(&mut self, door: &Door) -> (UnixStream, String) {
        let mut peer = self.accept(door);
        let request = self.hear(&mut peer);
        (peer, request)
    }

    /// Turns until there is something.
    pub fn until<T>(&mut self, mut find: impl FnMut() -> Option<T>) -> T {
        let end = Instant::now() + LIMIT;
        loop {
            if let Some(found) = find() {
                return found;
            }
            let soon = Instant::now() + Duration::from_millis(1);
            let mut events = Vec::new();
            self.reactor.turn(Some(soon), &mut events).unwrap();
            self.told.extend(events.into_iter().map(line));
            assert!(Instant::now() < end, "it never came; told was {:?}", self.told);
        }
    }

    /// More than any exchange here needs to take in what lies on its socket.
    fn some_turns(&mut self) {
        for _ in 0..8 {
            let told = self.turn();
            self.told.extend(told);
        }
    }
}

fn line(event: Event<String>) -> String {
    match event {
        Event::Head(tag, reply) => format!("{tag}: head {}", reply.status),
        Event::Bytes(tag, bytes) => format!("{tag}: {} bytes", bytes.len()),
        Event::Over(tag, Ok(reply)) => {
            format!("{tag}: {} {}", reply.status, String::from_utf8_lossy(&reply.body))
        }
        Event::Over(tag, Err(why)) => format!("{tag}: {why}"),
        Event::Signal(number) => format!("signal {number}"),
        Event::Writable => "writable".into(),
        Event::HungUp => "hung up".into(),
        Event::Visit(visit) => format!("{visit:?}"),
        Event::Door(notice) => format!("{notice:?}"),
    }
}
