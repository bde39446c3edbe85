//! The idle machine in seeded worlds of clients, other hands, slow and lying engines. What must
//! never be is checked at every step; `DROWSE_SEED=7 cargo test idle_world` shows one world.

mod acts;
pub mod dice;
pub mod engine;
mod hands;
mod world;

use std::collections::BTreeMap;

use self::world::play;

const SEEDS: u64 = 10_000;
const LINES_SHOWN: usize = 60;

#[test]
fn nothing_that_must_never_be_is_in_ten_thousand_worlds() {
    let seeds = match std::env::var("DROWSE_SEED").ok().and_then(|seed| seed.parse().ok()) {
        Some(seed) => seed..seed + 1,
        None => 0..SEEDS,
    };
    let mut tally: BTreeMap<&str, u32> = BTreeMap::new();
    for seed in seeds.clone() {
        match play(seed, false) {
            Ok(world) => world.tally.iter().for_each(|(k, n)| *tally.entry(k).or_default() += n),
            Err(bad) => panic!("seed {seed}: {}\n{}", bad.0, shown(seed)),
        }
    }
    if seeds.end - seeds.start == 1 {
        println!("{}", shown(seeds.start));
    }
    println!("{tally:?}");
    // A world in which something never happens would prove nothing about it.
    let rare: Vec<_> = tally.iter().filter(|(_, n)| u64::from(**n) < SEEDS / 20).collect();
    assert!(seeds.end - seeds.start == 1 || (rare.is_empty() && tally.len() == 16), "{rare:?}");
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
