//! A dockerd of a test's own, to be killed hard and started again: the world's is everybody's.
//! Only inside of `tests/world`, whose end is its end.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use drowse::docker::system;
use drowse::net::blocking::Client;
use drowse::net::{Endpoint, Route};

use crate::binary::program;

/// What starting may take.
const LIMIT: Duration = Duration::from_secs(60);

/// A dockerd with its own state, its own containerd, and no rules in the firewall.
pub struct Dockerd {
    dir: PathBuf,
    /// The network of its containers, beside the world's own docker0.
    bridge: String,
    child: Child,
}

impl Dockerd {
    /// Starts it and gives it the world's image; `None` outside of the world. Each that runs at the
    /// same time has a number of its own.
    pub fn start(number: u8) -> Option<Dockerd> {
        crate::world::engine()?;
        let world = PathBuf::from(std::env::var_os("DROWSE_TEST_DIR")?);
        let dir = world.join(format!("own{number}"));
        let bridge = format!("drowse-own{number}");
        fs::create_dir_all(&dir).unwrap();
        ip(&["link", "add", &bridge, "type", "bridge"]);
        ip(&["address", "add", &format!("172.31.{number}.1/24"), "dev", &bridge]);
        ip(&["link", "set", &bridge, "up"]);
        let child = spawn(&dir, &bridge);
        let dockerd = Dockerd { dir, bridge, child };
        dockerd.wait_for_it();
        let tar = world.join("image.tar").display().to_string();
        assert_eq!(dockerd.docker(&["import", &tar, "drowse-test:latest"]).0, Some(0));
        Some(dockerd)
    }

    /// Its socket.
    pub fn socket(&self) -> PathBuf {
        self.dir.join("docker.sock")
    }

    /// A client of it that speaks API 1.41.
    pub fn client(&self) -> Client {
        client(&self.socket())
    }

    /// Kills it with SIGKILL, by its own pid; its containers live on.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again after [`Dockerd::kill`].
    pub fn restart(&mut self) {
        self.child = spawn(&self.dir, &self.bridge);
        self.wait_for_it();
    }

    /// The docker client's exit code and output, at this engine.
    pub fn docker(&self, args: &[&str]) -> (Option<i32>, String) {
        let host = format!("unix://{}", self.socket().display());
        let outcome = program("docker", args).env("DOCKER_HOST", &host).outcome();
        (outcome.status, outcome.stdout)
    }

    fn wait_for_it(&self) {
        let end = Instant::now() + LIMIT;
        let client = self.client();
        while client.run(&system::ping_get(), end).is_err() {
            assert!(Instant::now() < end, "dockerd does not start: see {}", self.dir.display());
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Dockerd {
    fn drop(&mut self) {
        self.docker(&["ps", "-aq"]).1.lines().for_each(|id| {
            self.docker(&["rm", "-f", id]);
        });
        terminate(self.child.id());
        let _ = self.child.wait();
        ip(&["link", "delete", &self.bridge]);
    }
}

/// A client of the engine on this socket that speaks API 1.41.
pub fn client(socket: &Path) -> Client {
    let (url, authority) = (format!("unix://{}", socket.display()), "docker".to_owned());
    let mut client =
        Client::open(&Endpoint { url, authority, route: Route::Unix(socket.into()) }).unwrap();
    client.under("/v1.41".into());
    client
}

/// With SIGTERM it ends its own containerd too.
fn terminate(pid: u32) {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    if let Some(pid) = pid {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    }
}

fn spawn(dir: &Path, bridge: &str) -> Child {
    let file = |name: &str| dir.join(name).display().to_string();
    fs::write(dir.join("daemon.json"), "{}").unwrap();
    let log = fs::File::options().append(true).create(true).open(dir.join("log")).unwrap();
    Command::new("dockerd")
        .args(["--config-file", &file("daemon.json"), "--pidfile", &file("docker.pid")])
        .args(["--data-root", &file("data"), "--exec-root", &file("exec")])
        .args(["--exec-opt", "native.cgroupdriver=cgroupfs", "--bridge", bridge])
        .args(["--iptables=false", "--ip6tables=false", "--userland-proxy=false"])
        .args(["--host", &format!("unix://{}", file("docker.sock"))])
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap()
}

fn ip(args: &[&str]) {
    let outcome = program("ip", args).outcome();
    assert_eq!(outcome.status, Some(0), "ip {args:?}: {}", outcome.stderr);
}
