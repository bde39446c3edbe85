//! Asks the daemon: one line to the control socket, the answer line by line. Decides nothing.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;

use crate::config::{self, Env};
use crate::control::request::{Request, Until};
use crate::control::{self, ANSWER_LIMIT_BYTES};
use crate::duration;
use crate::net::access::{no_permission, plain};
use crate::net::connect::begin_unix;

/// A socket whose backlog is full is tried again this often.
const RETRY_EVERY: Duration = Duration::from_millis(10);

/// The daemon, as a verb's user means it.
#[derive(Clone, Debug)]
pub struct Daemon {
    /// Its socket.
    pub socket: PathBuf,
    /// How long it may take to accept, and to answer what needs no waiting.
    pub timeout: Duration,
}

/// Why the daemon did not answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unanswered {
    /// None runs: why that is known.
    Absent(String),
    /// Anything else.
    Failed(String),
}

/// The socket of `--control`, else of the configuration. Errors are whole lines.
pub fn socket(choice: Option<&Path>, file: Option<&Path>) -> Result<PathBuf, Vec<String>> {
    if let Some(path) = choice {
        return Ok(path.into());
    }
    let config = config::load(file, &Env::of_process());
    config
        .map(|config| config.control)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

impl Daemon {
    /// Asks, and gives every line of the answer to `each` as it comes.
    pub fn ask<T: DeserializeOwned>(
        &self,
        request: &Request,
        mut each: impl FnMut(T) -> io::Result<()>,
    ) -> Result<io::Result<()>, Unanswered> {
        let stream = self.connect()?;
        let failed = |error: &io::Error| self.failed(error);
        let waits =
            matches!(request, Request::Wake(_, Until::Settled) | Request::Sleep(_, Until::Settled));
        stream.set_write_timeout(Some(self.timeout)).map_err(|e| failed(&e))?;
        let patience = (!waits).then_some(self.timeout);
        stream.set_read_timeout(patience).map_err(|e| failed(&e))?;
        (&stream).write_all(request.line().as_bytes()).map_err(|e| failed(&e))?;
        let mut lines = BufReader::new(stream);
        while let Some(line) = self.line(&mut lines)? {
            let answer = control::answer(&line).map_err(|why| self.says(&why))?;
            if let Err(error) = each(answer) {
                return Ok(Err(error));
            }
        }
        Ok(Ok(()))
    }

    fn connect(&self) -> Result<UnixStream, Unanswered> {
        let until = Instant::now() + self.timeout;
        loop {
            let error = match begin_unix(&self.socket) {
                Ok(stream) => {
                    return match stream.set_nonblocking(false) {
                        Ok(()) => Ok(stream),
                        Err(error) => Err(self.failed(&error)),
                    };
                }
                Err(error) => error,
            };
            match error.kind() {
                io::ErrorKind::WouldBlock if Instant::now() < until => {
                    std::thread::sleep(RETRY_EVERY);
                }
                io::ErrorKind::NotFound => return Err(self.absent("no such socket")),
                io::ErrorKind::ConnectionRefused => return Err(self.absent("nobody listens")),
                _ => return Err(self.failed(&error)),
            }
        }
    }

    /// The next line, its end included; `None`: there are no more.
    fn line(&self, lines: &mut BufReader<UnixStream>) -> Result<Option<Vec<u8>>, Unanswered> {
        let mut line = Vec::new();
        let limit = ANSWER_LIMIT_BYTES as u64 + 1;
        let read = lines.by_ref().take(limit).read_until(b'\n', &mut line);
        read.map_err(|error| self.failed(&error))?;
        match line.last() {
            None => Ok(None),
            Some(b'\n') => Ok(Some(line)),
            Some(_) if line.len() > ANSWER_LIMIT_BYTES => {
                Err(self.says(&format!("a line of more than {ANSWER_LIMIT_BYTES} bytes")))
            }
            Some(_) => Err(self.says("the answer ends in the middle of a line")),
        }
    }

    fn absent(&self, why: &str) -> Unanswered {
        Unanswered::Absent(format!(
            "control socket {}: {why}: is the daemon running? systemctl start drowse, or drowse \
             daemon",
            self.socket.display()
        ))
    }

    fn failed(&self, error: &io::Error) -> Unanswered {
        match error.kind() {
            io::ErrorKind::PermissionDenied => {
                Unanswered::Failed(format!("control socket: {}", no_permission(&self.socket)))
            }
            // A full backlog, and a read that has waited long enough.
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => self.says(&format!(
                "no answer within {}: is it stuck? --timeout allows more",
                duration::show(self.timeout)
            )),
            _ => self.says(&plain(error)),
        }
    }

    fn says(&self, what: &str) -> Unanswered {
        Unanswered::Failed(format!("control socket {}: {what}", self.socket.display()))
    }
}
