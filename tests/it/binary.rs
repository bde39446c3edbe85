//! Runs the built binary, watched from outside. Knows no verb.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

/// The program under test.
pub const DROWSE: &str = env!("CARGO_BIN_EXE_drowse");

/// What no run of these tests should ever take.
const LIMIT: Duration = Duration::from_secs(60);

/// One run to come. Its environment is empty but for PATH and what is set here, so that the
/// engines and settings of whoever runs the tests do not count.
pub struct Run {
    command: Command,
    input: Vec<u8>,
}

/// What came of it.
#[derive(Debug, PartialEq)]
pub struct Outcome {
    /// The exit code; `None`: a signal.
    pub status: Option<i32>,
    /// What it printed.
    pub stdout: String,
    /// What it complained of.
    pub stderr: String,
    /// The most threads it was seen to have.
    pub threads: usize,
}

/// A run of the binary with these arguments.
pub fn drowse(args: &[&str]) -> Run {
    program(DROWSE, args)
}

/// A run of another program, in the same surroundings.
pub fn program(name: &str, args: &[&str]) -> Run {
    let mut command = Command::new(name);
    command.args(args).env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("HOME", "/nonexistent").env("DOCKER_CONFIG", "/nonexistent");
    Run { command, input: Vec::new() }
}

impl Run {
    /// Sets a variable.
    pub fn env(mut self, name: &str, value: &str) -> Run {
        self.command.env(name, value);
        self
    }

    /// Gives it something to read; else its stdin is empty.
    pub fn input(mut self, bytes: &[u8]) -> Run {
        self.input = bytes.to_vec();
        self
    }

    /// Starts it with all three streams as pipes, for a test that drives it itself.
    pub fn start(mut self) -> Child {
        let command = self.command.stdin(Stdio::piped());
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Runs it to its end; panics when that takes longer than a minute.
    pub fn outcome(mut self) -> Outcome {
        let input = std::mem::take(&mut self.input);
        let shown = format!("{:?}", self.command);
        let mut child = self.start();
        let mut stdin = child.stdin.take().unwrap();
        thread::spawn(move || stdin.write_all(&input)); // it may end without reading all
        let stdout = reader(child.stdout.take().unwrap());
        let stderr = reader(child.stderr.take().unwrap());
        let (status, threads) = watch(&mut child, &shown);
        Outcome { status, stdout: stdout.join().unwrap(), stderr: stderr.join().unwrap(), threads }
    }
}

impl Outcome {
    /// What was printed, as JSON Lines.
    pub fn objects(&self) -> Vec<Value> {
        let parse = |line| match serde_json::from_str(line) {
            Ok(object) => object,
            Err(error) => panic!("{error} in the line {line}"),
        };
        self.stdout.lines().map(parse).collect()
    }
}

fn watch(child: &mut Child, shown: &str) -> (Option<i32>, usize) {
    let end = Instant::now() + LIMIT;
    let tasks = Path::new("/proc").join(child.id().to_string()).join("task");
    let mut threads = 0;
    loop {
        threads = threads.max(fs::read_dir(&tasks).map_or(0, Iterator::count));
        if let Some(status) = child.try_wait().unwrap() {
            return (status.code(), threads);
        }
        if Instant::now() > end {
            child.kill().unwrap();
            panic!("it ran for more than {LIMIT:?}: {shown}");
        }
        thread::sleep(Duration::from_millis(2));
    }
}

fn reader(mut from: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut text = Vec::new();
        from.read_to_end(&mut text).unwrap();
        String::from_utf8(text).unwrap()
    })
}
