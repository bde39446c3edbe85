//! `drowse daemon` on the double of a cluster: guests fall asleep by their counters and wake, and
//! what can go wrong with them is told and mended.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::pve::stage::{LIMIT, Stage};
use crate::pve::state::{Mood, Node};
use crate::pve::{Cluster, Course, Guest};

/// From one list to the next.
const POLL: Duration = Duration::from_secs(10);

/// Never idle by itself, so that a test says when it sleeps.
const NOTES: &str = "proxy.idle_timeout: 1h\n";

/// The same, with little time to wake.
const HASTY: &str = "proxy.idle_timeout: 1h\nproxy.wake_timeout: 3s\n";

/// A guest that drowse manages.
fn managed(vmid: u32) -> Guest {
    let net0 = "name=eth0,bridge=vmbr0,ip=10.0.3.15/24".to_owned();
    Guest { net0: Some(net0), ..Guest::new(vmid).notes(NOTES) }
}

/// The order's answer: its state and what went wrong.
fn told(stage: &Stage, line: &str) -> (Value, String) {
    let outcome = stage.run(line);
    let state = outcome.objects().first().map(|one| one["state"].clone()).unwrap_or_default();
    (state, outcome.stderr)
}

#[track_caller]
fn comes_to(stage: &Stage, line: &str, state: &str) {
    assert_eq!(told(stage, line), (json!(state), String::new()), "{line}");
}

/// The orders that were given, each with its guest's number and its form.
fn orders(cluster: &Cluster) -> Vec<String> {
    let seen = cluster.seen().into_iter().filter(|seen| seen.line.starts_with("POST"));
    let order = |line: &str| {
        let mut parts = line.rsplit('/');
        let verb = parts.next().unwrap();
        format!("{verb} {}", parts.nth(1).unwrap())
    };
    seen.map(|seen| format!("{} {}", order(&seen.line), seen.body).trim().to_owned()).collect()
}

#[test]
fn in_the_steady_state_one_list_every_ten_seconds_is_all_that_is_asked() {
    let guests = (101..=300).map(|vmid| Guest { netin: 9, ..managed(vmid).running() });
    let stage = Stage::start(Cluster::of(guests));
    let begun = stage.cluster.seen().len();
    let lists = |from: usize| {
        let all = stage.cluster.seen();
        all[from..].iter().map(|seen| (seen.at, seen.line.clone())).collect::<Vec<_>>()
    };
    // The first list after all is read marks the beginning.
    stage.until("a second list", || lists(begun).iter().any(|one| one.1.contains("resources")));
    let from = stage.cluster.seen().len();
    thread::sleep(2 * POLL + POLL / 5);
    let asked = lists(from);
    let lines: Vec<_> = asked.iter().map(|one| one.1.as_str()).collect();
    assert_eq!(lines, ["GET /cluster/resources?type=vm"; 2], "of 200 guests");
    assert!(asked[1].0 - asked[0].0 >= POLL - Duration::from_millis(500), "{asked:?}");
}

#[test]
fn a_guest_that_is_idle_sleeps_and_one_with_traffic_does_not() {
    let idle = "proxy.idle_timeout: 1s\nproxy.stop_timeout: 3s\n";
    let of = |vmid| Guest { notes: Some(idle.into()), ..managed(vmid).running() };
    let kill = "proxy.idle_timeout: 1s\nproxy.stop_method: kill\n";
    let killed = Guest { notes: Some(kill.into()), ..of(103) };
    let stage = Stage::start(Cluster::of([of(101).named("quiet"), of(102).named("busy"), killed]));
    let over = || {
        stage.cluster.guest(102, |guest| guest.netin += 50_000);
        !stage.cluster.guest(101, |guest| guest.is_up())
            && !stage.cluster.guest(103, |guest| guest.is_up())
    };
    stage.until("both idle ones are down", over);
    stage.until_state("quiet", "asleep");
    assert!(stage.cluster.guest(102, |guest| guest.is_up()));
    assert_eq!(stage.row("busy")["state"], "awake");
    let mut given = orders(&stage.cluster);
    given.sort();
    assert_eq!(given, ["shutdown 101 timeout=3&forceStop=1", "stop 103 overrule-shutdown=1"]);
    // Before it was put to sleep it was looked at itself.
    let looks = stage.cluster.asked("/lxc/101/status/current");
    assert!(!looks.is_empty());
    comes_to(&stage, "wake --wait quiet", "awake");
    assert!(stage.cluster.guest(101, |guest| guest.is_up()));
    assert!(stage.row("quiet")["last_wake_ms"].is_u64());
}

#[test]
fn orders_by_hand_and_what_becomes_of_them() {
    let slow = Course::new(Duration::from_millis(800), "OK");
    let warned = Course::new(Duration::from_millis(100), "WARNINGS: 1");
    let killed = Course::new(Duration::from_millis(100), "unexpected status");
    let failed = Course::new(Duration::from_millis(100), "startup for container '105' failed");
    let stubborn = "proxy.idle_timeout: 1h\nproxy.stop_timeout: 1s\n";
    let stage = Stage::start(Cluster::of([
        managed(101).named("plain"),
        Guest { managed: true, start: slow.clone(), shutdown: slow, ..managed(102).named("ha") },
        Guest { start: warned, ..managed(103).named("warned") },
        Guest { start: killed, ..managed(104).named("killed").notes(HASTY) },
        Guest { start: failed, ..managed(105).named("failed") },
        Guest { heeds_shutdown: false, ..managed(106).named("stubborn").notes(stubborn).running() },
        managed(107).named("moved"),
        managed(108).named("far").on("pve2").notes(HASTY),
    ]));
    for name in ["plain", "ha", "warned"] {
        comes_to(&stage, &format!("wake --wait {name}"), "awake");
        comes_to(&stage, &format!("wake --wait {name}"), "awake");
    }
    comes_to(&stage, "sleep --wait stubborn", "asleep");
    comes_to(&stage, "sleep --wait ha", "asleep");
    let (state, why) = told(&stage, "wake --wait killed");
    assert!(state == "failed" && why.contains("ended from outside"), "{state} {why}");
    let (state, why) = told(&stage, "wake --wait failed");
    assert!(state == "failed" && why.contains("startup for container '105' failed"), "{why}");
    // It has moved since it was listed, which the order finds out.
    stage.cluster.guest(107, |guest| guest.node = "pve2".into());
    comes_to(&stage, "wake --wait moved", "awake");
    let moved = orders(&stage.cluster).iter().filter(|order| order.contains("107")).count();
    assert!(moved <= 2, "{:?}", orders(&stage.cluster));
    stage.cluster.change(|state| state.nodes[1].1 = Node::Down);
    let (state, why) = told(&stage, "wake --wait far");
    assert!(state == "failed" && why.contains("node does not answer"), "{state} {why}");
    assert_eq!(stage.row("plain")["state"], "awake");
    comes_to(&stage, "keep plain 1h", "awake");
    assert_eq!(stage.row("plain")["why"], "kept");
}

#[test]
fn a_locked_guest_is_tried_again_when_the_lock_is_gone() {
    let notes = "proxy.idle_timeout: 1h\nproxy.wake_timeout: 40s\n";
    let guest = Guest { lock: Some("backup"), ..managed(101).named("web").notes(notes) };
    let stage = Stage::start(Cluster::of([guest]));
    thread::scope(|scope| {
        let waking = scope.spawn(|| told(&stage, "wake --wait web"));
        stage.until("it was tried", || !orders(&stage.cluster).is_empty());
        stage.cluster.guest(101, |guest| guest.lock = None);
        let (state, why) = waking.join().unwrap();
        // Either it was patient, or it says that the next try may do.
        if state != "awake" {
            assert!(why.contains("CT is locked (backup)"), "{why}");
            comes_to(&stage, "wake --wait web", "awake");
        }
    });
    assert!(stage.cluster.guest(101, |guest| guest.is_up()));
}

#[test]
fn a_missing_right_is_told_with_what_grants_it_and_does_no_harm() {
    let cluster = Cluster::of([managed(101).named("web"), managed(102).named("db")]);
    cluster.change(|state| {
        let right = |vmid: u32, right| (format!("/vms/{vmid}"), right);
        let (audit, power) = ("VM.Audit", "VM.PowerMgmt");
        state.tokens[0].rights = vec![right(101, audit), right(102, audit), right(102, power)];
    });
    let stage = Stage::start(cluster);
    let (state, why) = told(&stage, "wake --wait web");
    assert_eq!(state, "failed");
    for word in ["VM.PowerMgmt", "/vms/101", "pveum acl modify"] {
        assert!(why.contains(word), "{why}");
    }
    comes_to(&stage, "wake --wait db", "awake");
    assert!(!stage.log().contains("a-secret"));
}

#[test]
fn a_cluster_that_goes_away_is_told_once_and_found_again() {
    let stage = Stage::start(Cluster::of([managed(101).named("web").notes(HASTY)]));
    let lines = |what: &str| stage.log().lines().filter(|line| line.contains(what)).count();
    let away = || lines("list guests: ") + lines("ask for the version: ");
    stage.cluster.mood(Mood::Refuses);
    let (state, _) = told(&stage, "wake --wait web");
    assert_eq!(state, "failed");
    stage.until("it is noticed", || away() > 0);
    stage.cluster.mood(Mood::Answers);
    let end = Instant::now() + LIMIT;
    while told(&stage, "wake --wait web").0 != "awake" {
        assert!(Instant::now() < end, "{}", stage.log());
        thread::sleep(Duration::from_millis(500));
    }
    assert!(stage.cluster.guest(101, |guest| guest.is_up()));
    assert_eq!((away(), lines(": back")), (1, 1));
}
