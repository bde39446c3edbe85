//! A container that vanished without a word to its connections: who is relayed there is cut off,
//! and nobody else. Packets are dropped in a network of the test's own.

use std::io::{ErrorKind, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use drowse::net::door::First;
use drowse::net::door::limits::{DOUBT_WITHIN, GONE_AFTER};

use super::ground::{alone, nft};
use crate::visitors::stage::{Stage, Target, dial, is_reset};

/// A client, and what its container has of it.
fn relayed(stage: &mut Stage, target: &Target) -> (TcpStream, TcpStream) {
    let (door, at) = stage.door(First::Nothing);
    stage.reactor.pass(door, target.at);
    let mut client = dial(at);
    let mut inside = stage.accept(target);
    client.write_all(b"ping").unwrap();
    assert_eq!(stage.read(&mut inside, 4), b"ping");
    inside.write_all(b"pong").unwrap();
    assert_eq!(stage.read(&mut client, 4), b"pong");
    (client, inside)
}

/// Turns for so long.
fn pass(stage: &mut Stage, time: Duration) {
    let end = Instant::now() + time;
    stage.until(|_| (Instant::now() >= end).then_some(()));
}

#[test]
fn who_is_relayed_to_nobody_is_cut_off_and_no_other() {
    if !alone("gone::who_is_relayed_to_nobody_is_cut_off_and_no_other") {
        return;
    }
    let (mut stage, gone, there) = (Stage::new(), Target::new(), Target::new());
    let (mut idle, _inside) = relayed(&mut stage, &gone);
    let (mut sends, _inside_of_sends) = relayed(&mut stage, &gone);
    let (mut listened, inside) = relayed(&mut stage, &gone);
    inside.shutdown(Shutdown::Write).unwrap();
    assert_eq!(stage.read_all(&mut listened), Ok(Vec::new()));
    let (mut other, mut beside) = relayed(&mut stage, &there);

    let (lost, kept) = (gone.at.port(), there.at.port());
    nft("add table ip t");
    nft("add chain ip t c { type filter hook output priority 0 ; }");
    nft(&format!("add rule ip t c tcp dport {lost} drop"));
    nft(&format!("add rule ip t c tcp sport {lost} drop"));
    sends.write_all(b"into the void").unwrap();
    stage.turns(5);
    let begun = Instant::now();
    stage.reactor.doubt(gone.at);
    stage.reactor.doubt(there.at);
    for client in [&mut idle, &mut sends] {
        assert_eq!(stage.read_all(client), Err(ErrorKind::ConnectionReset));
    }
    stage.until(|_| is_reset(&listened).then_some(()));
    let took = begun.elapsed();
    assert!(took < GONE_AFTER + Duration::from_secs(2), "{took:?}");
    assert_eq!(stage.reactor.visitors(), 1);

    // Who is there is asked no longer than it takes to know.
    pass(&mut stage, DOUBT_WITHIN);
    nft(&format!("add rule ip t c tcp dport {kept} counter"));
    pass(&mut stage, Duration::from_secs(3));
    let counted = nft("list chain ip t c");
    assert!(counted.contains("packets 0 "), "{counted}");
    other.write_all(b"still").unwrap();
    assert_eq!(stage.read(&mut beside, 5), b"still");
}
