//! What containers need of each other, on a real engine, as the daemon's log and the engine tell.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use crate::stage::{REST, Stage, connect};

/// How many may wake at once.
const MAX_WAKING: usize = 2;

/// Healthy a while after it runs.
const WELL_SOON: &str =
    "trap 'exit 0' TERM; rm -f /up; (sleep 0.7; touch /up) & while :; do sleep 1 & wait; done";
const CHECKED: [&str; 4] = ["--health-cmd", "test -f /up", "--health-interval", "200ms"];

/// Two apps and what they need, made and stopped.
fn shop() -> Option<Stage> {
    let stage = Stage::docker(84, "max_waking: 2, poll: 300ms, stop_timeout: 1s")?;
    let create = |name: &str, script: &str, needs: &str, more: &[&str]| {
        let service = format!("com.docker.compose.service={name}");
        let needs = format!("com.docker.compose.depends_on={needs}");
        let project = "com.docker.compose.project=shop";
        let labels = ["--label", project, "--label", &service, "--label", &needs];
        stage.create(name, script, &[&labels[..], more].concat());
    };
    let managed = ["--label", "proxy.idle_timeout=2s"];
    create("db", WELL_SOON, "", &CHECKED);
    create("cache", REST, "", &[]);
    create("migrate", "sleep 0.3", "db:service_healthy", &[]);
    let needs = "db:service_healthy,cache:service_started,migrate:service_completed_successfully";
    create("api", REST, needs, &[]);
    create("app", REST, "api:service_started", &managed);
    create("report", REST, "db:service_healthy", &managed);
    let ready = ["--label", "proxy.ready=healthy"];
    for name in ["one", "two", "three", "four"] {
        create(name, WELL_SOON, "", &[&CHECKED[..], &managed, &ready].concat());
    }
    let network = ["--network", "container:api"];
    create("side", "exec nc -ll -p 80 -e cat", "", &[&managed[..], &network].concat());
    Some(stage)
}

/// Where in the log it happened; the first time after the line `from`.
fn at(stage: &Stage, from: usize, what: &str) -> usize {
    let lines = stage.daemon.lines();
    let is_it = |line: &String| line.contains(&format!("own/{what}"));
    let found = lines.iter().skip(from).position(is_it);
    from + found.unwrap_or_else(|| panic!("{what} is not in the log: {lines:#?}"))
}

#[test]
fn what_apps_need_wakes_in_order_and_sleeps_when_nobody_needs_it() {
    let Some(stage) = shop() else { return };
    stage.until_told("side", "asleep");
    stage.done("wake app --wait");
    let start = |name: &str| at(&stage, 0, &format!("{name}: start"));
    let (db, cache) = (start("db"), start("cache"));
    assert!(db.max(cache) < at(&stage, 0, "db: awake"), "side by side");
    assert!(at(&stage, 0, "db: awake") < start("migrate"), "it needs a healthy one");
    assert!(start("migrate") < start("api") && start("api") < start("app"));
    assert_eq!(stage.state("migrate"), "exited", "it has run to its end before");
    // Another needs the same db, and keeps it.
    stage.done("keep report 1h");
    stage.done("wake report --wait");
    for name in ["app", "api", "cache"] {
        stage.until(name, "exited");
    }
    assert!(at(&stage, 0, "app: stop") < at(&stage, 0, "api: stop"));
    assert_eq!((stage.state("db"), stage.state("report")), ("running".into(), "running".into()));
    assert_eq!(stage.row("db")["why"], "needed by own/report");
    let slept = stage.ask("sleep db --wait");
    assert_eq!(slept[0]["error"], "something awake needs it");
    stage.done("keep report 0s");
    stage.until("report", "exited");
    stage.until("db", "exited");
    at_most_two_wake_at_once(&stage);
    who_shares_a_network_counts_for_its_owner(&stage);
}

fn at_most_two_wake_at_once(stage: &Stage) {
    let from = stage.daemon.lines().len();
    let woken = stage.ask("wake one two three four --wait");
    assert!(woken.iter().all(|one| one["error"].is_null()), "{woken:?}");
    let (mut waking, mut most) = (0, 0);
    for line in stage.daemon.lines().iter().skip(from) {
        waking += usize::from(line.ends_with(": start"));
        most = most.max(waking);
        waking -= usize::from(line.contains(": awake after"));
    }
    assert_eq!(most, MAX_WAKING);
}

fn who_shares_a_network_counts_for_its_owner(stage: &Stage) {
    let from = stage.daemon.lines().len();
    stage.done("wake side --wait");
    let start = |name: &str| at(stage, from, &format!("{name}: start"));
    assert!(start("db") < start("api") && start("api") < start("side"));
    let mut client = connect(&stage.address("api"), 80);
    client.write_all(b"x").unwrap();
    client.read_exact(&mut [0]).unwrap();
    let (used, from) = (Instant::now(), stage.daemon.lines().len());
    while used.elapsed() < Duration::from_secs(4) {
        client.write_all(b"x").unwrap();
        client.read_exact(&mut [0]).unwrap();
        std::thread::sleep(Duration::from_millis(100));
    }
    let log = stage.daemon.lines();
    let stopped = log.iter().skip(from).find(|line| line.ends_with("side: stop"));
    assert_eq!(stopped, None, "it is used");
    drop(client);
    stage.until("api", "exited");
    assert!(at(stage, from, "side: stop") < at(stage, from, "api: stop"));
}
