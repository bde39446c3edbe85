//! Whether a container that ended is started again, and after how long. A function of its exit
//! code, of how often that was done, and of how long it was up.

use std::str::FromStr;
use std::time::Duration;

/// The pause before the first restart, where nobody asks for another.
pub const INTERVAL: Duration = Duration::from_secs(10);
/// The pause doubles with each restart, up to this (or the first pause, if that is longer).
pub const LONGEST: Duration = Duration::from_secs(120);
/// Who was up this long has not failed to start: the pause, and the count towards a limit, begin
/// anew.
pub const SETTLED: Duration = Duration::from_secs(60);

/// After which ends a container is started again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum When {
    /// After none.
    #[default]
    Never,
    /// After an exit code other than 0.
    OnFailure {
        /// So many times in a row at most; `None`: without end.
        limit: Option<u32>,
    },
    /// After every end but one that was asked for.
    Always,
}

/// A restart policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// After which ends.
    pub when: When,
    /// The first pause.
    pub interval: Duration,
}

/// How a run of the container ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exited {
    /// Its exit code; 128 + the signal where one ended it.
    pub code: i64,
    /// How often it was restarted in a row, since it was last up for [`SETTLED`].
    pub restarts: u32,
    /// How long it was up.
    pub up: Duration,
}

/// What follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It is started again.
    Restart {
        /// After this pause.
        after: Duration,
    },
    /// It is over.
    End {
        /// What the user is told beside the exit code.
        error: Option<String>,
    },
}

impl Default for Policy {
    fn default() -> Policy {
        Policy { when: When::Never, interval: INTERVAL }
    }
}

impl FromStr for When {
    type Err = String;

    /// `no`, `on-failure`, `on-failure:N` or `always`.
    fn from_str(text: &str) -> Result<When, String> {
        match text.split_once(':') {
            None if text == "no" => Ok(When::Never),
            None if text == "always" => Ok(When::Always),
            None if text == "on-failure" => Ok(When::OnFailure { limit: None }),
            Some(("on-failure", limit)) => match limit.parse() {
                Ok(limit) if !limit_has_sign(text) => {
                    Ok(When::OnFailure { limit: Some(limit).filter(|limit| *limit > 0) })
                }
                _ => Err(format!("`{text}`: expected a number of restarts after the colon")),
            },
            _ => Err(format!("`{text}`: expected no, on-failure, on-failure:N or always")),
        }
    }
}

fn limit_has_sign(text: &str) -> bool {
    text.contains('+')
}

/// What the policy says to an end.
pub fn judge(policy: &Policy, exited: &Exited) -> Decision {
    let restarts = in_a_row(exited);
    let limit = match policy.when {
        When::Never => return Decision::End { error: None },
        When::OnFailure { .. } if exited.code == 0 => return Decision::End { error: None },
        When::OnFailure { limit } => limit,
        When::Always => None,
    };
    match limit {
        Some(limit) if restarts >= limit => {
            let times = if limit == 1 { "once" } else { &*format!("{limit} times") };
            Decision::End { error: Some(format!("it was restarted {times} in a row")) }
        }
        _ => Decision::Restart { after: pause(policy.interval, restarts) },
    }
}

/// The restarts that still count when the next is decided on.
pub fn in_a_row(exited: &Exited) -> u32 {
    if exited.up >= SETTLED { 0 } else { exited.restarts }
}

fn pause(interval: Duration, restarts: u32) -> Duration {
    let factor = 1u32.checked_shl(restarts).unwrap_or(u32::MAX);
    interval.saturating_mul(factor).min(LONGEST.max(interval))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn after(when: When, (code, restarts, up): (i64, u32, u64)) -> Option<u64> {
        let policy = Policy { when, interval: secs(10) };
        match judge(&policy, &Exited { code, restarts, up: secs(up) }) {
            Decision::Restart { after } => Some(after.as_secs()),
            Decision::End { .. } => None,
        }
    }

    #[test]
    fn the_pause_doubles_up_to_two_minutes_and_begins_anew_after_one_up() {
        let pauses: Vec<_> = (0..7).map(|n| after(When::Always, (0, n, 1))).collect();
        assert_eq!(pauses, [10, 20, 40, 80, 120, 120, 120].map(Some));
        assert_eq!(after(When::Always, (1, u32::MAX, 59)), Some(120));
        assert_eq!(after(When::Always, (1, 6, 60)), Some(10));
        let slow = Policy { when: When::Always, interval: secs(300) };
        let exited = Exited { code: 0, restarts: 5, up: secs(0) };
        assert_eq!(judge(&slow, &exited), Decision::Restart { after: secs(300) });
    }

    #[test]
    fn a_policy_heeds_the_code_and_the_limit() {
        let on_failure = |limit| When::OnFailure { limit };
        assert_eq!(after(When::Never, (1, 0, 0)), None);
        assert_eq!(after(on_failure(None), (0, 0, 0)), None);
        assert_eq!(after(on_failure(None), (137, 90, 0)), Some(120));
        assert_eq!(after(on_failure(Some(2)), (3, 1, 0)), Some(20));
        assert_eq!(after(on_failure(Some(2)), (3, 2, 0)), None);
        assert_eq!(after(on_failure(Some(2)), (3, 2, 60)), Some(10), "up for a minute");
        let exited = Exited { code: 3, restarts: 2, up: secs(0) };
        let policy = Policy { when: on_failure(Some(2)), interval: secs(1) };
        let error = Some("it was restarted 2 times in a row".to_owned());
        assert_eq!(judge(&policy, &exited), Decision::End { error });
    }

    #[test]
    fn a_policy_is_written_as_dockers() {
        for (text, when) in [
            ("no", When::Never),
            ("always", When::Always),
            ("on-failure", When::OnFailure { limit: None }),
            ("on-failure:3", When::OnFailure { limit: Some(3) }),
            ("on-failure:0", When::OnFailure { limit: None }),
        ] {
            assert_eq!(text.parse(), Ok(when), "{text}");
        }
        for text in ["", "never", "always:3", "on-failure:", "on-failure:+3", "on-failure:-1"] {
            assert!(text.parse::<When>().is_err(), "{text}");
        }
    }
}
