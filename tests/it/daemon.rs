//! `drowse daemon` on a real engine of its own: containers fall asleep by every method and wake by
//! a request, by command, for those who need them; and nothing is left behind.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::binary::drowse;
use crate::dockerd::Dockerd;

/// What nothing here should ever take.
const LIMIT: Duration = Duration::from_secs(60);

/// A web server that answers `hello`.
const WEB: &str = "mkdir -p /www; echo hello > /www/index.html; exec httpd -f -p 80 -h /www";
/// What ends at once when it is told to.
const REST: &str = "trap 'exit 0' TERM; while :; do sleep 1 & wait; done";

/// An engine and the daemon that watches it.
struct Stage {
    dir: TempDir,
    daemon: Child,
    engine: Dockerd,
}

impl Stage {
    fn start(number: u8) -> Option<Stage> {
        let engine = Dockerd::start(number)?;
        let dir = TempDir::new().unwrap();
        let daemon = daemon(&dir, &engine);
        Some(Stage { dir, daemon, engine })
    }

    fn create(&self, name: &str, script: &str, labels: &[&str]) {
        let mut args = vec!["create", "--name", name];
        labels.iter().for_each(|label| args.extend(["--label", label]));
        args.extend(["drowse-test:latest", "sh", "-c", script]);
        assert_eq!(self.docker(&args).0, Some(0), "{name}");
    }

    fn docker(&self, args: &[&str]) -> (Option<i32>, String) {
        self.engine.docker(args)
    }

    fn address(&self, name: &str) -> String {
        let format = "{{.NetworkSettings.IPAddress}}";
        self.docker(&["inspect", "-f", format, name]).1.trim().to_owned()
    }

    /// Waits until the engine says that of the container.
    #[track_caller]
    fn until(&self, name: &str, state: &str) {
        let end = Instant::now() + LIMIT;
        loop {
            let now = self.docker(&["inspect", "-f", "{{.State.Status}}", name]).1;
            if now.trim() == state {
                return;
            }
            assert!(Instant::now() < end, "{name} is {now}, not {state}: {:?}", self.ask("status"));
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// What the daemon answers to this verb.
    fn ask(&self, line: &str) -> Vec<Value> {
        let control = self.control().display().to_string();
        let args: Vec<&str> = line.split(' ').chain(["--control", &control]).collect();
        drowse(&args).outcome().objects()
    }

    fn control(&self) -> PathBuf {
        self.dir.path().join("control.sock")
    }

    fn row(&self, name: &str) -> Value {
        let rows = self.ask("status");
        rows.into_iter().find(|row| row["name"] == name).unwrap_or_default()
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let pid = i32::try_from(self.daemon.id()).ok().and_then(rustix::process::Pid::from_raw);
        rustix::process::kill_process(pid.unwrap(), signal).unwrap();
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

fn daemon(dir: &TempDir, engine: &Dockerd) -> Child {
    let file = dir.path().join("drowse.yml");
    let config = format!(
        "providers: {{docker: {{own: \"unix://{}\"}}}}\nidle: {{poll: 500ms, stop_timeout: 5s}}\n\
         control: control.sock\n",
        engine.socket().display()
    );
    fs::write(&file, config).unwrap();
    let mut child = drowse(&["daemon", "--config", file.to_str().unwrap()]).start();
    let stderr = child.stderr.take().unwrap();
    thread::spawn(move || {
        BufReader::new(stderr).lines().map_while(Result::ok).for_each(|line| eprintln!("{line}"));
    });
    let end = Instant::now() + LIMIT;
    while UnixStream::connect(dir.path().join("control.sock")).is_err() {
        assert!(Instant::now() < end, "the daemon does not listen");
        thread::sleep(Duration::from_millis(10));
    }
    child
}

/// The body of the answer.
fn fetch(address: &str) -> String {
    let mut stream = TcpStream::connect((address, 80)).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    reply.rsplit("\r\n\r\n").next().unwrap().to_owned()
}

#[test]
fn containers_fall_asleep_by_each_method_and_wake_when_they_must() {
    let Some(stage) = Stage::start(78) else { return };
    let idle = "proxy.idle_timeout=1s";
    stage.create("frozen", WEB, &[idle, "proxy.stop_method=pause", "proxy.frozen.port=80"]);
    stage.create("stopped", REST, &[idle]);
    stage.create("killed", REST, &[idle, "proxy.stop_method=kill", "proxy.stop_signal=USR1"]);
    stage.create("busy", "while :; do :; done", &[idle, "proxy.idle_cpu=1"]);
    for name in ["frozen", "stopped", "killed", "busy"] {
        stage.docker(&["start", name]);
    }
    stage.until("frozen", "paused");
    stage.until("stopped", "exited");
    stage.until("killed", "exited");
    let address = stage.address("frozen");
    let mut took = Vec::new();
    for _ in 0..10 {
        let begun = Instant::now();
        assert_eq!(fetch(&address), "hello\n");
        took.push(begun.elapsed());
        stage.until("frozen", "paused");
    }
    took.sort();
    eprintln!("a paused server answered after {:.0?}, at most {:.0?}", took[5], took[9]);
    // Kept before it is woken: a busy machine may need longer than it takes to fall asleep again.
    stage.ask("keep stopped 1h");
    let woken = stage.ask("wake stopped --wait");
    assert_eq!((&woken[0]["name"], &woken[0]["state"]), (&"stopped".into(), &"awake".into()));
    assert_eq!(stage.row("stopped")["why"], "kept");
    assert_eq!(stage.row("busy")["why"], "cpu");
    assert_eq!(stage.row("frozen")["state"], "asleep");
    assert_eq!(stage.docker(&["inspect", "-f", "{{.State.Status}}", "busy"]).1, "running\n");
    let slept = stage.ask("sleep busy --wait");
    assert_eq!((&slept[0]["error"], &slept[0]["state"]), (&Value::Null, &"asleep".into()));
}

#[test]
fn what_a_container_needs_wakes_before_it_and_sleeps_after_it() {
    let Some(mut stage) = Stage::start(79) else { return };
    let of = |service| format!("com.docker.compose.service={service}");
    let project = "com.docker.compose.project=shop";
    let needs =
        "com.docker.compose.depends_on=db:service_started,job:service_completed_successfully";
    let idle = "proxy.idle_timeout=1s";
    stage.create("db", REST, &[project, &of("db")]);
    stage.create("job", "exit 0", &[project, &of("job")]);
    stage.create("app", REST, &[project, &of("app"), needs, idle]);
    stage.create("alone", REST, &[]);
    stage.docker(&["start", "alone"]);
    let begun = Instant::now();
    while stage.row("app").is_null() {
        assert!(begun.elapsed() < LIMIT, "the daemon does not see app");
    }
    let woken = stage.ask("wake app --wait");
    assert_eq!((&woken[0]["error"], &woken[0]["state"]), (&Value::Null, &"awake".into()));
    let format = "{{.Name}} {{.State.StartedAt}}";
    let told = stage.docker(&["inspect", "-f", format, "db", "job", "app"]).1;
    let starts: Vec<&str> = told.lines().filter_map(|line| line.split(' ').nth(1)).collect();
    assert!(starts[0] < starts[2] && starts[1] < starts[2], "{told}");
    stage.until("app", "exited");
    stage.until("db", "exited");
    stage.until("alone", "running");
    // Killed hard, and started again: it goes on with what it finds.
    stage.signal(rustix::process::Signal::KILL);
    stage.daemon.wait().unwrap();
    stage.docker(&["start", "app"]);
    stage.daemon = daemon(&stage.dir, &stage.engine);
    stage.until("app", "exited");
    // Reloaded with nonsense, it keeps what it has.
    fs::write(stage.dir.path().join("drowse.yml"), "providers: [").unwrap();
    stage.signal(rustix::process::Signal::HUP);
    assert_eq!(stage.row("app")["state"], "asleep");
    stage.signal(rustix::process::Signal::TERM);
    assert!(stage.daemon.wait().unwrap().success());
    assert!(!stage.control().exists());
}
