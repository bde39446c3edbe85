//! That a call starts no thread: counted from outside, in a process that does nothing else.

use std::io::Write;
use std::net::TcpListener;
use std::process::{Command, Stdio};

use drowse::net::blocking::Client;
use drowse::net::{Endpoint, Route};

use super::server::{get, ok, read_request};

const PORT: &str = "DROWSE_TEST_PORT";
const NAME: &str = "net::threads::a_call_starts_no_thread";

#[test]
fn a_call_starts_no_thread() {
    if let Ok(port) = std::env::var(PORT) {
        return call_and_tell_the_number_before(port.parse().unwrap());
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", NAME, "--test-threads=1"])
        .env(PORT, port.to_string())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let (mut stream, _) = listener.accept().unwrap();
    for _ in 0..2 {
        let request = read_request(&mut stream).unwrap();
        let during = threads(child.id());
        let path = request.split(' ').nth(1).unwrap();
        assert_eq!(path, format!("/before/{during}"), "threads before and during the call");
        stream.write_all(&ok("")).unwrap();
    }
    assert!(child.wait().unwrap().success());
}

fn call_and_tell_the_number_before(port: u16) {
    let route = Route::Tcp { host: "localhost".into(), port };
    let at = Endpoint { url: "tcp:".into(), authority: "d".into(), route };
    let path = format!("/before/{}", threads(std::process::id()));
    let client = Client::open(&at).unwrap();
    get(&client, &path).unwrap();
    get(&client, &path).unwrap();
}

fn threads(process: u32) -> usize {
    std::fs::read_dir(format!("/proc/{process}/task")).unwrap().count()
}
