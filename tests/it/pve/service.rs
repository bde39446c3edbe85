//! A web server inside a guest: it listens as long as the guest runs, on an address of this machine
//! that is not loopback, for a guest never has that.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::state::State;

/// How often it looks whether the guest runs, and for clients.
const TICK: Duration = Duration::from_millis(5);

/// An address of this machine; `None`: it has only loopback, and the test is left out.
pub fn address() -> Option<String> {
    let table = fs::read_to_string("/proc/net/fib_trie").ok()?;
    let mut before = "";
    let mut found = table.lines().filter_map(|line| {
        let address = std::mem::replace(&mut before, line).trim().strip_prefix("|-- ")?;
        let is_own = line.trim() == "/32 host LOCAL" && !address.starts_with("127.");
        is_own.then_some(address.to_owned())
    });
    let found = found.next();
    if found.is_none() {
        eprintln!("left out: no address but loopback, which no guest has");
    }
    found
}

/// Serves `hello from NAME` there while the guest runs, beginning `lag` after it came up.
pub fn serve(state: Arc<Mutex<State>>, vmid: u32, place: (String, u16), lag: Duration) {
    thread::spawn(move || {
        let mut listener: Option<TcpListener> = None;
        loop {
            let (name, serves) = {
                let mut state = state.lock().unwrap();
                if state.over {
                    return;
                }
                state.settle(std::time::Instant::now());
                let guest = state.guest(vmid);
                let serves = guest.up_since.is_some_and(|since| since.elapsed() >= lag);
                (guest.name.clone(), serves)
            };
            match (&listener, serves) {
                (None, true) => {
                    let bound = TcpListener::bind((place.0.as_str(), place.1)).unwrap();
                    bound.set_nonblocking(true).unwrap();
                    listener = Some(bound);
                }
                (Some(_), false) => listener = None,
                (Some(bound), true) => {
                    while let Ok((stream, _)) = bound.accept() {
                        let name = name.clone();
                        thread::spawn(move || answer(stream, &name));
                    }
                }
                (None, false) => {}
            }
            thread::sleep(TICK);
        }
    });
}

fn answer(mut stream: TcpStream, name: &str) -> Option<()> {
    stream.set_nonblocking(false).ok()?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let body = format!("hello from {name}");
    let length = body.len();
    write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
        .ok()
}
