//! The idle machine in seeded worlds of clients, other hands, slow and lying engines. What must
//! never be is checked at every step; `DROWSE_SEED=7 cargo test idle_world` shows one world.

mod acts;
pub mod dice;
pub mod engine;
mod hands;
mod looks;
mod world;

use std::collections::BTreeMap;
use std::ops::Range;

use self::world::{POLLED_FROM, play};

const SEEDS: u64 = POLLED_FROM;
const POLLED_SEEDS: u64 = 5_000;
const LINES_SHOWN: usize = 60;

/// So many kinds of actions must be taken, each often, or the worlds prove nothing.
const KINDS: usize = 16;
/// No guest is ever frozen.
const POLLED_KINDS: usize = 14;

#[test]
fn nothing_that_must_never_be_is_in_ten_thousand_worlds() {
    live_through(0..SEEDS, KINDS);
}

/// A cluster of guests tells nothing: it is asked, and its answers come late or never.
#[test]
fn nothing_that_must_never_be_is_in_worlds_that_are_polled() {
    live_through(SEEDS..SEEDS + POLLED_SEEDS, POLLED_KINDS);
}

fn live_through(all: Range<u64>, kinds: usize) {
    let seeds = match std::env::var("DROWSE_SEED").ok().and_then(|seed| seed.parse().ok()) {
        Some(seed) if all.contains(&seed) => seed..seed + 1,
        Some(_) => return,
        None => all,
    };
    let count = seeds.end - seeds.start;
    let mut tally: BTreeMap<&str, u32> = BTreeMap::new();
    for seed in seeds.clone() {
        match play(seed, false) {
            Ok(world) => world.tally.iter().for_each(|(k, n)| *tally.entry(k).or_default() += n),
            Err(bad) => panic!("seed {seed}: {}\n{}", bad.0, shown(seed)),
        }
    }
    if count == 1 {
        println!("{}", shown(seeds.start));
    }
    println!("{tally:?}");
    // A world in which something never happens would prove nothing about it.
    let rare: Vec<_> = tally.iter().filter(|(_, n)| u64::from(**n) < count / 20).collect();
    assert!(count == 1 || (rare.is_empty() && tally.len() == kinds), "{rare:?}");
}

/// The last lines of what happened in the world of a seed.
fn shown(seed: u64) -> String {
    let world = match play(seed, true) {
        Ok(world) => world,
        Err(bad) => bad.1,
    };
    let trace = world.trace();
    let lines: Vec<_> = trace.lines().collect();
    lines[lines.len().saturating_sub(LINES_SHOWN)..].join("\n")
}
