//! That nobody keeps the others waiting: turns are counted, no time is taken.

use std::io::Write;
use std::thread;

use super::stage::{Door, Stage, stream};
use crate::net::server::ok;

/// What one exchange may read in a turn, and a buffer more.
const TURN_LIMIT_BYTES: usize = (64 + 16) << 10;

const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";

/// The number in `tag: 123 bytes`.
fn bytes(told: &[String]) -> usize {
    let of = |line: &String| {
        line.strip_prefix("/flood: ")?.strip_suffix(" bytes")?.parse::<usize>().ok()
    };
    told.iter().filter_map(of).sum()
}

/// A stream whose server sends so much, as fast as it is taken.
fn flood(stage: &mut Stage, door: &Door, total: usize) -> thread::JoinHandle<()> {
    stage.ask(&door.at, stream("/flood"));
    let (mut peer, _) = stage.next(door);
    peer.set_nonblocking(false).unwrap();
    thread::spawn(move || {
        peer.write_all(HEAD).unwrap();
        let piece = [b'x'; 64 << 10];
        let mut left = total;
        while left > 0 && peer.write_all(&piece[..left.min(piece.len())]).is_ok() {
            left = left.saturating_sub(piece.len());
        }
    })
}

#[test]
fn a_flood_has_its_share_of_a_turn_and_the_others_are_heard_in_the_same_turn() {
    let (mut stage, door) = (Stage::new(), Door::new());
    let (total, mut taken) = (32 << 20, 0);
    let server = flood(&mut stage, &door, total);
    let mut turns = 0;
    let mut answered = 0;
    while taken < total {
        let path = format!("/{turns}");
        if turns % 64 == 0 {
            stage.get(&door.at, &path);
            let mut peer = None;
            while peer.is_none() {
                taken += bytes(&stage.turn());
                peer = door.knock();
            }
            // Its request may not have come yet: the answer is there before it all the same.
            peer.unwrap().write_all(&ok("soon")).unwrap();
            let told = stage.turn();
            assert!(told.contains(&format!("{path}: 200 soon")), "turn {turns}: {told:?}");
            answered += 1;
            taken += bytes(&told);
        }
        let told = stage.turn();
        assert!(bytes(&told) <= TURN_LIMIT_BYTES, "turn {turns}: {told:?}");
        taken += bytes(&told);
        turns += 1;
    }
    assert!(answered > 1 && turns > total / TURN_LIMIT_BYTES, "{answered} in {turns} turns");
    server.join().unwrap();
}

#[test]
fn what_one_turn_left_is_taken_by_the_next_though_nothing_new_comes() {
    let (mut stage, door) = (Stage::new(), Door::new());
    stage.ask(&door.at, stream("/flood"));
    let (mut peer, _) = stage.next(&door);
    peer.write_all(HEAD).unwrap();
    let mut waiting = 0;
    while let Ok(n) = peer.write(&[b'x'; 4 << 10]) {
        waiting += n;
    }
    assert!(waiting > TURN_LIMIT_BYTES, "{waiting} bytes are too few to see it");
    let (mut taken, mut turns) = (0, 0);
    while taken < waiting {
        // Waits for ever where nothing is left to do.
        taken += bytes(&stage.told(1));
        turns += 1;
    }
    assert!(taken == waiting && turns > 1, "{taken} of {waiting} bytes in {turns} turns");
}
