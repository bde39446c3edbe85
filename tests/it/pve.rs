//! A Proxmox VE cluster for tests: it speaks TLS, keeps guests, tasks, locks, nodes and tokens as
//! state, and has the manners that were recorded of PVE 7.4, 8.4 and 9.2. Refuses what they refuse.

pub mod answer;
pub mod asked;
pub mod guest;
pub mod schema;
pub mod service;
pub mod shape;
pub mod stage;
pub mod state;
pub mod wire;

use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

pub use guest::{Course, Guest};
use state::{Mood, Seen, State};

use crate::net::tls::file;

/// The releases whose manners are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Release {
    V7,
    V8,
    V9,
}

pub const RELEASES: [Release; 3] = [Release::V7, Release::V8, Release::V9];

impl Release {
    pub fn number(self) -> u32 {
        match self {
            Release::V7 => 7,
            Release::V8 => 8,
            Release::V9 => 9,
        }
    }
}

/// A running cluster; over with its end, where a test that did not fail otherwise fails if the
/// server's own checks had to refuse anything.
pub struct Cluster {
    state: Arc<Mutex<State>>,
    pub port: u16,
}

impl Cluster {
    pub fn start(release: Release) -> Cluster {
        Cluster::with_certificate(release, "server.pem")
    }

    /// The same with another certificate of `testdata/tls`.
    pub fn with_certificate(release: Release, certificate: &str) -> Cluster {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(Mutex::new(State::new(release)));
        let (tls, rules) = (wire::config(certificate), Arc::new(schema::rules(release)));
        let of_server = state.clone();
        thread::spawn(move || wire::serve(&listener, &tls, &of_server, &rules));
        Cluster { state, port }
    }

    /// One of PVE 9 with these guests.
    pub fn of(guests: impl IntoIterator<Item = Guest>) -> Cluster {
        let cluster = Cluster::start(Release::V9);
        cluster.change(|state| state.guests.extend(guests));
        cluster
    }

    /// Looks at it, or changes it, after everything happened that is due.
    pub fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state.lock().unwrap();
        state.settle(std::time::Instant::now());
        change(&mut state)
    }

    pub fn guest<T>(&self, vmid: u32, change: impl FnOnce(&mut Guest) -> T) -> T {
        self.change(|state| change(state.guest(vmid)))
    }

    pub fn mood(&self, mood: Mood) {
        self.change(|state| state.mood = mood);
    }

    /// Serves HTTP inside the guest, from `lag` after it came up, at that address and port.
    pub fn serve(&self, vmid: u32, place: (&str, u16), lag: std::time::Duration) {
        service::serve(self.state.clone(), vmid, (place.0.to_owned(), place.1), lag);
    }

    /// What was asked so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.change(|state| state.seen.clone())
    }

    /// The requests so far that contain this, as lines.
    pub fn asked(&self, what: &str) -> Vec<String> {
        let lines = self.seen().into_iter().map(|seen| seen.line);
        lines.filter(|line| line.contains(what)).collect()
    }

    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// The entry of `providers.proxmox` that reaches it.
    pub fn entry(&self) -> String {
        self.entry_with(&format!("{{ca_file: {}}}", file("ca.pem").display()))
    }

    /// The same with another `tls:` section.
    pub fn entry_with(&self, tls: &str) -> String {
        format!(
            "{{url: \"{}\", token_id: sleeper@pve!t1, secret: a-secret, tls: {tls}}}",
            self.url()
        )
    }

    /// The same with its secret in a credential of systemd's, by name.
    pub fn entry_by_credential(&self, name: &str) -> String {
        self.entry().replace("secret: a-secret", &format!("secret_credential: {name}"))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let refused = self.change(|state| {
            state.over = true;
            std::mem::take(&mut state.refused)
        });
        let _ = TcpStream::connect(("127.0.0.1", self.port)); // wakes who accepts
        if !thread::panicking() {
            assert!(refused.is_empty(), "the server had to refuse {refused:?}");
        }
    }
}
