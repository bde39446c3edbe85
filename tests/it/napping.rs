//! Paused containers on real engines: the request that comes answers itself, what is idle sleeps
//! and what is busy does not, and noise does neither.
//!
//! `DROWSE_NAP_FULL=1` asks 200 times in a row and judges the median; else a few must do.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::binary::program;
use crate::stage::{LIMIT, Stage, WEB, connect, fetch};

/// Requests in a row, and at once.
const FEW: usize = 10;
const FULL: usize = 200;
const AT_ONCE: usize = 50;
/// The median of them when nothing else runs.
const MEDIAN_LIMIT: Duration = Duration::from_millis(250);

/// Requests that come in the moment of falling asleep.
const MOMENTS: usize = 8;

/// Sends back what it gets.
const ECHO: &str = "exec nc -ll -p 80 -e cat";
/// A websocket that answers pings with pongs (RFC 6455 §5.5.2): of a client's six bytes, two.
const SOCKET: &str = "exec nc -ll -p 80 -e sh -c '
    while read -r line && [ ${#line} -gt 1 ]; do :; done
    printf \"HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\n\"
    printf \"Connection: Upgrade\\r\\n\"
    printf \"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\\r\\n\\r\\n\"
    while [ -n \"$(head -c 6)\" ]; do printf \"\\212\\000\"; done'";
const UPGRADE: &[u8] = b"GET /chat HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";
/// 1 KB/s, for as long as somebody listens.
const DRIP: &str = "exec nc -ll -p 80 -e sh -c 'while head -c 200 /dev/zero; do sleep 0.2; done'";
/// Takes a line, and a while.
const LATE: &str = "exec nc -ll -p 80 -e sh -c 'read line; sleep 0.1; echo hello'";

/// Answers `hello` too, and has room for many who wait; with the machine's own program.
const MANY: &str = "printf 'defaults\\n mode http\\n timeout client 9s\\nfrontend f\\n bind :80\\n \
                    http-request return content-type text/plain string hello\\n' >/tmp/cfg; \
                    exec haproxy -f /tmp/cfg";
const MACHINE: [&str; 6] =
    ["-v", "/usr:/usr:ro", "-v", "/usr/lib:/lib:ro", "-v", "/usr/lib64:/lib64:ro"];

const PAUSE: [&str; 4] = ["--label", "proxy.idle_timeout=1s", "--label", "proxy.stop_method=pause"];

#[test]
fn on_docker_who_comes_to_a_paused_server_is_answered() {
    let Some(stage) = Stage::docker(80, "poll: 200ms") else { return };
    who_comes_is_answered(&stage);
}

#[test]
fn on_podman_who_comes_to_a_paused_server_is_answered() {
    let Some(stage) = Stage::podman(80, "poll: 200ms") else { return };
    who_comes_is_answered(&stage);
}

#[test]
fn on_docker_what_is_used_stays_awake_and_noise_is_no_use() {
    let Some(stage) = Stage::docker(81, "poll: 200ms") else { return };
    let starved = ["--cpus", "0.05", "--label", "proxy.idle_cpu=50"];
    stage.run("starved", "while :; do :; done", &[&PAUSE[..], &starved].concat());
    what_is_used_stays_awake(&stage);
    assert_eq!(stage.row("starved")["why"], "cpu");
    assert_eq!(times_paused(&stage, "starved", 0), 0, "it had no CPU, but wanted it");
}

#[test]
fn on_podman_what_is_used_stays_awake_and_noise_is_no_use() {
    let Some(stage) = Stage::podman(81, "poll: 200ms") else { return };
    what_is_used_stays_awake(&stage);
}

fn who_comes_is_answered(stage: &Stage) {
    stage.run("web", WEB, &PAUSE);
    stage.run("late", LATE, &PAUSE);
    stage.run("many", MANY, &[&PAUSE[..], &MACHINE].concat());
    let [web, late, many] = ["web", "late", "many"].map(|name| stage.address(name));
    stage.until("web", "paused");
    let is_full = std::env::var_os("DROWSE_NAP_FULL").is_some();
    let mut took = Vec::new();
    for _ in 0..if is_full { FULL } else { FEW } {
        let begun = Instant::now();
        assert_eq!(fetch(&web), "hello\n");
        took.push(begun.elapsed());
        put_to_sleep(stage, "web");
    }
    tell("in a row", took, is_full);
    stage.until("many", "paused");
    let clients: Vec<_> = (0..AT_ONCE)
        .map(|_| {
            let (many, begun) = (many.clone(), Instant::now());
            thread::spawn(move || (fetch(&many), begun.elapsed()))
        })
        .collect();
    let answers: Vec<_> = clients.into_iter().map(|client| client.join().unwrap()).collect();
    assert!(answers.iter().all(|(body, _)| body == "hello"), "{answers:?}");
    tell("at once", answers.into_iter().map(|(_, took)| took).collect(), is_full);
    for _ in 0..MOMENTS {
        connect(&late, 80).write_all(b"wake up\n").unwrap();
        stage.until_told("late", "awake");
        let seen = stage.daemon.lines().len();
        stage.daemon.until_logged(seen, "own/late: pause");
        // It may be taken by what is frozen before it has answered.
        let mut client = connect(&late, 80);
        client.write_all(b"you there?\n").unwrap();
        assert_eq!(line(&client), "hello\n", "{:#?}", stage.row("late"));
    }
}

/// The answer may be here before the daemon has heard that it is awake: then it is asked again.
fn put_to_sleep(stage: &Stage, name: &str) {
    let asked = || stage.ask(&format!("sleep {name} --wait"));
    stage.wait_while(|| asked()[0]["error"].as_str().map(str::to_owned));
}

fn tell(what: &str, mut took: Vec<Duration>, is_judged: bool) {
    took.sort();
    let (median, last) = (took[took.len() / 2], took[took.len() - 1]);
    eprintln!("{} of {} {what}: {median:.0?} (median), {last:.0?}", took.len(), took.len());
    assert!(!is_judged || median <= MEDIAN_LIMIT, "{what}: {median:?}");
}

fn what_is_used_stays_awake(stage: &Stage) {
    let used = ["drip", "socket", "quiet"];
    for (name, script) in used.into_iter().zip([DRIP, SOCKET, ECHO]) {
        stage.run(name, script, &PAUSE);
    }
    let addresses = used.map(|name| stage.address(name));
    let [drip, mut socket, mut quiet] = addresses.each_ref().map(|address| connect(address, 80));
    assert_eq!(echo(&mut quiet), "ping\n", "it is there, and idle from now on");
    socket.write_all(UPGRADE).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        socket.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "));
    // From now on they are in use, whatever came before.
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(500) {
        drained(&drip);
        ping(&mut socket);
    }
    let from = stage.daemon.lines().len();
    let is_over = Arc::new(AtomicBool::new(false));
    let users = [
        during(&is_over, move || drained(&drip)),
        during(&is_over, move || ping(&mut socket)),
        during(&is_over, {
            let to = addresses[2].clone();
            move || disturb(&to)
        }),
    ];
    stage.until("quiet", "paused");
    let asleep_at = Instant::now();
    while asleep_at.elapsed() < Duration::from_secs(3) {
        assert_eq!(stage.state("quiet"), "paused", "noise wakes nobody");
    }
    for name in ["drip", "socket"] {
        let times = times_paused(stage, name, from);
        assert_eq!(times, 0, "{name} is used: {}", stage.row(name));
    }
    assert_eq!(times_paused(stage, "quiet", from), 1);
    assert_eq!(echo(&mut quiet), "ping\n", "an old connection wakes it as a new one does");
    is_over.store(true, Ordering::SeqCst);
    users.into_iter().for_each(|user| user.join().unwrap());
    stage.until("drip", "paused");
    stage.until("socket", "paused");
}

/// Does it again and again, until that is over.
fn during(
    is_over: &Arc<AtomicBool>,
    mut deed: impl FnMut() + Send + 'static,
) -> thread::JoinHandle<()> {
    let is_over = is_over.clone();
    thread::spawn(move || {
        while !is_over.load(Ordering::SeqCst) {
            deed();
            thread::sleep(Duration::from_millis(300));
        }
    })
}

/// Takes what has come so far.
fn drained(mut stream: &TcpStream) {
    stream.set_nonblocking(true).unwrap();
    let mut bytes = [0; 4096];
    while matches!(stream.read(&mut bytes), Ok(n) if n > 0) {}
}

/// A ping, a datagram to all as mDNS sends them, one to a port that nobody has, and ARP for them.
fn disturb(address: &str) {
    program("ip", &["neighbour", "flush", "to", address]).outcome();
    program("busybox", &["ping", "-c", "1", "-W", "1", address]).outcome();
    let udp = UdpSocket::bind("0.0.0.0:0").unwrap();
    udp.set_broadcast(true).unwrap();
    let (net, _) = address.rsplit_once('.').unwrap();
    let _ = udp.send_to(&[b'm'; 60], (format!("{net}.255").as_str(), 5353));
    let _ = udp.send_to(b"nobody", (address, 5353));
}

/// A websocket's ping, and its pong: no more than these few bytes while it is open.
fn ping(stream: &mut TcpStream) {
    stream.write_all(&[0x89, 0x80, 1, 2, 3, 4]).unwrap();
    let mut pong = [0; 2];
    stream.read_exact(&mut pong).unwrap();
    assert_eq!(pong, [0x8a, 0]);
}

fn echo(stream: &mut TcpStream) -> String {
    stream.write_all(b"ping\n").unwrap();
    line(stream)
}

fn line(stream: &TcpStream) -> String {
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let mut text = String::new();
    BufReader::new(stream).read_line(&mut text).unwrap();
    text
}

fn times_paused(stage: &Stage, name: &str, from: usize) -> usize {
    let end = format!("own/{name}: pause");
    stage.daemon.lines().iter().skip(from).filter(|line| line.ends_with(&end)).count()
}
