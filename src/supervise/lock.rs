//! The lock of a run: a file that is locked as long as its process lives, however that ends. Whose
//! it is, its label tells.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::config::Env;
use crate::net::access::plain;
use crate::run::whose::Lock;

/// Where root's runs have their locks.
const ROOTS: &str = "/run/drowse";
/// The files are called `run-ID.lock`.
const PREFIX: &str = "run-";
const SUFFIX: &str = ".lock";
/// The name of this host.
const HOSTNAME: &str = "/proc/sys/kernel/hostname";

/// A lock that is held; the file goes with it.
#[derive(Debug)]
pub struct Held {
    /// Which.
    pub lock: Lock,
    _file: File,
}

/// Whether the run of a lock lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Life {
    /// Its process has ended, or it never had a lock.
    Dead,
    /// It lives.
    Alive,
    /// It is another host's, by this name.
    Elsewhere(String),
    /// That can't be found out, for this reason.
    Unknown(String),
}

/// The folder of the locks: root's in /run, another user's in theirs.
///
/// # Errors
/// What was expected.
pub fn folder(env: &Env) -> Result<PathBuf, String> {
    if rustix::process::geteuid().is_root() {
        return Ok(ROOTS.into());
    }
    match env.var("XDG_RUNTIME_DIR") {
        Some(dir) => Ok(Path::new(dir).join("drowse")),
        None => Err("XDG_RUNTIME_DIR is not set: expected a folder for the run's lock".into()),
    }
}

/// This host's name.
pub fn host() -> String {
    fs::read_to_string(HOSTNAME).unwrap_or_default().trim().to_owned()
}

/// Takes the lock of a run.
///
/// # Errors
/// Another run of that id lives; or the file can't be made.
pub fn take(folder: &Path, id: &str) -> Result<Held, String> {
    let path = folder.join(format!("{PREFIX}{id}{SUFFIX}"));
    let failed = |error: &io::Error| format!("lock {}: {}", path.display(), plain(error));
    fs::create_dir_all(folder).map_err(|error| failed(&error))?;
    loop {
        let file = File::options().create(true).append(true).open(&path).map_err(|e| failed(&e))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) if is_at(&file, &path) => {
                return Ok(Held { lock: Lock { host: host(), file: path }, _file: file });
            }
            // Somebody took it for a dead one's, before it was locked.
            Ok(()) => {}
            Err(Errno::AGAIN) => {
                return Err(format!("a run with the id {id} lives: expected another --id"));
            }
            Err(error) => return Err(failed(&error.into())),
        }
    }
}

/// Whether the path still leads to this file.
fn is_at(file: &File, path: &Path) -> bool {
    let (Ok(one), Ok(other)) = (file.metadata(), path.metadata()) else { return false };
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// Whether somebody holds it.
pub fn life(lock: Option<&Lock>) -> Life {
    let Some(lock) = lock else { return Life::Dead };
    if lock.host != host() {
        return Life::Elsewhere(lock.host.clone());
    }
    let file = match File::open(&lock.file) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Life::Dead,
        Err(error) => {
            return Life::Unknown(format!("lock {}: {}", lock.file.display(), plain(&error)));
        }
    };
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Life::Dead,
        Err(Errno::AGAIN) => Life::Alive,
        Err(error) => {
            let why = plain(&error.into());
            Life::Unknown(format!("lock {}: {why}", lock.file.display()))
        }
    }
}

/// Removes the files of the folder that nobody holds. What fails is left to the next time.
pub fn sweep(folder: &Path) {
    let Ok(files) = folder.read_dir() else { return };
    for file in files.flatten() {
        let name = file.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(PREFIX) && name.ends_with(SUFFIX) {
            forget(&file.path());
        }
    }
}

/// While it is held here, so that nobody takes it in between.
fn forget(path: &Path) {
    let Ok(file) = File::open(path) else { return };
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() && is_at(&file, path) {
        let _ = fs::remove_file(path);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // While it is still locked. Where it is gone already, all the better.
        let _ = fs::remove_file(&self.lock.file);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_held_by_one_and_lives_as_long_as_it() {
        let dir = tempfile::tempdir().unwrap();
        let held = take(dir.path(), "a1").unwrap();
        let lock = held.lock.clone();
        assert_eq!(life(Some(&lock)), Life::Alive);
        assert!(take(dir.path(), "a1").unwrap_err().contains("lives"));
        assert!(take(dir.path(), "a2").is_ok());
        sweep(dir.path());
        assert!(lock.file.exists());
        drop(held);
        assert_eq!((life(Some(&lock)), lock.file.exists()), (Life::Dead, false));
        File::create(&lock.file).unwrap();
        assert_eq!(life(Some(&lock)), Life::Dead, "a file that nobody locks");
        sweep(dir.path());
        assert!(!lock.file.exists());
        let other = Lock { host: "elsewhere.example".into(), ..lock };
        assert_eq!(life(Some(&other)), Life::Elsewhere("elsewhere.example".into()));
        assert_eq!(life(None), Life::Dead);
    }
}
