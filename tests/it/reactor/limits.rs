//! When the loop gives up, and how long it goes on trying.

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use drowse::net::connect::{begin_tcp, begin_unix};
use drowse::net::stream::CONNECT_LIMIT;
use drowse::net::{Endpoint, Route, Tls, Trust};

use super::stage::{Door, Stage, endpoint, hasty, stream};
use crate::net::server::ok;

/// Fills the backlog of a Unix socket, and keeps it full as long as what it returns.
fn fill(door: &Door) -> Vec<std::os::unix::net::UnixStream> {
    rustix::net::listen(&door.listener, 0).unwrap();
    let Route::Unix(path) = &door.at.route else { unreachable!("a door is a Unix socket") };
    std::iter::from_fn(|| begin_unix(path).ok()).collect()
}

/// A listener that takes no more connections: what else knocks gets no answer at all.
fn black_hole(address: &str) -> (TcpListener, Vec<TcpStream>) {
    let listener = TcpListener::bind(address).unwrap();
    rustix::net::listen(&listener, 0).unwrap();
    let there = listener.local_addr().unwrap();
    let queued = (0..4).map(|_| begin_tcp(there).unwrap()).collect();
    (listener, queued)
}

fn tcp(host: &str, there: SocketAddr) -> Endpoint {
    endpoint(Route::Tcp { host: host.into(), port: there.port() })
}

#[test]
fn a_full_backlog_is_tried_again_by_the_clock_until_there_is_room() {
    let (mut stage, door) = (Stage::new(), Door::new());
    let full = fill(&door);
    stage.get(&door.at, "/a");
    // Nothing becomes ready: only its own timer ends these turns.
    for _ in 0..3 {
        stage.reactor.turn(None, &mut Vec::new()).unwrap();
    }
    assert_eq!(stage.told_by_now(), [""; 0], "a full one is no failure");
    for _ in &full {
        door.knock().unwrap();
    }
    let (mut peer, request) = stage.next(&door);
    assert_eq!(request, "GET /a");
    peer.write_all(&ok("room")).unwrap();
    assert_eq!(stage.told(1), ["/a: 200 room"]);
}

#[test]
fn a_silent_server_is_given_up_at_the_limit_of_the_exchange_and_nobody_else_is() {
    let (mut stage, door, full) = (Stage::new(), Door::new(), Door::new());
    let _full = fill(&full);
    stage.ask(&door.at, hasty("/silent", 100));
    stage.ask(&full.at, hasty("/full", 110));
    stage.ask(&door.at, hasty("/slow", 120));
    stage.ask(&door.at, stream("/events"));
    let began = Instant::now();
    let mut peers: Vec<_> = (0..3).map(|_| stage.next(&door)).collect();
    for (peer, request) in &mut peers {
        if request == "GET /slow" {
            peer.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhel").unwrap();
        }
    }
    let limits = ["silent: no answer within 0.1 s", "full: no answer within 0.2 s"];
    let slow = "slow: no answer within 0.2 s";
    assert_eq!(stage.told(3), [limits[0], limits[1], slow].map(|line| format!("/{line}")));
    assert!(began.elapsed() < CONNECT_LIMIT, "each has its own limit");
    let quiet = Instant::now() + Duration::from_millis(50);
    let now = stage.reactor.turn(Some(quiet), &mut Vec::new()).unwrap();
    assert!(now >= quiet, "what has no limit asks for no turn");
    for (peer, request) in &mut peers {
        let closed = request != "GET /events";
        assert_eq!(matches!(std::io::Read::read(peer, &mut [0]), Ok(0)), closed, "{request}");
    }
}

#[test]
fn connecting_has_a_limit_of_its_own_whatever_it_waits_for() {
    let mut stage = Stage::new();
    let full = Door::new();
    let _full = fill(&full);
    stage.ask(&full.at, stream("/full"));

    let (hole, _queued) = black_hole("127.0.0.1:0");
    let there = hole.local_addr().unwrap();
    stage.ask(&tcp("127.0.0.1", there), stream("/hole"));

    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = mute.local_addr().unwrap().port();
    let tls = Tls { trust: Trust::Insecure, identity: None, server_name: None };
    let way = Route::Tls { host: "127.0.0.1".into(), port, tls };
    stage.ask(&endpoint(way), stream("/handshake"));

    let began = Instant::now();
    let mut told = stage.told(3);
    assert!(began.elapsed() < 2 * CONNECT_LIMIT);
    told.sort();
    let limit = "no answer within 5 s";
    assert_eq!(told, ["full", "handshake", "hole"].map(|tag| format!("/{tag}: {limit}")));
}

#[test]
fn where_one_address_refuses_or_is_silent_the_next_is_tried() {
    let mut stage = Stage::new();
    let refusing = TcpListener::bind("[::1]:0").unwrap();
    stage.ask(&tcp("localhost", refusing.local_addr().unwrap()), stream("/refused"));

    let (hole, _queued) = black_hole("127.0.0.1:0");
    let behind = SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], hole.local_addr().unwrap().port()));
    let silent = TcpListener::bind(behind).unwrap();
    stage.ask(&tcp("localhost", behind), stream("/silent"));
    for listener in [refusing, silent] {
        listener.set_nonblocking(true).unwrap();
        let (mut peer, _) = stage.until(|| listener.accept().ok());
        peer.write_all(&ok("reached")).unwrap();
        let told = stage.told(3);
        let [head, bytes, over] = told.as_slice() else { panic!("{told:?}") };
        assert!(head.ends_with("head 200") && bytes.ends_with("7 bytes"), "{told:?}");
        assert!(over.ends_with(": 0 "), "its end: {over}");
    }
}

#[test]
fn where_none_listens_each_address_is_told() {
    let mut stage = Stage::new();
    let there = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    stage.get(&tcp("localhost", there), "/a");
    let port = there.port();
    let text = format!(
        "/a: connection refused by 127.0.0.1:{port} and [::1]:{port}: does the engine listen there?"
    );
    assert_eq!(stage.told(1), [text]);
}
