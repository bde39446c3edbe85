//! The crate seen from outside: whole outputs, recorded replies, random worlds.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod exchange;
mod recorded;
