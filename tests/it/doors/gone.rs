//! Containers that go down while clients are with them: whoever is relayed is told, also when the
//! container could tell nobody; and a pause ends nothing.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use super::client::connect;
use super::stage::{Stage, at};
use super::{IDLE, POLL};

/// Says everything that it hears.
const ECHO: &str = "exec nc -ll -p 80 -e cat";
/// Says much, and then nothing more.
const SPEAKS: &str = "exec nc -ll -p 80 -e sh -c 'read x; head -c 200000 /dev/zero; sleep 600'";
/// The daemon needs a moment to hear of it, and the kernel 3 s to be sure.
const CUT_WITHIN: Duration = Duration::from_secs(12);

/// Sleeps by order only.
const LONG: [&str; 3] = [IDLE[0], IDLE[1], "proxy.idle_timeout=1h"];

/// A client that has woken its container, and was answered by it.
fn with(to: &str) -> TcpStream {
    let mut client = connect(at(to)).unwrap();
    echoed(&mut client, "first");
    client
}

#[track_caller]
fn echoed(client: &mut TcpStream, text: &str) {
    writeln!(client, "{text}").unwrap();
    let mut heard = vec![0; text.len() + 1];
    client.read_exact(&mut heard).unwrap();
    assert_eq!(String::from_utf8(heard).unwrap(), format!("{text}\n"));
}

/// Reads until it is told that the container has gone; what came before that.
#[track_caller]
fn until_cut(client: &mut TcpStream) -> usize {
    let (begun, mut heard, mut buffer) = (Instant::now(), 0, [0; 4096]);
    client.set_read_timeout(Some(CUT_WITHIN)).unwrap();
    loop {
        match client.read(&mut buffer) {
            Ok(0) => return heard,
            Ok(read) => heard += read,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return heard,
            Err(error) => panic!("hung for {:?}: {error}", begun.elapsed()),
        }
    }
}

#[test]
fn whoever_is_with_a_container_that_goes_down_is_told() {
    let Some(stage) = Stage::start("drgone", POLL) else { return };
    stage.enter();
    let front = |port: &'static str| [&LONG[..], &["--label", port]].concat();
    stage.create("front", ECHO, &front("proxy.front.port=9080:80"));
    stage.create("speaks", SPEAKS, &front("proxy.speaks.port=9081:80"));
    stage.create("frozen", ECHO, &front("proxy.frozen.port=9082:80"));
    stage.create("moves", ECHO, &front("proxy.moves.port=9083:80"));
    stage.create("redirect", ECHO, &[&LONG[..], &["-p", "8080:80"]].concat());
    for name in ["front", "speaks", "frozen", "moves", "redirect"] {
        stage.until_held(name);
    }
    let (mut front, mut redirect) = (with("127.0.0.1:9080"), with("127.0.0.1:8080"));
    let (mut frozen, mut moves) = (with("127.0.0.1:9082"), with("127.0.0.1:9083"));
    let mut listens = connect(at("127.0.0.1:9081")).unwrap();
    listens.write_all(b"speak\n").unwrap();
    for name in ["front", "speaks", "frozen", "moves", "redirect"] {
        stage.until_is(name, "awake");
    }

    // Its network goes first, so that nobody hears of its end but by the engine.
    for name in ["front", "speaks", "redirect"] {
        assert_eq!(stage.docker(&["network", "disconnect", "bridge", name]).0, Some(0));
        assert_eq!(stage.docker(&["kill", name]).0, Some(0));
    }
    until_cut(&mut front);
    until_cut(&mut redirect);
    assert_eq!(until_cut(&mut listens), 200_000, "what was said before arrives");

    // A pause ends nothing, however long; who is killed in it is gone.
    assert_eq!(stage.docker(&["pause", "frozen"]).0, Some(0));
    stage.until_is("frozen", "asleep");
    thread::sleep(Duration::from_secs(6));
    assert_eq!(stage.docker(&["unpause", "frozen"]).0, Some(0));
    stage.until_is("frozen", "awake");
    echoed(&mut frozen, "after the thaw");
    assert_eq!(stage.docker(&["pause", "frozen"]).0, Some(0));
    stage.until_is("frozen", "asleep");
    assert_eq!(stage.docker(&["kill", "frozen"]).0, Some(0));
    until_cut(&mut frozen);

    it_moves_while_it_runs(&stage, &mut moves);
}

/// It gets another address; that is told with the next event of it.
fn it_moves_while_it_runs(stage: &Stage, moves: &mut TcpStream) {
    assert_eq!(stage.docker(&["network", "create", "other"]).0, Some(0));
    assert_eq!(stage.docker(&["network", "connect", "other", "moves"]).0, Some(0));
    assert_eq!(stage.docker(&["network", "disconnect", "bridge", "moves"]).0, Some(0));
    assert_eq!(stage.docker(&["rename", "moves", "moved"]).0, Some(0));
    until_cut(moves);
    drop(with("127.0.0.1:9083"));
}
