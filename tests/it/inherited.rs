//! Sockets that systemd opened: its own tool hands them to a child, which is this test program.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use drowse::config::Env;
use drowse::control::request::Request;
use drowse::control::{Done, line};
use drowse::systemd::Inherited;
use tempfile::tempdir;

use crate::binary::{drowse, program};

const TOOL: &str = "/usr/bin/systemd-socket-activate";

#[test]
fn the_control_socket_is_found_by_its_name_or_alone() {
    if !Path::new(TOOL).exists() {
        eprintln!("left out: no systemd-socket-activate");
        return;
    }
    for (names, sockets) in [("other:control", ["a", "b"].as_slice()), ("what", &["b"])] {
        let dir = tempdir().unwrap();
        let path = |name: &str| dir.path().join(name).display().to_string();
        let mut args: Vec<_> =
            sockets.iter().map(|name| format!("--listen={}", path(name))).collect();
        args.push(format!("--fdname={names}"));
        args.push(env::current_exe().unwrap().display().to_string());
        args.extend(
            ["--exact", "inherited::answers_what_it_inherits", "--ignored"].map(Into::into),
        );
        let args: Vec<_> = args.iter().map(String::as_str).collect();
        let mut daemon = program(TOOL, &args).start();
        let end = Instant::now() + Duration::from_secs(30);
        while !Path::new(&path("b")).exists() {
            assert!(Instant::now() < end, "{TOOL} does not listen");
            std::thread::sleep(Duration::from_millis(5));
        }
        let asked = drowse(&["keep", "web", "1h", "--control", &path("b"), "--timeout", "30s"]);
        let outcome = asked.outcome();
        let _ = daemon.kill();
        daemon.wait().unwrap();
        let done =
            "{\"engine\":\"pi\",\"error\":null,\"name\":\"web\",\"state\":null,\"took_ms\":null}\n";
        assert_eq!((outcome.status, outcome.stdout.as_str()), (Some(0), done), "{outcome:?}");
    }
}

#[test]
#[ignore = "the child of the test above"]
fn answers_what_it_inherits() {
    let env = Env::of_process();
    let mut inherited = Inherited::of_process(&env);
    let listener = inherited.unix_listener("control").unwrap().unwrap();
    assert!(inherited.unix_listener("control").unwrap().is_none(), "taken once");
    let (mut stream, _) = listener.accept().unwrap();
    let mut asked = String::new();
    BufReader::new(&stream).read_line(&mut asked).unwrap();
    let request = Request::parse(asked.as_bytes()).unwrap();
    for name in request.names() {
        let done = Done { engine: Some("pi".into()), ..Done::unresolved(name, String::new()) };
        stream.write_all(line(&Done { error: None, ..done }).as_bytes()).unwrap();
    }
}
