//! The log: stderr, a line for each record; below the journal with the priority it understands. Not
//! for what verbs print.

use std::io::{self, Write};
use std::os::fd::AsFd;

use log::{Level, LevelFilter, Log, Metadata, Record};

use crate::config::Env;

/// Writes to stderr what is of this level or above. That there is a log already can only be a
/// test's doing.
pub fn start(level: LevelFilter, env: &Env) {
    let style = if is_journal(env, io::stderr()) { Style::Journal } else { Style::Plain };
    if log::set_boxed_logger(Box::new(Stderr { level, style })).is_ok() {
        log::set_max_level(level);
    }
}

/// How lines begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    /// `WARN  [drowse::net] `
    Plain,
    /// `<4>`: sd-daemon(3). The journal knows the time and whose line it is.
    Journal,
}

struct Stderr {
    level: LevelFilter,
    style: Style,
}

impl Log for Stderr {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= self.level
    }

    /// A closed stderr is nobody's loss.
    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let line = line(self.style, record);
            let _ = io::stderr().lock().write_all(line.as_bytes());
        }
    }

    fn flush(&self) {}
}

/// One line, whatever the record has in it: nobody can forge another, or move the cursor.
fn line(style: Style, record: &Record<'_>) -> String {
    let said = record.args().to_string();
    let mut line = match style {
        Style::Plain => format!("{:<5} [{}] ", record.level(), record.target()),
        Style::Journal => format!("<{}>", priority(record.level())),
    };
    for c in said.chars() {
        if c.is_control() { line.extend(c.escape_default()) } else { line.push(c) }
    }
    line.push('\n');
    line
}

/// syslog(3)'s numbers.
fn priority(level: Level) -> u8 {
    match level {
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info => 6,
        Level::Debug | Level::Trace => 7,
    }
}

/// Whether what is written there goes to the journal: it is the very stream that systemd made
/// (systemd.exec(5), `JOURNAL_STREAM`), and not a file or a pipe that took its place.
fn is_journal(env: &Env, stderr: impl AsFd) -> bool {
    let Some(stream) = env.var("JOURNAL_STREAM") else { return false };
    let Some((device, inode)) = stream.split_once(':') else { return false };
    let Ok(stat) = rustix::fs::fstat(stderr) else { return false };
    device.parse() == Ok(stat.st_dev) && inode.parse() == Ok(stat.st_ino)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    fn written(style: Style, level: Level, text: &str) -> String {
        let builder = &mut Record::builder();
        let builder = builder.level(level).target("drowse::daemon");
        line(style, &builder.args(format_args!("{text}")).build())
    }

    #[test]
    fn a_line_begins_as_its_reader_wants_it() {
        for (level, number, word) in [
            (Level::Error, 3, "ERROR"),
            (Level::Warn, 4, "WARN "),
            (Level::Info, 6, "INFO "),
            (Level::Debug, 7, "DEBUG"),
            (Level::Trace, 7, "TRACE"),
        ] {
            let plain = format!("{word} [drowse::daemon] web: asleep\n");
            assert_eq!(written(Style::Plain, level, "web: asleep"), plain);
            let journal = format!("<{number}>web: asleep\n");
            assert_eq!(written(Style::Journal, level, "web: asleep"), journal);
        }
    }

    #[test]
    fn a_record_is_one_line() {
        let text = written(Style::Journal, Level::Info, "a\n<0>b\u{1b}[31m\té");
        assert_eq!(text, "<6>a\\n<0>b\\u{1b}[31m\\té\n");
    }

    #[test]
    fn the_journal_is_known_by_its_stream() {
        let file = tempfile::tempfile().unwrap();
        let stat = file.metadata().unwrap();
        let is = |stream: &str| {
            let vars = [("JOURNAL_STREAM".to_string(), stream.to_string())].into();
            is_journal(&Env { vars, ..Env::default() }, &file)
        };
        let (device, inode) = (stat.dev(), stat.ino());
        assert!(is(&format!("{device}:{inode}")));
        assert!(!is(&format!("{device}:{}", inode + 1)));
        assert!(!is(&format!("{}:{inode}", device + 1)));
        assert!(!is("nonsense") && !is("") && !is("1:x"));
        assert!(!is_journal(&Env::default(), &file));
    }
}
