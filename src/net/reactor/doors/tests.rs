//! Limits in time, by a clock that the test moves.

use std::net::{TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use mio::Events;

use super::*;
use crate::net::door::limits::{self, CONNECT_WITHIN, FLOW_QUIET, HEAD_WITHIN, READ_WITHIN};
use crate::net::door::side::Seen;
use crate::net::door::{First, Notice, Place, Said, Transport};

struct Stage {
    poll: Poll,
    hall: Hall,
    now: Instant,
}

const MOMENT: Duration = Duration::from_millis(1);

impl Stage {
    fn new() -> Stage {
        let (poll, now) = (Poll::new().unwrap(), Instant::now());
        Stage { hall: hall(&poll, now).unwrap(), poll, now }
    }

    fn open(&mut self, place: Place, transport: Transport, first: First) -> Door {
        let name = "test".to_owned();
        self.hall.open(Opening { name, place, transport, first }).unwrap()
    }

    /// What is told at that time, when all that happened by now was heard.
    fn told(&mut self, later: Duration) -> Vec<Notice> {
        let mut told = Vec::new();
        for _ in 0..5 {
            let mut events = Events::with_capacity(16);
            // Signals of other tests interrupt it.
            let _ = self.poll.poll(&mut events, Some(MOMENT));
            for event in &events {
                let whose = whose(event.token().0).unwrap();
                self.hall.see(whose, Seen::of(event));
            }
            self.hall.turn(self.now + later, &mut told);
        }
        told
    }

    fn came(&mut self, later: Duration) -> Visitor {
        match self.told(later).as_slice() {
            [Notice::Came { visitor, .. }] => *visitor,
            other => panic!("{other:?}"),
        }
    }
}

fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    (listener, at)
}

#[test]
fn a_token_tells_whose_it_is() {
    let all = [
        Whose::Door(7),
        Whose::Redirect(1),
        Whose::Child(3),
        Whose::Visitor(0, 9, End::Client),
        Whose::Visitor(limits::VISITORS - 1, INDEX_MASK, End::Target),
    ];
    for one in all {
        assert_eq!(whose(token(one).0), Some(one));
    }
    assert_eq!((whose(0), whose(GUEST), whose(VISITORS - 1)), (None, None, None));
    // As on a machine of 32 bits: 16 of them are an index.
    const { assert!(2 * limits::VISITORS < (1 << 15) - 100) };
}

#[test]
fn who_is_silent_or_slow_with_a_head_is_told_when_its_time_is_up_and_held_on() {
    use std::io::Write;
    for (text, expected) in [("", Said::Silent), ("GET / HTTP/1.1\r\nHo", Said::Slow)] {
        let mut stage = Stage::new();
        let (ours, at) = listener();
        let door = stage.open(Place::Inherited(ours.into()), Transport::Tcp, First::Head);
        let mut client = TcpStream::connect(at).unwrap();
        let visitor = stage.came(Duration::ZERO);
        client.write_all(text.as_bytes()).unwrap();
        assert_eq!(stage.told(HEAD_WITHIN - MOMENT), []);
        assert_eq!(stage.hall.deadline(), Some(stage.now + HEAD_WITHIN));
        let said = stage.told(HEAD_WITHIN);
        assert_eq!(said, [Notice::Said { door, visitor, said: expected }]);
        assert_eq!((stage.hall.held(door), stage.hall.deadline()), (1, None));
    }
}

#[test]
fn a_container_that_does_not_answer_is_missed_when_its_time_is_up() {
    let mut stage = Stage::new();
    let (ours, at) = listener();
    let door = stage.open(Place::Inherited(ours.into()), Transport::Tcp, First::Nothing);
    let (full, full_at) = listener();
    // One waits to be accepted, and no more may: the kernel leaves others without an answer.
    rustix::net::listen(&full, 0).unwrap();
    let _one = TcpStream::connect(full_at).unwrap();
    let _client = TcpStream::connect(at).unwrap();
    let visitor = stage.came(Duration::ZERO);
    stage.hall.admit(visitor, full_at);
    assert_eq!(stage.told(CONNECT_WITHIN - MOMENT), []);
    assert_eq!(stage.hall.held(door), 0);
    let late = CONNECT_WITHIN * 2;
    let why = "it does not answer".to_owned();
    assert_eq!(stage.told(late), [Notice::Missed { door, visitor, why }]);
    assert_eq!(stage.hall.held(door), 1);
}

#[test]
fn who_does_not_read_its_answer_goes_when_its_time_is_up() {
    let mut stage = Stage::new();
    let (ours, at) = listener();
    stage.open(Place::Inherited(ours.into()), Transport::Tcp, First::Nothing);
    let _client = TcpStream::connect(at).unwrap();
    let visitor = stage.came(Duration::ZERO);
    stage.hall.answer(visitor, vec![0; 32 << 20]);
    assert_eq!(stage.told(READ_WITHIN - MOMENT), []);
    assert_eq!(stage.hall.visitors(), 1);
    assert_eq!(stage.told(READ_WITHIN), []);
    assert_eq!((stage.hall.visitors(), stage.hall.deadline()), (0, None));
}

#[test]
fn a_flow_is_over_when_it_was_quiet_for_long_and_not_before() {
    let mut stage = Stage::new();
    let (ours, inside) = (UdpSocket::bind("127.0.0.1:0"), UdpSocket::bind("127.0.0.1:0"));
    let (ours, inside) = (ours.unwrap(), inside.unwrap());
    let at = ours.local_addr().unwrap();
    let door = stage.open(Place::Inherited(ours.into()), Transport::Udp, First::Nothing);
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.send_to(b"1", at).unwrap();
    let visitor = stage.came(Duration::ZERO);
    stage.hall.admit(visitor, inside.local_addr().unwrap());
    client.send_to(b"2", at).unwrap();
    assert_eq!(stage.told(FLOW_QUIET - MOMENT), []);
    assert_eq!(stage.told(FLOW_QUIET), []);
    assert_eq!(stage.hall.visitors(), 1, "it was not quiet");
    assert_eq!(stage.told(FLOW_QUIET * 2), []);
    assert_eq!(stage.hall.visitors(), 0);

    client.send_to(b"3", at).unwrap();
    let held = stage.came(FLOW_QUIET * 2);
    let left = Notice::Left { door, visitor: held };
    assert_eq!(stage.told(FLOW_QUIET * 3), [left]);
}
