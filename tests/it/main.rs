//! The crate seen from outside: whole outputs, recorded replies, random worlds, real sockets.

// Clippy takes only `#[test]` functions for tests, not the servers and loaders beside them.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod any_labels;
mod beside;
mod binary;
mod checked;
#[path = "../fuzz/checks.rs"]
mod checks;
mod config;
mod containers;
mod contexts;
mod controlled;
mod crash_loops;
mod daemon;
mod dice;
mod directly;
mod docker_outcomes;
mod docker_replies;
mod docker_requests;
mod docker_streams;
mod dockerd;
mod exchange;
mod fleet;
mod fleet_world;
mod golden;
mod groups;
mod head;
mod home;
mod host;
mod house;
mod idle_table;
mod idle_world;
mod inherited;
mod labels;
mod misconfig;
mod net;
#[path = "../fuzz/oracle.rs"]
mod oracle;
mod parse;
mod pipes;
mod plans;
mod proc;
mod proxy;
mod pve;
mod pve_calls;
mod pve_double;
mod pve_recorded;
mod pve_requests;
mod random_replies;
mod reactor;
mod recorded;
mod replies;
mod servers;
mod source;
mod storm;
mod unit;
mod usage;
mod watch_ends;
mod watch_world;
mod watching;
mod ways;
mod world;
mod wrong;
mod yaml;
