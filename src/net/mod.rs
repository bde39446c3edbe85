//! Everything that touches a socket. Knows HTTP, but no Docker.

pub mod access;
pub mod blocking;
mod cipher;
pub mod clients;
pub mod command;
pub mod connect;
pub mod door;
pub mod guests;
pub mod helper;
pub mod kept;
pub mod link;
pub mod outlet;
pub mod pace;
pub mod reactor;
pub mod redirect;
pub mod resolve;
pub mod running;
pub mod signal;
pub mod stream;
pub mod talk;
pub mod tls;
pub mod trust;
pub mod wait;
pub mod way;

use std::path::PathBuf;

/// Where to connect, and how; ordered so that it can be the key of the client table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Endpoint {
    /// The URL as the user knows it, for messages; without secrets.
    pub url: String,
    /// What the Host header says; never with a `/`.
    pub authority: String,
    /// The way there.
    pub route: Route,
}

impl Endpoint {
    /// Whether anybody is believed to be the other side.
    pub fn trusts_anybody(&self) -> bool {
        matches!(&self.route, Route::Tls { tls: Tls { trust: Trust::Insecure, .. }, .. })
    }
}

/// The four ways to a byte stream.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Route {
    /// A Unix socket.
    Unix(PathBuf),
    /// Plain TCP.
    Tcp {
        /// Name or address, IPv6 without brackets.
        host: String,
        /// The port.
        port: u16,
    },
    /// TLS over TCP.
    Tls {
        /// Name or address, IPv6 without brackets.
        host: String,
        /// The port.
        port: u16,
        /// Certificates and trust.
        tls: Tls,
    },
    /// The stdin and stdout of a command, program first.
    Command(Vec<String>),
}

/// What TLS is set up from. Files are read when the set-up is built.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tls {
    /// Whom to believe.
    pub trust: Trust,
    /// The client certificate, if the other side wants one.
    pub identity: Option<Identity>,
    /// The name the server's certificate must carry; `None`: the host.
    pub server_name: Option<String>,
}

/// Whom to believe.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trust {
    /// The certificates of this PEM file.
    Ca(PathBuf),
    /// The one server certificate with this SHA-256.
    Fingerprint([u8; 32]),
    /// Anybody. Logged at every start.
    Insecure,
}

/// A client certificate and its key, PEM files.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity {
    /// The certificate chain.
    pub cert: PathBuf,
    /// The private key.
    pub key: PathBuf,
}
