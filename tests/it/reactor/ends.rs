//! What else the loop minds: signals, and whether its own output is read.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use rustix::process::{Signal, getpid, kill_process};
use signal_hook::consts::{SIGUSR1, SIGUSR2};

use super::stage::{Door, Stage};
use crate::net::server::ok;

fn send(signal: Signal) {
    kill_process(getpid(), signal).unwrap();
}

// Signals reach the whole process: one test has them all.
#[test]
fn a_signal_is_told_once_and_the_exchange_beside_it_goes_on() {
    let (mut stage, door) = (Stage::new(), Door::new());
    stage.reactor.mind_signals(&[SIGUSR1, SIGUSR2]).unwrap();
    assert!(!stage.reactor.signalled());
    stage.get(&door.at, "/a");
    let (mut peer, _) = stage.next(&door);
    send(Signal::USR2);
    assert_eq!(stage.told(1), [format!("signal {SIGUSR2}")]);
    send(Signal::USR1);
    assert_eq!(stage.told(1), [format!("signal {SIGUSR1}")]);
    peer.write_all(&ok("1")).unwrap();
    assert_eq!(stage.told(1), ["/a: 200 1"]);

    send(Signal::USR1);
    while !stage.reactor.signalled() {}
    assert!(!stage.reactor.signalled(), "it was told");
    assert_eq!(stage.told_by_now(), [""; 0], "and no turn tells of it again");
}

#[test]
fn a_reader_that_makes_room_or_goes_is_told() {
    let mut stage = Stage::new();
    let (mut ours, mut reader) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    stage.reactor.mind_reader(&ours).unwrap();
    assert_eq!(stage.told(1), ["writable"], "there is room at first");
    while ours.write(&[b'x'; 4096]).is_ok() {}
    stage.told_by_now();
    assert_eq!(stage.told_by_now(), [""; 0], "nothing while it is full");
    reader.set_nonblocking(true).unwrap();
    while reader.read(&mut [0; 4096]).is_ok() {}
    assert_eq!(stage.told(1), ["writable"]);
    drop(reader);
    assert_eq!(stage.told(1), ["hung up"]);
}

#[test]
fn a_pipe_whose_reader_goes_is_told_and_a_file_is_not_minded() {
    let mut stage = Stage::new();
    let file = tempfile::tempfile().unwrap();
    stage.reactor.mind_reader(&file).unwrap();
    stage.reactor.mind_reader(File::open("/dev/null").unwrap()).unwrap();
    assert_eq!(stage.told_by_now(), [""; 0]);
    let (reader, ours) = std::io::pipe().unwrap();
    stage.reactor.mind_reader(&ours).unwrap();
    assert_eq!(stage.told(1), ["writable"]);
    drop(reader);
    assert_eq!(stage.told(1), ["hung up"]);
}
