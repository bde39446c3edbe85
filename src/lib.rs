//! drowse puts idle containers to sleep and wakes them when somebody knocks.

pub mod agent;
pub mod cli;
pub mod command;
pub mod config;
pub mod container;
pub mod control;
pub mod daemon;
pub mod docker;
pub mod duration;
pub mod error;
pub mod follow;
pub mod host;
pub mod http;
pub mod idle;
pub mod image;
pub mod label;
pub mod metrics;
pub mod nearest;
pub mod net;
pub mod page;
pub mod plan;
pub mod proxmox;
pub mod run;
pub mod sorted;
pub mod supervise;
pub mod sys;
pub mod systemd;
pub mod yaml;

/// JSON, where there is much of it. A crate of its own, as it alone is compiled for speed.
pub use drowse_json as json;
