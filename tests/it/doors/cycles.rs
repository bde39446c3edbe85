//! Again and again: who comes while it sleeps, and just when it falls asleep, is answered.

use std::fs;
use std::net::UdpSocket;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::client::body;
use super::stage::{Stage, at, kill, until};
use super::{ECHO, WEB, mounts, number};
use crate::dice::Dice;

/// Idle for so long, it sleeps.
const IDLE_MS: u64 = 1500;
/// One request, by its number.
type Ask = fn(u64) -> Result<(), String>;

/// What all cycles may take, each.
const CYCLE_WITHIN: Duration = Duration::from_secs(40);

#[test]
fn nobody_is_lost_around_falling_asleep() {
    let config = "idle: {poll: 100ms, stop_timeout: 2s}";
    let Some(stage) = Stage::start("drcycles", config) else { return };
    stage.enter();
    let idle = format!("proxy.idle_timeout={IDLE_MS}ms");
    let label = ["--stop-signal=KILL", "--label", idle.as_str()];
    stage.create("four", WEB, &[&label[..], &["-p", "8014:80"]].concat());
    stage.create("six", WEB, &[&label[..], &["-p", "8016:80"]].concat());
    let mounts = mounts();
    let mut args = [&label[..], &["-p", "8017:53/udp"]].concat();
    args.extend(mounts.iter().map(String::as_str));
    stage.create("udp", ECHO, &args);
    let route = ["--label", "proxy.front.port=8018:80"];
    stage.create("front", WEB, &[&label[..], &route].concat());
    for name in ["four", "six", "udp", "front"] {
        stage.until_held(name);
    }
    let cycles = number("DROWSE_TEST_CYCLES", 6) as usize;
    let lost: Vec<String> = thread::scope(|scope| {
        let ask: [(&str, Ask); 4] = [
            ("four", |_| over_tcp("127.0.0.1:8014")),
            ("six", |_| over_tcp("[::1]:8016")),
            ("udp", over_udp),
            ("front", |_| over_tcp("127.0.0.1:8018")),
        ];
        let all: Vec<_> = ask
            .into_iter()
            .map(|(name, ask)| {
                let stage = &stage;
                scope.spawn(move || {
                    stage.enter();
                    ask_around(stage, name, cycles, ask)
                })
            })
            .collect();
        all.into_iter().flat_map(|one| one.join().unwrap()).collect()
    });
    assert!(lost.is_empty(), "{lost:#?}");
}

/// Who is connected to the container while it is told to end ends with it; but nobody is left
/// waiting, and the next one is answered.
#[test]
fn at_a_stand_in_door_who_comes_as_it_falls_asleep_is_answered_or_cut_off() {
    let config = "idle: {poll: 100ms, stop_timeout: 2s}\ndoors: {redirect: off}";
    let Some(stage) = Stage::start("drcut", config) else { return };
    stage.enter();
    let idle = format!("proxy.idle_timeout={IDLE_MS}ms");
    stage.create("stood", WEB, &["--stop-signal=KILL", "--label", &idle, "-p", "8014:80"]);
    stage.until_held("stood");
    let cycles = number("DROWSE_TEST_CYCLES", 6) as usize;
    let lost = ask_around(&stage, "stood", cycles, |_| over_tcp("127.0.0.1:8014"));
    let waited = |why: &&String| ["WouldBlock", "TimedOut"].iter().any(|kind| why.contains(kind));
    assert_eq!(lost.iter().find(waited), None);
    stage.until_held("stood");
    assert_eq!(over_tcp("127.0.0.1:8014"), Ok(()));
}

/// A client of this machine comes by a process of the engine's, which takes its time: nothing of
/// that is seen in the container.
#[test]
fn who_waits_for_the_engine_s_own_proxy_keeps_it_awake() {
    let Some(stage) = Stage::start("drproxy", "idle: {poll: 100ms, stop_timeout: 2s}") else {
        return;
    };
    stage.enter();
    let args = ["--stop-signal=KILL", "--label", "proxy.idle_timeout=1s", "-p", "8020:80"];
    stage.create("slow", WEB, &args);
    stage.until_held("slow");
    over_tcp("127.0.0.1:8020").unwrap();
    until("its rule has gone", || !stage.rules().contains("8020"));
    let proxies = proxies_of(8020);
    assert!(!proxies.is_empty(), "the engine has none");
    proxies.iter().for_each(|pid| kill(*pid, Signal::STOP));
    let asked = thread::scope(|scope| {
        let asked = scope.spawn(|| {
            stage.enter();
            over_tcp("127.0.0.1:8020")
        });
        let looks = || stage.log.lock().unwrap().iter().filter(|one| is_a_look(one)).count();
        let before = looks();
        until("it was looked at three times before being put to sleep", || looks() >= before + 3);
        proxies.iter().for_each(|pid| kill(*pid, Signal::CONT));
        asked.join().unwrap()
    });
    assert_eq!(asked, Ok(()));
    stage.until_is("slow", "asleep");
}

/// Whether this line tells of a door that goes up before the last look.
fn is_a_look(line: &str) -> bool {
    line.contains("own/slow: redirect door at 0.0.0.0:8020")
}

/// The processes that pass on what comes to this port.
fn proxies_of(port: u16) -> Vec<u32> {
    let wanted = format!("-host-port\0{port}\0");
    let all = fs::read_dir("/proc").unwrap().flatten();
    let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let is_it = |pid: &u32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(&wanted)
    };
    pids.filter(is_it).collect()
}

/// Asks at random around the moment at which it falls asleep, until it has slept that often.
fn ask_around(stage: &Stage, name: &str, cycles: usize, ask: Ask) -> Vec<String> {
    let mut dice = Dice::new(cycles as u64 ^ name.len() as u64);
    let mut lost = Vec::new();
    let end = Instant::now() + CYCLE_WITHIN * cycles as u32;
    let line = format!("own/{name}: asleep");
    let slept = || stage.log.lock().unwrap().iter().filter(|one| one.contains(&line)).count();
    let mut asked = 0;
    while slept() < cycles {
        assert!(Instant::now() < end, "{name} slept {} times of {cycles}", slept());
        asked += 1;
        if let Err(why) = ask(asked) {
            lost.push(format!("{name}, request {asked}, slept {}: {why}", slept()));
        }
        // Idle, the poll, the last look: it falls asleep some 1.6 s after its last byte.
        thread::sleep(Duration::from_millis(IDLE_MS - 200 + dice.roll(1000) as u64));
    }
    eprintln!("{name}: {asked} requests in {cycles} cycles");
    lost
}

fn over_tcp(to: &str) -> Result<(), String> {
    match body(at(to)) {
        Ok(heard) if heard == "hello\n" => Ok(()),
        heard => Err(format!("{heard:?}")),
    }
}

fn over_udp(number: u64) -> Result<(), String> {
    let text = format!("datagram {number}");
    let wrong = |error: std::io::Error| error.to_string();
    let socket = UdpSocket::bind("127.0.0.1:0").map_err(wrong)?;
    socket.set_read_timeout(Some(Duration::from_secs(20))).map_err(wrong)?;
    socket.connect("127.0.0.1:8017").map_err(wrong)?;
    socket.send(text.as_bytes()).map_err(wrong)?;
    let mut buffer = [0; 64];
    let read = socket.recv(&mut buffer).map_err(wrong)?;
    if &buffer[..read] == text.as_bytes() { Ok(()) } else { Err("another's".into()) }
}
