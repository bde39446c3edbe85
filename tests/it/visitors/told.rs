//! What ends the turns of a loop while others are relayed: what is to be told, and what is due.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use drowse::net::door::{First, Notice};
use drowse::net::running::Event;

use super::stage::{Stage, Target, dial};

/// Only a test that fails waits for it.
const LIMIT: Duration = Duration::from_secs(20);
const ROUNDS: usize = 100;

fn waits(stream: &TcpStream) {
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
}

/// A visitor that asks as soon as it is answered, and goes after so many `rounds`.
fn asks(mut client: TcpStream, rounds: usize) {
    for _ in 0..rounds {
        if client.write_all(b"?").is_err() || client.read_exact(&mut [0]).is_err() {
            return;
        }
    }
}

fn answers(mut inside: TcpStream) {
    while inside.read_exact(&mut [0]).is_ok() && inside.write_all(b"!").is_ok() {}
}

#[test]
fn what_is_only_relayed_ends_no_turn_until_the_last_has_gone() {
    let (mut stage, target) = (Stage::new(), Target::new());
    let (door, at) = stage.door(First::Nothing);
    stage.reactor.pass(door, target.at);
    let (client, inside) = (dial(at), stage.accept(&target));
    [&client, &inside].into_iter().for_each(waits);
    thread::scope(|scope| {
        scope.spawn(|| answers(inside));
        scope.spawn(|| asks(client, ROUNDS));
        let (end, mut events) = (Instant::now() + LIMIT, Vec::new());
        let now = stage.reactor.turn_until_told(Some(end), &mut events).unwrap();
        assert!(now < end && events.is_empty(), "{events:?}");
        assert_eq!(stage.reactor.visitors(), 0);
        assert_eq!(stage.reactor.moved_bytes(door), 2 * ROUNDS as u64);
    });
}

#[test]
fn who_comes_and_what_is_due_end_a_turn_however_much_is_relayed() {
    let (mut stage, target) = (Stage::new(), Target::new());
    let (busy, at) = stage.door(First::Nothing);
    let (other, there) = stage.door(First::Nothing);
    stage.reactor.pass(busy, target.at);
    let (client, inside) = (dial(at), stage.accept(&target));
    [&client, &inside].into_iter().for_each(waits);
    let ends = client.try_clone().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| answers(inside));
        scope.spawn(|| asks(client, usize::MAX));
        let (soon, mut events) = (Instant::now() + Duration::from_millis(20), Vec::new());
        let now = stage.reactor.turn_until_told(Some(soon), &mut events).unwrap();
        assert!(now >= soon && events.is_empty(), "{events:?}");
        assert!(stage.reactor.moved_bytes(busy) > 0);

        let _comes = dial(there);
        stage.reactor.turn_until_told(Some(now + LIMIT), &mut events).unwrap();
        let [Event::Door(Notice::Came { door, .. })] = events[..] else { panic!("{events:?}") };
        assert_eq!((door, stage.reactor.visitors()), (other, 2));
        ends.shutdown(std::net::Shutdown::Both).unwrap();
        drop(stage);
    });
}
