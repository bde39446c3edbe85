//! A daemon that watches a cluster, and the verbs that ask it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixStream;
use std::process::Child;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use super::Cluster;
use crate::binary::{Outcome, drowse};

/// What nothing here should ever take.
pub const LIMIT: Duration = Duration::from_secs(60);

/// A cluster and the daemon that watches it.
pub struct Stage {
    pub cluster: Cluster,
    dir: TempDir,
    providers: String,
    daemon: Child,
    log: Arc<Mutex<String>>,
}

impl Stage {
    /// The daemon has seen every guest when this returns.
    pub fn start(cluster: Cluster) -> Stage {
        Stage::with(cluster, "")
    }

    /// The same with more in its configuration.
    pub fn with(cluster: Cluster, more: &str) -> Stage {
        let entry = cluster.entry();
        let stage = Stage::configured(cluster, &format!("proxmox: [{entry}]"), more);
        let is_seen = || {
            let known = stage.cluster.change(|state| {
                state.guests.iter().filter(|guest| guest.family == "lxc" && !guest.template).count()
            });
            stage.rows().len() >= known
        };
        stage.until("the daemon sees every guest", is_seen);
        stage
    }

    /// With these providers; returns when the control socket answers. `pve` is a credential of
    /// systemd's.
    pub fn configured(cluster: Cluster, providers: &str, more: &str) -> Stage {
        let dir = TempDir::new().unwrap();
        let file = dir.path().join("drowse.yml");
        configure(&dir, providers, more);
        let credentials = dir.path().join("credentials");
        fs::create_dir(&credentials).unwrap();
        fs::write(credentials.join("pve"), "a-secret\n").unwrap();
        let args = ["daemon", "--config", file.to_str().unwrap(), "--log", "debug"];
        let daemon = drowse(&args).env("CREDENTIALS_DIRECTORY", credentials.to_str().unwrap());
        let mut daemon = daemon.start();
        let log = Arc::new(Mutex::new(String::new()));
        let (stderr, kept) = (daemon.stderr.take().unwrap(), log.clone());
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                eprintln!("{line}");
                kept.lock().unwrap().push_str(&(line + "\n"));
            }
        });
        let stage = Stage { cluster, dir, providers: providers.into(), daemon, log };
        let socket = stage.dir.path().join("control.sock");
        stage.until("the daemon listens", || UnixStream::connect(&socket).is_ok());
        stage
    }

    /// Has the daemon read another configuration.
    pub fn reload(&self, more: &str) {
        configure(&self.dir, &self.providers, more);
        let pid = i32::try_from(self.daemon.id()).ok().and_then(Pid::from_raw);
        let read = || self.log().matches("the configuration was read anew").count();
        let before = read();
        kill_process(pid.unwrap(), Signal::HUP).unwrap();
        self.until("the configuration is read", || read() > before);
    }

    /// Runs a verb that asks the daemon.
    pub fn run(&self, line: &str) -> Outcome {
        let control = self.dir.path().join("control.sock").display().to_string();
        let args: Vec<&str> = line.split(' ').chain(["--control", &control]).collect();
        drowse(&args).outcome()
    }

    /// What `status` prints.
    pub fn rows(&self) -> Vec<Value> {
        self.run("status").objects()
    }

    pub fn row(&self, name: &str) -> Value {
        self.rows().into_iter().find(|row| row["name"] == name).unwrap_or_default()
    }

    /// Waits until `status` says that of the guest.
    #[track_caller]
    pub fn until_state(&self, name: &str, state: &str) {
        self.until(&format!("{name} is {state}"), || self.row(name)["state"] == state);
    }

    /// Waits until it is so.
    #[track_caller]
    pub fn until(&self, what: &str, is_so: impl Fn() -> bool) {
        let end = Instant::now() + LIMIT;
        while !is_so() {
            assert!(Instant::now() < end, "not so: {what}: {:#?}", self.rows());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// What the daemon logged so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }
}

fn configure(dir: &TempDir, providers: &str, more: &str) {
    let config = format!(
        "providers: {{{providers}}}\ncontrol: control.sock\ndoors: {{redirect: off}}\n{more}"
    );
    fs::write(dir.path().join("drowse.yml"), config).unwrap();
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}
