//! A Podman service of a test's own: the world's is everybody's, and a daemon that watches it would
//! watch all. Only inside of `tests/world`, whose end is its end.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use drowse::docker::system;

use crate::binary::program;
use crate::dockerd;

/// What starting may take.
const LIMIT: Duration = Duration::from_secs(60);

/// A service with its own containers, locks and network.
pub struct Podmand {
    dir: PathBuf,
    bridge: String,
    child: Child,
}

impl Podmand {
    /// Starts it and gives it the world's image; `None` outside of the world. Each that runs at the
    /// same time has a number of its own.
    pub fn start(number: u8) -> Option<Podmand> {
        crate::world::podman()?;
        let world = PathBuf::from(std::env::var_os("DROWSE_TEST_DIR")?);
        let dir = world.join(format!("podman{number}"));
        let bridge = format!("drowse-pod{number}");
        configure(&dir, &bridge, number);
        let child = spawn(&dir);
        let podmand = Podmand { dir, bridge, child };
        podmand.wait_for_it();
        let tar = world.join("image.tar").display().to_string();
        let change = r#"CMD ["sleep", "100000"]"#;
        let imported = podmand.podman(&["import", "--change", change, &tar, "drowse-test:latest"]);
        assert_eq!(imported.0, Some(0), "{}", imported.1);
        Some(podmand)
    }

    /// Its socket.
    pub fn socket(&self) -> PathBuf {
        self.dir.join("podman.sock")
    }

    /// The podman client's exit code and output.
    pub fn podman(&self, args: &[&str]) -> (Option<i32>, String) {
        let mut run = program("podman", args);
        for (name, value) in environment(&self.dir) {
            run = run.env(name, &value);
        }
        let outcome = run.outcome();
        (outcome.status, outcome.stdout + &outcome.stderr)
    }

    fn wait_for_it(&self) {
        let end = Instant::now() + LIMIT;
        let client = dockerd::client(&self.socket());
        while client.run(&system::ping_get(), end).is_err() {
            assert!(Instant::now() < end, "podman does not start: see {}", self.dir.display());
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Podmand {
    fn drop(&mut self) {
        self.podman(&["rm", "--force", "--all", "--time", "0"]);
        let _ = self.child.kill();
        let _ = self.child.wait();
        program("ip", &["link", "delete", &self.bridge]).outcome();
    }
}

fn environment(dir: &Path) -> [(&'static str, String); 2] {
    let file = |name: &str| dir.join(name).display().to_string();
    [
        ("CONTAINERS_CONF", file("containers.conf")),
        ("CONTAINERS_STORAGE_CONF", file("storage.conf")),
    ]
}

fn spawn(dir: &Path) -> Child {
    let log = fs::File::options().append(true).create(true).open(dir.join("log")).unwrap();
    Command::new("podman")
        .args(["system", "service", "--time", "0"])
        .arg(format!("unix://{}", dir.join("podman.sock").display()))
        .envs(environment(dir))
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap()
}

/// Locks are files of its own: those in shared memory are all Podmans'.
fn configure(dir: &Path, bridge: &str, number: u8) {
    fs::create_dir_all(dir.join("networks")).unwrap();
    let file = |name: &str| dir.join(name).display().to_string();
    let network = format!(
        r#"{{"name":"nap","id":"{}","driver":"bridge","network_interface":"{bridge}",
        "created":"2024-01-01T00:00:00Z","subnets":[{{"subnet":"10.90.{number}.0/24",
        "gateway":"10.90.{number}.1"}}],"ipv6_enabled":false,"internal":false,
        "dns_enabled":false,"ipam_options":{{"driver":"host-local"}}}}"#,
        format!("{number:02x}").repeat(32)
    );
    fs::write(dir.join("networks/nap.json"), network).unwrap();
    let engine = format!(
        "[engine]\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\n\
         lock_type = \"file\"\nstatic_dir = \"{}\"\ntmp_dir = \"{}\"\n\
         [network]\nnetwork_config_dir = \"{}\"\ndefault_network = \"nap\"\n",
        file("static"),
        file("tmp"),
        file("networks"),
    );
    fs::write(dir.join("containers.conf"), engine).unwrap();
    let storage = format!(
        "[storage]\ndriver = \"overlay\"\ngraphroot = \"{}\"\nrunroot = \"{}\"\n",
        file("graph"),
        file("run"),
    );
    fs::write(dir.join("storage.conf"), storage).unwrap();
}
