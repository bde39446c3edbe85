//! The same exchange by TLS, by a command's pipes, and by a name that has to be looked up.

use std::fs;
use std::path::Path;

use drowse::net::{Endpoint, Route, Trust};

use super::stage::{Stage, endpoint, hasty};
use crate::net::server;
use crate::net::server::Answer::{Close, Text};
use crate::net::tls::{self, Clients, setup, us};

/// A double of `ssh HOST docker system dial-stdio`: a shell that answers as the script says.
fn command(script: &str) -> Endpoint {
    endpoint(Route::Command(["sh", "-c", script].map(str::to_owned).to_vec()))
}

/// Reads a request up to its empty line.
const READ: &str = "while read -r line && [ \"$line\" != \"$(printf '\\r')\" ]; do :; done";

#[test]
fn mutual_tls_carries_one_get_after_the_other() {
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let clients = Clients::OnlySignedBy("ca.pem");
        let answers = vec![Text("one"), Text("two")];
        let (mut at, server) = tls::server_of(&[version], "server.pem", clients, answers);
        setup(&mut at).identity = us();
        let mut stage = Stage::new();
        for (path, line) in [("/1", "/1: 200 one"), ("/2", "/2: 200 two")] {
            stage.get(&at, path);
            assert_eq!(stage.told(1), [line]);
        }
        drop(stage);
        assert_eq!(server.join().unwrap().len(), 2, "on one connection");
    }
}

#[test]
fn a_stale_tls_connection_is_replaced_too() {
    let clients = Clients::OnlySignedBy("ca.pem");
    let scripts = vec![vec![Text("one"), Close], vec![Text("two")]];
    let versions = [&rustls::version::TLS12, &rustls::version::TLS13];
    let (mut at, server) = tls::serving(&versions, "server.pem", clients, scripts);
    setup(&mut at).identity = us();
    let mut stage = Stage::new();
    for (path, line) in [("/1", "/1: 200 one"), ("/2", "/2: 200 two")] {
        stage.get(&at, path);
        assert_eq!(stage.told(1), [line]);
    }
    assert_eq!(server.join().unwrap().len(), 3, "the second was asked twice");
}

#[test]
fn without_the_client_certificate_it_is_told_what_is_missing() {
    let clients = Clients::OnlySignedBy("ca.pem");
    let versions = [&rustls::version::TLS13];
    let (at, _server) = tls::server_of(&versions, "server.pem", clients, vec![Text("")]);
    let mut stage = Stage::new();
    stage.get(&at, "/a");
    let text = "the server wants a client certificate, and none is configured";
    assert_eq!(stage.told(1), [format!("/a: {text}")]);
}

#[test]
fn certificates_are_read_again_after_one_that_was_not_believed() {
    let scripts = vec![vec![Text("never read")], vec![Text("in")]];
    let versions = [&rustls::version::TLS13];
    let (mut at, server) = tls::serving(&versions, "server.pem", Clients::Anybody, scripts);
    let dir = tempfile::tempdir().unwrap();
    let ca = dir.path().join("ca.pem");
    fs::copy(tls::file("other-ca.pem"), &ca).unwrap();
    setup(&mut at).trust = Trust::Ca(ca.clone());
    let mut stage = Stage::new();
    stage.get(&at, "/1");
    let text = format!("the server's certificate is not signed by {}", ca.display());
    assert_eq!(stage.told(1), [format!("/1: {text}")]);

    fs::copy(tls::file("ca.pem"), &ca).unwrap();
    stage.get(&at, "/2");
    assert_eq!(stage.told(1), ["/2: 200 in"]);
    assert_eq!(server.join().unwrap().len(), 1);
}

#[test]
fn a_command_s_pipes_carry_one_get_after_the_other() {
    let reply = |text| format!("printf 'HTTP/1.1 200 OK\\r\\nContent-Length: 3\\r\\n\\r\\n{text}'");
    let at = command(&format!("{READ}; {}; {READ}; {}; cat", reply("one"), reply("two")));
    let mut stage = Stage::new();
    for (path, line) in [("/1", "/1: 200 one"), ("/2", "/2: 200 two")] {
        stage.get(&at, path);
        assert_eq!(stage.told(1), [line]);
    }
}

#[test]
fn a_command_that_ends_tells_why_and_one_that_says_much_is_not_held_up() {
    let mut stage = Stage::new();
    stage.get(&command("echo 'Permission denied (publickey).' >&2; exit 255"), "/denied");
    assert_eq!(stage.told(1), ["/denied: sh: Permission denied (publickey)."]);

    let chatter = "head -c 1000000 /dev/zero >&2";
    let reply = "printf 'HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nhi'";
    stage.get(&command(&format!("{READ}; {chatter}; {reply}; cat")), "/chatter");
    assert_eq!(stage.told(1), ["/chatter: 200 hi"]);
}

#[test]
fn a_command_whose_exchange_is_given_up_is_gone_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let pid = dir.path().join("pid");
    let script = format!("echo $$ >{0}.new; mv {0}.new {0}; exec cat >&2", pid.display());
    let mut stage = Stage::new();
    stage.get(&command(&script), "/hung");
    let child = stage.until(|| fs::read_to_string(&pid).ok());
    let proc = Path::new("/proc").join(child.trim());
    assert!(proc.exists());
    stage.reactor.hang_up(|tag| tag == "/hung");
    assert!(!proc.exists(), "killed and reaped");

    fs::remove_file(&pid).unwrap();
    stage.ask(&command(&script), hasty("/late", 200));
    let child = stage.until(|| fs::read_to_string(&pid).ok());
    assert_eq!(stage.told(1), ["/late: no answer within 0.2 s"]);
    assert!(!Path::new("/proc").join(child.trim()).exists());
}

#[test]
fn a_name_is_looked_up_on_the_way() {
    let (at, server) = server::tcp(vec![vec![Text("found"), Text("again")]], |stream| stream);
    let Route::Tcp { port, .. } = at.route else { unreachable!("it is plain TCP") };
    // No literal address to Rust, but one to the C library.
    let at = endpoint(Route::Tcp { host: "127.1".into(), port });
    let mut stage = Stage::new();
    stage.get(&at, "/1");
    assert_eq!(stage.told(1), ["/1: 200 found"]);
    stage.get(&at, "/2");
    assert_eq!(stage.told(1), ["/2: 200 again"]);
    drop(stage);
    assert_eq!(server.join().unwrap().len(), 2);
}
