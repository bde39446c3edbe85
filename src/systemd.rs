//! What systemd and a service tell each other: news, the watchdog, sockets handed over, the log.
//! Runs nothing; systemd need not be there.
//!
//! Sources: sd_notify(3), sd_watchdog_enabled(3), sd_listen_fds(3), sd-daemon(3). Credentials are
//! read by the config, which names them.

pub mod log;
pub mod notify;

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use listenfd::ListenFd;

use crate::config::Env;

/// When to tell the watchdog that the loop goes round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watchdog {
    every: Duration,
    next: Instant,
}

impl Watchdog {
    /// The watchdog that waits for the process `pid`; `None`: there is none. It is told twice in
    /// its time, the first time at once.
    pub fn new(env: &Env, pid: u32, now: Instant) -> Option<Watchdog> {
        let own = |text: &str| text.parse() == Ok(pid);
        if !env.var("WATCHDOG_PID").is_none_or(own) {
            return None;
        }
        let micros = env.var("WATCHDOG_USEC")?.parse().ok().filter(|micros| *micros > 0)?;
        Some(Watchdog { every: Duration::from_micros(micros) / 2, next: now })
    }

    /// When it wants to be told next.
    pub fn deadline(&self) -> Instant {
        self.next
    }

    /// Whether it is to be told now: then do it, the next time is half its time later.
    pub fn due(&mut self, now: Instant) -> bool {
        let due = now >= self.next;
        if due {
            self.next = now + self.every;
        }
        due
    }
}

/// A socket for a front door, and what it is bound to.
#[derive(Debug)]
pub enum NetworkSocket {
    /// It listens.
    Tcp(TcpListener, SocketAddr),
    /// It is bound.
    Udp(UdpSocket, SocketAddr),
}

/// The listening sockets that systemd opened for us. Ask once, at the start, and before any child
/// is started: it takes them out of the environment.
pub struct Inherited {
    sockets: ListenFd,
    names: Vec<String>,
}

impl Inherited {
    /// What this process was given.
    pub fn of_process(env: &Env) -> Inherited {
        let names = env.var("LISTEN_FDNAMES").unwrap_or_default();
        let names = names.split(':').map(str::to_owned).collect();
        Inherited { sockets: ListenFd::from_env(), names }
    }

    /// The listener of that name (`FileDescriptorName=`). An only socket needs no name. Fails, with
    /// the reason, where it is of another kind.
    pub fn unix_listener(&mut self, name: &str) -> Result<Option<UnixListener>, String> {
        if let Some(place) = self.names.iter().position(|one| one == name) {
            let taken = self.sockets.take_unix_listener(place);
            return taken
                .map_err(|error| format!("the socket `{name}` that systemd opened: {error}"));
        }
        let is_only = self.sockets.len() == 1;
        let only = is_only.then(|| self.sockets.take_unix_listener(0).ok());
        Ok(only.flatten().flatten())
    }

    /// Every socket of TCP that listens, and every one of UDP, that was not taken yet.
    pub fn of_networks(&mut self) -> Vec<NetworkSocket> {
        let mut found = Vec::new();
        for place in 0..self.sockets.len() {
            if let Ok(Some(listener)) = self.sockets.take_tcp_listener(place) {
                found.extend(listener.local_addr().map(|at| NetworkSocket::Tcp(listener, at)));
            } else if let Ok(Some(socket)) = self.sockets.take_udp_socket(place) {
                found.extend(socket.local_addr().map(|at| NetworkSocket::Udp(socket, at)));
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watchdog(vars: &[(&str, &str)], now: Instant) -> Option<Watchdog> {
        let vars = vars.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        Watchdog::new(&Env { vars, ..Env::default() }, 42, now)
    }

    #[test]
    fn the_watchdog_is_told_twice_in_its_time() {
        let t0 = Instant::now();
        let secs = Duration::from_secs;
        let mut dog = watchdog(&[("WATCHDOG_USEC", "20000000")], t0).unwrap();
        assert_eq!((dog.deadline(), dog.due(t0)), (t0, true));
        assert_eq!(dog.deadline(), t0 + secs(10));
        assert!(!dog.due(t0 + secs(9)));
        assert!(dog.due(t0 + secs(12)));
        assert_eq!(dog.deadline(), t0 + secs(22));
    }

    #[test]
    fn only_a_watchdog_of_ours_counts() {
        let t0 = Instant::now();
        let usec = ("WATCHDOG_USEC", "1000000");
        assert!(watchdog(&[usec, ("WATCHDOG_PID", "42")], t0).is_some());
        for none in [
            &[][..],
            &[usec, ("WATCHDOG_PID", "41")],
            &[usec, ("WATCHDOG_PID", "x")],
            &[("WATCHDOG_USEC", "0")],
            &[("WATCHDOG_USEC", "soon")],
        ] {
            assert_eq!(watchdog(none, t0), None, "{none:?}");
        }
    }
}
