//! Doors that close, and addresses that can't be had.

use std::io::Write;
use std::net::{TcpListener, TcpStream};

use drowse::net::door::{First, Notice, Place, Transport};

use super::stage::{Stage, Target, dial};

#[test]
fn who_is_held_at_a_door_that_closes_goes_and_who_is_relayed_stays() {
    let (mut stage, target) = (Stage::new(), Target::new());
    let (door, at) = stage.door(First::Nothing);
    let mut relayed = dial(at);
    let visitor = stage.came(door);
    stage.reactor.admit(visitor, target.at);
    let mut inside = stage.accept(&target);
    let mut held = dial(at);
    stage.came(door);
    let mut waiting = dial(at);
    stage.reactor.close_door(door);
    assert_eq!(stage.read_all(&mut held), Ok(Vec::new()));
    assert_eq!(stage.read_all(&mut waiting), Ok(Vec::new()));
    relayed.write_all(b"on").unwrap();
    assert_eq!(stage.read(&mut inside, 2), b"on");
    assert!(TcpStream::connect(at).is_err(), "the port is free");
    stage.reactor.close_door(door);
    stage.reactor.pass(door, target.at);
    assert_eq!((stage.reactor.held(door), stage.reactor.moved_bytes(door)), (0, 0));
}

#[test]
fn who_waits_at_a_passing_door_that_closes_is_let_in() {
    let (mut stage, target) = (Stage::new(), Target::new());
    let (door, at) = stage.door(First::Nothing);
    let mut held = dial(at);
    stage.came(door);
    let mut waiting = dial(at);
    stage.reactor.pass(door, target.at);
    stage.reactor.close_door(door);
    held.write_all(b"1").unwrap();
    waiting.write_all(b"2").unwrap();
    let mut said = Vec::new();
    for _ in 0..2 {
        let mut inside = stage.accept(&target);
        said.extend(stage.read(&mut inside, 1));
    }
    said.sort();
    assert_eq!(said, b"12");
    let came = stage.notices.iter().filter(|notice| matches!(notice, Notice::Came { .. }));
    assert_eq!(came.count(), 0, "{:?}", stage.notices);
}

#[test]
fn an_address_that_is_taken_is_told_and_one_that_is_free_again_is_had() {
    let mut stage = Stage::new();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = other.local_addr().unwrap();
    let why = stage.open(Place::Own(at), Transport::Tcp, First::Nothing).unwrap_err();
    assert_eq!(why.to_string(), format!("{at} can't be listened on: address already in use"));
    drop(other);
    let door = stage.open(Place::Own(at), Transport::Tcp, First::Nothing).unwrap();
    let _client = dial(at);
    stage.came(door);
    // Connections of before do not keep it from being opened again.
    stage.reactor.close_door(door);
    let door = stage.open(Place::Own(at), Transport::Tcp, First::Nothing).unwrap();
    let _client = dial(at);
    stage.came(door);

    let place = Place::Published("0.0.0.0:80".parse().unwrap());
    let why = stage.open(place, Transport::Tcp, First::Nothing).unwrap_err();
    assert_eq!(why.to_string(), "redirect doors are off");
}

#[test]
fn a_door_of_ipv6_leaves_ipv4_alone() {
    let mut stage = Stage::new();
    let Ok(v6) = TcpListener::bind("[::1]:0") else { return };
    let at = v6.local_addr().unwrap();
    drop(v6);
    let any = (std::net::Ipv6Addr::UNSPECIFIED, at.port()).into();
    let door = stage.open(Place::Own(any), Transport::Tcp, First::Nothing).unwrap();
    assert!(TcpStream::connect(("127.0.0.1", at.port())).is_err());
    let _client = dial(at);
    stage.came(door);
}
