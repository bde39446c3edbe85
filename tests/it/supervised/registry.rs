//! A front before the world's registry that is slow, cuts what it carries, or wants a password.
//! Understands of HTTP what that needs.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

/// How a front treats its guests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// So many bytes at once, then a pause.
    Slow { bytes: usize, pause: Duration },
    /// Each connection is cut after so many bytes of answers.
    Cut { bytes: usize },
    /// Wants this in the Authorization header.
    Closed { password: &'static str },
}

/// Listens on a port that the world's Podman takes for insecure, as Docker does any of loopback.
/// Its threads end with the test program.
pub fn front(port: u16, registry: &str, manner: Manner) {
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let registry = registry.to_owned();
    thread::spawn(move || {
        for guest in listener.incoming().flatten() {
            let registry = registry.clone();
            thread::spawn(move || {
                let _ = serve(&guest, &registry, manner);
                let _ = guest.shutdown(Shutdown::Both);
            });
        }
    });
}

fn serve(guest: &TcpStream, registry: &str, manner: Manner) -> std::io::Result<()> {
    let mut guest_lines = BufReader::new(guest.try_clone()?);
    let mut engine = TcpStream::connect(registry)?;
    let answers = engine.try_clone()?;
    let to = guest.try_clone()?;
    let carry = thread::spawn(move || answer(answers, to, manner));
    // Requests have no bodies: nothing is pushed through a front.
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if guest_lines.read_line(&mut head)? == 0 {
                let _ = engine.shutdown(Shutdown::Write);
                let _ = carry.join();
                return Ok(());
            }
        }
        if let Manner::Closed { password } = manner
            && !head.to_ascii_lowercase().contains(&password.to_ascii_lowercase())
        {
            let mut guest = guest;
            let body =
                r#"{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}"#;
            write!(
                guest,
                "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"\r\n\
                 Docker-Distribution-Api-Version: registry/2.0\r\n\
                 Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            )?;
            continue;
        }
        engine.write_all(head.as_bytes())?;
    }
}

fn answer(mut from: TcpStream, mut to: TcpStream, manner: Manner) {
    let (most, pause, limit) = match manner {
        Manner::Slow { bytes, pause } => (bytes, pause, usize::MAX),
        Manner::Cut { bytes } => (16 << 10, Duration::ZERO, bytes),
        Manner::Closed { .. } => (16 << 10, Duration::ZERO, usize::MAX),
    };
    let (mut buffer, mut carried) = (vec![0; most], 0);
    while let Ok(n @ 1..) = from.read(&mut buffer) {
        carried += n;
        if carried > limit || to.write_all(&buffer[..n]).is_err() {
            break;
        }
        thread::sleep(pause);
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}
