//! The crate seen from outside: whole outputs, recorded replies, random worlds.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../fuzz/checks.rs"]
mod checks;
mod exchange;
mod head;
#[path = "../fuzz/oracle.rs"]
mod oracle;
mod recorded;
mod replies;
