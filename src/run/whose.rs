//! What belongs to a run, by its labels. Asks no engine, takes no lock.

use std::path::{Path, PathBuf};

use crate::docker::Filters;
use crate::sorted::Map;

/// The label that names the program.
pub const APP: &str = "io.drowse.app";
/// The label that names the run.
pub const ID: &str = "io.drowse.id";
/// The label that names the host, and the file there, that is locked as long as the run lives.
pub const LOCK: &str = "io.drowse.lock";
/// This program.
pub const DROWSE: &str = "drowse";

/// An id becomes part of names.
const ID_LIMIT: usize = 32;

/// Whose containers and networks are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whose {
    /// Those of one run of a program.
    Run {
        /// The program.
        app: String,
        /// The run.
        id: String,
    },
    /// Those of all runs of a program.
    All {
        /// The program.
        app: String,
    },
}

impl Whose {
    /// The engine's own filters for them.
    pub fn filters(&self) -> Filters {
        match self {
            Whose::Run { app, id } => {
                let mut filters = Filters::one("label", &format!("{APP}={app}"));
                filters.add("label", &format!("{ID}={id}"));
                filters
            }
            Whose::All { app } => Filters::one("label", &format!("{APP}={app}")),
        }
    }

    /// Whether what has these labels is among them. Some engines' filters are not exact.
    pub fn has(&self, labels: &Map<String, String>) -> bool {
        let is = |key: &str, value: &str| labels.get(key).is_some_and(|found| found == value);
        match self {
            Whose::Run { app, id } => is(APP, app) && is(ID, id),
            Whose::All { app } => is(APP, app),
        }
    }
}

/// The lock of a run: on which host, and which file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lock {
    /// The host's name.
    pub host: String,
    /// The file.
    pub file: PathBuf,
}

impl Lock {
    /// As the label says.
    pub fn label(&self) -> String {
        format!("{}:{}", self.host, self.file.display())
    }

    /// From the label. `None`: there is none, or it is no such text.
    pub fn of(labels: &Map<String, String>) -> Option<Lock> {
        let (host, file) = labels.get(LOCK)?.split_once(':')?;
        let file = Path::new(file);
        file.is_absolute().then(|| Lock { host: host.to_owned(), file: file.to_owned() })
    }
}

/// The container's name: `drowse-<id>-<name>`.
pub fn container_name(app: &str, id: &str, name: &str) -> String {
    format!("{app}-{id}-{name}")
}

/// The name of its own network: `drowse-<id>`.
pub fn network_name(app: &str, id: &str) -> String {
    format!("{app}-{id}")
}

/// Where nobody gives a name: the image's, as far as a name may have its letters.
pub fn name_of_image(image: &str) -> String {
    let rest = image.split('@').next().unwrap_or(image);
    let last = rest.rsplit('/').next().unwrap_or(rest);
    let last = last.split(':').next().unwrap_or(last);
    let good = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    let name: String = last.chars().filter(good).collect();
    if name.is_empty() { "run".to_owned() } else { name }
}

/// An id: lower case letters and digits, dashes within.
///
/// # Errors
/// What was expected.
pub fn id(text: &str) -> Result<String, String> {
    let good = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let ends = text.starts_with('-') || text.ends_with('-');
    match text.bytes().all(good) && !ends && (1..=ID_LIMIT).contains(&text.len()) {
        true => Ok(text.to_owned()),
        false => Err(format!("`{text}`: expected up to {ID_LIMIT} of a-z, 0-9 and - within")),
    }
}

/// A container's name (Docker: `[a-zA-Z0-9][a-zA-Z0-9_.-]+`; here it has something before it).
///
/// # Errors
/// What was expected.
pub fn name(text: &str) -> Result<String, String> {
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    match text.bytes().all(good) && (1..=128).contains(&text.len()) {
        true => Ok(text.to_owned()),
        false => Err(format!("`{text}`: expected up to 128 of a-z, A-Z, 0-9, _, . and -")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_without_a_name_has_that_of_its_image() {
        for (image, name) in [
            ("redis", "redis"),
            ("redis:7", "redis"),
            ("host:5000/a/b:1@sha256:12", "b"),
            ("a/b@sha256:12", "b"),
            ("sha256:0123", "sha256"),
            ("/", "run"),
        ] {
            assert_eq!(name_of_image(image), name, "{image}");
        }
    }

    #[test]
    fn labels_tell_whose_it_is_and_where_its_lock_lies() {
        let lock = Lock { host: "box".into(), file: "/run/drowse/run-a1.lock".into() };
        let labels = [(APP, DROWSE.to_owned()), (ID, "a1".into()), (LOCK, lock.label())];
        let labels = labels.map(|(key, value)| (key.to_owned(), value)).into();
        assert_eq!(Lock::of(&labels), Some(lock));
        let app = DROWSE.to_owned();
        assert!(Whose::All { app: app.clone() }.has(&labels));
        assert!(Whose::Run { app: app.clone(), id: "a1".into() }.has(&labels));
        assert!(!Whose::Run { app, id: "a".into() }.has(&labels));
        assert!(!Whose::All { app: "other".into() }.has(&labels));
        let odd = [(LOCK.to_owned(), "box:relative".to_owned())].into();
        assert_eq!(Lock::of(&odd), None);
    }

    #[test]
    fn ids_and_names_are_what_engines_take() {
        assert!(id("a-1").is_ok() && name("Web_1.x-y").is_ok());
        for text in ["", "-a", "a-", "A", "a b", "a/b", &"a".repeat(33)] {
            assert!(id(text).is_err(), "{text}");
        }
        for text in ["", "a b", "a/b", "ä", &"a".repeat(129)] {
            assert!(name(text).is_err(), "{text}");
        }
    }
}
