//! A child that is told something and answers, as Docker's credential helpers: nobody waits for it,
//! it is looked at. Knows nothing of credentials.

use std::io::{self, Read, Write};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use crate::error::Why;
use crate::net::access::plain;

/// That a child has ended is told by no descriptor: it is looked at this often.
pub const LOOK_EVERY: Duration = Duration::from_millis(10);
/// What is read of its answer.
const ANSWER_LIMIT_BYTES: usize = 64 << 10;
/// What it may be told: a pipe has room for that much, so that writing never blocks.
const INPUT_LIMIT_BYTES: usize = 4096;

/// The running child; killed and reaped on drop.
#[derive(Debug)]
pub struct Helper {
    program: String,
    child: Child,
    output: ChildStdout,
    answer: Vec<u8>,
}

/// What a child that ended has said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Its exit code was 0.
    pub success: bool,
    /// Its output.
    pub answer: Vec<u8>,
}

impl Helper {
    /// Starts it and tells it `input`.
    ///
    /// # Errors
    /// It can't be started.
    pub fn start(program: &str, argument: &str, input: &[u8]) -> Result<Helper, Why> {
        let failed = |error: &io::Error| match error.kind() {
            io::ErrorKind::NotFound => {
                Why::Unreachable(format!("no program {program} found: is it installed?"))
            }
            _ => Why::Unreachable(format!("{program} can't be started: {}", plain(error))),
        };
        if input.len() > INPUT_LIMIT_BYTES {
            let text = format!("more than {INPUT_LIMIT_BYTES} bytes for {program}");
            return Err(Why::Invalid(text));
        }
        let mut child = Command::new(program)
            .arg(argument)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| failed(&error))?;
        if let Some(mut stdin) = child.stdin.take() {
            // One that does not listen may know the answer all the same. Dropped: that was all.
            let _ = stdin.write_all(input);
        }
        let Some(output) = child.stdout.take() else { unreachable!("its stdout is a pipe") };
        rustix::io::ioctl_fionbio(&output, true).map_err(|error| failed(&error.into()))?;
        Ok(Helper { program: program.to_owned(), child, output, answer: Vec::new() })
    }

    /// What it has said; `None`: it has not ended yet.
    ///
    /// # Errors
    /// Its answer is too long, or can't be read.
    pub fn look(&mut self) -> Result<Option<Said>, Why> {
        // Before the output: what it wrote before its end is in the pipe then.
        let ended = self.child.try_wait().map_err(|error| self.broken(&error))?;
        let mut piece = [0; 4096];
        loop {
            match self.output.read(&mut piece) {
                Ok(0) => break,
                Ok(n) => self.answer.extend(piece.iter().take(n)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.broken(&error)),
            }
            if self.answer.len() > ANSWER_LIMIT_BYTES {
                let text = format!("{}: more than {ANSWER_LIMIT_BYTES} bytes", self.program);
                return Err(Why::Broken(text));
            }
        }
        let answer = |status: std::process::ExitStatus, answer: &mut Vec<u8>| Said {
            success: status.success(),
            answer: std::mem::take(answer),
        };
        Ok(ended.map(|status| answer(status, &mut self.answer)))
    }

    fn broken(&self, error: &io::Error) -> Why {
        Why::Broken(format!("{}: {}", self.program, plain(error)))
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        // Fails only where the child is reaped already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn answer(script: &str) -> Result<Said, Why> {
        let mut helper = Helper::start("sh", "-s", script.as_bytes()).unwrap();
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            match helper.look() {
                Ok(None) if Instant::now() < end => std::thread::sleep(Duration::from_millis(1)),
                Ok(said) => return Ok(said.unwrap()),
                Err(why) => return Err(why),
            }
        }
    }

    #[test]
    fn it_hears_what_it_is_told_and_its_answer_is_whole() {
        let said = |success, answer: &str| Ok(Said { success, answer: answer.into() });
        assert_eq!(answer("echo hello"), said(true, "hello\n"));
        assert_eq!(answer("echo no; exit 1"), said(false, "no\n"));
        assert!(answer("yes | head -c 100000").is_err());
        let missing = Helper::start("no-such-helper", "get", b"").map(drop);
        assert!(matches!(missing, Err(Why::Unreachable(_))), "{missing:?}");
    }
}
