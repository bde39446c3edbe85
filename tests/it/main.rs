//! The crate seen from outside: whole outputs, recorded replies, random worlds.

// Clippy takes only `#[test]` functions for tests, not what stands beside them.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod any_labels;
mod containers;
mod labels;
mod plans;
