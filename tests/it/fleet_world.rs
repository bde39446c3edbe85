//! The fleet in seeded worlds of several engines, groups of containers, clients and other hands.
//! What must never be is checked at every step; `DROWSE_SEED=7 cargo test fleet_world` shows one.

mod acts;
mod being;
mod hands;
mod judge;
mod world;

use std::collections::BTreeMap;

use self::world::{World, play};

const SEEDS: u64 = 10_000;
const LINES_SHOWN: usize = 80;
/// So many kinds of things must be done, each often, or the worlds prove nothing.
const KINDS: usize = 17;

#[test]
fn nothing_that_must_never_be_is_in_ten_thousand_fleets() {
    let seeds = match std::env::var("DROWSE_SEED").ok().and_then(|seed| seed.parse().ok()) {
        Some(seed) => seed..seed + 1,
        None => 0..SEEDS,
    };
    let is_one = seeds.end - seeds.start == 1;
    let mut tally: BTreeMap<&str, u32> = BTreeMap::new();
    for seed in seeds.clone() {
        let (world, wrong) = play(seed, is_one);
        if let Some(wrong) = wrong {
            panic!("seed {seed}: {wrong}\n{}", shown(&play(seed, true).0));
        }
        world.tally.iter().for_each(|(kind, n)| *tally.entry(kind).or_default() += n);
        if is_one {
            println!("{}", shown(&world));
        }
    }
    println!("{tally:?}");
    let rare: Vec<_> = tally.iter().filter(|(_, n)| u64::from(**n) < SEEDS / 20).collect();
    assert!(is_one || (rare.is_empty() && tally.len() == KINDS), "{rare:?} of {tally:?}");
}

/// The last lines of what happened.
fn shown(world: &World) -> String {
    let lines = world.trace.as_deref().unwrap_or_default();
    lines[lines.len().saturating_sub(LINES_SHOWN)..].join("\n")
}
