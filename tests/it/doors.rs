//! Doors on a real engine: whoever comes to a port of a sleeping container is answered by it.

mod client;
mod cycles;
mod elsewhere;
mod fronts;
mod gone;
mod handed;
mod hands;
mod hostile;
mod kinds;
mod protocols;
mod reloads;
mod stage;

use std::thread;
use std::time::Duration;

use client::{body, get};
use stage::{Stage, at};

/// A web server that answers `hello` at once.
const WEB: &str = "echo hello > /var/www/index.html; exec httpd -f -p 80 -h /var/www";
/// One that takes 1.5 s until it listens.
const SLOW: &str = "echo slow > /var/www/index.html; sleep 1.5; exec httpd -f -p 80 -h /var/www";

const POLL: &str = "idle: {poll: 300ms, stop_timeout: 2s}";
/// Idle for longer than a busy machine takes to answer; and `sh` heeds no SIGTERM.
const IDLE: [&str; 3] = ["--stop-signal=KILL", "--label", "proxy.idle_timeout=2s"];

#[test]
fn a_port_of_a_sleeping_container_answers_everybody() {
    let Some(stage) = Stage::start("drtcp", POLL) else { return };
    stage.enter();
    let args = [IDLE[0], IDLE[1], IDLE[2], "-p", "8080:80"];
    stage.create("slow", SLOW, &args);
    stage.until_held("slow");
    let clients = number("DROWSE_TEST_CLIENTS", 100);
    let heard: Vec<_> = thread::scope(|scope| {
        let one = |number: u64| {
            let stage = &stage;
            scope.spawn(move || {
                stage.enter();
                thread::sleep(Duration::from_millis(number * 3000 / clients));
                let to = if number.is_multiple_of(2) { "127.0.0.1:8080" } else { "[::1]:8080" };
                body(at(to))
            })
        };
        let all: Vec<_> = (0..clients).map(one).collect();
        all.into_iter().map(|client| client.join().unwrap()).collect()
    });
    for (number, heard) in heard.iter().enumerate() {
        assert_eq!(heard.as_deref().ok(), Some("slow\n"), "client {number}: {heard:?}");
    }
    // It is awake, and traffic passes drowse no more.
    assert_eq!(stage.row("slow")["doors"][0]["state"], "shut");
    stage.until_held("slow");
    let page = get(at("127.0.0.1:8080"), "/", "Accept: text/html\r\n").unwrap();
    assert!(page.0.starts_with("HTTP/1.1 202 "), "{page:?}");
    stage.until_is("slow", "awake");
}

/// A number from the environment, for runs that are more thorough than every day's.
fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// Answers every datagram with itself. For a container with [`mounts`].
const ECHO: &str = "exec /usr/bin/perl -MIO::Socket::INET -e \
     '$s = IO::Socket::INET->new(LocalPort => 53, Proto => \"udp\"); \
     while (defined($from = $s->recv($text, 9999))) { $s->send($text, 0, $from) }'";

/// The machine's own programs, for what the world's image has not: perl, sshd, openssl.
fn mounts() -> Vec<String> {
    let world = std::env::var("DROWSE_TEST_DIR").unwrap();
    let paths = ["/usr", "/lib", "/lib64", "/etc", &world];
    let mounts = paths.iter().filter(|path| std::path::Path::new(path).exists());
    mounts.flat_map(|path| ["-v".to_owned(), format!("{path}:{path}:ro")]).collect()
}
