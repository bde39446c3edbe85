//! The library from outside, over real sockets and files.

// Clippy takes only `#[test]` functions for tests, not the servers beside them.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod net;
