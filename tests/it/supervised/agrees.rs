//! The figures of a busy container beside the engine's own counters at the same times.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use drowse::docker::call;
use drowse::docker::stats::{Sample, Traffic};
use drowse::net::blocking::Client;
use rustix::process::Signal;
use serde_json::Value;

use super::stage::{self, Engine, Running, engines, nanos};
use crate::dockerd;

/// Uses a fifth of a CPU, holds 30 MB, and pings its gateway.
const BUSY: &str = "head -c 30000000 /dev/zero >/dev/shm/held; \
    gateway=$(ip route | sed -n 's/default via \\([0-9.]*\\).*/\\1/p'); \
    while :; do ping -q -c 1 -s 1400 $gateway >/dev/null; usleep 100000; done & \
    while :; do :; done";
const NAMES: [&str; 4] = ["CPU", "memory", "received", "sent"];
const MOST_APART: f64 = 0.05;
/// A machine that is short of CPU may need another look.
const TRIES: usize = 4;
/// Theirs begin that long before ours, and go on as long after it.
const MARGIN: Duration = Duration::from_secs(3);
const WINDOW_NANOS: u64 = 8_000_000_000;
const DAY_NANOS: u64 = 86_400_000_000_000;

#[test]
fn the_figures_agree_with_the_engines_own() {
    let tries = engines().into_iter().map(|engine| thread::spawn(move || compare(&engine)));
    tries.collect::<Vec<_>>().into_iter().for_each(|one| one.join().unwrap());
}

fn compare(engine: &Engine) {
    let (_dir, spec) = stage::pings();
    let mut run = engine.start("busy", &["--cpus=0.2", "--name=x", &spec], BUSY);
    run.until(|state| state["rx_rate"].as_u64() > Some(5_000));
    let mut said = Vec::new();
    let agreed = (0..TRIES).any(|_| {
        let apart = apart(engine, &mut run);
        let shown = NAMES.iter().zip(apart).map(|(name, by)| format!("{name} {:.2} %", by * 100.0));
        said.push(shown.collect::<Vec<_>>().join(", "));
        apart.iter().all(|by| by.abs() < MOST_APART)
    });
    assert!(agreed, "{}: {said:#?}", engine.host);
    eprintln!("{}: apart by {}", engine.host, said.last().unwrap());
    run.signal(Signal::INT);
    run.ended();
    engine.assert_clean("busy");
}

/// How far ours is from theirs, as a part of theirs.
fn apart(engine: &Engine, run: &mut Running) -> [f64; 4] {
    let over = Arc::new(AtomicBool::new(false));
    let name = format!("drowse-{}-x", engine.id("busy"));
    let client = dockerd::client(engine.host.trim_start_matches("unix://").as_ref());
    let is_over = over.clone();
    let theirs = thread::spawn(move || samples(&client, &name, &is_over));
    thread::sleep(MARGIN);
    let ours = states(run);
    thread::sleep(MARGIN);
    over.store(true, Ordering::SeqCst);
    let theirs = theirs.join().unwrap();
    let (first, last) = (&ours[0], &ours[ours.len() - 1]);
    let percent = |state: &Value| state["cpu_percent"].as_f64().unwrap() / 100.0;
    let used = ours.windows(2).map(|two| percent(&two[1]) * (at(&two[1]) - at(&two[0])) as f64);
    let cpu = |state| between(&theirs, at(state), |sample| sample.cpu_nanos);
    let by = |key: &str, of: fn(&Sample) -> u64| {
        last[key].as_f64().unwrap() / between(&theirs, at(last), of) - 1.0
    };
    [
        used.sum::<f64>() / (cpu(last) - cpu(first)) - 1.0,
        by("memory_bytes", |sample| sample.memory_bytes - sample.inactive_file_bytes),
        by("rx_bytes", |sample| traffic(sample).map(|one| one.rx_bytes).sum()),
        by("tx_bytes", |sample| traffic(sample).map(|one| one.tx_bytes).sum()),
    ]
}

fn traffic(sample: &Sample) -> impl Iterator<Item = &Traffic> {
    sample.networks.iter().flat_map(|all| all.values())
}

/// As many as the engine gives until it is over.
fn samples(client: &Client, name: &str, over: &AtomicBool) -> Vec<Sample> {
    let mut all = Vec::new();
    while !over.load(Ordering::SeqCst) {
        let end = Instant::now() + Duration::from_secs(30);
        all.extend(client.run(&call::stats_once(name), end).unwrap());
        thread::sleep(Duration::from_millis(200));
    }
    all
}

fn at(state: &Value) -> u64 {
    nanos(state["at"].as_str().unwrap())
}

/// The states of so long from now on, and three at least: Podman has one every five seconds. What
/// waited in the pipe is older than theirs.
fn states(run: &mut Running) -> Vec<Value> {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos();
    let begin = u64::try_from(now).unwrap() % DAY_NANOS;
    let mut states: Vec<Value> = Vec::new();
    while states.len() < 3 || states.last().is_some_and(|last| at(last) < begin + WINDOW_NANOS) {
        let state = run.until(|state| state["cpu_percent"].is_number());
        if at(&state) >= begin {
            states.push(state);
        }
    }
    states
}

/// A counter of theirs at a time of the day.
fn between(theirs: &[Sample], at: u64, of: impl Fn(&Sample) -> u64) -> f64 {
    let of_day = |sample: &Sample| (sample.read_nano % DAY_NANOS) as f64;
    let after = theirs.iter().position(|sample| of_day(sample) >= at as f64);
    let after = after.unwrap_or(theirs.len() - 1).max(1);
    let (one, two) = (&theirs[after - 1], &theirs[after]);
    let part = (at as f64 - of_day(one)) / (of_day(two) - of_day(one));
    of(one) as f64 + (of(two) as f64 - of(one) as f64) * part
}
