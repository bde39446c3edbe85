//! One HTTP exchange as values: what is asked and how the answer is read. Opens nothing.

mod body;
pub mod exchange;
mod framing;
pub mod head;

use std::time::Duration;

use crate::error::Why;

/// The methods the Engine API and PVE use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Delete,
}

/// What is sent. `path` has its query, percent-encoded, and no version prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The method; only a `Get` is ever sent twice.
    pub method: Method,
    /// Path and query: `/containers/json?all=1`.
    pub path: String,
    /// Headers beyond Host and Content-Length, names in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// Sent with a Content-Length; empty: no body at all.
    pub body: Vec<u8>,
}

/// What came back, whole. For a stream the body is empty: its bytes follow elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The words beside a status that says no (400 and above), where PVE puts what went wrong.
    pub reason: String,
    /// Names in lower case, in the order they came.
    pub headers: Vec<(String, String)>,
    /// The decoded body.
    pub body: Vec<u8>,
}

impl Reply {
    /// The first header of that name (lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

/// How long a call may take. Connecting has its own limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// 30 s, for calls that answer at once.
    Ordinary,
    /// The call's own meaning: `stop` waits for the container's grace period.
    Within(Duration),
    /// Until the other side ends it: events, logs, wait.
    Endless,
}

/// Whether the path goes below the negotiated version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prefix {
    /// `/v1.41/containers/json`
    Versioned,
    /// `/_ping`
    Bare,
}

/// A request and the function that reads its reply. The same value runs on a blocking client or on
/// the reactor.
#[derive(Clone, Debug)]
pub struct Call<T> {
    /// What it does, as a verb and its object, for logs and errors: `list containers`.
    pub what: String,
    /// What is sent.
    pub request: Request,
    /// Where the path begins.
    pub prefix: Prefix,
    /// How long it may take.
    pub patience: Patience,
    /// Whole reply → result; for a stream, head → the decoder its bytes go to.
    pub read: fn(Reply) -> Result<T, Why>,
}
