//! A network of a test's own with a dockerd and a daemon in it, so that ports, rules and containers
//! are nobody else's. Only inside of `tests/world`, whose end is its end.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde_json::Value;

use crate::binary::{DROWSE, drowse, program};

/// Sockets come as stdin and stdout and are handed on as systemd does it (sd_listen_fds(3)).
const HANDS_OVER: [&str; 4] =
    ["sh", "-c", "exec 3<&0 4<&1 </dev/null >/dev/null; LISTEN_PID=$$ exec \"$@\"", "sh"];

/// What nothing here should ever take.
pub const LIMIT: Duration = Duration::from_secs(90);

/// An engine in a network of its own, and the daemon that watches it.
pub struct Stage {
    name: String,
    dir: PathBuf,
    engine: Child,
    pub daemon: Option<Child>,
    pub config: String,
    /// Where the daemon sees its engine; the engine's own socket, if nothing else is said.
    pub url: Option<String>,
    /// The network of the daemon, if it is on another machine.
    pub home: Option<String>,
    /// What the daemon is started by: a program and its arguments, which starts it.
    pub by: Vec<String>,
    /// Sockets that the daemon finds opened for it.
    pub handed: Vec<OwnedFd>,
    /// What the daemon has logged.
    pub log: Arc<Mutex<Vec<String>>>,
}

impl Stage {
    /// Starts both; `None` outside of the world, or where rules can't be made. `config` are lines
    /// of the daemon's file.
    pub fn start(name: &str, config: &str) -> Option<Stage> {
        crate::world::engine()?;
        let world = PathBuf::from(std::env::var_os("DROWSE_TEST_DIR")?);
        let dir = world.join(format!("doors-{name}"));
        fs::create_dir_all(&dir).unwrap();
        run("ip", &["netns", "add", name]);
        run("ip", &["-n", name, "link", "set", "lo", "up"]);
        let engine = dockerd(name, &dir);
        let mut stage = Stage {
            name: name.into(),
            dir,
            engine,
            daemon: None,
            config: config.into(),
            url: None,
            home: None,
            by: Vec::new(),
            handed: Vec::new(),
            log: Arc::default(),
        };
        stage.wait_for_engine();
        let tar = world.join("image.tar").display().to_string();
        assert_eq!(stage.docker(&["import", &tar, "drowse-test:latest"]).0, Some(0));
        stage.start_daemon();
        Some(stage)
    }

    /// Another network beside this one, at the other end of a wire: 10.99.0.1 here, .2 there.
    pub fn neighbour(&self) -> String {
        let (here, there) = (self.name.as_str(), format!("{}-far", self.name));
        run("ip", &["netns", "add", &there]);
        run("ip", &["-n", &there, "link", "set", "lo", "up"]);
        let ends = (format!("w{here}"), format!("x{here}"));
        run(
            "ip",
            &[
                "link", "add", &ends.0, "netns", here, "type", "veth", "peer", &ends.1, "netns",
                &there,
            ],
        );
        for (name, end, last) in [(here, &ends.0, 1), (&there, &ends.1, 2)] {
            run("ip", &["-n", name, "address", "add", &format!("10.99.0.{last}/24"), "dev", end]);
            let v6 = format!("fd99::{last}/64");
            run("ip", &["-n", name, "address", "add", &v6, "dev", end, "nodad"]);
            run("ip", &["-n", name, "link", "set", end, "up"]);
        }
        there
    }

    /// Starts the daemon, with the configuration as it is now.
    pub fn start_daemon(&mut self) {
        self.configure();
        let file = self.dir.join("drowse.yml").display().to_string();
        let mut words: Vec<&str> = self.by.iter().map(String::as_str).collect();
        let mut sockets = self.handed.iter().map(|socket| socket.try_clone().unwrap());
        if !self.handed.is_empty() {
            words.extend(HANDS_OVER);
        }
        words.extend([DROWSE, "--log", "debug", "daemon", "--config", &file]);
        let home = self.home.as_ref().unwrap_or(&self.name);
        let mut daemon = inside(home, words[0], &words[1..])
            .env("LISTEN_FDS", self.handed.len().to_string())
            .stdin(sockets.next().map_or(Stdio::null(), Stdio::from))
            .stdout(sockets.next().map_or(Stdio::null(), Stdio::from))
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (stderr, log) = (daemon.stderr.take().unwrap(), self.log.clone());
        let name = self.name.clone();
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                eprintln!("{name}: {line}");
                log.lock().unwrap().push(line);
            }
        });
        self.daemon = Some(daemon);
        let control = self.dir.join("control.sock");
        until("the daemon listens", || UnixStream::connect(&control).is_ok());
    }

    /// Writes the daemon's file, as the configuration is now.
    pub fn configure(&self) {
        let text = format!(
            "providers: {{docker: {{own: \"{}\"}}}}\ncontrol: control.sock\n{}\n",
            self.url.clone().unwrap_or_else(|| format!("unix://{}", self.socket().display())),
            self.config
        );
        fs::write(self.dir.join("drowse.yml"), text).unwrap();
    }

    /// Another daemon in place of this one.
    pub fn daemon_again(&mut self) {
        self.signal(Signal::TERM);
        assert!(self.ended().success());
        self.start_daemon();
    }

    /// A command in this network.
    pub fn inside(&self, name: &str, args: &[&str]) -> Command {
        inside(&self.name, name, args)
    }

    /// Moves this thread into this network.
    pub fn enter(&self) {
        enter(&self.name);
    }

    /// The name of this network.
    pub fn network(&self) -> &str {
        &self.name
    }

    /// A file of this stage.
    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    pub fn socket(&self) -> PathBuf {
        self.dir.join("docker.sock")
    }

    /// The docker client's exit code and output, at this engine.
    pub fn docker(&self, args: &[&str]) -> (Option<i32>, String) {
        let host = format!("unix://{}", self.socket().display());
        let outcome = program("docker", args).env("DOCKER_HOST", &host).outcome();
        (outcome.status, outcome.stdout + &outcome.stderr)
    }

    /// Creates a container with these arguments and waits until the daemon knows it.
    #[track_caller]
    pub fn create(&self, name: &str, script: &str, args: &[&str]) {
        let mut all = vec!["create", "--name", name];
        all.extend(args);
        all.extend(["drowse-test:latest", "sh", "-c", script]);
        let created = self.docker(&all);
        assert_eq!(created.0, Some(0), "{name}: {}", created.1);
        self.until_row(name, "is watched", |row| !row.is_null());
    }

    /// What the daemon answers to this verb.
    pub fn ask(&self, line: &str) -> Vec<Value> {
        let control = self.dir.join("control.sock").display().to_string();
        let args: Vec<&str> = line.split(' ').chain(["--control", &control]).collect();
        drowse(&args).outcome().objects()
    }

    /// The row of a container in `status`.
    pub fn row(&self, name: &str) -> Value {
        let rows = self.ask("status");
        rows.into_iter().find(|row| row["name"] == name).unwrap_or_default()
    }

    #[track_caller]
    pub fn until_row(&self, name: &str, what: &str, is: impl Fn(&Value) -> bool) {
        let end = Instant::now() + LIMIT;
        loop {
            let row = self.row(name);
            if is(&row) {
                return;
            }
            assert!(Instant::now() < end, "{name} never {what}: {row}");
            thread::sleep(Duration::from_millis(30));
        }
    }

    /// Waits until it is so.
    #[track_caller]
    pub fn until_is(&self, name: &str, state: &str) {
        self.until_row(name, state, |row| row["state"] == state);
    }

    /// Waits until it sleeps and every door of it stands.
    #[track_caller]
    pub fn until_held(&self, name: &str) {
        self.until_row(name, "asleep with its doors open", |row| {
            let doors = row["doors"].as_array().cloned().unwrap_or_default();
            row["state"] == "asleep" && doors.iter().all(|door| door["state"] == "open")
        });
        until("rules stand", || !self.rules().is_empty() || !self.has_redirect(name));
    }

    fn has_redirect(&self, name: &str) -> bool {
        let doors = self.row(name)["doors"].as_array().cloned().unwrap_or_default();
        doors.iter().any(|door| door["kind"] == "redirect")
    }

    /// What stands in the table of doors.
    pub fn rules(&self) -> String {
        let listed = self.inside("nft", &["list", "table", "inet", "drowse"]).output().unwrap();
        String::from_utf8(listed.stdout).unwrap()
    }

    /// What `drowse check` complains of, in this network.
    pub fn check(&self) -> String {
        let file = self.dir.join("drowse.yml").display().to_string();
        let checked = self.inside(DROWSE, &["check", "--config", &file]).output().unwrap();
        String::from_utf8(checked.stderr).unwrap()
    }

    /// Sends the daemon a signal.
    pub fn signal(&self, signal: Signal) {
        let id = self.daemon.as_ref().map(Child::id);
        kill(id.unwrap(), signal);
    }

    /// Waits for the daemon's end.
    pub fn ended(&mut self) -> std::process::ExitStatus {
        self.daemon.take().unwrap().wait().unwrap()
    }

    /// Whether the daemon has logged a line with this.
    pub fn has_logged(&self, text: &str) -> bool {
        self.log.lock().unwrap().iter().any(|line| line.contains(text))
    }

    /// Kills the engine hard and starts it again; its containers die with it or live on.
    pub fn restart_engine(&mut self) {
        kill(self.engine.id(), Signal::TERM);
        self.engine.wait().unwrap();
        self.engine = dockerd(&self.name, &self.dir);
        self.wait_for_engine();
    }

    fn wait_for_engine(&self) {
        let socket = self.socket();
        until("dockerd starts", || {
            let client = crate::dockerd::client(&socket);
            client.run(&drowse::docker::system::ping_get(), Instant::now() + LIMIT).is_ok()
        });
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
        for id in self.docker(&["ps", "-aq"]).1.lines() {
            self.docker(&["rm", "-f", id]);
        }
        kill(self.engine.id(), Signal::TERM);
        let _ = self.engine.wait();
    }
}

fn dockerd(network: &str, dir: &Path) -> Child {
    let file = |name: &str| dir.join(name).display().to_string();
    fs::write(dir.join("daemon.json"), "{}").unwrap();
    let log = File::options().append(true).create(true).open(dir.join("log")).unwrap();
    inside(network, "dockerd", &[])
        .args(["--config-file", &file("daemon.json"), "--pidfile", &file("docker.pid")])
        .args(["--data-root", &file("data"), "--exec-root", &file("exec")])
        .args(["--exec-opt", "native.cgroupdriver=cgroupfs"])
        .args(["--host", &format!("unix://{}", file("docker.sock"))])
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap()
}

/// A command in a network.
pub fn inside(network: &str, name: &str, args: &[&str]) -> Command {
    let mut command = Command::new("nsenter");
    command.arg(format!("--net=/run/netns/{network}")).arg(name).args(args).env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", "/nonexistent");
    command
}

/// Moves this thread into a network.
pub fn enter(network: &str) {
    let file = File::open(format!("/run/netns/{network}")).unwrap();
    move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
}

/// Waits until it is so.
#[track_caller]
pub fn until(what: &str, mut is: impl FnMut() -> bool) {
    let end = Instant::now() + LIMIT;
    while !is() {
        assert!(Instant::now() < end, "never: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

pub fn kill(id: u32, signal: Signal) {
    let pid = i32::try_from(id).ok().and_then(Pid::from_raw);
    let _ = kill_process(pid.unwrap(), signal);
}

#[track_caller]
fn run(name: &str, args: &[&str]) {
    let outcome = program(name, args).outcome();
    assert_eq!(outcome.status, Some(0), "{name} {args:?}: {}", outcome.stderr);
}

/// `127.0.0.1:8080`
pub fn at(address: &str) -> SocketAddr {
    address.parse().unwrap()
}
