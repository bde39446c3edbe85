//! An engine, runs on it by id, and what they left. Knows no case.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use drowse::docker::{call, network};
use drowse::http::{Call, Method};
use drowse::net::blocking::Client;
use drowse::run::whose::{DROWSE, Whose};
use drowse::supervise::sweep::Place;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::binary::{Outcome, Run, drowse, program};
use crate::dockerd::{self, Dockerd};
use crate::world;

/// A busybox that sleeps.
pub const IMAGE: &str = "drowse-test:latest";
/// The same without a command.
const BARE: &str = "drowse-test-bare:latest";
/// What nothing here should ever take.
const LIMIT: Duration = Duration::from_secs(60);
/// How often an engine is asked that is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// An engine, as the tests reach it.
pub struct Engine {
    /// `unix://…`
    pub host: String,
    /// Whose it is, as part of ids.
    name: &'static str,
    client: Client,
}

/// The world's engines.
pub fn engines() -> Vec<Engine> {
    let docker = world::engine().map(|engine| Engine::at("d", &engine.unix));
    let podman = world::podman().map(|host| Engine::at("p", &host));
    docker.into_iter().chain(podman).collect()
}

impl Engine {
    fn at(name: &'static str, host: &str) -> Engine {
        let socket = host.trim_start_matches("unix://");
        Engine { host: host.to_owned(), name, client: dockerd::client(socket.as_ref()) }
    }

    /// A dockerd of the test's own.
    pub fn own(dockerd: &Dockerd) -> Engine {
        let host = format!("unix://{}", dockerd.socket().display());
        Engine { host, name: "o", client: dockerd.client() }
    }

    pub fn is_podman(&self) -> bool {
        self.name == "p"
    }

    /// The id of a case's run.
    pub fn id(&self, case: &str) -> String {
        format!("{}-{case}", self.name)
    }

    /// Runs a case to its end, which leaves nothing.
    pub fn run(&self, case: &str, options: &[&str], command: &[&str]) -> Outcome {
        self.run_image(case, options, (IMAGE, command))
    }

    pub fn run_image(
        &self,
        case: &str,
        options: &[&str],
        (image, command): (&str, &[&str]),
    ) -> Outcome {
        let ended = self.prepared(case, options, (image, command)).outcome();
        if !ended.stderr.contains("expected another --id") {
            self.assert_clean(case);
        }
        ended
    }

    /// A run to come, with a home of its own.
    pub fn prepared(&self, case: &str, options: &[&str], (image, command): (&str, &[&str])) -> Run {
        let id = format!("--id={}", self.id(case));
        let mut args = vec!["run", "--host", &self.host, &id];
        args.extend(options);
        args.push(image);
        args.extend(command);
        drowse(&args)
    }

    /// Begins a case.
    pub fn start(&self, case: &str, options: &[&str], script: &str) -> Running {
        let run = self.prepared(case, options, (IMAGE, &["sh", "-c", script]));
        Running::new(run.start())
    }

    /// What belongs to a case: names of containers and networks.
    fn left(&self, case: &str) -> Vec<String> {
        let whose = Whose::Run { app: DROWSE.into(), id: self.id(case) };
        let place = Place { client: &self.client, until: Instant::now() + LIMIT };
        let containers = place.containers(&whose).unwrap().into_iter();
        let networks = place.networks(&whose).unwrap().into_iter();
        let names = containers.map(|one| one.names.join(" "));
        names.chain(networks.map(|one| one.name)).collect()
    }

    pub fn has(&self, case: &str) -> bool {
        !self.left(case).is_empty()
    }

    #[track_caller]
    pub fn assert_clean(&self, case: &str) {
        assert_eq!(self.left(case), [""; 0], "left behind by {} on {}", self.id(case), self.host);
    }

    /// An image without a command.
    pub fn bare_image(&self) -> &'static str {
        let tar = format!("{}/image.tar", std::env::var("DROWSE_TEST_DIR").unwrap());
        let engine = if self.is_podman() { "podman" } else { "docker" };
        let import = program(engine, &["import", &tar, BARE]).env("DOCKER_HOST", &self.host);
        let import = import.env("HOME", &std::env::var("HOME").unwrap()).outcome();
        assert_eq!(import.status, Some(0), "{import:?}");
        if self.is_podman() { "localhost/drowse-test-bare:latest" } else { BARE }
    }

    pub fn ask<T>(&self, call: &Call<T>) -> T {
        self.client.run(call, Instant::now() + LIMIT).unwrap()
    }

    pub fn create(&self, name: &str, spec: &Value) {
        self.ask(&call::create(Some(name), spec));
    }

    pub fn remove(&self, name: &str) {
        self.ask(&call::remove(name, call::Removal { force: true, volumes: true }));
    }

    /// A network that nobody else has, and its gateway.
    pub fn subnet(&self) -> (String, String) {
        let net = if self.is_podman() { 78 } else { 77 };
        (format!("172.30.{net}.0/24"), format!("172.30.{net}.1"))
    }

    pub fn create_network(&self, name: &str, subnet: &str) {
        let ipam = json!({"Config": [{"Subnet": subnet}]});
        let mut call = network::create(name, &Default::default());
        let spec = json!({"Name": name, "Driver": "bridge", "IPAM": ipam});
        call.request.body = spec.to_string().into_bytes();
        self.ask(&call);
    }

    pub fn remove_network(&self, name: &str) {
        self.ask(&network::remove(name));
    }

    /// Names an image once more.
    pub fn tag(&self, image: &str, name: &str) {
        let (call, path) = (call::start(""), format!("/images/{image}/tag?repo={name}&tag=1"));
        self.ask(&with_path(call, Method::Post, path));
    }

    pub fn remove_image(&self, name: &str) {
        self.ask(&removal(name));
    }

    /// The same for one that may not be there.
    pub fn forget_image(&self, name: &str) {
        let _ = self.client.run(&removal(name), Instant::now() + LIMIT);
    }
}

fn removal(name: &str) -> Call<()> {
    with_path(call::start(""), Method::Delete, format!("/images/{name}?force=1"))
}

/// Calls that the program has no need of.
fn with_path(mut call: Call<()>, method: Method, path: String) -> Call<()> {
    (call.request.method, call.request.path) = (method, path);
    call.read = |reply| match reply.status {
        200..300 => Ok(()),
        _ => Err(drowse::docker::answer::why(&reply)),
    };
    call
}

/// A run that goes on.
pub struct Running {
    child: Child,
    stdout: Option<BufReader<ChildStdout>>,
    stderr: JoinHandle<String>,
    said: String,
}

impl Running {
    pub fn new(mut child: Child) -> Running {
        let stdout = child.stdout.take().map(BufReader::new);
        let mut stderr = child.stderr.take().unwrap();
        let stderr = thread::spawn(move || {
            let mut text = String::new();
            stderr.read_to_string(&mut text).unwrap();
            text
        });
        Running { child, stdout, stderr, said: String::new() }
    }

    /// The next line it tells; `None`: it has ended.
    fn next(&mut self) -> Option<Value> {
        let mut line = String::new();
        self.stdout.as_mut()?.read_line(&mut line).unwrap();
        self.said.push_str(&line);
        serde_json::from_str(&line).ok()
    }

    /// The first state from now on that is so.
    #[track_caller]
    pub fn until(&mut self, is_so: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + LIMIT;
        while let Some(state) = self.next() {
            if is_so(&state) {
                return state;
            }
            assert!(Instant::now() < end, "it does not come to it: {}", self.said);
        }
        panic!("it ended before it came to it: {}", self.said);
    }

    /// The same while Podman's health check is run by hand: it has no systemd here.
    #[track_caller]
    pub fn until_probed(&mut self, engine: &Engine, is_so: impl Fn(&Value) -> bool) -> Value {
        let first = self.until(|state| state["container_id"].is_string());
        if !engine.is_podman() {
            return if is_so(&first) { first } else { self.until(is_so) };
        }
        let id = first["container_id"].as_str().unwrap().to_owned();
        let end = Instant::now() + LIMIT;
        loop {
            let home = std::env::var("HOME").unwrap();
            program("podman", &["healthcheck", "run", &id]).env("HOME", &home).outcome();
            let state = self.next().unwrap();
            if is_so(&state) {
                return state;
            }
            assert!(Instant::now() < end, "it does not come to it: {}", self.said);
        }
    }

    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.unwrap(), signal).unwrap();
    }

    /// Signals within a moment are one.
    pub fn let_a_moment_pass(&self) {
        thread::sleep(Duration::from_millis(600));
    }

    pub fn stop_reading(&mut self) {
        self.stdout = None;
    }

    /// Waits for its end.
    pub fn ended(mut self) -> Outcome {
        let end = Instant::now() + LIMIT;
        let rest = self.stdout.take().map(|mut stdout| {
            thread::spawn(move || {
                let mut text = String::new();
                stdout.read_to_string(&mut text).unwrap();
                text
            })
        });
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status.code();
            }
            if Instant::now() > end {
                self.child.kill().unwrap();
                panic!("it does not end: {}", self.said);
            }
            thread::sleep(LOOK_EVERY / 10);
        };
        let rest = rest.map(|rest| rest.join().unwrap()).unwrap_or_default();
        let stdout = std::mem::take(&mut self.said) + &rest;
        Outcome { status, stdout, stderr: self.stderr.join().unwrap(), threads: 1 }
    }
}

/// A spec that lets it ping, which Podman does not by itself.
pub fn pings() -> (TempDir, String) {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("spec.json");
    std::fs::write(&path, json!({"HostConfig": {"CapAdd": ["NET_RAW"]}}).to_string()).unwrap();
    (dir, format!("--spec={}", path.display()))
}

/// A key of all states.
pub fn column(lines: &[Value], key: &str) -> Vec<Value> {
    lines.iter().filter(|line| line.get("status").is_some()).map(|line| line[key].clone()).collect()
}

/// The statuses, without repeats.
pub fn statuses(lines: &[Value]) -> Vec<String> {
    let mut all: Vec<String> =
        column(lines, "status").iter().map(|one| one.as_str().unwrap().to_owned()).collect();
    all.dedup();
    all
}

/// The last state.
pub fn last(lines: &[Value]) -> &Value {
    lines.iter().rfind(|line| line.get("status").is_some()).unwrap()
}

/// How long each rest between two runs was.
pub fn pauses(lines: &[Value]) -> Vec<Duration> {
    let nanos = |state: &Value| nanos(state["at"].as_str().unwrap());
    let mut pauses = Vec::new();
    let mut since = None;
    for line in lines.iter().filter(|line| line.get("status").is_some()) {
        match (line["status"].as_str().unwrap(), since) {
            ("restarting", None) => since = Some(nanos(line)),
            ("running", Some(at)) => {
                pauses.push(Duration::from_nanos(nanos(line) - at));
                since = None;
            }
            _ => {}
        }
    }
    pauses
}

/// Nanoseconds of the day of an RFC 3339 time in UTC.
pub fn nanos(text: &str) -> u64 {
    let time = text.split_once('T').unwrap().1.trim_end_matches('Z');
    let (time, fraction) = time.split_once('.').unwrap();
    let parts: Vec<u64> = time.split(':').map(|part| part.parse().unwrap()).collect();
    let seconds = parts[0] * 3600 + parts[1] * 60 + parts[2];
    seconds * 1_000_000_000 + fraction.parse::<u64>().unwrap()
}
