//! A file that the kernel writes anew at each reading, read through one kept descriptor: what /proc
//! and the cgroups tell. Knows nothing of what it says.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, pread};

/// Read at once: as much as the kernel tells at once of a file of many lines (`seq_file`'s page).
const CHUNK_BYTES: usize = 4 << 10;

/// It writes whole lines as long as one more fits in that page, and none of these files has longer
/// ones: where less came, there is no more.
const LINE_LIMIT_BYTES: usize = 2 << 10;

/// An open file.
#[derive(Debug)]
pub struct Kept(OwnedFd);

impl Kept {
    /// Opens it for reading.
    pub fn open(path: &Path) -> io::Result<Kept> {
        Ok(Kept(open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?))
    }

    /// What it says now, in place of what `text` held, but no more than `limit` bytes. A process
    /// that is gone is an error (ESRCH).
    pub fn read(&self, text: &mut Vec<u8>, limit_bytes: usize) -> io::Result<()> {
        text.clear();
        while text.len() < limit_bytes {
            let start = text.len();
            text.resize(start + CHUNK_BYTES.min(limit_bytes - start), 0);
            let read = pread(&self.0, text.get_mut(start..).unwrap_or_default(), start as u64);
            match read {
                Ok(n) => {
                    text.truncate(start + n);
                    if n < CHUNK_BYTES - LINE_LIMIT_BYTES {
                        break;
                    }
                }
                Err(Errno::INTR) => text.truncate(start),
                Err(error) => {
                    text.truncate(start);
                    return Err(error.into());
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_file_is_read_anew_each_time() {
        let kept = Kept::open(Path::new("/proc/self/stat")).unwrap();
        let mut text = Vec::new();
        kept.read(&mut text, 1 << 20).unwrap();
        assert!(text.starts_with(std::process::id().to_string().as_bytes()));
        let first = text.clone();
        kept.read(&mut text, 1 << 20).unwrap();
        assert_eq!(text.get(..8), first.get(..8));
        kept.read(&mut text, 3).unwrap();
        assert_eq!(text.len(), 3);
    }

    #[test]
    fn a_table_of_many_pages_is_read_to_its_end() {
        let listen = |_| std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let listeners: Vec<_> = (0..100).map(listen).collect();
        let kept = Kept::open(Path::new("/proc/self/net/tcp")).unwrap();
        let mut text = Vec::new();
        kept.read(&mut text, 1 << 20).unwrap();
        let text = String::from_utf8(text).unwrap();
        for listener in listeners {
            let port = listener.local_addr().unwrap().port();
            assert!(text.contains(&format!("0100007F:{port:04X} 00000000:0000 0A")), "{port}");
        }
    }

    #[test]
    fn a_process_that_is_gone_is_an_error() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let kept = Kept::open(Path::new(&format!("/proc/{}/cgroup", child.id()))).unwrap();
        child.wait().unwrap();
        assert!(kept.read(&mut Vec::new(), 1 << 10).is_err());
    }
}
