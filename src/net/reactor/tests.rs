//! A late event against a place that is another's by now.

use super::*;
use crate::http::Request;
use crate::net::Route;
use crate::net::talk::Mode;

#[test]
fn a_late_event_never_reaches_the_successor_in_a_slot() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let (url, authority, route) = (String::new(), "d".into(), Route::Unix(path));
    let mut reactor = Reactor::new().unwrap();
    let lease = reactor.lease(&Endpoint { url, authority, route });
    let request = Request { method: Method::Get, path: "/".into(), headers: vec![], body: vec![] };
    let (prefix, patience, mode) = (String::new(), Patience::Ordinary, Mode::Whole);
    let ask = Ask { request, prefix, patience, mode };
    let mut heeded = |tag| {
        reactor.hang_up(|_| true);
        reactor.ask(&lease, ask.clone(), tag);
        [1, 2].map(|generation| reactor.heed(generation << INDEX_BITS, &mut Vec::new()))
    };
    assert_eq!(heeded("first"), [Some(0), None]);
    assert_eq!(heeded("second"), [None, Some(0)]);
}
