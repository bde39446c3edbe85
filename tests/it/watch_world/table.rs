//! The machine of one engine, arm by arm: every phase, every input, and what comes of it.

use std::fmt::Write;
use std::time::{Duration, Instant};

use drowse::docker::change::Change;
use drowse::docker::events::Action;
use drowse::docker::watch::{Do, Input, Watch};

use super::engine::{One, event};

const PHASES: [&str; 6] =
    ["away", "greeting", "subscribing", "listing", "following", "before a list"];

fn secs(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

fn one(id: &str, version: u64) -> One {
    One { id: id.into(), name: 1, state: "running", version, detail: Some(version) }
}

fn happened(action: Action, time: u64) -> Input<One> {
    Input::Event(event("a", action, time))
}

/// A machine in this phase, which it entered at `now`; it knows `a` and, from `following` on, has
/// a look at `a` under way.
fn machine(phase: &str, t0: Instant) -> (Watch<One>, Instant) {
    let place = PHASES.iter().position(|one| *one == phase).unwrap();
    let mut watch = Watch::new(t0);
    // Away is where it comes back to: it has followed once.
    let now = t0 + secs(10.0);
    let looked = || vec![happened(Action::Start, 5)];
    let once = [
        vec![Input::Tick, Input::Agreed, Input::Opened, Input::Listed(vec![one("a", 1)])],
        vec![happened(Action::Rename, 3), Input::Ended],
    ];
    once.concat().into_iter().for_each(|input| drop(watch.step(input, t0, 500)));
    let steps = [
        vec![Input::Tick],
        vec![Input::Agreed],
        vec![Input::Opened],
        [vec![Input::Listed(vec![one("a", 1)])], looked()].concat(),
        vec![Input::Opened],
    ];
    for input in steps.concat().into_iter().take([0, 1, 2, 3, 5, 6][place]) {
        watch.step(input, now, 500);
    }
    (watch, if place == 0 { t0 } else { now })
}

fn inputs() -> Vec<(&'static str, Input<One>, f64)> {
    let listed = Input::Listed(vec![one("b", 2)]);
    vec![
        ("an early tick", Input::Tick, 0.9),
        ("a tick in time", Input::Tick, 300.0),
        ("agreed", Input::Agreed, 0.1),
        ("opened", Input::Opened, 0.1),
        ("listed", listed, 0.1),
        ("looked at a", Input::Looked("a".into(), Some(one("a", 2))), 0.1),
        ("looked in vain", Input::Looked("a".into(), None), 0.1),
        ("looked unasked", Input::Looked("b".into(), Some(one("b", 2))), 0.1),
        ("look failed", Input::LookFailed("a".into()), 0.1),
        ("b started", Input::Event(event("b", Action::Start, 7)), 0.1),
        ("b was killed", Input::Event(event("b", Action::Kill, 7)), 0.1),
        ("the same again", happened(Action::Rename, 3), 0.1),
        ("failed", Input::Failed("refused".into()), 0.1),
        ("ended", Input::Ended, 0.1),
    ]
}

fn words(todo: &Do<One>) -> String {
    match todo {
        Do::Greet => "greet".into(),
        Do::Subscribe(None) => "subscribe from now".into(),
        Do::Subscribe(Some(since)) => format!("subscribe since {since}"),
        Do::List => "list".into(),
        Do::Look(id) => format!("look at {id}"),
        Do::HangUp => "hang up".into(),
        Do::Say(Change::Present(one)) => format!("say {} is there", one.id),
        Do::Say(Change::Changed { event, at, container }) => {
            let at = at.map_or(String::new(), |at| format!(" at {at}"));
            format!("say {event} {}{at}", container.id)
        }
        Do::Say(Change::Lost(why)) => format!("say lost: {why}"),
        Do::Say(Change::Back) => "say back".into(),
    }
}

/// What comes of an input, and when it wants the next tick.
fn outcome(phase: &str, input: Input<One>, after: f64) -> String {
    let (mut watch, then) = machine(phase, Instant::now());
    let now = then + secs(after);
    let todo: Vec<String> = watch.step(input, now, 500).iter().map(words).collect();
    let tick = watch.deadline().map(|at| {
        let seconds = if at > now { (at - now).as_secs_f64() } else { -(now - at).as_secs_f64() };
        format!("tick in {seconds:.1} s")
    });
    let all: Vec<String> = todo.into_iter().chain(tick).collect();
    if all.is_empty() { "–".into() } else { all.join(", ") }
}

#[test]
fn every_phase_answers_every_input() {
    let mut table = String::new();
    for phase in PHASES {
        for (name, input, after) in inputs() {
            writeln!(table, "{phase} | {name} | {}", outcome(phase, input, after)).unwrap();
        }
    }
    assert_eq!(table, include_str!("table.txt"));
}

/// Follows an engine with these containers.
fn following(ids: &[&str], now: Instant) -> Watch<One> {
    let mut watch = Watch::new(now);
    let all = ids.iter().map(|id| one(id, 1)).collect();
    for input in [Input::Tick, Input::Agreed, Input::Opened, Input::Listed(all)] {
        watch.step(input, now, 500);
    }
    assert!(watch.is_following() && watch.is_settled());
    watch
}

fn looks(todo: &[Do<One>]) -> Vec<String> {
    todo.iter().filter(|todo| matches!(todo, Do::Look(_))).map(words).collect()
}

#[test]
fn the_waits_double_up_to_half_a_minute_and_begin_anew_after_a_list() {
    let mut now = Instant::now();
    let mut watch = following(&["a"], now);
    let mut wait = |input: Input<One>, jitter, watch: &mut Watch<One>| {
        let todo = watch.step(input, now, jitter);
        let at = watch.deadline().unwrap();
        let waited = (at - now).as_secs_f64();
        now = at;
        watch.step(Input::Tick, now, 0);
        (waited, todo.iter().map(words).collect::<Vec<_>>().join(", "))
    };
    let refused = || Input::Failed("refused".into());
    assert_eq!(wait(Input::Ended, 500, &mut watch), (1.0, "hang up".into()));
    let lost = "hang up, say lost: refused".to_owned();
    assert_eq!(wait(refused(), 500, &mut watch), (2.0, lost));
    let waits: Vec<_> = (0..6).map(|_| wait(refused(), 500, &mut watch)).collect();
    let expected = [4.0, 8.0, 16.0, 30.0, 30.0, 30.0].map(|wait| (wait, "hang up".to_owned()));
    assert_eq!(waits, expected);
    assert_eq!(wait(refused(), 0, &mut watch).0, 22.5);
    assert_eq!(wait(refused(), 1000, &mut watch).0, 37.5);
    watch.step(Input::Agreed, Instant::now(), 0);
    watch.step(Input::Opened, Instant::now(), 0);
    let back = watch.step(Input::Listed(vec![one("a", 1)]), Instant::now(), 0);
    assert_eq!(back, [Do::Say(Change::Back)]);
    assert_eq!(wait(Input::Ended, 500, &mut watch), (1.0, "hang up".into()));
}

#[test]
fn a_stream_that_ends_before_every_list_is_told_once() {
    let now = Instant::now();
    let mut watch: Watch<One> = Watch::new(now);
    let mut said = Vec::new();
    for minute in 0..5 {
        for input in [Input::Tick, Input::Agreed, Input::Opened, Input::Ended] {
            let todo = watch.step(input, now + secs(60.0 * f64::from(minute)), 500);
            said.extend(todo.iter().filter(|todo| matches!(todo, Do::Say(_))).map(words));
        }
    }
    assert_eq!(said, ["say lost: follow events: the stream ends at once"]);
    assert!(watch.is_settled());
}

#[test]
fn a_list_that_was_asked_for_before_the_stream_opened_is_asked_for_again() {
    let t0 = Instant::now();
    let mut watch: Watch<One> = Watch::new(t0);
    let late = t0 + secs(1.0);
    let mut todo = |input, now| watch.step(input, now, 0).iter().map(words).collect::<Vec<_>>();
    assert_eq!(todo(Input::Tick, t0), ["greet"]);
    assert_eq!(todo(Input::Agreed, t0), ["subscribe from now"]);
    assert_eq!(todo(Input::Tick, late), ["list"]);
    assert_eq!(todo(Input::Opened, late), [""; 0]);
    assert_eq!(todo(Input::Listed(vec![one("a", 1)]), late), ["say a is there", "list"]);
    assert_eq!(todo(Input::Listed(vec![one("a", 1)]), late), [""; 0]);
    assert_eq!(watch.deadline(), Some(late + secs(300.0)));
}

#[test]
fn a_few_that_never_rest_do_not_keep_another_waiting() {
    let t0 = Instant::now();
    let mut watch = following(&["a", "b", "c", "d", "z"], t0);
    let mut under_way = Vec::new();
    let mut at_z = Vec::new();
    for tenth in 0..100_u64 {
        let now = t0 + Duration::from_millis(100) * tenth as u32;
        let mut todo = Vec::new();
        if tenth % 10 == 0 {
            // Every look takes a second.
            for id in std::mem::take(&mut under_way) {
                todo.extend(watch.step(Input::Looked(id, None), now, 0));
            }
        }
        for id in ["a", "b", "c", "d"] {
            let crash = event(id, Action::Die, 100 + tenth);
            todo.extend(watch.step(Input::Event(crash), now, 0));
        }
        if tenth == 5 {
            todo.extend(watch.step(Input::Event(event("z", Action::Die, 1)), now, 0));
        }
        at_z.extend(looks(&todo).iter().filter(|look| *look == "look at z").map(|_| tenth));
        under_way.extend(todo.into_iter().filter_map(|todo| match todo {
            Do::Look(id) => Some(id),
            _ => None,
        }));
    }
    assert_eq!(at_z, [20], "behind the four that were heard of before it");
}

#[test]
fn looks_that_fail_do_not_keep_another_waiting() {
    let t0 = Instant::now();
    let fail = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let mut watch = following(&[&fail[..], &["z"]].concat(), t0);
    let die = |id| Input::Event(event(id, Action::Die, 1));
    for id in fail {
        watch.step(die(id), t0, 0);
    }
    watch.step(die("z"), t0 + secs(1.0), 0);
    // A hung engine: each look fails after half a minute.
    let mut failed = |ids: [&str; 4], now| {
        let todo = ids.map(|id| watch.step(Input::LookFailed(id.into()), now, 0)).concat();
        looks(&todo).join(", ")
    };
    let (first, second) = (t0 + secs(30.0), t0 + secs(60.0));
    let four = ["a", "b", "c", "d"];
    assert_eq!(failed(four, first), "look at e, look at f, look at g, look at h");
    let then = failed(["e", "f", "g", "h"], second);
    assert_eq!(then, "look at z, look at a, look at b, look at c");
    assert_eq!(watch.deadline(), Some(second + secs(1.0)));
}
