//! News for the service manager, as sd_notify(3) has them: a datagram that nobody need read.
//! Nothing here waits or fails.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use log::debug;
use rustix::time::{ClockId, clock_gettime};

use crate::config::Env;
use crate::net::access::plain;

/// What can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News<'a> {
    /// It is up, or has read its configuration anew.
    Ready,
    /// A line about how it goes, for `systemctl status`.
    Status(&'a str),
    /// It reads its configuration anew; [`News::Ready`] follows.
    Reloading,
    /// It is about to end.
    Stopping,
    /// It is not stuck.
    Watchdog,
}

/// The way to the manager, if there is one.
#[derive(Debug, Default)]
pub struct Notify(Option<(UnixDatagram, SocketAddr)>);

impl Notify {
    /// To whom `NOTIFY_SOCKET` says: a path, or `@` and a name without a file.
    pub fn new(env: &Env) -> Notify {
        let Some(name) = env.var("NOTIFY_SOCKET") else { return Notify(None) };
        let address = match name.strip_prefix('@') {
            Some(name) => SocketAddr::from_abstract_name(name),
            None => SocketAddr::from_pathname(name),
        };
        let opened = address.and_then(|address| {
            let socket = UnixDatagram::unbound()?;
            socket.set_nonblocking(true)?;
            Ok((socket, address))
        });
        Notify(opened.inspect_err(|error| debug!("NOTIFY_SOCKET={name}: {}", plain(error))).ok())
    }

    /// Whether there is anybody to tell.
    pub fn is_heard(&self) -> bool {
        self.0.is_some()
    }

    /// Tells all of these at once.
    pub fn tell(&self, news: &[News<'_>]) {
        let Some((socket, address)) = &self.0 else { return };
        let text: String = news.iter().map(|one| one.text(now())).collect();
        if let Err(error) = socket.send_to_addr(text.as_bytes(), address) {
            debug!("notify systemd: {}", plain(&error));
        }
    }
}

impl News<'_> {
    /// The lines for it; `now` by the clock that counts from boot.
    fn text(&self, now: Duration) -> String {
        match self {
            News::Ready => "READY=1\n".into(),
            News::Status(line) => format!("STATUS={}\n", line.replace('\n', " ")),
            News::Reloading => format!("RELOADING=1\nMONOTONIC_USEC={}\n", now.as_micros()),
            News::Stopping => "STOPPING=1\n".into(),
            News::Watchdog => "WATCHDOG=1\n".into(),
        }
    }
}

/// systemd compares it with its own reading of the same clock.
fn now() -> Duration {
    let now = clock_gettime(ClockId::Monotonic);
    Duration::new(u64::try_from(now.tv_sec).unwrap_or(0), u32::try_from(now.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(name: &str) -> Notify {
        let vars = [("NOTIFY_SOCKET".to_string(), name.to_string())].into();
        Notify::new(&Env { vars, ..Env::default() })
    }

    fn heard(manager: &UnixDatagram) -> String {
        let mut bytes = [0; 1024];
        let length = manager.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    }

    #[test]
    fn the_manager_hears_it_by_path_and_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let by_path = UnixDatagram::bind(&path).unwrap();
        let news = [News::Ready, News::Status("3 containers,\n1 asleep"), News::Watchdog];
        let text = "READY=1\nSTATUS=3 containers, 1 asleep\nWATCHDOG=1\n";
        to(path.to_str().unwrap()).tell(&news);
        assert_eq!(heard(&by_path), text);
        let name = format!("drowse-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let by_name = UnixDatagram::bind_addr(&address).unwrap();
        to(&format!("@{name}")).tell(&news);
        assert_eq!(heard(&by_name), text);
        to(&format!("@{name}")).tell(&[News::Stopping]);
        assert_eq!(heard(&by_name), "STOPPING=1\n");
    }

    #[test]
    fn a_reload_says_when_it_began() {
        let text = News::Reloading.text(Duration::from_millis(1500));
        assert_eq!(text, "RELOADING=1\nMONOTONIC_USEC=1500000\n");
        let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
        let uptime: f64 = uptime.split(' ').next().unwrap().parse().unwrap();
        assert!(now().as_secs_f64() < uptime + 10.0, "the clock of the machine, not of the day");
    }

    #[test]
    fn without_a_manager_nothing_happens() {
        Notify::new(&Env::default()).tell(&[News::Ready]);
        to("/nonexistent/notify").tell(&[News::Ready]);
        to(&"x".repeat(200)).tell(&[News::Ready]);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let _deaf = UnixDatagram::bind(&path).unwrap();
        let notify = to(path.to_str().unwrap());
        (0..1000).for_each(|_| notify.tell(&[News::Watchdog])); // more than the socket holds
    }
}
