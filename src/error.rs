//! What went wrong outside the program: what was tried, where, and why. Not for its own bugs.

use std::fmt;
use std::time::Duration;

/// A failed operation, told in one line: `list containers on unix:///run/docker.sock: …`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What was tried, as a verb and its object: `list containers`, `start web`. Empty: nothing
    /// yet, for `at` itself can't be used.
    pub what: String,
    /// Where: an engine's URL, a file's path.
    pub at: String,
    /// What came of it.
    pub why: Why,
}

/// Why an operation failed, sorted by what the caller may do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// The engine knows no such thing (404); its own words.
    NotFound(String),
    /// Something stands against it now (409): a name taken, a container paused or not running.
    Conflict(String),
    /// What was asked for is so already (304).
    AlreadySo,
    /// The engine, or a proxy before it, does not allow it (401, 403).
    Forbidden(String),
    /// The engine and drowse share no API version.
    TooOld(String),
    /// Any other status that says no.
    Refused {
        /// The HTTP status.
        status: u16,
        /// The engine's own words, or the reason phrase.
        message: String,
    },
    /// It was begun, and failed: the words of who did it.
    Failed(String),
    /// No connection: refused, no such socket, no permission, TLS, DNS. The text says the way out.
    Unreachable(String),
    /// Something answers there, but it does not speak the Engine API.
    NotAnEngine(String),
    /// No answer within this time.
    TimedOut(Duration),
    /// An answer that ends too early, or can't be read.
    Broken(String),
    /// What the user gave (a file, an option, a name) can't be used.
    Invalid(String),
}

impl Why {
    /// Adds what was tried and where.
    pub fn during(self, what: impl Into<String>, at: impl Into<String>) -> Error {
        Error { what: what.into(), at: at.into(), why: self }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.what.as_str() {
            "" => write!(f, "{}: {}", self.at, self.why),
            what => write!(f, "{what} on {}: {}", self.at, self.why),
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::NotFound(text)
            | Why::Conflict(text)
            | Why::Forbidden(text)
            | Why::TooOld(text)
            | Why::Failed(text)
            | Why::Unreachable(text)
            | Why::NotAnEngine(text)
            | Why::Broken(text)
            | Why::Invalid(text) => f.write_str(text),
            Why::AlreadySo => f.write_str("it is so already"),
            // Said within a stream that began well.
            Why::Refused { status: 200, message } => f.write_str(message),
            Why::Refused { status, message } => write!(f, "refused with {status}: {message}"),
            Why::TimedOut(limit) => {
                write!(f, "no answer within {} s", limit.as_millis().div_ceil(100) as f64 / 10.0)
            }
        }
    }
}

impl std::error::Error for Error {}
