//! Much to move: whole and in order, with slow readers, and fairly beside little.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};

use drowse::net::door::First;

use super::stage::{Stage, Target, dial};
use crate::dice::Dice;

const MANY: usize = 10 << 20;

fn bytes(seed: u64) -> Vec<u8> {
    let mut dice = Dice::new(seed);
    let piece: Vec<u8> = (0..4093).map(|_| dice.roll(256) as u8).collect();
    piece.iter().copied().cycle().take(MANY).collect()
}

/// One way of a conversation: what is left to be said, and what was heard.
struct Talk<'a> {
    stream: TcpStream,
    left: &'a [u8],
    heard: Vec<u8>,
    has_ended: bool,
}

impl Talk<'_> {
    fn say(&mut self, most: usize) {
        if self.left.is_empty() {
            return;
        }
        match self.stream.write(&self.left[..most.min(self.left.len())]) {
            Ok(n) => self.left = &self.left[n..],
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
        if self.left.is_empty() {
            self.stream.shutdown(Shutdown::Write).unwrap();
        }
    }

    fn hear(&mut self, most: usize) {
        let mut piece = vec![0; most];
        match self.stream.read(&mut piece) {
            Ok(0) => self.has_ended = true,
            Ok(n) => self.heard.extend(&piece[..n]),
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
    }
}

#[test]
fn ten_megabytes_both_ways_arrive_whole_whoever_is_slow() {
    let (there, back) = (bytes(1), bytes(2));
    for (seed, slow) in [(1, 1 << 20), (2, 60_000), (3, 9_000)] {
        let (mut stage, target) = (Stage::new(), Target::new());
        let (door, at) = stage.door(First::Nothing);
        stage.reactor.pass(door, target.at);
        let client = dial(at);
        let inside = stage.accept(&target);
        let talk = |stream, left| Talk { stream, left, heard: Vec::new(), has_ended: false };
        let (mut client, mut inside) = (talk(client, &*there), talk(inside, &*back));
        let mut dice = Dice::new(seed);
        stage.until(|_| {
            client.say(1 + dice.roll(1 << 20));
            inside.say(1 + dice.roll(1 << 20));
            client.hear(1 + dice.roll(slow * 8));
            inside.hear(1 + dice.roll(slow * 8));
            (client.has_ended && inside.has_ended).then_some(())
        });
        assert!(inside.heard == there && client.heard == back, "seed {seed}");
        let moved = stage.reactor.moved_bytes(door);
        assert_eq!(moved, 2 * MANY as u64, "seed {seed}");
        stage.until(|stage| (stage.reactor.visitors() == 0).then_some(()));
    }
}

#[test]
fn a_reader_that_stands_still_holds_up_only_its_own_writer() {
    let (mut stage, target) = (Stage::new(), Target::new());
    let (door, at) = stage.door(First::Nothing);
    stage.reactor.pass(door, target.at);
    let _still = dial(at);
    let mut inside = stage.accept(&target);
    let (mut sent, mut refused) = (0, 0);
    let piece = vec![7; 1 << 20];
    while refused < 50 {
        match inside.write(&piece) {
            Ok(n) => sent += n,
            Err(_) => refused += 1,
        }
        stage.turn();
    }
    // What the kernel's buffers hold, and a pipe.
    assert!(sent < 32 << 20, "{sent} bytes were taken for a reader that reads none");

    let mut other = dial(at);
    let mut beside = stage.accept(&target);
    other.write_all(b"ping").unwrap();
    assert_eq!(stage.read(&mut beside, 4), b"ping");
}

#[test]
fn small_pieces_for_a_reader_that_wakes_late_arrive_whole() {
    let (mut stage, target) = (Stage::new(), Target::new());
    let (door, at) = stage.door(First::Nothing);
    stage.reactor.pass(door, target.at);
    let client = dial(at);
    let inside = stage.accept(&target);
    let text = bytes(3);
    let mut inside = Talk { stream: inside, left: &text, heard: Vec::new(), has_ended: false };
    let mut client = Talk { stream: client, left: &[], heard: Vec::new(), has_ended: false };
    let (mut dice, mut still) = (Dice::new(4), 0);
    // Until the kernel's buffers are full, in the middle of a piece.
    while still < 20 && !inside.left.is_empty() {
        let left = inside.left.len();
        inside.say(1 + dice.roll(5000));
        still = if inside.left.len() == left { still + 1 } else { 0 };
        stage.turn();
    }
    stage.until(|_| {
        inside.say(1 << 20);
        client.hear(1 << 20);
        client.has_ended.then_some(())
    });
    assert!(client.heard == text);
}

#[test]
fn beside_ten_downloads_a_short_answer_takes_its_turn() {
    let (mut stage, target) = (Stage::new(), Target::new());
    let (door, at) = stage.door(First::Nothing);
    stage.reactor.pass(door, target.at);
    let mut streams = Vec::new();
    for _ in 0..10 {
        let client = dial(at);
        streams.push((client, stage.accept(&target)));
    }
    let mut small = dial(at);
    let mut inside = stage.accept(&target);
    let piece = vec![7; 1 << 20];
    let mut buffer = vec![0; 1 << 20];
    let mut moved = 0;
    for round in 0..200 {
        for (client, inside) in &mut streams {
            let _ = inside.write(&piece);
            moved += client.read(&mut buffer).unwrap_or(0);
        }
        if round % 10 != 0 {
            stage.turn();
            continue;
        }
        small.write_all(b"ping").unwrap();
        let mut turns = 0;
        while !matches!(inside.read(&mut [0; 4]), Ok(4)) {
            stage.turn();
            turns += 1;
            assert!(turns < 20, "it waits for {turns} turns");
        }
    }
    assert!(moved > 100 << 20, "the downloads went on: {moved}");
}
