//! A short-lived child such as `nft`: given a text, told of when it ends, never waited for. Knows
//! nothing of rules.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::net::access::plain;

/// How long it may take.
pub const WITHIN: Duration = Duration::from_secs(10);
/// Read of what it says.
const SAID_LIMIT_BYTES: usize = 8 << 20;
/// Where it is when the PATH leaves that out.
const FOLDER: &str = "/usr/sbin";

/// A child that runs; killed and reaped on drop.
#[derive(Debug)]
pub struct Run {
    program: String,
    child: Child,
    /// Readable when it has ended.
    ends: OwnedFd,
    out: File,
    errors: File,
}

impl Run {
    /// Starts `argv`, program first, with `input` as its stdin. The error is in plain words.
    pub fn start(argv: &[&str], input: &str) -> Result<Run, String> {
        let Some((program, arguments)) = argv.split_first() else {
            return Err("no program was named".into());
        };
        let start = |path: &str| start(path, arguments, input);
        let started = match start(program) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                start(&format!("{FOLDER}/{program}"))
            }
            started => started,
        };
        started.map_err(|error| match error.kind() {
            ErrorKind::NotFound => format!("no program {program} found: is it installed?"),
            _ => format!("{program} can't be started: {}", plain(&error)),
        })
    }

    /// Readable when it has ended.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.ends.as_fd()
    }

    /// What it said, if it has ended; the error is what it complained of.
    pub fn ended(&mut self) -> Option<Result<String, String>> {
        let status = match self.child.try_wait() {
            Ok(None) => return None,
            Ok(Some(status)) => status,
            Err(error) => return Some(Err(plain(&error))),
        };
        if status.success() {
            return Some(Ok(all(&mut self.out)));
        }
        let errors = all(&mut self.errors);
        let first = errors.lines().map(str::trim).find(|line| !line.is_empty());
        Some(Err(match first {
            Some(line) => format!("{}: {line}", self.program),
            None => format!("{} ended with {status}", self.program),
        }))
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // Fails only where the child is reaped already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn start(path: &str, arguments: &[&str], input: &str) -> io::Result<Run> {
    let [mut text, out, errors] = [memory()?, memory()?, memory()?];
    text.write_all(input.as_bytes())?;
    text.rewind()?;
    let mut child = Command::new(path)
        .args(arguments)
        .stdin(Stdio::from(text))
        .stdout(Stdio::from(out.try_clone()?))
        .stderr(Stdio::from(errors.try_clone()?))
        .spawn()?;
    let program = path.rsplit('/').next().unwrap_or(path).to_owned();
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let ends = pid.ok_or(ErrorKind::NotFound.into()).and_then(|pid| {
        let opened = pidfd_open(pid, PidfdFlags::empty());
        opened.map_err(io::Error::from)
    });
    match ends {
        Ok(ends) => Ok(Run { program, child, ends, out, errors }),
        Err(error) => {
            let _ = child.kill();
            let _ = child.wait();
            Err(error)
        }
    }
}

/// A file that is nowhere: nobody has to be read from or written to in time.
fn memory() -> io::Result<File> {
    Ok(File::from(memfd_create("drowse", MemfdFlags::CLOEXEC)?))
}

/// What was written to it, up to the limit.
fn all(file: &mut File) -> String {
    let mut bytes = Vec::new();
    let limit = SAID_LIMIT_BYTES as u64;
    // Its position is the writer's too.
    let _ = file.rewind().and_then(|()| Read::take(file, limit).read_to_end(&mut bytes));
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use rustix::event::{PollFd, PollFlags};

    use super::*;
    use crate::net::wait::wait;

    fn run(argv: &[&str], input: &str) -> Result<String, String> {
        let mut run = Run::start(argv, input)?;
        wait(&mut [PollFd::new(&run.fd(), PollFlags::IN)], None).unwrap();
        run.ended().unwrap()
    }

    #[test]
    fn it_reads_its_text_and_what_it_says_is_kept() {
        assert_eq!(run(&["cat"], "a\nb\n"), Ok("a\nb\n".into()));
        let much = "x".repeat(300_000);
        assert_eq!(
            run(&["sh", "-c", "cat; cat /dev/fd/0 >&2"], &much).map(|said| said.len()),
            Ok(300_000)
        );
    }

    #[test]
    fn its_first_complaint_or_its_status_is_told() {
        let script = "echo; echo 'no: not permitted' >&2; echo more >&2; exit 1";
        assert_eq!(run(&["sh", "-c", script], ""), Err("sh: no: not permitted".into()));
        assert_eq!(run(&["sh", "-c", "exit 3"], ""), Err("sh ended with exit status: 3".into()));
        let missing = "no program no-such-nft found: is it installed?";
        assert_eq!(Run::start(&["no-such-nft"], "").map(|_| ()), Err(missing.into()));
    }

    #[test]
    fn it_is_not_waited_for_and_killed_on_drop() {
        let mut running = Run::start(&["sleep", "60"], "").unwrap();
        assert_eq!(running.ended(), None);
        let process = format!("/proc/{}", running.child.id());
        assert!(std::fs::exists(&process).unwrap());
        drop(running);
        assert!(!std::fs::exists(&process).unwrap());
    }
}
