//! The options of `drowse run` as values. Reads no argument, no file.

use std::path::PathBuf;
use std::time::Duration;

use crate::command::Source;
use crate::run::job::PullWhen;
use crate::run::policy::Policy;
use crate::run::spec::Wanted;

/// What is run, and how.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The engine.
    pub source: Source,
    /// The container, but for its raw spec.
    pub wanted: Wanted,
    /// `--spec FILE`
    pub spec: Option<PathBuf>,
    /// `--name`, else the image's.
    pub name: Option<String>,
    /// `--id`, else a random one.
    pub id: Option<String>,
    /// `--copy SRC:DST[:MODE]`
    pub copies: Vec<Copy>,
    /// `--pull`
    pub pull: PullWhen,
    /// `--restart`, `--restart-interval`
    pub restart: Policy,
    /// `--stop-timeout`
    pub grace: Option<Duration>,
    /// `--log`: the container's output is passed on.
    pub log: bool,
    /// `--count-rx`
    pub count_rx: Option<String>,
    /// `--count-tx`
    pub count_tx: Option<String>,
    /// How it is told; `None`: a live line on a terminal, JSON Lines elsewhere.
    pub format: Option<Format>,
}

/// How a run is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One line, drawn again in place.
    Live,
    /// A line of JSON for each change.
    Lines,
}

/// One `--copy`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    /// A file or folder here.
    pub source: PathBuf,
    /// Its path in the container; with a `/` at its end, the folder it is put into.
    pub target: String,
    /// Of the files; `None`: their own.
    pub mode: Option<u32>,
}

impl Copy {
    /// `SRC:DST[:MODE]`, the mode in octal digits.
    ///
    /// # Errors
    /// What was expected.
    pub fn parse(text: &str) -> Result<Copy, String> {
        let failed =
            || format!("`{text}`: expected SRC:DST or SRC:DST:MODE, as in a.conf:/etc/:600");
        let (rest, last) = text.rsplit_once(':').ok_or_else(failed)?;
        let is_mode = !last.is_empty() && last.bytes().all(|b| b.is_ascii_digit());
        let (source, target, mode) = match rest.rsplit_once(':') {
            Some((source, target)) if is_mode => {
                let mode = u32::from_str_radix(last, 8).ok().filter(|mode| *mode <= 0o7777);
                (source, target, Some(mode.ok_or_else(failed)?))
            }
            _ => (rest, last, None),
        };
        if source.is_empty() || !target.starts_with('/') {
            return Err(failed());
        }
        Ok(Copy { source: source.into(), target: target.to_owned(), mode })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_names_source_target_and_mode() {
        let copy = |source: &str, target: &str, mode| {
            Ok(Copy { source: source.into(), target: target.into(), mode })
        };
        assert_eq!(Copy::parse("a:/b"), copy("a", "/b", None));
        assert_eq!(Copy::parse("a:/b/:0640"), copy("a", "/b/", Some(0o640)));
        assert_eq!(Copy::parse("a:x:/b:4755"), copy("a:x", "/b", Some(0o4755)));
        for text in ["", "a", "a:", ":/b", "a:b", "a:/b:999", "a:/b:77777", "a:/b:rw"] {
            assert!(Copy::parse(text).is_err(), "{text}");
        }
    }
}
