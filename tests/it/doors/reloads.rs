//! Doors over a reload: those of what did not change stay, with everybody who is there.

use std::io::{Read, Write};
use std::thread;

use rustix::process::Signal;

use super::client::{body, connect};
use super::stage::{Stage, at, enter, until};
use super::{IDLE, POLL, SLOW, WEB};

#[test]
fn who_is_within_stays_over_a_reload() {
    let Some(mut stage) = Stage::start("drreload", POLL) else { return };
    stage.enter();
    let args = |more: &[&'static str]| [&IDLE[..], more].concat();
    stage.create("slow", SLOW, &args(&["-p", "8080:80"]));
    stage.create("front", SLOW, &args(&["--label", "proxy.front.port=9080:80"]));
    let echo = "exec nc -ll -p 80 -e cat";
    let talk = ["--label", "proxy.idle_timeout=1h", "--label", "proxy.talk.port=9081:80"];
    stage.create("talk", echo, &talk);
    for name in ["slow", "front", "talk"] {
        stage.until_held(name);
    }
    let mut talk = connect(at("127.0.0.1:9081")).unwrap();
    let mut say = |text: &[u8]| {
        talk.write_all(text).unwrap();
        let mut heard = vec![0; text.len()];
        talk.read_exact(&mut heard).unwrap();
        assert_eq!(heard, text);
    };
    say(b"before");
    let held: Vec<_> = ["127.0.0.1:8080", "127.0.0.1:9080"]
        .into_iter()
        .map(|to| {
            let network = stage.network().to_owned();
            thread::spawn(move || {
                enter(&network);
                body(at(to))
            })
        })
        .collect();
    stage.until_is("slow", "waking");
    stage.until_is("front", "waking");
    stage.config = "idle: {poll: 200ms, stop_timeout: 3s, wake_timeout: 50s}".into();
    reload(&stage);
    say(b"after");
    for one in held {
        assert_eq!(one.join().unwrap().unwrap(), "slow\n");
    }
    say(b"at last");
    stage.until_held("slow");
    // A file that is none changes nothing.
    stage.config = "idle: {poll: soon}".into();
    stage.configure();
    stage.signal(Signal::HUP);
    until("it is refused", || stage.has_logged("the new configuration is not used"));
    assert_eq!(body(at("127.0.0.1:8080")).unwrap(), "slow\n");
}

#[test]
fn a_reload_changes_the_kind_of_doors_and_says_what_it_can_not_change() {
    let Some(mut stage) = Stage::start("drturns", POLL) else { return };
    stage.enter();
    stage.create("web", WEB, &[IDLE[0], IDLE[1], IDLE[2], "-p", "8080:80"]);
    stage.until_held("web");
    for (doors, kind) in [("{redirect: off}", "stand-in"), ("{redirect: auto}", "redirect")] {
        stage.config = format!("{POLL}\ndoors: {doors}");
        reload(&stage);
        stage.until_row("web", "has the other door", |row| row["doors"][0]["kind"] == kind);
        stage.until_held("web");
        assert_eq!(stage.rules().contains("8080"), kind == "redirect", "{}", stage.rules());
        assert_eq!(body(at("127.0.0.1:8080")).unwrap(), "hello\n");
        stage.until_held("web");
    }
    stage.config = format!("{POLL}\ndoors: {{port: 41961}}\nmetrics: 127.0.0.1:9420");
    reload(&stage);
    for what in ["doors.port", "metrics"] {
        assert!(stage.has_logged(&format!("{what}: takes effect at the next start")), "{what}");
    }
    assert_eq!(body(at("127.0.0.1:8080")).unwrap(), "hello\n");
}

/// Reads the configuration as it is now.
fn reload(stage: &Stage) {
    stage.configure();
    let line = "the configuration was read anew";
    let times = || stage.log.lock().unwrap().iter().filter(|one| one.contains(line)).count();
    let before = times();
    stage.signal(Signal::HUP);
    until("it is read", || times() > before);
}
