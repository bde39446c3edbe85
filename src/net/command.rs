//! A child whose stdin and stdout are a byte stream, as `ssh HOST docker system dial-stdio`. Knows
//! nothing of ssh.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{self, Child, ChildStderr, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags};

use crate::error::Why;
use crate::net::access::plain;
use crate::net::wait::wait;

/// What is kept of the end of stderr.
const WORDS_LIMIT_BYTES: usize = 1024;

/// How long a child that closed its stdout may take to say why. A grandchild can hold its stderr
/// open for good (ssh's ControlPersist does).
const LAST_WORDS_WITHIN: Duration = Duration::from_millis(500);

const REAP_RETRY_EVERY: Duration = Duration::from_millis(1);

/// The running child; killed and reaped on drop. Its stdin and stdout are one end of a socket
/// pair, so that what ssh does to the mode of its descriptors does not reach ours.
#[derive(Debug)]
pub struct Command {
    program: String,
    child: Child,
    stream: UnixStream,
    stderr: Option<ChildStderr>,
    words: Vec<u8>,
}

impl Command {
    /// Starts `argv`, program first.
    pub fn spawn(argv: &[String]) -> Result<Command, Why> {
        let Some((program, arguments)) = argv.split_first() else {
            return Err(Why::Invalid("the command is empty".into()));
        };
        start(program, arguments).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                Why::Unreachable(format!("no program {program} found: is it installed?"))
            }
            _ => Why::Unreachable(format!("{program} can't be started: {}", plain(&error))),
        })
    }

    /// Waits until the stream is ready for `flags`, and takes in what the child says meanwhile, so
    /// that a talkative one is never held up.
    pub fn wait(&mut self, flags: PollFlags, until: Option<Instant>) -> io::Result<()> {
        loop {
            let Some(stderr) = &self.stderr else {
                return wait(&mut [PollFd::new(&self.stream, flags)], until);
            };
            let both = &mut [PollFd::new(&self.stream, flags), PollFd::new(stderr, PollFlags::IN)];
            wait(both, until)?;
            let [stream, stderr] = both.each_ref().map(|fd| !fd.revents().is_empty());
            if stderr {
                self.listen();
            }
            if stream {
                return Ok(());
            }
        }
    }

    /// Why the child ended: the last line of its stderr, else its exit status. To be asked when
    /// the stream ended early; takes half a second at most.
    pub fn last_words(&mut self) -> String {
        let until = Instant::now() + LAST_WORDS_WITHIN;
        self.listen();
        while let Some(stderr) = &self.stderr {
            if wait(&mut [PollFd::new(stderr, PollFlags::IN)], Some(until)).is_err() {
                break;
            }
            self.listen();
        }
        self.words_until(until)
    }

    /// The same as far as it is known by now; does not wait.
    pub fn words_so_far(&mut self) -> String {
        self.listen();
        self.words_until(Instant::now())
    }

    fn words_until(&mut self, until: Instant) -> String {
        let said = String::from_utf8_lossy(&self.words);
        let last = said.lines().map(str::trim).rfind(|line| !line.is_empty());
        match last {
            Some(line) if line.starts_with(&self.program) => line.to_owned(),
            Some(line) => format!("{}: {line}", self.program),
            None => match exit_status(&mut self.child, until) {
                Some(status) => format!("{} ended with {status}", self.program),
                None => format!("{} closed its output", self.program),
            },
        }
    }

    /// The descriptor to wait on.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }

    /// Readable when there is something to [`listen`](Command::listen) to; `None`: it has ended.
    pub fn stderr(&self) -> Option<BorrowedFd<'_>> {
        self.stderr.as_ref().map(AsFd::as_fd)
    }

    /// Takes what there is of stderr and keeps its end, so that a talkative child is not held up.
    pub fn listen(&mut self) {
        let mut piece = [0; 4096];
        while let Some(stderr) = &mut self.stderr {
            match stderr.read(&mut piece) {
                Ok(n) if n > 0 => {
                    self.words.extend(piece.iter().take(n));
                    let surplus = self.words.len().saturating_sub(WORDS_LIMIT_BYTES);
                    self.words.drain(..surplus);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(_) | Err(_) => self.stderr = None,
            }
        }
    }
}

impl Read for Command {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.stream.read(buf)
    }
}

impl Write for Command {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.stream.write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

impl Drop for Command {
    fn drop(&mut self) {
        // Fails only where the child is reaped already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn start(program: &str, arguments: &[String]) -> io::Result<Command> {
    let (ours, theirs) = UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    let theirs = OwnedFd::from(theirs);
    let mut child = process::Command::new(program)
        .args(arguments)
        .stdin(Stdio::from(theirs.try_clone()?))
        .stdout(Stdio::from(theirs))
        .stderr(Stdio::piped())
        .spawn()?;
    let stderr = child.stderr.take();
    let command =
        Command { program: program.into(), child, stream: ours, stderr, words: Vec::new() };
    if let Some(stderr) = &command.stderr {
        rustix::io::ioctl_fionbio(stderr, true)?;
    }
    Ok(command)
}

/// A child closes its descriptors a moment before it can be reaped.
fn exit_status(child: &mut Child, until: Instant) -> Option<ExitStatus> {
    loop {
        match child.try_wait() {
            Ok(None) if Instant::now() < until => std::thread::sleep(REAP_RETRY_EVERY),
            status => return status.ok().flatten(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        Command::spawn(&["sh".into(), "-c".into(), script.into()]).unwrap()
    }

    fn read_all(command: &mut Command) -> String {
        let mut all = Vec::new();
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            let mut piece = [0; 256];
            match command.read(&mut piece) {
                Ok(0) => return String::from_utf8(all).unwrap(),
                Ok(n) => all.extend(&piece[..n]),
                Err(_) => command.wait(PollFlags::IN, Some(until)).unwrap(),
            }
        }
    }

    #[test]
    fn bytes_go_in_at_stdin_and_come_out_of_stdout() {
        let mut echo = shell("read line; echo \"got $line\"");
        echo.write_all(b"ping\n").unwrap();
        assert_eq!(read_all(&mut echo), "got ping\n");
    }

    #[test]
    fn the_last_line_of_stderr_tells_why_it_ended() {
        let mut failing = shell("echo 'warning: one' >&2; echo 'Host key bad.' >&2; exit 255");
        assert_eq!(read_all(&mut failing), "");
        assert_eq!(failing.last_words(), "sh: Host key bad.");
        let mut failing = shell("echo 'sh: connect: refused' >&2; exit 255");
        assert_eq!(failing.last_words(), "sh: connect: refused");
    }

    #[test]
    fn without_words_its_status_tells() {
        let mut failing = shell("exit 3");
        assert_eq!(read_all(&mut failing), "");
        assert_eq!(failing.last_words(), "sh ended with exit status: 3");
    }

    #[test]
    fn a_talkative_child_is_not_held_up() {
        let mut noisy = shell("head -c 300000 /dev/zero | tr '\\0' 'x' >&2; echo done");
        assert_eq!(read_all(&mut noisy), "done\n");
        assert_eq!(noisy.words.len(), WORDS_LIMIT_BYTES);
    }

    #[test]
    fn a_grandchild_that_keeps_stderr_open_does_not_hold_us_up() {
        let mut failing = shell("sleep 5 & echo 'no route' >&2; exec >&- <&-; exit 1");
        // The sleeper holds stdout too: only its end is awaited here, not the stream's.
        failing.wait(PollFlags::OUT, None).unwrap();
        assert_eq!(failing.last_words(), "sh: no route");
    }

    #[test]
    fn a_dropped_child_is_killed_and_reaped() {
        let running = shell("exec sleep 60");
        let process = format!("/proc/{}", running.child.id());
        assert!(std::fs::exists(&process).unwrap());
        drop(running);
        assert!(!std::fs::exists(&process).unwrap());
    }

    #[test]
    fn a_missing_program_is_named() {
        assert_eq!(
            Command::spawn(&["no-such-ssh".into()]).unwrap_err(),
            Why::Unreachable("no program no-such-ssh found: is it installed?".into())
        );
    }
}
