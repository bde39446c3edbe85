//! The loop over real sockets, the other side of which each test plays itself. What it carries is
//! no engine's.

mod ends;
mod fairness;
mod limits;
mod stage;
mod ways;

use std::io::Write;

use drowse::error::Why;
use drowse::http::Method;

use crate::dice::Dice;
use crate::net::server::ok;
use stage::{Door, Stage, ask, stream};

const SILENT: &str = "the other side closed the connection";

#[test]
fn a_get_travels_on_the_connection_of_the_one_before() {
    let (mut stage, door) = (Stage::new(), Door::new());
    stage.get(&door.at, "/a");
    let (mut peer, request) = stage.next(&door);
    assert_eq!(request, "GET /a");
    peer.write_all(&ok("1")).unwrap();
    assert_eq!(stage.told(1), ["/a: 200 1"]);

    stage.get(&door.at, "/b");
    assert_eq!(stage.hear(&mut peer), "GET /b");
    peer.write_all(&ok("2")).unwrap();
    assert_eq!(stage.told(1), ["/b: 200 2"]);
    assert!(door.knock().is_none(), "one connection for both");
}

#[test]
fn four_connections_are_kept_and_no_more() {
    let (mut stage, door) = (Stage::new(), Door::new());
    let paths: Vec<_> = (0..6).map(|n| format!("/{n}")).collect();
    paths.iter().for_each(|path| stage.get(&door.at, path));
    let mut peers: Vec<_> = paths.iter().map(|_| stage.next(&door).0).collect();
    peers.iter_mut().for_each(|peer| peer.write_all(&ok("")).unwrap());
    assert_eq!(stage.told(6).len(), 6);
    let mut kept = 0;
    for peer in &mut peers {
        let closed = matches!(std::io::Read::read(peer, &mut [0]), Ok(0));
        kept += usize::from(!closed);
    }
    assert_eq!(kept, 4);
}

#[test]
fn a_get_on_a_stale_connection_is_sent_once_more_and_not_twice() {
    let (mut stage, door) = (Stage::new(), Door::new());
    stage.get(&door.at, "/a");
    stage.get(&door.at, "/b");
    let mut peers = [stage.next(&door).0, stage.next(&door).0];
    peers.iter_mut().for_each(|peer| peer.write_all(&ok("")).unwrap());
    stage.told(2);

    stage.get(&door.at, "/c");
    let [older, mut used] = peers;
    assert_eq!(stage.hear(&mut used), "GET /c");
    drop(used);
    let (again, request) = stage.next(&door);
    assert_eq!(request, "GET /c", "on a new connection");
    let mut older = older;
    assert_eq!(stage.hear(&mut older), "", "what is as old is given up");
    drop(again);
    assert_eq!(stage.told(1), [format!("/c: {SILENT}")]);
    assert!(door.knock().is_none());
}

#[test]
fn what_was_answered_in_part_is_not_sent_again() {
    let (mut stage, door) = (Stage::new(), Door::new());
    stage.get(&door.at, "/a");
    let (mut peer, _) = stage.next(&door);
    peer.write_all(&ok("")).unwrap();
    stage.told(1);
    stage.get(&door.at, "/b");
    stage.hear(&mut peer);
    peer.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel").unwrap();
    drop(peer);
    assert_eq!(stage.told(1), ["/b: the reply ended early: 2 bytes are missing"]);
    assert!(door.knock().is_none());
}

#[test]
fn a_connection_that_was_closed_or_spoke_up_while_it_rested_is_not_used() {
    let (mut stage, door) = (Stage::new(), Door::new());
    stage.get(&door.at, "/a");
    stage.get(&door.at, "/b");
    let mut peers = [stage.next(&door).0, stage.next(&door).0];
    peers.iter_mut().for_each(|peer| peer.write_all(&ok("")).unwrap());
    stage.told(2);

    let [closed, mut loud] = peers;
    drop(closed);
    loud.write_all(b"HTTP/1.1 408 Request Timeout\r\n\r\n").unwrap();
    stage.get(&door.at, "/c");
    let (mut fresh, request) = stage.next(&door);
    assert_eq!(request, "GET /c");
    fresh.write_all(&ok("fresh")).unwrap();
    assert_eq!(stage.told(1), ["/c: 200 fresh"]);
}

#[test]
fn an_order_has_a_connection_of_its_own_and_is_never_sent_again() {
    let (mut stage, door) = (Stage::new(), Door::new());
    stage.get(&door.at, "/a");
    let (mut parked, _) = stage.next(&door);
    parked.write_all(&ok("")).unwrap();
    stage.told(1);

    for method in [Method::Post, Method::Put, Method::Delete] {
        stage.ask(&door.at, ask(method, "/stop"));
        let (own, request) = stage.next(&door);
        assert!(request.ends_with(" /stop"), "{request}");
        drop(own);
        assert_eq!(stage.told(1), [format!("/stop: {SILENT}")]);
        assert!(door.knock().is_none(), "{method:?} was sent again");
    }
    stage.get(&door.at, "/b");
    assert_eq!(stage.hear(&mut parked), "GET /b", "the parked one is still there");
}

#[test]
fn what_says_close_is_closed() {
    let (mut stage, door) = (Stage::new(), Door::new());
    stage.get(&door.at, "/a");
    let (mut peer, _) = stage.next(&door);
    peer.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").unwrap();
    assert_eq!(stage.told(1), ["/a: 200 "]);
    assert_eq!(stage.hear(&mut peer), "");
}

#[test]
fn what_is_refused_or_can_t_begin_is_told_on_the_next_turn() {
    let mut stage = Stage::new();
    let gone = Door::new().at;
    stage.reactor.refuse("/a".into(), Why::Invalid("no such key".into()));
    stage.get(&gone, "/b");
    let told = stage.told(2);
    assert_eq!(told[0], "/a: no such key");
    assert!(told[1].starts_with("/b: ") && told[1].contains("no such"), "{told:?}");
    assert_eq!(stage.told_by_now(), [""; 0], "and only once");
}

#[test]
fn hanging_up_ends_those_asked_for_and_nothing_is_told_of_them() {
    let (mut stage, door) = (Stage::new(), Door::new());
    stage.ask(&door.at, stream("/one/events"));
    stage.get(&door.at, "/two/list");
    stage.reactor.refuse("/one/list".into(), Why::AlreadySo);
    stage.reactor.refuse("/two/look".into(), Why::AlreadySo);
    let (mut one, mut two) = (stage.accept(&door), stage.accept(&door));
    let mut requests = [stage.hear(&mut one), stage.hear(&mut two)];
    requests.sort();
    assert_eq!(requests, ["GET /one/events", "GET /two/list"]);
    stage.told_by_now();

    one.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
    two.write_all(&ok("kept")).unwrap();
    stage.reactor.refuse("/one/look".into(), Why::AlreadySo);
    stage.reactor.hang_up(|tag| tag.starts_with("/one/"));
    assert_eq!(stage.told_by_now(), ["/two/list: 200 kept"]);
    assert_eq!(stage.hear(&mut one), "", "closed at once");
}

#[test]
fn who_comes_into_a_place_that_was_left_hears_only_its_own() {
    let (mut stage, door) = (Stage::new(), Door::new());
    let mut left = Vec::new();
    for n in 0..5 {
        stage.get(&door.at, &format!("/left/{n}"));
        let (mut peer, _) = stage.next(&door);
        peer.write_all(&ok("late")).unwrap();
        left.push(peer);
        stage.reactor.hang_up(|tag| tag.starts_with("/left"));
        stage.ask(&door.at, ask(Method::Post, "/stays"));
        let (mut peer, request) = stage.next(&door);
        assert_eq!(request, "POST /stays");
        assert_eq!(stage.told_by_now(), [""; 0]);
        peer.write_all(&ok("own")).unwrap();
        assert_eq!(stage.told(1), ["/stays: 200 own"]);
    }
}

#[test]
fn in_a_random_crowd_each_is_told_of_once_and_with_its_own_reply() {
    for seed in 0..8 {
        crowd(seed);
    }
}

fn crowd(seed: u64) {
    let (mut stage, door, mut dice) = (Stage::new(), Door::new(), Dice::new(seed));
    let (mut expected, mut told, mut open) = (Vec::new(), Vec::new(), Vec::new());
    for n in 0..150 {
        let path = format!("/{n}");
        let method = if dice.chance(50) { Method::Get } else { Method::Post };
        stage.ask(&door.at, ask(method, &path));
        if dice.chance(15) {
            stage.reactor.hang_up(|tag| *tag == path);
        } else {
            expected.push(format!("{path}: 200 to {path}"));
            told.extend(stage.turn());
        }
        open.extend(std::iter::from_fn(|| door.knock()));
        for _ in 0..dice.roll(4) {
            if !open.is_empty() {
                let at = dice.roll(open.len());
                answer(&mut open[at]);
            }
        }
    }
    for _ in 0..expected.len() {
        told.extend(stage.turn());
        open.extend(std::iter::from_fn(|| door.knock()));
        open.iter_mut().for_each(answer);
    }
    told.extend(stage.turn());
    told.sort();
    expected.sort();
    assert_eq!(told, expected, "seed {seed}");
}

/// Answers what has been asked on a connection by now, if anything has.
fn answer(peer: &mut std::os::unix::net::UnixStream) {
    let mut request = [0; 4096];
    let Ok(n @ 1..) = std::io::Read::read(peer, &mut request) else { return };
    let request = String::from_utf8_lossy(&request[..n]);
    let path = request.split(' ').nth(1).unwrap();
    // Who hung up does not hear it.
    let _ = peer.write_all(&ok(&format!("to {path}")));
}
