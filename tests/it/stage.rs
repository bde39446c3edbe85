//! A daemon of a test's own on an engine of a test's own, and what is seen of both. Checks nothing.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Child;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::binary::{Run, drowse, program};
use crate::dockerd::Dockerd;
use crate::podmand::Podmand;

/// What nothing here should ever take.
pub const LIMIT: Duration = Duration::from_secs(60);

/// A web server that answers `hello`.
pub const WEB: &str = "mkdir -p /www; echo hello > /www/index.html; exec httpd -f -p 80 -h /www";
/// What ends at once when it is told to.
pub const REST: &str = "trap 'exit 0' TERM; while :; do sleep 1 & wait; done";

/// Whose containers they are.
pub enum Engine {
    Docker(Dockerd),
    Podman(Podmand),
}

/// An engine and the daemon that watches it.
pub struct Stage {
    pub dir: TempDir,
    pub daemon: Daemon,
    pub engine: Engine,
    /// The `idle:` section.
    idle: String,
}

/// A running daemon and what it logged.
pub struct Daemon {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Engine {
    pub fn socket(&self) -> PathBuf {
        match self {
            Engine::Docker(dockerd) => dockerd.socket(),
            Engine::Podman(podmand) => podmand.socket(),
        }
    }

    /// The engine's own client's exit code and output.
    pub fn client(&self, args: &[&str]) -> (Option<i32>, String) {
        match self {
            Engine::Docker(dockerd) => dockerd.docker(args),
            Engine::Podman(podmand) => podmand.podman(args),
        }
    }
}

impl Stage {
    /// A Docker engine; `None` outside of the world.
    pub fn docker(number: u8, idle: &str) -> Option<Stage> {
        Some(Stage::on(Engine::Docker(Dockerd::start(number)?), idle))
    }

    /// A Podman service; `None` outside of the world.
    pub fn podman(number: u8, idle: &str) -> Option<Stage> {
        Some(Stage::on(Engine::Podman(Podmand::start(number)?), idle))
    }

    /// A daemon with that `idle:` section, which polls every 500 ms if it does not say.
    fn on(engine: Engine, idle: &str) -> Stage {
        let dir = TempDir::new().unwrap();
        let poll = if idle.contains("poll:") { "" } else { "poll: 500ms, " };
        let idle = format!("idle: {{{poll}{idle}}}\n");
        configure(&dir, &engine.socket(), &idle);
        let daemon = Daemon::start(&dir, drowse(&daemon_args(&dir)));
        Stage { dir, daemon, engine, idle }
    }

    /// Lets the daemon see the engine through this socket, from its next start on.
    pub fn through(&self, socket: &std::path::Path) {
        configure(&self.dir, socket, &self.idle);
    }

    /// Another one, after the first has ended.
    pub fn daemon_again(&mut self) {
        self.daemon = Daemon::start(&self.dir, drowse(&daemon_args(&self.dir)));
    }

    /// The same, but it sees no process of this machine's: its engine might be elsewhere.
    pub fn daemon_elsewhere(&mut self) {
        let mut args = vec!["--pid", "--fork", "--kill-child", "--mount-proc"];
        args.push(crate::binary::DROWSE);
        let own = daemon_args(&self.dir);
        args.extend(own.iter().copied());
        self.daemon = Daemon::start(&self.dir, program("unshare", &args));
    }

    /// A container that runs `script`; `more` are options of `docker create`.
    pub fn create(&self, name: &str, script: &str, more: &[&str]) {
        let args = [&["create", "--name", name], more, &["drowse-test:latest", "sh", "-c", script]];
        let (status, said) = self.client(&args.concat());
        assert_eq!(status, Some(0), "{name}: {said}");
    }

    /// The same, started.
    pub fn run(&self, name: &str, script: &str, more: &[&str]) {
        self.create(name, script, more);
        // Podmans beside each other may stumble over the chains of the firewall, which are all's.
        self.wait_while(|| {
            let (status, said) = self.client(&["start", name]);
            (status != Some(0)).then(|| format!("{name}: {said}"))
        });
    }

    pub fn client(&self, args: &[&str]) -> (Option<i32>, String) {
        self.engine.client(args)
    }

    pub fn address(&self, name: &str) -> String {
        let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
        self.client(&["inspect", "-f", format, name]).1.trim().to_owned()
    }

    /// What the engine says it does: `running`, `paused`, `exited`, ….
    pub fn state(&self, name: &str) -> String {
        let (status, said) = self.client(&["inspect", "-f", "{{.State.Status}}", name]);
        match (status, said.trim()) {
            // Podman's word for one that ended and was not tidied up yet, which may stay so.
            (Some(0), "stopped") => "exited".to_owned(),
            (Some(0), state) => state.to_owned(),
            (_, _) => "gone".to_owned(),
        }
    }

    /// Waits until the engine says that of the container.
    #[track_caller]
    pub fn until(&self, name: &str, state: &str) {
        let seen = || Some(self.state(name)).filter(|now| now != state);
        self.wait_while(|| seen().map(|now| format!("{name} is {now}, not {state}")));
    }

    /// Waits until the daemon says that of it.
    #[track_caller]
    pub fn until_told(&self, name: &str, state: &str) {
        let seen = || Some(self.row(name)).filter(|row| row["state"] != state);
        self.wait_while(|| seen().map(|row| format!("{name} is not {state}: {row}")));
    }

    /// Waits until there is nothing to complain of.
    #[track_caller]
    pub fn wait_while(&self, complaint: impl Fn() -> Option<String>) {
        let end = Instant::now() + LIMIT;
        while let Some(what) = complaint() {
            assert!(Instant::now() < end, "{what}\n{:#?}", self.ask("status"));
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// What the daemon answers to this verb.
    pub fn ask(&self, line: &str) -> Vec<Value> {
        let control = self.control().display().to_string();
        let args: Vec<&str> = line.split(' ').chain(["--control", &control]).collect();
        drowse(&args).outcome().objects()
    }

    /// The same for a verb with one name, all done well.
    #[track_caller]
    pub fn done(&self, line: &str) -> Value {
        let answer = self.ask(line);
        assert!(answer.len() == 1 && answer[0]["error"].is_null(), "{line}: {answer:?}");
        answer[0].clone()
    }

    pub fn control(&self) -> PathBuf {
        self.dir.path().join("control.sock")
    }

    /// What `status` says of it; null if nothing.
    pub fn row(&self, name: &str) -> Value {
        let rows = self.ask("status");
        rows.into_iter().find(|row| row["name"] == name).unwrap_or_default()
    }
}

impl Daemon {
    fn start(dir: &TempDir, run: Run) -> Daemon {
        let mut child = run.start();
        let stderr = child.stderr.take().unwrap();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let kept = lines.clone();
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                eprintln!("{line}");
                kept.lock().unwrap().push(line);
            }
        });
        let end = Instant::now() + LIMIT;
        while UnixStream::connect(dir.path().join("control.sock")).is_err() {
            assert!(Instant::now() < end, "the daemon does not listen");
            thread::sleep(Duration::from_millis(10));
        }
        Daemon { child, lines }
    }

    /// What it logged so far.
    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    /// Waits for a line that ends so, after the first `from` lines; its place.
    #[track_caller]
    pub fn until_logged(&self, from: usize, end: &str) -> usize {
        let limit = Instant::now() + LIMIT;
        loop {
            let lines = self.lines.lock().unwrap();
            let found = lines.iter().skip(from).position(|line| line.ends_with(end));
            if let Some(at) = found {
                return from + at;
            }
            drop(lines);
            assert!(Instant::now() < limit, "it did not log {end:?}");
            thread::sleep(Duration::from_millis(1));
        }
    }

    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.unwrap(), signal).unwrap();
    }

    /// Waits for its end; whether it was a good one.
    pub fn ended_well(&mut self) -> bool {
        self.child.wait().unwrap().success()
    }

    /// Killed hard.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn configure(dir: &TempDir, socket: &std::path::Path, idle: &str) {
    let own = format!("providers: {{docker: {{own: \"unix://{}\"}}}}\n", socket.display());
    let rest = "control: control.sock\ndoors: {redirect: off}\n";
    fs::write(dir.path().join("drowse.yml"), own + idle + rest).unwrap();
}

fn daemon_args(dir: &TempDir) -> [&'static str; 5] {
    let file = dir.path().join("drowse.yml").display().to_string().leak();
    ["daemon", "--config", file, "--log", "debug"]
}

/// The body of what the server at port 80 of the address answers.
pub fn fetch(address: &str) -> String {
    let mut stream = connect(address, 80);
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    reply.rsplit("\r\n\r\n").next().unwrap().to_owned()
}

/// A connection on which nothing is waited for longer than the limit. Tried again while nobody
/// listens yet.
#[track_caller]
pub fn connect(address: &str, port: u16) -> TcpStream {
    let end = Instant::now() + LIMIT;
    loop {
        match TcpStream::connect((address, port)) {
            Ok(stream) => {
                stream.set_read_timeout(Some(LIMIT)).unwrap();
                return stream;
            }
            Err(error) => assert!(Instant::now() < end, "{address}:{port}: {error}"),
        }
        thread::sleep(Duration::from_millis(20));
    }
}
