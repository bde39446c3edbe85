//! Redirect doors with real rules. Each test runs once more in a network namespace of its own,
//! where it may do to addresses and rules what it likes.

mod gone;
mod ground;

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};

use drowse::net::door::{First, Notice, Place, Transport};
use drowse::net::redirect::occupied::is_taken;

use crate::visitors::stage::{Stage, Target, dial};
use ground::{Neighbour, alone, nft};

const PORT: u16 = 41960;

fn stage() -> Stage {
    let mut stage = Stage::new();
    stage.reactor.redirect(PORT).unwrap();
    stage
}

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// A redirect door whose rule stands.
fn published(stage: &mut Stage, binding: &str, transport: Transport) -> drowse::net::door::Door {
    let door = stage.open(Place::Published(at(binding)), transport, First::Nothing).unwrap();
    assert_eq!(stage.next(), Notice::Up(door));
    door
}

fn tcp(stage: &mut Stage, binding: &str) -> drowse::net::door::Door {
    published(stage, binding, Transport::Tcp)
}

/// Says something at a door and hears the container's echo.
fn echoes(stage: &mut Stage, to: &str, target: &Target) {
    let mut client = dial(at(to));
    client.write_all(b"ping").unwrap();
    let mut inside = stage.accept(target);
    assert_eq!(stage.read(&mut inside, 4), b"ping", "{to}");
    inside.write_all(b"pong").unwrap();
    assert_eq!(stage.read(&mut client, 4), b"pong", "{to}");
}

fn is_refused(to: &str) -> bool {
    TcpStream::connect(at(to)).is_err()
}

#[test]
fn each_binding_leads_to_its_own_door_and_no_further() {
    if !alone("each_binding_leads_to_its_own_door_and_no_further") {
        return;
    }
    let mut stage = stage();
    let any = tcp(&mut stage, "0.0.0.0:8080");
    let any6 = tcp(&mut stage, "[::]:8080");
    let local = tcp(&mut stage, "127.0.0.1:8081");
    let local6 = tcp(&mut stage, "[::1]:8081");
    let narrow = tcp(&mut stage, "127.0.0.7:8080");
    let table = [
        ("127.0.0.1:8080", any),
        ("10.77.0.1:8080", any),
        ("127.0.0.7:8080", narrow),
        ("[::1]:8080", any6),
        ("[fd77::1]:8080", any6),
        ("127.0.0.1:8081", local),
        ("[::1]:8081", local6),
    ];
    for (to, door) in table {
        let target = Target::new();
        let mut client = dial(at(to));
        client.write_all(b"x").unwrap();
        let visitor = stage.came(door);
        stage.reactor.admit(visitor, target.at);
        let mut inside = stage.accept(&target);
        assert_eq!(stage.read(&mut inside, 1), b"x", "{to}");
    }
    for to in ["127.0.0.2:8081", "10.77.0.1:8081", "[fd77::1]:8081", "127.0.0.1:8082"] {
        assert!(is_refused(to), "{to}");
    }
    for to in ["127.0.0.1:41960", "[::1]:41960", "10.77.0.1:41960"] {
        assert!(is_refused(to), "{to} is for rules alone");
    }
    assert_eq!(stage.notices, []);
}

#[test]
fn a_neighbour_gets_in_where_the_binding_says_so_and_nowhere_else() {
    if !alone("a_neighbour_gets_in_where_the_binding_says_so_and_nowhere_else") {
        return;
    }
    let mut stage = stage();
    let neighbour = Neighbour::new();
    let local = tcp(&mut stage, "127.0.0.1:8081");
    let target = Target::new();
    for binding in ["0.0.0.0:8080", "[::]:8080", "10.77.0.1:8090"] {
        let door = tcp(&mut stage, binding);
        stage.reactor.pass(door, target.at);
    }
    for to in ["10.77.0.1:8080", "[fd77::1]:8080", "10.77.0.1:8090"] {
        let mut asked = neighbour.ask(to, "knock");
        let mut inside = stage.accept(&target);
        assert_eq!(stage.read(&mut inside, 6), b"knock\n", "{to}");
        inside.write_all(b"welcome\n").unwrap();
        drop(inside);
        stage.until(|_| asked.try_wait().unwrap());
        assert_eq!(ground::said(asked), "welcome\n", "{to}");
    }
    for to in ["10.77.0.1:8081", "10.77.0.1:41960", "[fd77::1]:8081", "[fd77::1]:41960"] {
        let mut asked = neighbour.ask(to, "knock");
        stage.until(|_| asked.try_wait().unwrap());
        assert_eq!(ground::said(asked), "", "{to}");
    }
    assert!(is_refused("10.77.0.2:8080"), "the neighbour's own port is not ours");
    assert_eq!((stage.reactor.held(local), target.knock().is_none()), (0, true));
}

#[test]
fn a_listener_gets_nobody_while_the_rule_stands_and_all_when_it_is_gone() {
    if !alone("a_listener_gets_nobody_while_the_rule_stands_and_all_when_it_is_gone") {
        return;
    }
    let mut stage = stage();
    let real = TcpListener::bind("127.0.0.1:8080").unwrap();
    real.set_nonblocking(true).unwrap();
    assert!(is_taken(at("0.0.0.0:8080"), Transport::Tcp));
    let door = tcp(&mut stage, "0.0.0.0:8080");
    let mut client = dial(at("127.0.0.1:8080"));
    client.write_all(b"x").unwrap();
    let visitor = stage.came(door);
    assert!(real.accept().is_err());
    // Our own connection carries a mark, and is not sent back to us.
    stage.reactor.admit(visitor, at("127.0.0.1:8080"));
    let (mut inside, _) = stage.until(|_| real.accept().ok());
    inside.set_nonblocking(true).unwrap();
    assert_eq!(stage.read(&mut inside, 1), b"x");

    // Who came by the rule before it went is let in, though accepted after.
    stage.reactor.pass(door, at("127.0.0.1:8080"));
    let mut late = dial(at("127.0.0.1:8080"));
    stage.reactor.close_door(door);
    assert_eq!(stage.next(), Notice::Down(door));
    late.write_all(b"late").unwrap();
    let (mut inside, _) = stage.until(|_| real.accept().ok());
    inside.set_nonblocking(true).unwrap();
    assert_eq!(stage.read(&mut inside, 4), b"late");
    let before = stage.reactor.visitors();
    let _direct = dial(at("127.0.0.1:8080"));
    stage.until(|_| real.accept().ok());
    stage.turns(3);
    assert_eq!(stage.reactor.visitors(), before, "drowse is out of the way");
}

#[test]
fn who_knocks_again_and_again_while_a_rule_goes_is_never_lost() {
    if !alone("who_knocks_again_and_again_while_a_rule_goes_is_never_lost") {
        return;
    }
    let mut stage = stage();
    let real = TcpListener::bind("127.0.0.1:8080").unwrap();
    real.set_nonblocking(true).unwrap();
    for _ in 0..20 {
        let door = tcp(&mut stage, "0.0.0.0:8080");
        let mut clients = vec![dial(at("127.0.0.1:8080"))];
        stage.came(door);
        stage.reactor.pass(door, at("127.0.0.1:8080"));
        stage.reactor.close_door(door);
        let mut inside = Vec::new();
        stage.until(|stage| {
            clients.push(dial(at("127.0.0.1:8080")));
            inside.extend(std::iter::from_fn(|| real.accept().ok()));
            stage.notices.contains(&Notice::Down(door)).then_some(())
        });
        stage.notices.clear();
        stage.until(|_| {
            inside.extend(std::iter::from_fn(|| real.accept().ok()));
            (inside.len() == clients.len()).then_some(())
        });
        drop(inside);
        for client in &mut clients {
            assert_eq!(stage.read_all(client), Ok(Vec::new()));
        }
    }
}

#[test]
fn datagrams_are_led_to_their_door_and_answered_from_where_they_were_sent() {
    if !alone("datagrams_are_led_to_their_door_and_answered_from_where_they_were_sent") {
        return;
    }
    let mut stage = stage();
    let inside = UdpSocket::bind("127.0.0.1:0").unwrap();
    inside.set_nonblocking(true).unwrap();
    let inside_at = inside.local_addr().unwrap();
    let receive = |stage: &mut Stage, socket: &UdpSocket| {
        let mut buffer = [0; 64];
        let (len, from) = stage.until(|_| socket.recv_from(&mut buffer).ok());
        (String::from_utf8_lossy(&buffer[..len]).into_owned(), from)
    };
    for (binding, from, to) in [
        ("0.0.0.0:5300", "127.0.0.1:0", "127.0.0.1:5300"),
        ("127.0.0.7:5300", "127.0.0.1:0", "127.0.0.7:5300"),
        ("0.0.0.0:5301", "10.77.0.1:0", "10.77.0.1:5301"),
        ("[::]:5300", "[fd77::1]:0", "[fd77::1]:5300"),
        ("[::1]:5301", "[::1]:0", "[::1]:5301"),
    ] {
        let door = published(&mut stage, binding, Transport::Udp);
        let client = UdpSocket::bind(from).unwrap();
        client.connect(to).unwrap();
        client.set_nonblocking(true).unwrap();
        client.send(b"ping").unwrap();
        let visitor = stage.came(door);
        stage.reactor.admit(visitor, inside_at);
        let (text, peer) = receive(&mut stage, &inside);
        assert_eq!(text, "ping", "{binding}");
        inside.send_to(b"pong", peer).unwrap();
        assert_eq!(receive(&mut stage, &client).0, "pong", "{binding}");

        // The kernel still sends this flow here when the rule is gone.
        stage.reactor.pass(door, inside_at);
        stage.reactor.close_door(door);
        assert_eq!(stage.next(), Notice::Down(door));
        client.send(b"more").unwrap();
        assert_eq!(receive(&mut stage, &inside), ("more".into(), peer), "{binding}");

        // Asleep again: the next datagram of the same flow is a knock at the new door.
        let again = published(&mut stage, binding, Transport::Udp);
        client.send(b"asleep").unwrap();
        let visitor = stage.came(again);
        stage.reactor.admit(visitor, inside_at);
        assert_eq!(receive(&mut stage, &inside).0, "asleep", "{binding}");
    }
    assert_eq!(stage.notices, []);
}

#[test]
fn a_port_of_a_door_for_datagrams_hears_only_what_rules_send() {
    if !alone("a_port_of_a_door_for_datagrams_hears_only_what_rules_send") {
        return;
    }
    let mut stage = stage();
    published(&mut stage, "127.0.0.1:5300", Transport::Udp);
    let text = nft("list map inet drowse udp4_at");
    let own = text.split(" : ").last().unwrap().split_whitespace().next().unwrap();
    let own: u16 = own.parse().unwrap_or_else(|_| panic!("{text}"));
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.connect(("127.0.0.1", own)).unwrap();
    client.send(b"direct").unwrap();
    stage.turns(10);
    assert_eq!(stage.notices, []);
    let error = client.send(b"again").unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
}

#[test]
fn rules_that_somebody_flushed_are_made_again_and_at_the_end_none_is_left() {
    if !alone("rules_that_somebody_flushed_are_made_again_and_at_the_end_none_is_left") {
        return;
    }
    let mut stage = stage();
    let target = Target::new();
    let first = tcp(&mut stage, "0.0.0.0:8080");
    stage.reactor.pass(first, target.at);
    let text = nft("list set inet drowse tcp4");
    assert!(text.contains("timeout 1m") && text.contains("8080 expires 5"), "{text}");
    nft("flush ruleset");
    assert!(is_refused("127.0.0.1:8080"));
    let second = tcp(&mut stage, "0.0.0.0:8081");
    stage.reactor.pass(second, target.at);
    echoes(&mut stage, "127.0.0.1:8080", &target);
    echoes(&mut stage, "127.0.0.1:8081", &target);
    stage.reactor.drop_rules();
    assert_eq!(stage.next(), Notice::RulesGone);
    assert_eq!(nft("list ruleset"), "");
    assert!(is_refused("127.0.0.1:8080"));
}

#[test]
fn without_the_right_to_make_rules_that_is_told_once() {
    if !alone("without_the_right_to_make_rules_that_is_told_once") {
        return;
    }
    let mut stage = stage();
    ground::give_up_net_admin();
    for port in [8080, 8081] {
        let place = Place::Published(([0, 0, 0, 0], port).into());
        stage.open(place, Transport::Tcp, First::Nothing).unwrap();
    }
    let Notice::NoRules(why) = stage.next() else { panic!() };
    assert!(why.contains("not permitted"), "{why}");
    stage.turns(50);
    assert_eq!(stage.notices, []);
    // Connections of ours do without a mark then.
    let target = Target::new();
    let (door, at) = stage.door(First::Nothing);
    stage.reactor.pass(door, target.at);
    let _client = dial(at);
    stage.accept(&target);
}

#[test]
fn a_firewall_that_keeps_clients_out_is_told_with_the_command_that_helps() {
    if !alone("a_firewall_that_keeps_clients_out_is_told_with_the_command_that_helps") {
        return;
    }
    let mut stage = stage();
    let neighbour = Neighbour::new();
    stage.reactor.look_at_firewall();
    stage.turns(50);
    assert_eq!(stage.notices, []);
    nft("add table inet filter");
    nft("add chain inet filter input { type filter hook input priority 0; policy drop; }");
    nft("add rule inet filter input iif lo accept");
    nft("add rule inet filter input meta l4proto ipv6-icmp accept");
    nft("add rule inet filter input ct state established,related accept");
    stage.reactor.look_at_firewall();
    let Notice::Shut(advice) = stage.next() else { panic!() };
    let door = tcp(&mut stage, "0.0.0.0:8080");
    let mut asked = neighbour.ask("10.77.0.1:8080", "knock");
    let shut_out = stage.until(|_| asked.try_wait().unwrap());
    assert!(!shut_out.success() && stage.notices.is_empty(), "{:?}", stage.notices);

    let command = advice.split('`').nth(1).unwrap();
    ground::sh(command);
    let mut asked = neighbour.ask("10.77.0.1:8080", "knock");
    let visitor = stage.came(door);
    stage.reactor.answer(visitor, b"welcome\n".to_vec());
    stage.until(|_| asked.try_wait().unwrap());
    assert_eq!(ground::said(asked), "welcome\n");
    stage.reactor.look_at_firewall();
    stage.turns(100);
    assert_eq!(stage.notices, [], "after {command}");
}
