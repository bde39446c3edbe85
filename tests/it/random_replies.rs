//! Random replies, sound and broken, against ureq-proto, random openings at a door, and the
//! fuzzer's corpus.

use std::fs;
use std::path::Path;

use drowse::http::Method;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::RngSeed;

use crate::{checks, oracle};

/// One way to change the bytes of a reply.
#[derive(Clone, Debug)]
enum Harm {
    Replace(Index, u8),
    Insert(Index, u8),
    Remove(Index),
    Repeat(Index, Index),
    Cut(Index),
}

fn status_line() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        8 => Just("HTTP/1.1 200 OK"),
        2 => Just("HTTP/1.0 200 OK"),
        4 => select(vec![
            "HTTP/1.1 204 No Content", "HTTP/1.1 304 Not Modified", "HTTP/1.1 404", "HTTP/1.1 500 ",
            "HTTP/1.1 302 Found", "HTTP/1.1 101 Switching", "HTTP/1.1 099 X", "HTTP/1.1 999 \u{e9}",
            "HTTP/1.2 200 OK", "HTTP/2 200", "HTTP/1.1  200 OK", "http/1.1 200 OK",
            "HTTP/1.1 20 OK",
        ]),
    ]
}

fn header(body_len: usize) -> impl Strategy<Value = String> {
    let line = |name: &'static str, values: Vec<&'static str>| {
        select(values).prop_map(move |value| format!("{name}: {value}"))
    };
    prop_oneof![
        3 => Just(format!("Content-Length: {body_len}")),
        1 => line("content-length", vec!["0", "5", "+5", "5, 5", "5,", "-1", "", "007", "0x5"]),
        3 => Just("Transfer-Encoding: chunked".to_string()),
        1 => line("transfer-encoding", vec!["Chunked", "gzip", "identity", "chunked, chunked", ""]),
        2 => line("Connection", vec!["close", "keep-alive", "Keep-Alive, close", "x"]),
        2 => line("Location", vec!["/", "http://[", "\u{e9}"]),
        1 => select(vec!["A : b", " folded", "no colon", ": x", "A:\u{7f}", "A:b\rc", "A:"])
            .prop_map(str::to_string),
    ]
}

/// The head of a reply, sound more often than not.
fn head(status_line: &str, headers: &[String], end_of_line: &str) -> Vec<u8> {
    let mut text = format!("{status_line}{end_of_line}");
    for header in headers {
        text.push_str(header);
        text.push_str(end_of_line);
    }
    text.push_str(end_of_line);
    text.into_bytes()
}

fn interim() -> impl Strategy<Value = Vec<u8>> {
    let one = select(vec![
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 100 Continue\r\nA: b\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n",
        "\r\n",
    ]);
    prop_oneof![
        8 => Just(Vec::new()),
        2 => vec(one, 1..3).prop_map(|lines| lines.concat().into_bytes()),
    ]
}

/// A chunk with its size written in some way.
fn chunk(data: &[u8], size: &str) -> Vec<u8> {
    let size = size.replace('N', &format!("{:x}", data.len()));
    [size.as_bytes(), b"\r\n", data, b"\r\n"].concat()
}

fn chunked_body() -> impl Strategy<Value = Vec<u8>> {
    let size = prop_oneof![
        8 => Just("N"),
        2 => select(vec![
            "0N", "N ", "N;a=b", "N ; a=\"b;c\"", "000000000000000000000N",
            "N;aaaaaaaaaaaaaaaaaaaaaaaaa",
            "+N", "-N", " N", "N N", "0xN", "N\u{b}", "N;a\nb", "N\n", "ffffffffffffffffN", "",
        ]),
    ];
    let chunks = vec((vec(any::<u8>(), 1..40), size), 0..4);
    let end = prop_oneof![
        6 => Just("0\r\n\r\n"),
        2 => select(vec![
            "0\r\nA: b\r\n\r\n", "0;a\r\nA: b\r\nC:\r\n\r\nrest", "00\r\n\r\nHTTP/1.1", "0\r\n\n",
            "0\r\nno colon\r\n\r\n", "0\r\n folded\r\n\r\n", "0\r\n", "", "0\n\n",
            "0\r\nA: b\n\r\n",
        ]),
    ];
    (chunks, end).prop_map(|(chunks, end)| {
        let chunks = chunks.iter().map(|(data, size)| chunk(data, size));
        [chunks.collect::<Vec<_>>().concat(), end.as_bytes().to_vec()].concat()
    })
}

fn harm() -> impl Strategy<Value = Harm> {
    let byte = prop_oneof![any::<u8>(), select(b"\r\n\t ;:,0123af\0".to_vec())];
    prop_oneof![
        (any::<Index>(), byte.clone()).prop_map(|(at, byte)| Harm::Replace(at, byte)),
        (any::<Index>(), byte).prop_map(|(at, byte)| Harm::Insert(at, byte)),
        any::<Index>().prop_map(Harm::Remove),
        any::<(Index, Index)>().prop_map(|(from, to)| Harm::Repeat(from, to)),
        any::<Index>().prop_map(Harm::Cut),
    ]
}

fn harmed(mut wire: Vec<u8>, harms: &[Harm]) -> Vec<u8> {
    for harm in harms {
        let at = |index: &Index| index.index(wire.len().max(1));
        match harm {
            _ if wire.is_empty() => {}
            Harm::Replace(index, byte) => {
                let at = at(index);
                wire[at] = *byte;
            }
            Harm::Insert(index, byte) => wire.insert(at(index), *byte),
            Harm::Remove(index) => drop(wire.remove(at(index))),
            Harm::Repeat(from, to) => {
                let (from, to) = (at(from).min(at(to)), at(from).max(at(to)));
                wire.extend_from_within(from..to);
            }
            Harm::Cut(index) => wire.truncate(at(index)),
        }
    }
    wire
}

fn reply() -> impl Strategy<Value = Vec<u8>> {
    let body = prop_oneof![chunked_body(), vec(any::<u8>(), 0..60)];
    let head_and_body = body.prop_flat_map(|body| {
        let headers = vec(header(body.len()), 0..5);
        let end_of_line = prop_oneof![8 => Just("\r\n"), 1 => Just("\n")];
        (status_line(), headers, end_of_line).prop_map(move |(status_line, headers, end)| {
            [head(status_line, &headers, end), body.clone()].concat()
        })
    });
    let harms = prop_oneof![3 => Just(Vec::new()), 2 => vec(harm(), 1..3)];
    (interim(), head_and_body, harms)
        .prop_map(|(interim, reply, harms)| harmed([interim, reply].concat(), &harms))
}

fn opening() -> impl Strategy<Value = Vec<u8>> {
    let line = select(vec![
        "GET / HTTP/1.1",
        "POST /a?b HTTP/1.0",
        "GET http://a/b HTTP/1.1",
        "CONNECT a:1 HTTP/1.1",
        "OPTIONS * HTTP/1.1",
        "PRI * HTTP/2.0",
        "\r\nGET / HTTP/1.1",
        "NICK bob",
        "\r\n",
        "SSH-2.0-x",
    ]);
    let header = select(vec![
        "Host: a",
        "Host: b",
        "Content-Length: 5",
        "Content-Length: 6",
        "Transfer-Encoding: chunked",
        "Transfer-Encoding: x",
        "Connection: upgrade",
        "Upgrade: websocket",
        "Accept: text/html",
        "Accept: a,text/html;q=0",
        "X\u{e9}: y",
        " folded",
        "",
    ]);
    let headers = vec(header.prop_map(str::to_string), 0..6);
    let harms = prop_oneof![Just(Vec::new()), vec(harm(), 1..4)];
    (line, headers, harms).prop_map(|(line, headers, harms)| {
        harmed([head(line, &headers, "\r\n"), b"rest".to_vec()].concat(), &harms)
    })
}

/// Runs a check on every input that the fuzzer kept.
fn replay(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/fuzz").join(target);
    let files: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap()).collect();
    assert!(files.len() > 20, "{}", folder.display());
    for file in files {
        check(&fs::read(file.path()).unwrap());
    }
}

#[test]
fn what_the_fuzzer_kept_for_the_exchange_holds() {
    replay("exchange", checks::exchange);
}

#[test]
fn what_the_fuzzer_kept_for_the_head_reader_holds() {
    replay("head", checks::head);
}

#[test]
fn what_the_fuzzer_kept_for_the_event_reader_holds() {
    replay("events", checks::events);
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 4000,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(9112),
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_random_reply_is_what_ureq_proto_makes_of_it(wire in reply(), is_head in any::<bool>()) {
        oracle::compare(if is_head { Method::Head } else { Method::Get }, &wire);
    }

    #[test]
    fn a_random_reply_is_the_same_in_any_pieces(choice in any::<u8>(), wire in reply()) {
        checks::exchange(&[&[choice], &wire[..]].concat());
    }

    #[test]
    fn a_random_opening_is_the_same_in_any_pieces(bytes in opening()) {
        checks::head(&bytes);
    }

    #[test]
    fn no_bytes_make_them_panic(bytes in vec(any::<u8>(), 0..200)) {
        checks::exchange(&bytes);
        checks::head(&bytes);
    }
}
