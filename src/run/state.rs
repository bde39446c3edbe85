//! What is known of a run at one moment, as it is told. Does not change by itself.

use serde::Serialize;

use crate::docker::pull::Progress;

/// Where a run is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Its image is looked for, or pulled.
    #[default]
    Pulling,
    /// Its network and itself are made, and what it needs is copied in.
    Created,
    /// Its process runs.
    Running,
    /// It ended and will be started again.
    Restarting,
    /// It runs, frozen.
    Paused,
    /// It ended and will not be started again.
    Exited,
    /// Nothing is left of it.
    Removed,
}

impl Status {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Status::Pulling => "pulling",
            Status::Created => "created",
            Status::Running => "running",
            Status::Restarting => "restarting",
            Status::Paused => "paused",
            Status::Exited => "exited",
            Status::Removed => "removed",
        }
    }
}

/// How the image came here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PullStatus {
    /// It is not known yet whether it is here.
    #[default]
    Looking,
    /// It comes.
    Downloading,
    /// It is unpacked.
    Extracting,
    /// It was pulled.
    Done,
    /// It was here.
    Local,
    /// It could not be pulled.
    Failed,
}

impl PullStatus {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            PullStatus::Looking => "looking",
            PullStatus::Downloading => "downloading",
            PullStatus::Extracting => "extracting",
            PullStatus::Done => "done",
            PullStatus::Local => "local",
            PullStatus::Failed => "failed",
        }
    }
}

/// A run, as it is printed: keys sorted.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct State {
    /// When it was told, RFC 3339; the machine has no clock, who tells it sets it.
    pub at: Option<String>,
    /// The engine's id of the container; `None`: not made yet.
    pub container_id: Option<String>,
    /// In percent of one CPU, since the sample before.
    pub cpu_percent: Option<f64>,
    /// What is wrong, or went wrong last.
    pub error: Option<String>,
    /// Of the last run that ended.
    pub exit_code: Option<i64>,
    /// `starting`, `healthy`, `unhealthy`; `None`: it has no health check, or is not up.
    pub health: Option<String>,
    /// The run's own id.
    pub id: String,
    /// The image as it was asked for.
    pub image: String,
    /// Without what the kernel would drop first.
    pub memory_bytes: Option<u64>,
    /// The container's name.
    pub name: String,
    /// Of the bytes that are known of; `None`: of none yet.
    pub pull_percent: Option<u8>,
    /// How the image came here.
    pub pull_status: PullStatus,
    /// Since when bytes are received without a pause of ten samples: RFC 3339, the engine's clock.
    pub receiving_since: Option<String>,
    /// How often it was started again.
    pub restarts: u32,
    /// Received since its start, on the networks that count.
    pub rx_bytes: Option<u64>,
    /// Received, bytes a second, over the last ten samples.
    pub rx_rate: Option<u64>,
    /// Where it is.
    pub status: Status,
    /// Sent since its start, on the networks that count.
    pub tx_bytes: Option<u64>,
    /// Sent, bytes a second, over the last ten samples.
    pub tx_rate: Option<u64>,
    /// How far the pull is, for a bar.
    #[serde(skip)]
    pub progress: Progress,
}

impl State {
    /// How much of a pull is here. Sizes become known on the way: what was told is not taken back.
    pub fn note(&mut self, progress: Progress) {
        let unpacking = progress.extracting.is_some();
        self.pull_status = if unpacking { PullStatus::Extracting } else { PullStatus::Downloading };
        let percent = |done: u64| done.saturating_mul(100).checked_div(progress.total_bytes);
        let percent = percent(progress.done_bytes).and_then(|percent| u8::try_from(percent).ok());
        self.pull_percent = self.pull_percent.max(percent.map(|percent| percent.min(100)));
        self.progress = progress;
    }

    /// It is not up: what only holds for one that is, goes.
    pub fn is_down(&mut self) {
        (self.cpu_percent, self.memory_bytes, self.health) = (None, None, None);
        (self.rx_rate, self.tx_rate, self.receiving_since) = (None, None, None);
        (self.rx_bytes, self.tx_bytes) = (None, None);
    }
}
