//! What is held is passed on as it came: IPv6, datagrams, uploads, websockets, TLS, and servers
//! that speak first.

use std::io::{Read, Write};
use std::net::UdpSocket;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::client::{PATIENCE, body, connect, get};
use super::stage::{Stage, at, enter, until};
use super::{ECHO, IDLE, POLL, WEB, mounts};

/// A server in Perl, which is on every Debian: what it does with each connection `$c`.
fn tcp(handler: &str) -> String {
    format!(
        "exec /usr/bin/perl -MIO::Socket::INET -e '$SIG{{CHLD}} = \"IGNORE\"; $| = 1; \
         $l = IO::Socket::INET->new(LocalPort => 80, Listen => 99, ReuseAddr => 1); \
         while ($c = $l->accept) {{ if (!fork) {{ $c->autoflush(1); {handler}; exit }} close $c }}'"
    )
}

/// It reads a request's head.
const HEAD: &str = "while ($h !~ /\\r\\n\\r\\n$/) { last unless sysread $c, $x, 1; $h .= $x }";

/// How a container gets its door.
#[derive(Clone, Copy, PartialEq)]
enum By {
    Publishing,
    Route,
}

#[test]
fn whatever_is_spoken_survives_being_held() {
    let Some(stage) = Stage::start("drspoken", POLL) else { return };
    everything_is_spoken(&stage, By::Publishing, sends);
    assert_eq!(door_of_one_awake(&stage), ("redirect".into(), "shut".into()));
}

#[test]
fn at_a_stand_in_door_datagrams_are_repeated_and_all_else_survives() {
    let config = format!("{POLL}\ndoors: {{redirect: off}}");
    let Some(stage) = Stage::start("drstood", &config) else { return };
    everything_is_spoken(&stage, By::Publishing, repeats);
    // Its engine has the port: nothing passes drowse.
    assert_eq!(door_of_one_awake(&stage), ("stand-in".into(), "rests".into()));
}

#[test]
fn whatever_is_spoken_survives_being_held_at_a_front_door() {
    let Some(stage) = Stage::start("drfronts", POLL) else { return };
    everything_is_spoken(&stage, By::Route, sends);
    assert_eq!(door_of_one_awake(&stage), ("front".into(), "passes".into()));
}

/// Its kind and how it stands.
fn door_of_one_awake(stage: &Stage) -> (Value, Value) {
    stage.ask("keep tls 1h");
    stage.ask("wake tls --wait");
    let door = stage.row("tls")["doors"][0].clone();
    (door["kind"].clone(), door["state"].clone())
}

/// To containers that sleep, all at once; `datagrams` is what is expected of those.
fn everything_is_spoken(stage: &Stage, by: By, datagrams: fn(&Stage)) {
    stage.enter();
    create_all(stage, by);
    for name in ["upload", "upload6", "socket", "first", "echo", "sshd", "tls"] {
        stage.until_held(name);
    }
    thread::scope(|scope| {
        let to_six: fn(&Stage) = |_| uploads("[::1]:8007");
        let to_four: fn(&Stage) = |_| uploads("127.0.0.1:8001");
        for one in [to_four, to_six, switches, listens_first, datagrams, logs_in, encrypts] {
            scope.spawn(move || {
                stage.enter();
                one(stage);
            });
        }
    });
}

fn create_all(stage: &Stage, by: By) {
    let world = std::env::var("DROWSE_TEST_DIR").unwrap();
    let create = |name: &str, port: &str, script: &str, more: &[&str]| {
        let (listen, target) = port.split_once(':').unwrap();
        let number = target.trim_end_matches("/udp");
        let route = format!("proxy.{name}.port={listen}:{number}");
        let mut args = IDLE.to_vec();
        match by {
            By::Publishing => args.extend(["-p", port]),
            By::Route => args.extend(["--label", &route]),
        }
        let scheme = format!("proxy.{name}.scheme=udp");
        if by == By::Route && number != target {
            args.extend(["--label", &scheme]);
        }
        args.extend(more);
        stage.create(name, script, &args);
    };
    let upload = "mkdir -p /var/www/cgi-bin; printf '#!/bin/sh\\necho; wc -c' \
         > /var/www/cgi-bin/n; chmod 755 /var/www/cgi-bin/n; exec httpd -f -p 80 -h /var/www";
    create("upload", "8001:80", upload, &[]);
    create("upload6", "8007:80", upload, &[]);
    let mounts = mounts();
    let mounts: Vec<&str> = mounts.iter().map(String::as_str).collect();
    let sshd = format!(
        "mkdir -p /run/sshd; exec /usr/sbin/sshd -D -e -h {world}/ssh/host -f /dev/null -p 80 \
         -o UsePAM=no -o PidFile=none"
    );
    create("sshd", "8005:80", &sshd, &mounts);
    let tls = format!(
        "exec /usr/bin/openssl s_server -quiet -www -accept 80 \
         -cert {world}/certs/server/dockerd-cert.pem -key {world}/certs/server/dockerd-key.pem"
    );
    create("tls", "8006:80", &tls, &mounts);
    let switch = format!(
        "{HEAD}; print $c \"HTTP/1.1 101 Switching Protocols\\r\\n\"; \
         print $c \"Upgrade: websocket\\r\\n\\r\\n\"; \
         while (sysread $c, $b, 4096) {{ print $c $b }}"
    );
    create("socket", "8002:80", &tcp(&switch), &mounts);
    let speaks = "print $c \"hello, who are you?\\n\"; $you = <$c>; print $c \"bye $you\"";
    create("first", "8003:80", &tcp(speaks), &mounts);
    create("echo", "8004:53/udp", ECHO, &mounts);
}

/// 10 MB to a server that is not there yet.
fn uploads(to: &str) {
    let mut stream = connect(at(to)).unwrap();
    let bytes = vec![b'x'; 10 << 20];
    let head = format!(
        "POST /cgi-bin/n HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        bytes.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&bytes).unwrap();
    let mut heard = String::new();
    stream.read_to_string(&mut heard).unwrap();
    assert!(heard.trim_end().ends_with(&bytes.len().to_string()), "{heard}");
}

/// A websocket asked for by a browser: no page, but the other protocol.
fn switches(_: &Stage) {
    let mut stream = connect(at("127.0.0.1:8002")).unwrap();
    stream
        .write_all(
            b"GET /ws HTTP/1.1\r\nHost: x\r\nAccept: text/html\r\nConnection: Upgrade\r\n\
              Upgrade: websocket\r\n\r\nfirst frame",
        )
        .unwrap();
    let mut heard = Vec::new();
    let mut buffer = [0; 512];
    while !String::from_utf8_lossy(&heard).contains("first frame") {
        let read = stream.read(&mut buffer).unwrap();
        assert!(read > 0, "{}", String::from_utf8_lossy(&heard));
        heard.extend(&buffer[..read]);
    }
    assert!(heard.starts_with(b"HTTP/1.1 101 "));
    stream.write_all(b"second frame").unwrap();
    let read = stream.read(&mut buffer).unwrap();
    assert_eq!(&buffer[..read], b"second frame");
}

/// The client says nothing until it was spoken to, and closes its side before the answer.
fn listens_first(_: &Stage) {
    let mut stream = connect(at("127.0.0.1:8003")).unwrap();
    let mut buffer = [0; 64];
    let read = stream.read(&mut buffer).unwrap();
    assert_eq!(&buffer[..read], b"hello, who are you?\n");
    stream.write_all(b"a test\n").unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut rest = String::new();
    stream.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "bye a test\n");
}

/// One datagram, sent once, is answered; so is the next of the same flow.
fn sends(_: &Stage) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.connect("127.0.0.1:8004").unwrap();
    for text in [&b"one"[..], b"two"] {
        socket.send(text).unwrap();
        let mut buffer = [0; 64];
        let read = socket.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..read], text);
    }
}

/// The first one wakes it, and is lost with the port that its engine needs: the client repeats it.
fn repeats(stage: &Stage) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    socket.connect("127.0.0.1:8004").unwrap();
    socket.send(b"one").unwrap();
    stage.until_row("echo", "woken", |row| row["state"] != "asleep");
    until("one that is sent again is answered", || {
        let mut buffer = [0; 64];
        let read = socket.send(b"two").and_then(|_| socket.recv(&mut buffer));
        read.is_ok_and(|read| &buffer[..read] == b"two")
    });
}

/// A real sshd: its keys are exchanged through the door.
fn logs_in(stage: &Stage) {
    let scan = ["-p", "8005", "-T", "60", "-t", "ed25519", "127.0.0.1"];
    let scanned = stage.inside("ssh-keyscan", &scan).output().unwrap();
    let heard = String::from_utf8_lossy(&scanned.stdout);
    assert!(heard.contains("ssh-ed25519 "), "{scanned:?}");
}

/// TLS ends in the container, not at the door.
fn encrypts(stage: &Stage) {
    let args = ["-sk", "-m", "60", "https://127.0.0.1:8006/"];
    let answer = stage.inside("curl", &args).output().unwrap();
    assert!(String::from_utf8_lossy(&answer.stdout).contains("Cipher"), "{answer:?}");
}

#[test]
fn a_door_is_never_wider_than_the_binding() {
    let Some(stage) = Stage::start("drwide", POLL) else { return };
    stage.enter();
    stage.create("local", WEB, &[IDLE[0], IDLE[1], IDLE[2], "-p", "127.0.0.1:8080:80"]);
    stage.create("every", WEB, &[IDLE[0], IDLE[1], IDLE[2], "-p", "8081:80"]);
    let far = stage.neighbour();
    stage.until_held("local");
    stage.until_held("every");
    let from_far = |to: &'static str| {
        let far = far.clone();
        let asked = thread::spawn(move || {
            enter(&far);
            get(at(to), "/", "").map(|(_, body)| body)
        });
        asked.join().unwrap()
    };
    for to in ["10.99.0.1:8080", "[fd99::1]:8080", "10.99.0.1:41960", "[fd99::1]:41960"] {
        assert!(from_far(to).is_err(), "{to}");
    }
    assert_eq!(stage.row("local")["state"], "asleep");
    assert_eq!(from_far("10.99.0.1:8081").unwrap(), "hello\n");
    stage.until_held("every");
    assert_eq!(from_far("[fd99::1]:8081").unwrap(), "hello\n");
    // The listener of doors takes nobody who was not sent there.
    let straight = body(at("127.0.0.1:41960"));
    assert!(straight.as_deref().unwrap_or_default().is_empty(), "{straight:?}");
    assert_eq!(body(at("127.0.0.1:8080")).unwrap(), "hello\n");
    thread::sleep(Duration::from_millis(1));
}
