//! drowse puts idle containers to sleep and wakes them when somebody knocks.

pub mod agent;
pub mod config;
pub mod container;
pub mod docker;
pub mod duration;
pub mod error;
pub mod host;
pub mod http;
pub mod image;
pub mod label;
pub mod nearest;
pub mod net;
pub mod plan;
pub mod yaml;
