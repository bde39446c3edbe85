//! Every recorded stream, fed to its decoder in every way it can come.

use drowse::docker::call;
use drowse::docker::documents;
use drowse::docker::events::Event;
use drowse::docker::image;
use drowse::docker::logs::{Framing, LogReader, Output};
use drowse::docker::stats::Sample;
use drowse::docker::system;
use drowse::http::Reply;
use proptest::prelude::*;

use crate::replies::{self, ENGINES, Recorded};

/// The first bytes of a stream are cut in two at every byte.
const SHORT_BYTES: usize = 1000;

/// A decoder that can be asked what it has found since the last time.
trait Decoder: Clone {
    type Found: PartialEq + std::fmt::Debug + Clone;
    /// What follows a split is looked at this far: to the end of the value that was split and on.
    const WINDOW_BYTES: usize;
    fn feed(&mut self, bytes: &[u8]) -> Vec<Self::Found>;
}

/// Feeds `stream` whole, as it was recorded, byte by byte, in two pieces, and byte by byte up to
/// each place with a large piece after it. What is found must be the same.
fn is_the_same_however_it_comes<D: Decoder>(start: &D, one: &Recorded) -> Vec<D::Found> {
    let stream = &one.reply.body;
    let whole = start.clone().feed(stream);
    let mut by_chunk = start.clone();
    let chunks: Vec<D::Found> = one.pieces.iter().flat_map(|piece| by_chunk.feed(piece)).collect();
    assert_eq!(chunks, whole, "{} in its chunks", one.name);
    for at in 0..stream.len().min(SHORT_BYTES) {
        let (head, tail) = stream.split_at(at);
        let tail = &tail[..tail.len().min(D::WINDOW_BYTES)];
        let mut two = start.clone();
        let found = [two.feed(head), two.feed(tail)].concat();
        assert_eq!(found, whole[..found.len()], "{} in two at {at}", one.name);
        assert!(found.len() == whole.len() || stream.len() > D::WINDOW_BYTES + at);
    }
    let mut slow = start.clone();
    let mut count = 0;
    for (at, byte) in stream.iter().enumerate() {
        let tail = &stream[at..stream.len().min(at + D::WINDOW_BYTES)];
        let rest = slow.clone().feed(tail);
        assert_eq!(rest, whole[count..count + rest.len()], "{} after {at}", one.name);
        assert!(count + rest.len() == whole.len() || stream.len() > at + D::WINDOW_BYTES);
        count += slow.feed(std::slice::from_ref(byte)).len();
    }
    assert_eq!(count, whole.len(), "{} byte by byte", one.name);
    whole
}

fn streams(part: &str) -> Vec<Recorded> {
    let all = ENGINES.into_iter().flat_map(replies::recorded);
    all.filter(|one| one.name.contains(part) && one.reply.status == 200).collect()
}

fn head() -> Reply {
    Reply { status: 200, ..Reply::default() }
}

#[derive(Clone)]
struct Events(drowse::docker::events::EventReader);

impl Decoder for Events {
    type Found = Event;
    const WINDOW_BYTES: usize = 600;
    fn feed(&mut self, bytes: &[u8]) -> Vec<Event> {
        let mut found = Vec::new();
        self.0.push(bytes, &mut found).unwrap();
        found
    }
}

#[test]
fn events_are_the_same_however_they_come() {
    let reader = Events((system::events(None).read)(head()).unwrap());
    let streams: Vec<Recorded> =
        streams("events/").into_iter().filter(|one| one.path == "/events").collect();
    assert!(streams.len() > 10);
    let found: usize =
        streams.iter().map(|one| is_the_same_however_it_comes(&reader, one).len()).sum();
    assert!(found > 200, "{found}");
}

#[test]
fn a_pull_comes_to_the_same_end_however_it_comes() {
    for one in streams("pull/") {
        let start = (image::pull("x", None).read)(head()).unwrap();
        let end = |pieces: &mut dyn Iterator<Item = &[u8]>| {
            let mut pull = start.clone();
            pieces.for_each(|piece| pull.push(piece).unwrap());
            (pull.progress(), pull.finish())
        };
        let stream = one.reply.body.as_slice();
        let whole = end(&mut [stream].into_iter());
        assert_eq!(end(&mut stream.chunks(1)), whole, "{}", one.name);
        assert_eq!(end(&mut one.pieces.iter().map(Vec::as_slice)), whole, "{}", one.name);
        // Every byte of the first lines, and a step over the rest that meets every part of a line.
        let rest = (SHORT_BYTES..stream.len()).step_by(37);
        for at in (0..stream.len().min(SHORT_BYTES)).chain(rest) {
            let (head, tail) = stream.split_at(at);
            assert_eq!(end(&mut [head, tail].into_iter()), whole, "{} at {at}", one.name);
        }
    }
}

#[derive(Clone)]
struct Samples(drowse::docker::stats::SampleReader);

impl Decoder for Samples {
    type Found = Option<Sample>;
    const WINDOW_BYTES: usize = 2500;
    fn feed(&mut self, bytes: &[u8]) -> Vec<Option<Sample>> {
        let mut found = Vec::new();
        self.0.push(bytes, &mut found).unwrap();
        found
    }
}

#[test]
fn samples_are_the_same_however_they_come() {
    let reader = Samples((call::stats_stream("x").read)(head()).unwrap());
    let all = streams("stats/stream-");
    assert_eq!(all.len(), 8);
    for one in all {
        is_the_same_however_it_comes(&reader, &one);
    }
}

#[derive(Clone)]
struct Logs(LogReader);

impl Decoder for Logs {
    type Found = (Output, u8);
    const WINDOW_BYTES: usize = 100;
    fn feed(&mut self, bytes: &[u8]) -> Vec<(Output, u8)> {
        let mut found = Vec::new();
        let each = |from, text: &[u8]| found.extend(text.iter().map(|byte| (from, *byte)));
        self.0.push(bytes, each).unwrap();
        found
    }
}

#[test]
fn logs_are_the_same_however_they_come() {
    let reader = Logs(LogReader::new(Framing::Frames));
    for one in streams("ok/logs-tail3") {
        let found = is_the_same_however_it_comes(&reader, &one);
        let text: String = found.iter().map(|(_, byte)| char::from(*byte)).collect();
        assert_eq!(text, "line 12\nline 13\nline 14\n");
    }
}

/// Bytes as they may come from anywhere: noise, or JSON with a few bytes changed.
fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    let recorded: Vec<Vec<u8>> =
        ["list-filter-status-paused", "inspect/h5-web", "stats/oneshot-h5-web"]
            .iter()
            .flat_map(|name| ENGINES.map(|engine| replies::load(&format!("{engine}/{name}")).body))
            .chain(streams("filter-health").into_iter().map(|one| one.reply.body))
            .chain(streams("pull/cut").into_iter().map(|one| one.reply.body))
            .filter(|body| !body.is_empty())
            .collect();
    let change = (any::<prop::sample::Index>(), any::<u8>());
    let changed = (prop::sample::select(recorded), prop::collection::vec(change, 1..6)).prop_map(
        |(mut bytes, changes)| {
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            bytes
        },
    );
    let likely = prop::sample::select(b"{}[]\",:\\ \n\x1e01aI\xc3".to_vec());
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        prop::collection::vec(likely, 0..200),
        changed
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_a_reader_panic_or_loop(bytes in any_bytes(), status in 200u16..600) {
        let headers = vec![("api-version".to_owned(), "1.41".to_owned())];
        let reply = Reply { status, headers, body: bytes.clone(), ..Reply::default() };
        let fine = Reply { status: 200, ..reply.clone() };
        for reply in [reply, fine] {
            let _ = (call::list(&Default::default()).read)(reply.clone());
            let _ = (call::inspect("x").read)(reply.clone()).map(|one| one.into_summary());
            let _ = (call::wait("x", call::Condition::Removed).read)(reply.clone());
            let _ = (call::stats_once("x").read)(reply.clone());
            let _ = (call::create(None, &"".into()).read)(reply.clone());
            let _ = (system::ping_get().read)(reply.clone());
            let _ = (system::info().read)(reply.clone());
            let _ = (image::inspect("x").read)(reply);
        }
        let _ = documents::each(&bytes, |_| std::ops::ControlFlow::Continue(()));
        let mut events = (system::events(None).read)(head()).unwrap();
        let _ = events.push(&bytes, &mut Vec::new());
        let mut samples = (call::stats_stream("x").read)(head()).unwrap();
        let _ = samples.push(&bytes, &mut Vec::new());
        let mut pull = (image::pull("x", None).read)(head()).unwrap();
        let _ = pull.push(&bytes).and_then(|()| pull.finish());
        for framing in [Framing::Frames, Framing::Raw] {
            let _ = LogReader::new(framing).push(&bytes, |_, _| {});
        }
    }
}
