//! When watched containers sleep and when they wake. Pure: no sockets, no clock, no engine.

pub mod activity;
pub mod backend;
pub mod docker;
pub mod doors;
pub mod fleet;
pub mod group;
pub mod knock;
pub mod lxc;
pub mod message;
pub mod past;
pub mod proc;
pub mod state;
pub mod step;
