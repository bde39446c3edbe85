//! `drowse status`: what the daemon watches, and how it is. Asks the daemon alone.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::control::request::Request;
use crate::control::{Door, Row as Status};
use crate::duration;

use super::Outcome;
use super::control::{self, Daemon, Unanswered};
use super::output::{Format, Printer, complain};
use super::table::Row;

/// The options of `status`.
#[derive(Clone, Debug)]
pub struct Options {
    /// `--config FILE`, which names the control socket.
    pub config: Option<PathBuf>,
    /// `--control PATH`
    pub control: Option<PathBuf>,
    /// How long the daemon may take.
    pub timeout: Duration,
    /// `None`: by where stdout goes.
    pub format: Option<Format>,
}

const COLUMNS: &[&str] =
    &["NAME", "ENGINE", "STATE", "WHY", "SLEEPS IN", "LAST WAKE", "TOOK", "DOORS", "PROBLEMS"];

/// Prints what the daemon says.
pub fn run(options: &Options) -> io::Result<Outcome> {
    let socket = match control::socket(options.control.as_deref(), options.config.as_deref()) {
        Ok(socket) => socket,
        Err(lines) => {
            lines.iter().for_each(|line| complain(line));
            return Ok(Outcome::Failed);
        }
    };
    let daemon = Daemon { socket, timeout: options.timeout };
    let mut printer = Printer::new(options.format, COLUMNS);
    let asked = daemon.ask(&Request::Status, |row: Status| printer.print(&row));
    let outcome = match asked {
        Ok(printed) => printed.map(|()| Outcome::Done)?,
        Err(Unanswered::Absent(why) | Unanswered::Failed(why)) => {
            complain(&why);
            Outcome::Failed
        }
    };
    printer.finish()?;
    Ok(outcome)
}

impl Row for Status {
    fn cells(&self) -> Vec<String> {
        let sleeps = match (self.kept_for_ms, self.sleeps_in_ms) {
            (Some(kept), _) => format!("kept {}", seconds(kept)),
            (None, sleeps) => sleeps.map(seconds).unwrap_or_default(),
        };
        let problems = match self.problems.len() {
            0 => String::new(),
            n => n.to_string(),
        };
        vec![
            self.name.clone(),
            self.engine.clone(),
            self.state.word().into(),
            self.why.clone().unwrap_or_default(),
            sleeps,
            self.last_wake_at.as_deref().map(moment).unwrap_or_default(),
            self.last_wake_ms.map(took).unwrap_or_default(),
            doors(&self.doors),
            problems,
        ]
    }
}

/// `redirect 8080 8443, front 9000`: each port once.
fn doors(doors: &[Door]) -> String {
    let mut shown = String::new();
    let mut last = ("", "");
    for door in doors {
        let port = door.at.rsplit(':').next().unwrap_or_default();
        let here = (door.kind.as_str(), port);
        if here == last {
            continue;
        }
        match (last.0, here.0) {
            ("", kind) => shown += kind,
            (before, kind) if before != kind => shown = shown + ", " + kind,
            _ => {}
        }
        shown = shown + " " + port;
        if door.transport != "tcp" {
            shown = shown + "/" + &door.transport;
        }
        last = here;
    }
    shown
}

/// How long something took, for eyes.
pub fn took(millis: u64) -> String {
    duration::show(Duration::from_millis(millis))
}

/// A time to come, which nobody wants to the millisecond.
fn seconds(millis: u64) -> String {
    duration::show(Duration::from_secs(millis.div_ceil(1000)))
}

/// RFC 3339 to the second, `2026-11-21 09:05:35Z`.
fn moment(text: &str) -> String {
    match (text.get(..10), text.get(11..19)) {
        (Some(day), Some(time)) => format!("{day} {time}Z"),
        _ => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_as_exact_as_eyes_want_them() {
        assert_eq!(moment("2026-11-21T09:05:35.123456789Z"), "2026-11-21 09:05:35Z");
        assert_eq!(moment("now"), "now");
        assert_eq!(
            (seconds(0), seconds(1), seconds(61_000)),
            ("0s".into(), "1s".into(), "1m1s".into())
        );
        assert_eq!(took(812), "812ms");
    }
}
