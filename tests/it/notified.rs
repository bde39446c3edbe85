//! What systemd hears of a daemon that it might have started, by a socket that plays systemd's.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::{TempDir, tempdir};

use crate::binary::DROWSE;
use crate::servers::{self, Deed, Manner, json, open_stream};

/// What nothing here should ever take.
const LIMIT: Duration = Duration::from_secs(60);

/// A daemon, and who plays systemd for it.
struct Service {
    dir: TempDir,
    manager: UnixDatagram,
    child: Child,
}

/// Two containers that are to be put to sleep, one of them is.
fn two(request: &str) -> Deed {
    let [up, down] = ["up", "down"].map(servers::container);
    let down = down.replace("running", "exited");
    match request {
        events if events.contains("/events") => open_stream(),
        list if list.contains("/containers/json") => json(200, &format!("[{up},{down}]")),
        // The id is the name in hexadecimal digits.
        inspect if inspect.contains("/containers/") => {
            let state = if inspect.contains("/7570") { "running" } else { "exited" };
            let state = format!("{{\"Status\":\"{state}\",\"Pid\":0,\"ExitCode\":0}}");
            json(200, &format!("{{\"Id\":\"it\",\"State\":{state}}}"))
        }
        other => servers::engine(other),
    }
}

impl Service {
    /// Its stderr is a file, which it takes for the journal.
    fn start() -> Service {
        Service::beside(None)
    }

    /// The same with another engine of these manners.
    fn beside(other: Option<Manner>) -> Service {
        let dir = tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let manager = UnixDatagram::bind(path("notify")).unwrap();
        manager.set_read_timeout(Some(LIMIT)).unwrap();
        let engine = servers::unix(dir.path(), "engine.sock", two);
        let other = other.map(|manner| servers::unix(dir.path(), "other.sock", manner));
        let other = other.map_or(String::new(), |url| format!(", other: \"{url}\""));
        configure(dir.path(), &format!("providers: {{docker: {{own: \"{engine}\"{other}}}}}\n"));
        let journal = File::create(path("journal")).unwrap();
        let of = journal.metadata().unwrap();
        let child = Command::new(DROWSE)
            .args(["daemon", "--config"])
            .arg(path("drowse.yml"))
            .env_clear()
            .env("NOTIFY_SOCKET", path("notify"))
            .env("WATCHDOG_USEC", "400000")
            .env("JOURNAL_STREAM", format!("{}:{}", of.dev(), of.ino()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(journal)
            .spawn()
            .unwrap();
        Service { dir, manager, child }
    }

    /// What is told until it says that, one line each.
    fn until(&self, wanted: &str) -> Vec<String> {
        let (end, mut heard) = (Instant::now() + LIMIT, Vec::new());
        while !heard.iter().any(|line: &String| line == wanted) {
            assert!(Instant::now() < end, "{wanted} does not come: {}", self.journal());
            let mut bytes = [0; 4096];
            let n = self.manager.recv(&mut bytes).unwrap();
            let text = String::from_utf8(bytes[..n].to_vec()).unwrap();
            heard.extend(text.lines().map(str::to_owned));
        }
        heard
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.unwrap(), signal).unwrap();
    }

    fn journal(&self) -> String {
        fs::read_to_string(self.dir.path().join("journal")).unwrap()
    }

    /// Reloads; when it said that it began, by the clock of the machine.
    fn reload(&self) -> Duration {
        self.signal(Signal::HUP);
        let mut heard = self.until("RELOADING=1");
        heard.extend(self.until("READY=1"));
        let micros = heard.iter().find_map(|line| line.strip_prefix("MONOTONIC_USEC="));
        Duration::from_micros(micros.unwrap().parse().unwrap())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn configure(dir: &Path, text: &str) {
    fs::write(dir.join("drowse.yml"), format!("{text}control: control.sock\n")).unwrap();
}

fn uptime() -> Duration {
    let text = fs::read_to_string("/proc/uptime").unwrap();
    Duration::from_secs_f64(text.split(' ').next().unwrap().parse().unwrap())
}

#[test]
fn systemd_hears_of_every_turn_in_the_daemons_life() {
    let mut service = Service::start();
    service.until("READY=1");
    service.until("STATUS=2 watched, 1 asleep");
    (0..3).for_each(|_| drop(service.until("WATCHDOG=1")));
    // Another engine, which is not there.
    let dir = service.dir.path().to_owned();
    let engine = format!("unix://{}", dir.join("engine.sock").display());
    let nobody = format!("unix://{}", dir.join("nobody.sock").display());
    configure(&dir, &format!("providers: {{docker: {{own: \"{engine}\", off: \"{nobody}\"}}}}\n"));
    let before = uptime();
    let begun = service.reload();
    // The uptime is told to the hundredth.
    let margin = Duration::from_millis(20);
    assert!(before <= begun + margin && begun <= uptime() + margin, "{before:?} {begun:?}");
    service.until("STATUS=2 watched, 1 asleep; an engine is not reachable");
    fs::write(dir.join("drowse.yml"), "providers: [").unwrap();
    service.reload();
    service.signal(Signal::TERM);
    service.until("STOPPING=1");
    assert!(service.child.wait().unwrap().success());
    let journal = service.journal();
    assert!(journal.lines().all(|line| line.starts_with('<')), "{journal}");
    for line in ["<6>the configuration was read anew", "<3>the new configuration is not used"] {
        assert!(journal.lines().any(|one| one.starts_with(line)), "{line}: {journal}");
    }
}

#[test]
fn an_engine_that_hangs_holds_up_the_start_for_ten_seconds_and_no_longer() {
    let begun = Instant::now();
    let service = Service::beside(Some(servers::silent));
    let heard = service.until("READY=1");
    let took = begun.elapsed();
    assert!((9..25).contains(&took.as_secs()), "{took:?}");
    assert!(heard.iter().any(|line| line == "WATCHDOG=1"), "it is alive all the while");
    service.until("STATUS=2 watched, 1 asleep");
}
