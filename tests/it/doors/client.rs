//! Clients of doors: what they say and what they hear. Each thread is in its stage's network.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long a client waits for anything.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A connection, or why there is none.
pub fn connect(to: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&to, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Says this and hears all until the other side closes.
pub fn say(to: SocketAddr, bytes: &[u8]) -> io::Result<String> {
    let mut stream = connect(to)?;
    stream.write_all(bytes)?;
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard)?;
    Ok(String::from_utf8_lossy(&heard).into_owned())
}

/// The head and the body of an answer to a GET.
pub fn get(to: SocketAddr, path: &str, headers: &str) -> io::Result<(String, String)> {
    let request = format!("GET {path} HTTP/1.0\r\nHost: x\r\n{headers}\r\n");
    let heard = say(to, request.as_bytes())?;
    let (head, body) = heard.split_once("\r\n\r\n").unwrap_or((&heard, ""));
    Ok((head.to_owned(), body.to_owned()))
}

/// The body, as curl would show it.
pub fn body(to: SocketAddr) -> io::Result<String> {
    get(to, "/", "").map(|(_, body)| body)
}
