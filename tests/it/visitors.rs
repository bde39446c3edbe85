//! Doors over real sockets of the loopback: who comes, is held, let in, answered and relayed. Both
//! sides are played by the test's own thread, step by step.

mod bulk;
mod closing;
mod crowd;
mod datagrams;
mod heads;
pub mod stage;
mod told;

use std::io::{ErrorKind, Write};
use std::net::Shutdown;

use drowse::net::door::{First, Notice};
use stage::{Stage, Target, dial, is_reset};

#[test]
fn who_is_held_reaches_the_container_with_all_it_said() {
    let (mut stage, target) = (Stage::new(), Target::new());
    let (door, at) = stage.door(First::Nothing);
    let mut client = dial(at);
    client.write_all(b"hello").unwrap();
    let visitor = stage.came(door);
    stage.turns(5);
    assert!(target.knock().is_none(), "nobody said it may go in");
    assert_eq!((stage.reactor.held(door), stage.reactor.visitors()), (1, 1));

    stage.reactor.admit(visitor, target.at);
    let mut inside = stage.accept(&target);
    assert_eq!(stage.read(&mut inside, 5), b"hello");
    inside.write_all(b"welcome").unwrap();
    assert_eq!(stage.read(&mut client, 7), b"welcome");
    assert_eq!((stage.reactor.held(door), stage.reactor.visitors()), (0, 1));
    assert_eq!(stage.reactor.moved_bytes(door), 12);
    assert_eq!(stage.reactor.moved_bytes(door), 0);

    let mut second = dial(at);
    second.write_all(b"me too").unwrap();
    stage.came(door);
    stage.turns(5);
    assert!(target.knock().is_none(), "to admit one is not to pass all");
}

#[test]
fn a_door_that_passes_lets_in_whoever_is_held_and_comes_and_tells_nothing() {
    let (mut stage, target) = (Stage::new(), Target::new());
    let (door, at) = stage.door(First::Head);
    let mut held = dial(at);
    held.write_all(b"GET /half").unwrap();
    stage.came(door);
    stage.turns(3);
    stage.reactor.pass(door, target.at);
    let mut inside = stage.accept(&target);
    assert_eq!(stage.read(&mut inside, 9), b"GET /half");
    let mut later = dial(at);
    later.write_all(b"x").unwrap();
    let mut inside = stage.accept(&target);
    assert_eq!(stage.read(&mut inside, 1), b"x");
    assert_eq!(stage.notices, []);

    stage.reactor.hold(door);
    let _third = dial(at);
    stage.came(door);
    assert!(target.knock().is_none());
    later.write_all(b"y").unwrap();
    assert_eq!(stage.read(&mut inside, 1), b"y", "who is relayed stays");
}

#[test]
fn each_side_may_end_while_the_other_goes_on() {
    let (mut stage, target) = (Stage::new(), Target::new());
    let (door, at) = stage.door(First::Nothing);
    stage.reactor.pass(door, target.at);
    let mut client = dial(at);
    let mut inside = stage.accept(&target);
    client.write_all(b"all I say").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(stage.read_all(&mut inside), Ok(b"all I say".to_vec()));
    for _ in 0..3 {
        inside.write_all(b"answer").unwrap();
        assert_eq!(stage.read(&mut client, 6), b"answer");
    }
    inside.shutdown(Shutdown::Write).unwrap();
    assert_eq!(stage.read_all(&mut client), Ok(Vec::new()));
    stage.until(|stage| (stage.reactor.visitors() == 0).then_some(()));

    let mut client = dial(at);
    let mut inside = stage.accept(&target);
    inside.write_all(b"banner").unwrap();
    inside.shutdown(Shutdown::Write).unwrap();
    assert_eq!(stage.read_all(&mut client), Ok(b"banner".to_vec()));
    client.write_all(b"still here").unwrap();
    assert_eq!(stage.read(&mut inside, 10), b"still here");
}

#[test]
fn a_reset_on_one_side_is_one_on_the_other() {
    let (mut stage, target) = (Stage::new(), Target::new());
    let (door, at) = stage.door(First::Nothing);
    stage.reactor.pass(door, target.at);
    let client = dial(at);
    let mut inside = stage.accept(&target);
    stage::reset(client);
    assert_eq!(stage.read_all(&mut inside), Err(ErrorKind::ConnectionReset));

    let mut client = dial(at);
    let mut inside = stage.accept(&target);
    inside.write_all(b"part").unwrap();
    assert_eq!(stage.read(&mut client, 4), b"part");
    stage::reset(inside);
    assert_eq!(stage.read_all(&mut client), Err(ErrorKind::ConnectionReset));
    stage.until(|stage| (stage.reactor.visitors() == 0).then_some(()));
}

#[test]
fn what_a_container_said_before_it_stopped_listening_is_not_lost() {
    let (mut stage, target) = (Stage::new(), Target::new());
    let (door, at) = stage.door(First::Nothing);
    stage.reactor.pass(door, target.at);
    let mut client = dial(at);
    let mut inside = stage.accept(&target);
    client.write_all(b"a body nobody reads").unwrap();
    stage.turns(3);
    // It answers, and closes with the request unread: its kernel sends a reset after the answer.
    inside.write_all(b"413 too much").unwrap();
    drop(inside);
    assert_eq!(stage.read(&mut client, 12), b"413 too much");
}

#[test]
fn who_can_t_be_let_in_is_held_again_with_all_it_said() {
    let (mut stage, target) = (Stage::new(), Target::new());
    let nobody = Target::new().at;
    let (door, at) = stage.door(First::Head);
    let mut client = dial(at);
    client.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let visitor = stage.came(door);
    stage.said(door);
    for _ in 0..2 {
        stage.reactor.admit(visitor, nobody);
        let Notice::Missed { why, visitor: missed, .. } = stage.next() else { panic!() };
        assert_eq!((why.as_str(), missed), ("connection refused", visitor));
        assert_eq!(stage.reactor.held(door), 1);
    }
    stage.reactor.admit(visitor, target.at);
    let mut inside = stage.accept(&target);
    assert_eq!(stage.read(&mut inside, 18), b"GET / HTTP/1.1\r\n\r\n");
}

#[test]
fn who_leaves_while_it_is_held_is_told_and_its_number_means_nobody() {
    let (mut stage, target) = (Stage::new(), Target::new());
    let (door, at) = stage.door(First::Nothing);
    let client = dial(at);
    let visitor = stage.came(door);
    stage::reset(client);
    assert_eq!(stage.next(), Notice::Left { door, visitor });
    let mut successor = dial(at);
    let other = stage.came(door);
    stage.reactor.admit(visitor, target.at);
    stage.reactor.answer(visitor, b"wrong".to_vec());
    stage.reactor.turn_away(visitor);
    stage.turns(5);
    assert!(target.knock().is_none());
    stage.reactor.turn_away(other);
    stage.reactor.turn_away(other);
    assert_eq!(stage.read_all(&mut successor), Ok(Vec::new()));
    assert_eq!((stage.reactor.visitors(), stage.reactor.held(door)), (0, 0));
}

#[test]
fn an_answer_reaches_who_is_still_sending() {
    let mut stage = Stage::new();
    let (door, at) = stage.door(First::Head);
    let mut client = dial(at);
    let head = b"POST / HTTP/1.1\r\nContent-Length: 10000000\r\n\r\n";
    client.write_all(head).unwrap();
    let visitor = stage.came(door);
    stage.said(door);
    client.set_nonblocking(true).unwrap();
    let mut left = 10_000_000;
    let page = vec![b'p'; 8000];
    stage.reactor.answer(visitor, page.clone());
    let mut got = Vec::new();
    while left > 0 {
        match client.write(&vec![0; left.min(65536)]) {
            Ok(n) => left -= n,
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
        stage.turn();
        got.extend(stage::what_is_there(&mut client));
    }
    client.shutdown(Shutdown::Write).unwrap();
    got.extend(stage.read_all(&mut client).unwrap());
    assert_eq!(got, page);
    stage.until(|stage| (stage.reactor.visitors() == 0).then_some(()));
    assert!(!is_reset(&client));
}
