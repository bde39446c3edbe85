//! A container under supervision: pull, create, start, watch, restart, remove. Pure: no sockets, no
//! clock; `machine` is where to begin.

pub mod archive;
pub mod figures;
pub mod interfaces;
pub mod job;
pub mod lines;
pub mod machine;
pub mod message;
pub mod policy;
pub mod registry;
pub mod spec;
pub mod state;
pub mod whose;
