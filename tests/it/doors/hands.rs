//! Other hands: started by hand, ports taken by others, rules flushed, the daemon and the engine
//! ended. Doors yield, come back, and leave nothing behind.

use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use rustix::process::Signal;

use super::client::{body, get};
use super::stage::{Stage, at, enter, until};
use super::{IDLE, POLL, SLOW, WEB};

/// A web server that answers something else.
const OTHER: &str = "echo other > /var/www/index.html; exec httpd -f -p 80 -h /var/www";

#[test]
fn a_door_yields_to_whoever_has_the_port() {
    let Some(stage) = Stage::start("drhands", POLL) else { return };
    stage.enter();
    let args = |port| [IDLE[0], IDLE[1], IDLE[2], "-p", port];
    stage.create("web", WEB, &args("8080:80"));
    stage.create("old", WEB, &args("8081:80"));
    stage.create("new", OTHER, &args("8081:80"));
    stage.create("taken", WEB, &args("8082:80"));
    stage.until_held("web");
    stage.until_held("taken");

    // By hand: it starts although the door stands, and the door goes.
    assert_eq!(stage.docker(&["start", "web"]).0, Some(0));
    stage.until_is("web", "awake");
    assert_eq!(body(at("127.0.0.1:8080")).unwrap(), "hello\n");
    stage.until_held("web");

    // A foreign listener: noticed in time, see below.
    let foreign = TcpListener::bind("127.0.0.1:8082").unwrap();

    // Of two sleepers the one that ran last has the door.
    for name in ["old", "new"] {
        stage.ask(&format!("wake {name} --wait"));
        stage.ask(&format!("sleep {name} --wait"));
    }
    stage.until_held("new");
    let denied = "own/new has the same port and ran later";
    stage.until_row("old", "told why", |row| row["problems"].to_string().contains(denied));
    assert_eq!(body(at("127.0.0.1:8081")).unwrap(), "other\n");

    // Another container that nobody watches starts with it.
    let run = ["run", "-d", "--name", "free", "-p", "8080:80", "drowse-test:latest", "sh", "-c"];
    assert_eq!(stage.docker(&[&run[..], &[OTHER]].concat()).0, Some(0));
    stage.until_row("web", "yields", |row| row["problems"].to_string().contains("free runs with"));
    until("the other answers", || body(at("127.0.0.1:8080")).is_ok_and(|heard| heard == "other\n"));
    stage.docker(&["rm", "-f", "free"]);
    stage.until_held("web");
    until("it is woken again", || body(at("127.0.0.1:8080")).is_ok_and(|heard| heard == "hello\n"));

    stage.until_row("taken", "yields", |row| {
        row["problems"].to_string().contains("another program listens")
    });
    foreign.set_nonblocking(true).unwrap();
    until("the foreign listener has its clients", || {
        drop(std::net::TcpStream::connect("127.0.0.1:8082"));
        foreign.accept().is_ok()
    });
    drop(foreign);
    stage.until_held("taken");
    assert_eq!(body(at("127.0.0.1:8082")).unwrap(), "hello\n");
}

#[test]
fn doors_outlive_what_is_done_to_them_and_leave_nothing() {
    let Some(mut stage) = Stage::start("drends", POLL) else { return };
    stage.enter();
    stage.create("web", SLOW, &[IDLE[0], IDLE[1], IDLE[2], "-p", "8080:80"]);
    stage.until_held("web");
    assert!(stage.rules().contains("8080"), "{}", stage.rules());

    // Flushed: they are back before they would have been renewed twice.
    stage.inside("nft", &["flush", "ruleset"]).status().unwrap();
    assert_eq!(stage.rules(), "");
    until("the rules are back", || stage.rules().contains("8080"));

    // Killed hard: every element ends by itself, within a minute.
    stage.signal(Signal::KILL);
    stage.ended();
    let left = stage.rules();
    let lives: Vec<u64> = left
        .split("expires ")
        .skip(1)
        .map(|text| text.chars().take_while(char::is_ascii_digit).collect::<String>())
        .map(|digits| digits.parse().unwrap())
        .collect();
    assert!(!lives.is_empty() && lives.iter().all(|life| *life <= 60), "{left}");
    stage.start_daemon();
    stage.until_held("web");

    // Its engine goes and comes: the door stands all the while, and holds who comes.
    stage.restart_engine();
    stage.until_held("web");
    assert_eq!(body(at("127.0.0.1:8080")).unwrap(), "slow\n");
    stage.until_held("web");

    // Told to end while somebody is held: that one is answered, and then nothing is left.
    let name = stage.network().to_owned();
    let held = thread::spawn(move || {
        enter(&name);
        body(at("127.0.0.1:8080"))
    });
    stage.until_is("web", "waking");
    stage.signal(Signal::TERM);
    assert_eq!(held.join().unwrap().unwrap(), "slow\n");
    assert!(stage.ended().success());
    assert_eq!(stage.rules(), "");
    TcpListener::bind("0.0.0.0:41960").unwrap();
    assert!(stage.docker(&["ps", "-q"]).1.lines().count() == 1, "it stays as it is");
}

#[test]
fn a_firewall_that_drops_is_told_with_the_way_out() {
    let Some(mut stage) = Stage::start("drwall", POLL) else { return };
    stage.enter();
    stage.create("web", WEB, &[IDLE[0], IDLE[1], IDLE[2], "-p", "8080:80"]);
    let far = stage.neighbour();
    let wall = "table inet filter { chain input { type filter hook input priority 0; policy drop; \
         iif lo accept; ct state established,related accept; meta l4proto icmpv6 accept; }; }";
    assert!(stage.inside("nft", &[wall]).status().unwrap().success());
    stage.signal(Signal::TERM);
    stage.ended();
    stage.start_daemon();
    stage.until_held("web");
    let command = "nft insert rule inet filter input ct status dnat accept";
    until("it is told", || stage.has_logged(command));
    let shown = stage.check();
    assert!(shown.contains(command), "{shown}");
    let words: Vec<&str> = command.split(' ').skip(1).collect();
    assert!(stage.inside("nft", &words).status().unwrap().success());
    let asked = thread::spawn(move || {
        enter(&far);
        get(at("10.99.0.1:8080"), "/", "")
    });
    assert_eq!(asked.join().unwrap().unwrap().1, "hello\n");
    thread::sleep(Duration::from_millis(1));
}
