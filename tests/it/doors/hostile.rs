//! Many who mean no good, at real size: nothing grows with them but up to its limit, and no other
//! door minds.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::client::{body, connect, get};
use super::stage::{Stage, at, until};
use super::{IDLE, POLL, WEB, mounts};
use drowse::net::door::limits::{HELD_AT_DOOR, HELD_BYTES_AT_DOOR, places, places_at_door};

/// At once.
const CROWD: usize = 10_000;
/// What one who is held or relayed may cost the daemon, without what it said.
const EACH_BYTES: usize = 512;
/// What comes once with a crowd, whatever its size: code and buffers not used before.
const ONCE_BYTES: usize = 2 << 20;
/// Accepts everybody, and says nothing.
const ACCEPTS: &str = "exec /usr/bin/perl -MIO::Socket::INET -e \
     '$l = IO::Socket::INET->new(LocalPort => 80, Listen => 4096); \
     push @c, $_ while $_ = $l->accept'";

#[test]
fn ten_thousand_who_say_nothing_and_slow_heads_have_their_limits() {
    if !allow(CROWD as u64 + 1000) {
        eprintln!("left out: no descriptors for {CROWD} clients");
        return;
    }
    let config = format!("{POLL}\nmetrics: 127.0.0.1:9420");
    let Some(stage) = Stage::start("drhostile", &config) else { return };
    stage.enter();
    let long = [IDLE[0], IDLE[1], "proxy.idle_timeout=1h"];
    let door =
        |port: &'static str, more: &[&'static str]| [&long[..], &["--label", port], more].concat();
    let only = ["--label", "proxy.start_endpoint=/go"];
    stage.create("start", WEB, &door("proxy.start.port=9081:80", &only));
    stage.create("other", WEB, &door("proxy.other.port=9080:80", &[]));
    let mounts = mounts();
    let mut args = door("proxy.open.port=9082:80", &["--ulimit", "nofile=12000:12000"]);
    args.extend(mounts.iter().map(String::as_str));
    stage.create("open", ACCEPTS, &args);
    for name in ["start", "other", "open"] {
        stage.until_held(name);
    }
    get(at("127.0.0.1:9420"), "/metrics", "").unwrap();
    let before = resident(&stage);
    no_byte_at_a_sleeping_door(&stage, before);
    slow_heads(&stage, before);
    no_byte_at_an_open_door(&stage, before);
    assert!(!stage.has_logged("too many open files"), "there are limits before that one");
}

/// As many are held as the door holds, and all others are turned away at once.
fn no_byte_at_a_sleeping_door(stage: &Stage, before: usize) {
    let mut crowd: Vec<_> = (0..CROWD).map(|_| connect(at("127.0.0.1:9081")).unwrap()).collect();
    until("the door is full", || held("start") == HELD_AT_DOOR as f64);
    until("the rest is turned away", || {
        crowd.retain_mut(|client| !has_ended(client));
        crowd.len() == HELD_AT_DOOR
    });
    grew(before, resident(stage), HELD_AT_DOOR * EACH_BYTES);
    unaffected();
    assert_eq!(stage.row("start")["state"], "asleep");
    drop(crowd);
    until("they are gone", || held("start") == 0.0);
}

/// Heads that never end, a piece at a time: so many bytes are kept, and no more.
fn slow_heads(stage: &Stage, before: usize) {
    let mut crowd: Vec<_> = (0..2000).map(|_| connect(at("127.0.0.1:9081")).unwrap()).collect();
    let mut sent = 0;
    for piece in 0..12 {
        for client in &mut crowd {
            let line = format!("GET / HTTP/1.1\r\nX-{piece}: {}\r\n", "a".repeat(500));
            let line = if piece == 0 { &line[..] } else { &line[16..] };
            sent += client.write(line.as_bytes()).unwrap_or(0);
        }
    }
    assert!(sent > 2 * HELD_BYTES_AT_DOOR, "{sent}");
    unaffected();
    // A buffer that grows is twice as long as what is in it, and is copied when it grows.
    grew(before, resident(stage), 2000 * EACH_BYTES + 3 * HELD_BYTES_AT_DOOR);
    // Who was not turned away for the bytes is told after its 10 s.
    let late: Vec<String> = crowd.iter_mut().map(rest).filter(|heard| !heard.is_empty()).collect();
    assert!(late.len() > 100, "{}", late.len());
    assert!(late.iter().all(|heard| heard.starts_with("HTTP/1.1 408 ")), "{:?}", late[0]);
    assert_eq!(stage.row("start")["state"], "asleep");
    until("they are gone", || held("start") == 0.0);
}

/// Each takes two descriptors, and neither pipe nor buffer. There are as many as there are
/// descriptors for, but for those that other doors need.
fn no_byte_at_an_open_door(stage: &Stage, before: usize) {
    stage.ask("wake open --wait");
    let most = places_at_door(places(descriptors(stage))).min(CROWD);
    let mut crowd: Vec<_> = (0..CROWD).map(|_| connect(at("127.0.0.1:9082")).unwrap()).collect();
    let files = format!("/proc/{}/fd", stage.daemon.as_ref().unwrap().id());
    let open = || std::fs::read_dir(&files).unwrap().count();
    until("so many are relayed", || {
        crowd.retain_mut(|client| !has_ended(client));
        crowd.len() == most && open() >= 2 * most
    });
    assert!(open() < 2 * most + 100, "{}", open());
    grew(before, resident(stage), most * EACH_BYTES);
    unaffected();
    assert_eq!(stage.docker(&["kill", "open"]).0, Some(0));
    until("they are gone", || open() < 100);
    drop(crowd);
}

/// How many descriptors the daemon may have.
fn descriptors(stage: &Stage) -> u64 {
    let id = stage.daemon.as_ref().unwrap().id();
    let text = std::fs::read_to_string(format!("/proc/{id}/limits")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

/// Another door answers, asleep or awake, and fast.
fn unaffected() {
    let begun = Instant::now();
    for _ in 0..20 {
        assert_eq!(body(at("127.0.0.1:9080")).unwrap(), "hello\n");
    }
    eprintln!("20 answers of another door took {:?}", begun.elapsed());
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[track_caller]
fn grew(before: usize, now: usize, most: usize) {
    eprintln!("resident: {before} bytes, then {now}, {most} more at most");
    assert!(now < before + ONCE_BYTES + most, "{before} bytes became {now}");
}

/// Resident memory of the daemon, in bytes.
fn resident(stage: &Stage) -> usize {
    let id = stage.daemon.as_ref().unwrap().id();
    let text = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
}

fn held(name: &str) -> f64 {
    let (_, text) = get(at("127.0.0.1:9420"), "/metrics", "").unwrap();
    let start = format!("drowse_held_connections{{engine=\"own\",name=\"{name}\"}} ");
    text.lines().find_map(|line| line.strip_prefix(&start)).unwrap().parse().unwrap()
}

fn has_ended(client: &mut TcpStream) -> bool {
    client.set_nonblocking(true).unwrap();
    !matches!(client.read(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock)
}

/// All that still comes; nothing of a connection that was cut.
fn rest(client: &mut TcpStream) -> String {
    let mut heard = String::new();
    let _ = client.read_to_string(&mut heard);
    heard
}

/// This process may have so many descriptors.
fn allow(count: u64) -> bool {
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= count) {
        return true;
    }
    let maximum = limit.maximum.map(|maximum| maximum.max(count));
    setrlimit(Resource::Nofile, Rlimit { current: Some(count), maximum }).is_ok()
}
