//! The verbs, one a file: the only code that prints. What they share is below them in the crate.

pub mod check;
pub mod clean;
mod cluster;
pub mod control;
pub mod daemon;
pub mod direct;
pub mod engine;
pub mod filter;
mod firewall;
pub mod help;
pub mod orders;
pub mod output;
pub mod parse;
pub mod ps;
pub mod run;
pub mod screen;
pub mod status;
pub mod table;
pub mod text;
pub mod unit;
pub mod watch;

use std::path::PathBuf;

/// How a verb ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All of it.
    Done,
    /// Something failed, stderr says what; the rest was printed.
    Failed,
    /// A container's exit code, or what stands for it.
    Code(u8),
}

/// Where the engines come from: `--host`, `--config`, or the environment.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// `--config FILE`
    pub config: Option<PathBuf>,
    /// `--host URL`: this one engine instead of the configured ones.
    pub host: Option<String>,
}
