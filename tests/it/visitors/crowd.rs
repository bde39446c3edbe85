//! Limits: so many are held and no more, and other doors do not feel it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use drowse::net::door::limits::{HELD_AT_DOOR, HERD_AT_ONCE};
use drowse::net::door::{Door, First, Notice, Said};

use super::stage::{Stage, Target, dial};

#[test]
fn at_a_full_door_one_more_is_turned_away_and_another_door_is_open() {
    let (mut stage, target) = (Stage::new(), Target::new());
    let (door, at) = stage.door(First::Head);
    let mut clients = Vec::new();
    for _ in 0..HELD_AT_DOOR {
        clients.push(dial(at));
        if clients.len() % 64 == 0 {
            stage.turn();
        }
    }
    stage.until(|stage| (stage.reactor.held(door) == HELD_AT_DOOR).then_some(()));
    assert_eq!(stage.notices.len(), HELD_AT_DOOR);
    stage.notices.clear();
    let mut surplus = dial(at);
    assert_eq!(stage.read_all(&mut surplus), Ok(Vec::new()), "closed at once");
    assert_eq!(stage.notices, []);

    let (other, other_at) = stage.door(First::Head);
    let mut client = dial(other_at);
    client.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let visitor = stage.came(other);
    assert!(matches!(stage.said(other), Said::Http(_)));
    stage.reactor.admit(visitor, target.at);
    let mut inside = stage.accept(&target);
    assert_eq!(stage.read(&mut inside, 3), b"GET");

    clients.truncate(HELD_AT_DOOR / 2);
    stage.until(|stage| (stage.reactor.held(door) == HELD_AT_DOOR / 2).then_some(()));
    let left = stage.notices.iter().filter(|notice| matches!(notice, Notice::Left { .. }));
    assert_eq!(left.count(), HELD_AT_DOOR / 2);
    stage.notices.clear();
    let _next = dial(at);
    stage.came(door);

    // All at once are let in, over several turns, and none is lost.
    stage.reactor.pass(door, target.at);
    let mut inside = Vec::new();
    stage.until(|_| {
        inside.extend(std::iter::from_fn(|| target.knock()));
        (inside.len() == HELD_AT_DOOR / 2 + 1).then_some(())
    });
    assert_eq!((stage.reactor.held(door), &stage.notices[..]), (0, &[][..]));
}

/// So many clients, held at a door.
fn hold_crowd(stage: &mut Stage, (door, at): (Door, SocketAddr), count: usize) -> Vec<TcpStream> {
    let crowd = (1..=count).map(|held| {
        let client = dial(at);
        stage.until(|stage| (stage.reactor.held(door) == held).then_some(()));
        client
    });
    let crowd = crowd.collect();
    stage.notices.clear();
    crowd
}

#[test]
fn a_crowd_is_led_in_as_fast_as_a_server_with_a_short_queue_takes_it() {
    let (mut stage, target) = (Stage::new(), Target::with_a_short_queue());
    let (door, at) = stage.door(First::Nothing);
    let crowd = hold_crowd(&mut stage, (door, at), 200);
    assert!(!stage.reactor.is_leading(door), "nobody may go in yet");
    stage.reactor.pass(door, target.at);
    let mut inside = Vec::new();
    stage.until(|stage| {
        assert!(stage.reactor.is_leading(door) || inside.len() + 3 >= crowd.len());
        inside.extend(target.knock());
        (inside.len() == crowd.len()).then_some(())
    });
    // To be told of none means that none has waited for the kernel's own tries, which take longer
    // than connecting may.
    assert_eq!(stage.notices, []);
    stage.until(|stage| (!stage.reactor.is_leading(door)).then_some(()));
}

#[test]
fn who_was_not_led_in_yet_when_a_door_holds_again_is_missed() {
    let (mut stage, target) = (Stage::new(), Target::with_a_short_queue());
    let (door, at) = stage.door(First::Nothing);
    let crowd = hold_crowd(&mut stage, (door, at), 100);
    stage.reactor.pass(door, target.at);
    stage.turn();
    stage.reactor.hold(door);
    stage.turn();
    let is_missed = |notice: &&Notice| matches!(notice, Notice::Missed { .. });
    assert_eq!(stage.notices.iter().filter(is_missed).count(), crowd.len() - HERD_AT_ONCE);
    assert_eq!(stage.reactor.held(door), crowd.len() - HERD_AT_ONCE);
}

#[test]
fn a_crowd_that_comes_and_goes_is_relayed_each_its_own() {
    let (mut stage, target) = (Stage::new(), Target::new());
    let (door, at) = stage.door(First::Nothing);
    stage.reactor.pass(door, target.at);
    let mut servers = Vec::new();
    for round in 0..20_u32 {
        let mut clients: Vec<_> = (0..50).map(|_| dial(at)).collect();
        for (n, client) in clients.iter_mut().enumerate() {
            client.write_all(&(round * 100 + n as u32).to_be_bytes()).unwrap();
        }
        let mut answered = 0;
        stage.until(|_| {
            servers.extend(std::iter::from_fn(|| target.knock()));
            servers.retain_mut(|server| {
                let mut said = [0; 4];
                if !matches!(server.read(&mut said), Ok(4)) {
                    return true;
                }
                server.write_all(&said).unwrap();
                answered += 1;
                false
            });
            (answered == 50).then_some(())
        });
        for (n, client) in clients.iter_mut().enumerate() {
            let answer = stage.read_all(client);
            assert_eq!(answer, Ok((round * 100 + n as u32).to_be_bytes().to_vec()));
        }
    }
    stage.until(|stage| (stage.reactor.visitors() == 0).then_some(()));
    assert_eq!(stage.reactor.moved_bytes(door), 20 * 50 * 8);
}
