//! Front doors whose sockets systemd opened: they are taken, and stay systemd's.

use std::net::{TcpListener, UdpSocket};
use std::thread;

use rustix::process::Signal;

use super::client::{PATIENCE, body, connect};
use super::stage::{Stage, at, enter};
use super::{ECHO, IDLE, POLL, WEB, mounts};

#[test]
fn sockets_that_systemd_opened_are_front_doors_and_stay_its_own() {
    let Some(mut stage) = Stage::start("drhanded", POLL) else { return };
    stage.enter();
    let web = [IDLE[0], IDLE[1], IDLE[2], "--label", "proxy.web.port=9080:80"];
    stage.create("web", WEB, &web);
    let mounts = mounts();
    let mut echo = [&IDLE[..], &["--label", "proxy.echo.port=9053:53"]].concat();
    echo.extend(["--label", "proxy.echo.scheme=udp"]);
    echo.extend(mounts.iter().map(String::as_str));
    stage.create("echo", ECHO, &echo);
    stage.signal(Signal::TERM);
    stage.ended();
    // As systemd opens them unless it is told not to: one each, of IPv4 and IPv6.
    let tcp = TcpListener::bind("[::]:9080").unwrap();
    let udp = UdpSocket::bind("[::]:9053").unwrap();
    stage.handed = vec![tcp.into(), udp.into()];
    stage.start_daemon();
    for name in ["web", "echo"] {
        stage.until_held(name);
        let doors = stage.row(name)["doors"].clone();
        assert_eq!(doors.as_array().map(Vec::len), Some(1), "{doors}");
    }
    for to in ["127.0.0.1", "[::1]"] {
        stage.until_held("web");
        assert_eq!(body(at(&format!("{to}:9080"))).unwrap(), "hello\n");
        assert_eq!(echoed(&format!("{to}:9053")), "are you there?");
    }

    // Another container has the route now, and the socket with it.
    assert_eq!(stage.docker(&["rm", "-f", "web"]).0, Some(0));
    stage.until_row("web", "is gone", |row| row.is_null());
    stage.create("again", WEB, &web);
    stage.until_held("again");
    assert_eq!(body(at("127.0.0.1:9080")).unwrap(), "hello\n");

    // Who comes while no daemon is there waits at systemd's socket for the next.
    stage.signal(Signal::TERM);
    assert!(stage.ended().success());
    let early = connect(at("127.0.0.1:9080")).unwrap();
    let network = stage.network().to_owned();
    let waiting = thread::spawn(move || {
        enter(&network);
        body(at("127.0.0.1:9080"))
    });
    drop(early);
    stage.start_daemon();
    assert_eq!(waiting.join().unwrap().unwrap(), "hello\n");

    // A socket that no container has a door at is told.
    stage.docker(&["rm", "-f", "again"]);
    stage.log.lock().unwrap().clear();
    stage.daemon_again();
    let told = "systemd opened [::]:9080/tcp, and no container has a front door there";
    super::stage::until("it is told", || stage.has_logged(told));
    assert!(!stage.has_logged("systemd opened [::]:9053"));
}

fn echoed(to: &str) -> String {
    let from = if to.starts_with('[') { "[::1]:0" } else { "127.0.0.1:0" };
    let socket = UdpSocket::bind(from).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.connect(to).unwrap();
    socket.send(b"are you there?").unwrap();
    let mut buffer = [0; 64];
    let read = socket.recv(&mut buffer).unwrap();
    String::from_utf8_lossy(&buffer[..read]).into_owned()
}
