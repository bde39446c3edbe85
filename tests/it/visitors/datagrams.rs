//! Datagrams: each sender is a visitor of its own.

use std::net::{SocketAddr, UdpSocket};

use drowse::net::door::limits::{FLOW_DATAGRAMS, FLOWS_AT_DOOR};
use drowse::net::door::{Door, First, Notice, Place, Transport};

use super::stage::Stage;

fn socket(at: &str) -> UdpSocket {
    let socket = UdpSocket::bind(at).unwrap();
    socket.set_nonblocking(true).unwrap();
    socket
}

/// A door for datagrams, and its port.
fn door(stage: &mut Stage, bound: &str) -> (Door, u16) {
    let ours = socket(bound);
    let port = ours.local_addr().unwrap().port();
    let place = Place::Inherited(ours.into());
    (stage.open(place, Transport::Udp, First::Nothing).unwrap(), port)
}

fn client(from: &str, to: (&str, u16)) -> UdpSocket {
    let client = socket(from);
    client.connect(to).unwrap();
    client
}

/// The next datagram, and from where.
fn receive(stage: &mut Stage, at: &UdpSocket) -> (String, SocketAddr) {
    stage.until(|_| {
        let mut buffer = [0; 2048];
        let (len, from) = at.recv_from(&mut buffer).ok()?;
        Some((String::from_utf8_lossy(&buffer[..len]).into_owned(), from))
    })
}

fn is_silent(stage: &mut Stage, at: &UdpSocket) -> bool {
    stage.turns(5);
    at.recv_from(&mut [0; 16]).is_err()
}

#[test]
fn the_first_datagrams_are_kept_and_answers_come_from_where_they_were_sent() {
    let mut stage = Stage::new();
    let inside = socket("127.0.0.1:0");
    let at = inside.local_addr().unwrap();
    let (door, port) = door(&mut stage, "0.0.0.0:0");
    let client = client("127.0.0.1:0", ("127.0.0.77", port));
    for text in ["one", "two", "three"] {
        client.send(text.as_bytes()).unwrap();
    }
    let visitor = stage.came(door);
    assert!(is_silent(&mut stage, &inside));
    assert_eq!(stage.reactor.held(door), 1);
    stage.reactor.admit(visitor, at);
    let (first, from) = receive(&mut stage, &inside);
    let rest = [receive(&mut stage, &inside).0, receive(&mut stage, &inside).0];
    assert_eq!((first.as_str(), rest), ("one", ["two".to_string(), "three".to_string()]));
    // A connected socket hears only whom it is connected to: 127.0.0.77.
    inside.send_to(b"echo", from).unwrap();
    assert_eq!(receive(&mut stage, &client).0, "echo");
    client.send(b"four").unwrap();
    assert_eq!(receive(&mut stage, &inside), ("four".into(), from));
    assert_eq!((stage.reactor.held(door), stage.reactor.visitors()), (0, 1));
    assert_eq!(stage.reactor.moved_bytes(door), 11 + 4 + 4);
    assert_eq!(stage.notices, []);
}

#[test]
fn each_sender_is_a_visitor_and_hears_its_own_answers() {
    let mut stage = Stage::new();
    let inside = socket("127.0.0.1:0");
    let (door, port) = door(&mut stage, "0.0.0.0:0");
    let one = client("127.0.0.1:0", ("127.0.0.1", port));
    let two = client("127.0.0.1:0", ("127.0.0.1", port));
    one.send(b"1").unwrap();
    let first = stage.came(door);
    two.send(b"2").unwrap();
    assert_ne!(stage.came(door), first);
    stage.reactor.pass(door, inside.local_addr().unwrap());
    for _ in 0..2 {
        let (text, from) = receive(&mut stage, &inside);
        inside.send_to(format!("to {text}").as_bytes(), from).unwrap();
    }
    assert_eq!(receive(&mut stage, &one).0, "to 1");
    assert_eq!(receive(&mut stage, &two).0, "to 2");
    let three = client("127.0.0.1:0", ("127.0.0.1", port));
    three.send(b"3").unwrap();
    assert_eq!(receive(&mut stage, &inside).0, "3");
    assert_eq!(stage.notices, [], "a door that passes tells nothing");

    // Asleep again: each begins anew.
    stage.reactor.hold(door);
    assert_eq!(stage.reactor.visitors(), 0);
    one.send(b"again").unwrap();
    let again = stage.came(door);
    assert!(is_silent(&mut stage, &inside));
    stage.reactor.answer(again, b"sorry".to_vec());
    assert_eq!(receive(&mut stage, &one).0, "sorry");
    assert_eq!(stage.reactor.visitors(), 0);
}

#[test]
fn no_more_than_the_first_are_kept() {
    let mut stage = Stage::new();
    let inside = socket("127.0.0.1:0");
    let (door, port) = door(&mut stage, "[::]:0");
    let many = client("[::1]:0", ("::1", port));
    for n in 0..FLOW_DATAGRAMS + 5 {
        many.send(n.to_string().as_bytes()).unwrap();
        stage.turn();
    }
    let visitor = stage.came(door);
    let big = client("[::1]:0", ("::1", port));
    for _ in 0..3 {
        big.send(&[b'x'; 15_000]).unwrap();
        stage.turn();
    }
    let second = stage.came(door);
    stage.turns(3);
    stage.reactor.admit(visitor, inside.local_addr().unwrap());
    for n in 0..FLOW_DATAGRAMS {
        assert_eq!(receive(&mut stage, &inside).0, n.to_string());
    }
    assert!(is_silent(&mut stage, &inside));
    stage.reactor.admit(second, inside.local_addr().unwrap());
    receive(&mut stage, &inside);
    receive(&mut stage, &inside);
    assert!(is_silent(&mut stage, &inside), "32 KiB are kept of one sender");
}

#[test]
fn at_a_full_door_one_more_sender_is_not_heard() {
    let mut stage = Stage::new();
    let (door, port) = door(&mut stage, "127.0.0.1:0");
    let (other, other_port) = self::door(&mut stage, "127.0.0.1:0");
    let mut clients = Vec::new();
    for _ in 0..FLOWS_AT_DOOR + 3 {
        let client = client("127.0.0.1:0", ("127.0.0.1", port));
        client.send(b"x").unwrap();
        clients.push(client);
        stage.turn();
    }
    stage.turns(3);
    assert_eq!(stage.reactor.held(door), FLOWS_AT_DOOR);
    let came = |notice: &Notice| matches!(notice, Notice::Came { .. });
    assert_eq!(stage.notices.iter().filter(|notice| came(notice)).count(), FLOWS_AT_DOOR);
    stage.notices.clear();
    let client = client("127.0.0.1:0", ("127.0.0.1", other_port));
    client.send(b"x").unwrap();
    stage.came(other);
    stage.reactor.close_door(door);
    assert_eq!(stage.reactor.visitors(), 1);
}

#[test]
fn a_sender_whose_container_does_not_listen_yet_is_heard_later() {
    let mut stage = Stage::new();
    let gone = socket("127.0.0.1:0").local_addr().unwrap();
    let (door, port) = door(&mut stage, "127.0.0.1:0");
    let client = client("127.0.0.1:0", ("127.0.0.1", port));
    stage.reactor.pass(door, gone);
    client.send(b"lost").unwrap();
    stage.until(|stage| (stage.reactor.moved_bytes(door) > 0).then_some(()));
    stage.turns(3);
    let inside = UdpSocket::bind(gone).unwrap();
    inside.set_nonblocking(true).unwrap();
    let text = stage.until(|stage| {
        client.send(b"heard").unwrap();
        stage.turn();
        let mut buffer = [0; 16];
        let (len, _) = inside.recv_from(&mut buffer).ok()?;
        Some(buffer[..len].to_vec())
    });
    assert_eq!(text, b"heard");
}
