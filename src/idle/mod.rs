//! When watched containers sleep and when they wake. Pure: no sockets, no clock, no engine.

pub mod backend;
pub mod docker;
pub mod message;
pub mod past;
pub mod state;
pub mod step;
