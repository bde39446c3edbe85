//! What a run is to do, as its machine needs to know it: how many steps there are, not what they
//! send.

use std::time::Duration;

use super::policy::Policy;

/// When the image is pulled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PullWhen {
    /// Where it is not here.
    #[default]
    Missing,
    /// First; where that fails and it is here, it is taken as it is.
    Always,
    /// Never.
    Never,
}

/// Whose network the container has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// One that is made for it, and removed with it.
    Own,
    /// The host's, another container's, or none: what its spec says.
    Other,
}

/// Who decides about restarts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// A policy.
    By(Policy),
    /// Whoever drives the machine: it asks by [`Do::Decide`](super::message::Do::Decide).
    Asked,
}

/// Whether the container's output is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Logs {
    /// It is, and its end is awaited.
    Followed,
    /// It is left to the engine.
    Left,
}

/// What a run is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// The run's id.
    pub id: String,
    /// The container's name.
    pub name: String,
    /// The image as it was asked for.
    pub image: String,
    /// When it is pulled.
    pub pull: PullWhen,
    /// Whose network it has.
    pub network: Network,
    /// How many networks it is put on besides.
    pub joins: usize,
    /// What is copied in: for each, how many folders lie above its place.
    pub copies: Vec<usize>,
    /// Who decides about restarts.
    pub restart: Restart,
    /// How long it may take to stop before it is killed.
    pub grace: Duration,
    /// Whether its output is followed.
    pub logs: Logs,
}
