//! Tests from outside, one program: the house rules, and the built binary.

// Clippy takes only `#[test]` functions for tests, not what stands beside them.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod binary;
mod house;
mod pipes;
mod servers;
mod source;
mod ways;
mod world;
mod wrong;
