//! `drowse status`: what the daemon watches, and how it is. Asks the daemon alone.

use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use serde::{Serialize, Serializer};

use crate::control::request::Request;
use crate::control::{Door, Row as Status, State};
use crate::docker::time;
use crate::duration;

use super::Outcome;
use super::control::{self, Daemon, Unanswered};
use super::output::{self, Format, Printer, complain};
use super::table::Row;
use super::text;

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

const COLUMNS: &[&str] = &["NAME", "STATE", "WHY", "SLEEPS IN", "LAST WAKE", "TOOK", "DOORS"];

/// What a person is told where there is nothing to see, for that is how everybody begins.
const NOTHING: &str = "nothing is watched: no container has the label proxy.idle_timeout\n";

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
    let mut rows: Vec<Status> = Vec::new();
    let asked = daemon.ask(&Request::Status, |row: Status| {
        rows.push(row);
        Ok(())
    });
    let outcome = match asked {
        Ok(printed) => printed.map(|()| Outcome::Done)?,
        Err(Unanswered::Absent(why) | Unanswered::Failed(why)) => {
            complain(&why);
            Outcome::Failed
        }
    };
    let mut printer = Printer::new(options.format, COLUMNS);
    printer.hide_empty();
    let is_for_eyes = printer.is_table();
    let now_nanos = since_1970();
    let are_several =
        rows.iter().any(|row| Some(&row.engine) != rows.first().map(|one| &one.engine));
    let lines: Vec<Line<'_>> =
        rows.iter().map(|row| Line { row, are_several, now_nanos }).collect();
    for line in &lines {
        printer.print(line)?;
    }
    printer.finish()?;
    if !is_for_eyes {
        return Ok(outcome);
    }
    let problems: String = lines.iter().flat_map(Line::problems).collect();
    match (lines.is_empty(), problems.is_empty()) {
        (true, _) if outcome == Outcome::Done => output::print(NOTHING)?,
        (_, false) => output::print(&format!("\n{}", text::harmless(&problems)))?,
        (_, true) => outcome,
    };
    Ok(outcome)
}

/// A container's line, among others.
struct Line<'a> {
    row: &'a Status,
    /// There are several engines, so that a name alone may not do.
    are_several: bool,
    /// The time, since 1970.
    now_nanos: u64,
}

impl Line<'_> {
    /// As the other verbs take it.
    fn name(&self) -> String {
        let Status { engine, name, .. } = self.row;
        if self.are_several { format!("{engine}/{name}") } else { name.clone() }
    }

    /// Why it is so is what is wrong with it.
    fn is_bad(&self) -> bool {
        matches!(self.row.state, State::Failed | State::LeftAlone)
    }

    /// What is wrong with it, a line each: no column has room for that.
    fn problems(&self) -> impl Iterator<Item = String> {
        let row = self.row;
        let is_bad = self.is_bad();
        let why = row.why.iter().filter(move |why| is_bad && !row.problems.contains(why));
        let name = self.name();
        why.chain(&row.problems).map(move |what| format!("{name}: {}\n", what.replace('\n', " ")))
    }
}

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.row.serialize(serializer)
    }
}

impl Row for Line<'_> {
    fn cells(&self) -> Vec<String> {
        let row = self.row;
        let sleeps = match (row.kept_for_ms, row.sleeps_in_ms) {
            (Some(kept), _) if row.state == State::Awake => left(kept),
            (Some(kept), _) => format!("kept {}", left(kept)),
            (None, sleeps) => sleeps.map(left).unwrap_or_default(),
        };
        let woke = row.last_wake_at.as_deref().and_then(time::nanos);
        vec![
            self.name(),
            row.state.word().into(),
            match &row.why {
                Some(_) if self.is_bad() => "see below".into(),
                why => why.clone().unwrap_or_default(),
            },
            sleeps,
            woke.map(|at| ago(self.now_nanos.saturating_sub(at))).unwrap_or_default(),
            row.last_wake_ms.map(brief).unwrap_or_default(),
            doors(&row.doors),
        ]
    }
}

/// `8080 8443, front 9000 (denied)`: each port once, and its kind where it is not the usual one.
fn doors(doors: &[Door]) -> String {
    let mut shown = String::new();
    let mut last = ("", "");
    for door in doors {
        let port = door.at.rsplit(':').next().unwrap_or_default();
        let here = (door.kind.as_str(), port);
        if here == last {
            continue;
        }
        if !last.0.is_empty() {
            shown += if last.0 == here.0 { " " } else { ", " };
        }
        if here.0 != last.0 && here.0 != "redirect" {
            shown = shown + here.0 + " ";
        }
        shown += port;
        if door.transport != "tcp" {
            shown = shown + "/" + &door.transport;
        }
        if door.state == "denied" {
            shown += " (denied)";
        }
        last = here;
    }
    shown
}

/// How long something took, for eyes.
pub fn took(millis: u64) -> String {
    duration::show(Duration::from_millis(millis))
}

/// The same to two digits, where there is little room: `812ms`, `2.4s`, `1m2s`.
fn brief(millis: u64) -> String {
    match millis {
        0..1_000 => format!("{millis}ms"),
        1_000..10_000 => format!("{}.{}s", millis / 1_000, millis / 100 % 10),
        _ => left(millis),
    }
}

/// A time to come, which nobody wants to the millisecond, nor to the second if it is long.
fn left(millis: u64) -> String {
    let seconds = millis.div_ceil(1_000);
    let coarse = match seconds {
        0..3_600 => seconds,
        3_600.. => seconds / 60 * 60,
    };
    duration::show(Duration::from_secs(coarse))
}

/// How long ago something was: `12s ago`, `3m ago`, `2d ago`.
fn ago(nanos: u64) -> String {
    let seconds = nanos / 1_000_000_000;
    let (count, unit) = match seconds {
        0..60 => (seconds, "s"),
        60..3_600 => (seconds / 60, "m"),
        3_600..172_800 => (seconds / 3_600, "h"),
        172_800.. => (seconds / 86_400, "d"),
    };
    format!("{count}{unit} ago")
}

fn since_1970() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_as_exact_as_eyes_want_them() {
        let shown = [0, 1, 61_000, 3_599_001, 3_661_000, 200_000_000].map(left);
        assert_eq!(shown, ["0s", "1s", "1m1s", "1h", "1h1m", "55h33m"]);
        assert_eq!(took(2_412), "2.412s");
        assert_eq!([812, 2_412, 9_999, 62_000].map(brief), ["812ms", "2.4s", "9.9s", "1m2s"]);
        let shown =
            [0, 59, 60, 7_199, 172_799, 172_800].map(|seconds| ago(seconds * 1_000_000_000));
        assert_eq!(shown, ["0s ago", "59s ago", "1m ago", "1h ago", "47h ago", "2d ago"]);
    }

    #[test]
    fn a_port_is_shown_once_and_that_it_is_denied() {
        let door = |at: &str, kind: &str, state: &str, transport: &str| Door {
            at: at.into(),
            kind: kind.into(),
            state: state.into(),
            target: 80,
            transport: transport.into(),
            why: None,
        };
        let all = [
            door("0.0.0.0:53", "redirect", "open", "udp"),
            door("0.0.0.0:8080", "redirect", "open", "tcp"),
            door("[::]:8080", "redirect", "open", "tcp"),
            door("127.0.0.1:9000", "front", "denied", "tcp"),
        ];
        assert_eq!(doors(&all), "53/udp 8080, front 9000 (denied)");
        assert_eq!(doors(&[]), "");
    }
}
