//! A front door wakes a guest: a loading page for who looks, and held requests for the others.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::pve::stage::{LIMIT, Stage};
use crate::pve::{Cluster, Course, Guest, service};

/// The status and body of a GET there.
fn get(place: (&str, u16), accept: &str) -> (String, String) {
    let mut stream = TcpStream::connect(place).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let head =
        format!("GET / HTTP/1.1\r\nHost: web\r\nAccept: {accept}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    let (head, body) = reply.split_once("\r\n\r\n").unwrap_or((&reply, ""));
    let status = head.split(' ').nth(1).unwrap_or_default();
    (status.to_owned(), body.to_owned())
}

#[test]
fn a_front_door_wakes_a_guest_and_holds_the_request() {
    let Some(address) = service::address() else { return };
    let notes = "proxy.idle_timeout: 1h\nproxy.web.port: \"41985:41995\"\n\
                 proxy.web.bind: 127.0.0.1\nproxy.web.scheme: http\n";
    let guest = Guest::new(101).named("web").notes(notes).at(&format!("{address}/24"));
    // Whoever looks whether the door is open wakes it already: the page must still find it waking.
    let start = Course::new(Duration::from_secs(2), "OK");
    let cluster = Cluster::of([Guest { start, ..guest }]);
    cluster.serve(101, (&address, 41_995), Duration::from_millis(400));
    let stage = Stage::start(cluster);
    let door = ("127.0.0.1", 41_985);
    stage.until("the door is open", || TcpStream::connect(door).is_ok());
    let (status, page) = get(door, "text/html");
    assert_eq!(status, "202", "{page}");
    assert!(page.contains("web"), "{page}");
    assert_eq!(get(door, "*/*"), ("200".into(), "hello from web".into()));
    assert_eq!(get(door, "text/html"), ("200".into(), "hello from web".into()));
    let slept = stage.run("sleep --wait web").objects();
    assert_eq!(slept[0]["state"], "asleep");
    assert_eq!(get(door, "*/*"), ("200".into(), "hello from web".into()));
    assert_eq!(stage.cluster.asked("/status/start").len(), 2);
}

#[test]
fn a_door_that_another_configuration_moves_lets_in_who_is_held_and_then_moves() {
    let Some(address) = service::address() else { return };
    let start = Course::new(Duration::from_secs(1), "OK");
    let guest = Guest::new(101).named("web").at(&format!("{address}/24"));
    let cluster = Cluster::of([Guest { start, ..guest }]);
    cluster.serve(101, (&address, 41_996), Duration::from_millis(300));
    let listen = |port: u16| {
        let route = format!("port: \"{port}:41996\", bind: 127.0.0.1, scheme: http");
        format!("lxc: {{101: {{idle_timeout: 1h, {route}}}}}\n")
    };
    let credential = format!("proxmox: [{}]", cluster.entry_by_credential("pve"));
    let stage = Stage::configured(cluster, &credential, &listen(41_986));
    let (old, new) = (("127.0.0.1", 41_986), ("127.0.0.1", 41_984));
    let is_open = |place| TcpStream::connect(place).is_ok();
    stage.until("the door is there", || stage.row("web")["doors"][0]["state"] == "open");
    let held = std::thread::spawn(move || get(old, "*/*"));
    stage.until_state("web", "waking");
    stage.reload(&listen(41_984));
    assert_eq!(held.join().unwrap(), ("200".into(), "hello from web".into()));
    stage.until("it has moved", || is_open(new) && !is_open(old));
    assert_eq!(get(new, "*/*"), ("200".into(), "hello from web".into()));
    // And what is only renamed in the file, or said in other words, moves nobody.
    let talks = TcpStream::connect(new).unwrap();
    stage.reload(&format!("# the same\n{}", listen(41_984)));
    talks.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let heard = (&talks).read(&mut [0]).map_err(|error| error.kind());
    assert_eq!(heard, Err(std::io::ErrorKind::WouldBlock), "it is still connected");
}
