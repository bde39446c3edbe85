//! A network namespace for one test, and a neighbour in another. Needs root and nft; without them
//! a test is left out, with a line that says so.

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};

/// Set in the process that is alone.
const ALONE: &str = "DROWSE_TEST_ALONE";

/// Whether this process has a network of its own. If not, the test of that name is run in one that
/// has, and what it says is said here.
pub fn alone(test: &str) -> bool {
    if std::env::var_os(ALONE).is_some() {
        sh("ip link set lo up
            ip link add eth7 type veth peer name eth8
            ip addr add 10.77.0.1/24 dev eth7
            ip -6 addr add fd77::1/64 dev eth7 nodad
            ip link set eth7 up
            ip link set eth8 up");
        return true;
    }
    let has = |command: &str| {
        let run = Command::new("sh").args(["-c", command]).stderr(Stdio::null()).status();
        run.is_ok_and(|status| status.success())
    };
    if !has("unshare --net nft list ruleset") {
        let required = std::env::var("DROWSE_REQUIRE").unwrap_or_default();
        assert!(!required.split(',').any(|part| part == "nft"), "nft is required");
        eprintln!("left out: {test}: needs root and nft");
        return false;
    }
    let myself = std::env::current_exe().unwrap();
    let run = Command::new("unshare")
        .arg("--net")
        .arg(myself)
        .args(["--exact", &format!("redirected::{test}"), "--nocapture"])
        .env(ALONE, "1")
        .output()
        .unwrap();
    let said = [run.stdout, run.stderr].map(|said| String::from_utf8_lossy(&said).into_owned());
    assert!(run.status.success(), "{}{}", said[0], said[1]);
    assert!(said[0].contains("1 passed"), "{test} is no test's name");
    false
}

/// Runs a line of shell; what it says on stdout.
pub fn sh(script: &str) -> String {
    let run = Command::new("sh").args(["-ec", script]).output().unwrap();
    assert!(run.status.success(), "{script}: {}", String::from_utf8_lossy(&run.stderr));
    String::from_utf8(run.stdout).unwrap()
}

/// Runs one command of nft.
pub fn nft(command: &str) -> String {
    sh(&format!("nft '{command}'"))
}

/// This process may no longer make rules, nor may its children.
pub fn give_up_net_admin() {
    use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
    let mut sets = capabilities(None).unwrap();
    for set in [&mut sets.effective, &mut sets.permitted, &mut sets.inheritable] {
        set.remove(CapabilitySet::NET_ADMIN);
    }
    rustix::thread::remove_capability_from_bounding_set(CapabilitySet::NET_ADMIN).unwrap();
    set_capabilities(None, sets).unwrap();
}

/// A host on the same network: 10.77.0.2 and fd77::2.
pub struct Neighbour {
    home: Child,
}

impl Neighbour {
    pub fn new() -> Neighbour {
        let home = Command::new("unshare").args(["--net", "sleep", "600"]).spawn().unwrap();
        let id = home.id();
        sh(&format!(
            "until [ $(readlink /proc/{id}/ns/net) != $(readlink /proc/$$/ns/net) ]; do :; done
             ip link del eth7
             ip link add eth7 type veth peer name eth8
             ip link set eth8 netns {id}
             ip addr add 10.77.0.1/24 dev eth7
             ip -6 addr add fd77::1/64 dev eth7 nodad
             ip link set eth7 up
             nsenter -t {id} -n sh -ec '
               ip link set lo up
               ip addr add 10.77.0.2/24 dev eth8
               ip -6 addr add fd77::2/64 dev eth8 nodad
               ip link set eth8 up'"
        ));
        Neighbour { home }
    }

    /// Says a line to an address of ours, and prints what is answered; two seconds at most.
    pub fn ask(&self, to: &str, line: &str) -> Child {
        let (ip, port) = to.rsplit_once(':').unwrap();
        let ip = ip.trim_matches(['[', ']']);
        let mut asking = Command::new("nsenter")
            .args(["-t", &self.home.id().to_string(), "-n"])
            .args(["timeout", "2", "busybox", "nc", ip, port])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // It may have been refused already.
        let _ = writeln!(asking.stdin.take().unwrap(), "{line}");
        asking
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        let _ = self.home.kill();
        let _ = self.home.wait();
    }
}

/// What one that has ended printed.
pub fn said(mut asked: Child) -> String {
    let mut text = String::new();
    asked.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    text
}
