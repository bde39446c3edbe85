//! How `ps --watch` ends: by a signal, or when nobody reads; also while stdout is full.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::{TempDir, tempdir};

use crate::binary::{DROWSE, drowse, program};
use crate::servers::{self, Manner};

/// It should take 100 ms; a busy machine may take longer.
const LIMIT: Duration = Duration::from_secs(5);

/// A follower with its engine's folder.
struct Follower {
    child: Child,
    stdout: BufReader<ChildStdout>,
    _dir: TempDir,
}

impl Follower {
    /// Follows an engine of these manners, and has written its first line.
    fn of(manner: Manner) -> Follower {
        let dir = tempdir().unwrap();
        let url = servers::unix(dir.path(), "s", manner);
        let mut child = drowse(&["ps", "--watch", "--host", &url]).start();
        // The smallest buffer: what is not asked for stays in the pipe.
        let mut stdout = BufReader::with_capacity(1, child.stdout.take().unwrap());
        stdout.read_line(&mut String::new()).unwrap();
        Follower { child, stdout, _dir: dir }
    }

    /// Waits until the pipe has been full for a while.
    fn fill(self) -> Follower {
        let mut full_since = (0, Instant::now());
        while full_since.0 == 0 || full_since.1.elapsed() < Duration::from_millis(100) {
            let waiting = rustix::io::ioctl_fionread(self.stdout.get_ref()).unwrap();
            if waiting != full_since.0 {
                full_since = (waiting, Instant::now());
            }
            thread::sleep(Duration::from_millis(5));
        }
        assert!(full_since.0 > 60_000, "{} bytes wait", full_since.0);
        self
    }

    /// The exit code after this signal.
    fn signalled(mut self, signal: Signal) -> Option<i32> {
        assert_eq!(self.child.try_wait().unwrap(), None, "it ended by itself");
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).unwrap();
        ended(&mut self.child)
    }
}

#[test]
fn a_signal_ends_it() {
    for signal in [Signal::INT, Signal::TERM] {
        assert_eq!(Follower::of(servers::quiet_engine).signalled(signal), Some(0), "{signal:?}");
    }
}

#[test]
fn a_signal_ends_it_also_while_its_reader_does_not_read() {
    for signal in [Signal::INT, Signal::TERM] {
        let full = Follower::of(servers::quiet_crowd).fill();
        assert_eq!(full.signalled(signal), Some(0), "{signal:?}");
    }
}

#[test]
fn a_reader_that_goes_ends_it_also_when_nothing_happens() {
    for manner in [servers::quiet_engine as Manner, servers::quiet_crowd] {
        let Follower { mut child, stdout, _dir } = Follower::of(manner);
        assert_eq!(child.try_wait().unwrap(), None, "it ended by itself");
        drop(stdout);
        assert_eq!(ended(&mut child), Some(0));
    }
    let full = Follower::of(servers::quiet_crowd).fill();
    let Follower { mut child, stdout, _dir } = full;
    drop(stdout);
    assert_eq!(ended(&mut child), Some(0), "while it was full");
}

#[test]
fn head_1_ends_it() {
    let dir = tempdir().unwrap();
    let url = servers::unix(dir.path(), "s", servers::quiet_engine);
    let line = format!("{DROWSE} ps --watch --host {url} | head -1");
    let outcome = program("sh", &["-c", &line]).outcome();
    assert_eq!((outcome.status, outcome.stderr.as_str()), (Some(0), ""));
    assert_eq!(outcome.objects().len(), 1);
}

#[test]
fn a_terminal_is_left_as_it_was() {
    let dir = tempdir().unwrap();
    let url = servers::unix(dir.path(), "s", servers::quiet_engine);
    let line = format!(
        "stty -g; timeout -s INT 2 {DROWSE} ps --watch --host {url}; echo code $?; stty -g"
    );
    let outcome = program("script", &["-qec", &line, "/dev/null"]).outcome();
    let lines: Vec<_> = outcome.stdout.lines().map(str::trim).collect();
    assert_eq!((lines.first(), outcome.status), (lines.last(), Some(0)), "{lines:?}");
    assert!(outcome.stdout.contains("web"), "{lines:?}");
    for private in ["\x1b[?25l", "\x1b[?1049h"] {
        assert!(!outcome.stdout.contains(private), "hides the cursor or the screen: {lines:?}");
    }
}

/// The exit code, when it comes in time; says how long it took.
fn ended(child: &mut Child) -> Option<i32> {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            eprintln!("ended after {:.1?}", begun.elapsed());
            return status.code();
        }
        if begun.elapsed() > LIMIT {
            child.kill().unwrap();
            panic!("it goes on for more than {LIMIT:?}");
        }
        thread::sleep(Duration::from_millis(1));
    }
}
