//! What Proxmox VE was recorded to answer, as the exchange and each call's reader take it. The
//! committed part always, all of it where it lies beside the crate.

use std::fmt::Debug;
use std::fs;
use std::path::Path;
use std::time::Duration;

use drowse::error::Why;
use drowse::http::exchange::{Exchange, Progress};
use drowse::http::{Call, Method, Reply, Request};
use drowse::proxmox::call;
use drowse::proxmox::task::Upid;
use drowse::proxmox::types::Place;
use serde_json::Value;

use crate::pve::shape;
use crate::replies::{beside, folder};

const VERSIONS: [&str; 3] = ["7.4", "8.4", "9.2"];

/// A recorded answer and the request for it.
struct Recorded {
    /// `9.2 current-running`
    name: String,
    method: String,
    path: String,
    status: u64,
    reason: String,
    /// The values of its Connection headers.
    connection: Vec<String>,
    body: Option<Vec<u8>>,
}

/// The committed ones of a version: of those that differ in nothing but their values, one.
fn committed(version: &str) -> Vec<Recorded> {
    let file = folder().join("pve").join(format!("{version}.jsonl"));
    let text = fs::read_to_string(&file).unwrap();
    let parse = |line| recorded(version, &serde_json::from_str(line).unwrap());
    text.lines().map(parse).collect()
}

/// All of a version; none where they don't lie beside the crate.
fn all(version: &str) -> Vec<Recorded> {
    let Ok(text) = fs::read(beside(&format!("proxmox/replies/recorded-pve{version}.json"))) else {
        return Vec::new();
    };
    let all: Value = serde_json::from_slice(&text).unwrap();
    let all = all["exchanges"].as_array().unwrap().iter();
    let answered = all.filter(|one| one["response"]["status"].is_u64());
    answered.map(|one| recorded(version, &flat(one))).collect()
}

/// A recording in the form of the committed ones.
fn flat(one: &Value) -> Value {
    let (request, response) = (&one["request"], &one["response"]);
    let headers = response["headers"].as_array().unwrap().iter();
    let connection = headers.filter(|header| header[0] == "Connection");
    let mut flat = serde_json::json!({
        "name": one["name"], "method": request["method"], "path": request["path"],
        "status": response["status"], "reason": response["reason"],
        "connection": connection.map(|header| header[1].clone()).collect::<Value>(),
    });
    match (&response["body"], &response["body_text"]) {
        (Value::Null, Value::Null) => {}
        (Value::Null, text) => flat["text"] = text.clone(),
        (body, _) => flat["body"] = body.clone(),
    }
    flat
}

fn recorded(version: &str, flat: &Value) -> Recorded {
    let text = |key: &str| flat[key].as_str().unwrap().to_owned();
    let words = flat["connection"].as_array().unwrap().iter();
    let body = match (flat.get("body"), flat.get("text")) {
        (Some(body), _) => Some(body.to_string().into_bytes()),
        (None, Some(text)) => Some(text.as_str().unwrap().into()),
        (None, None) => None,
    };
    Recorded {
        name: format!("{version} {}", text("name")),
        method: text("method"),
        path: text("path").trim_start_matches("/api2/json").to_owned(),
        status: flat["status"].as_u64().unwrap(),
        reason: text("reason"),
        connection: words.map(|word| word.as_str().unwrap().to_owned()).collect(),
        body,
    }
}

impl Recorded {
    fn wire(&self) -> Vec<u8> {
        let mut text = format!("HTTP/1.1 {} {}\r\n", self.status, self.reason);
        for word in &self.connection {
            text += &format!("Connection: {word}\r\n");
        }
        if let Some(body) = &self.body {
            text += &format!("Content-Length: {}\r\n", body.len());
        }
        [(text + "\r\n").as_bytes(), self.body.as_deref().unwrap_or_default()].concat()
    }

    fn is_get(&self) -> bool {
        self.method == "GET"
    }

    /// What the reader of the call that asks for it makes of it; `None`: drowse never asks so.
    fn read(&self, reply: Reply) -> Option<String> {
        let path = self.path.split('?').next().unwrap();
        let parts: Vec<&str> = path.split('/').skip(1).collect();
        let (place, upid) = (somewhere(), a_task());
        Some(match (self.method.as_str(), &parts[..]) {
            ("GET", ["version"]) => shown(call::version(), reply),
            ("GET", ["cluster", "resources"]) => shown(call::resources(), reply),
            ("GET", ["access", "permissions"]) => shown(call::privileges(101), reply),
            ("GET", ["nodes", _, "tasks", _, "status"]) => shown(call::task(&upid), reply),
            ("GET", ["nodes", _, "tasks", _, "log"]) => shown(call::task_log(&upid), reply),
            (method, ["nodes", _, "lxc", _, what @ ..]) => match (method, what) {
                ("GET", ["status", "current"]) => shown(call::current(&place), reply),
                ("GET", ["config"]) => shown(call::config(&place), reply),
                ("GET", ["interfaces"]) => shown(call::interfaces(&place), reply),
                ("POST", ["status", "start" | "shutdown"]) => shown(call::start(&place), reply),
                ("POST", ["status", "stop"]) => {
                    shown(call::stop(&place, call::Overrule::Nothing), reply)
                }
                _ => return None,
            },
            _ => return None,
        })
    }
}

fn somewhere() -> Place {
    Place { node: "pve".into(), vmid: 101 }
}

fn a_task() -> Upid {
    Upid::parse("UPID:pve:00000186:0004C8B9:6B010BD0:vzstart:101:sleeper@pve!t1:").unwrap()
}

fn shown<T: Debug>(call: Call<T>, reply: Reply) -> String {
    match (call.read)(reply) {
        Ok(value) => format!("{value:?}"),
        Err(why) => format!("refused: {why:?}"),
    }
}

/// The reply that the exchange makes of these pieces, how it ended, and what is left to do with the
/// connection.
fn received<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Reply, Result<(), Why>, Progress) {
    let path = "/".to_string();
    let request = Request { method: Method::Get, path, headers: Vec::new(), body: Vec::new() };
    let mut exchange = Exchange::new(&request, "pve:8006", "").unwrap();
    exchange.wrote(exchange.outgoing().len());
    let mut body = Vec::new();
    for piece in pieces {
        exchange.feed(piece, &mut body).unwrap();
    }
    let progress = exchange.progress();
    let end = exchange.end();
    (Reply { body, ..exchange.take_head().unwrap() }, end, progress)
}

/// As bytes, whole and one by one; gives the reply.
fn decoded(one: &Recorded) -> Reply {
    let wire = one.wire();
    let whole = received([&wire[..]].into_iter());
    assert_eq!(received(wire.chunks(1)), whole, "{}", one.name);
    let (reply, end, _) = whole;
    assert_eq!((u64::from(reply.status), &end), (one.status, &Ok(())), "{}", one.name);
    assert_eq!(reply.body, one.body.clone().unwrap_or_default(), "{}", one.name);
    let reason = if one.status >= 400 { one.reason.as_str() } else { "" };
    assert_eq!(reply.reason, reason, "{}", one.name);
    reply
}

#[test]
fn every_recorded_answer_is_decoded_whole_and_byte_by_byte() {
    let mut count = 0;
    for version in VERSIONS {
        let (some, all) = (committed(version), all(version));
        count += some.len();
        assert!(all.is_empty() || all.len() > 150, "{version}: {}", all.len());
        for one in some.iter().chain(&all) {
            decoded(one);
        }
    }
    assert!(count > 150, "{count}");
}

#[test]
fn the_committed_answers_are_the_recorded_ones() {
    for version in VERSIONS {
        let all = all(version);
        let flat = |one: &Recorded| (one.name.clone(), one.method.clone(), one.wire());
        let known: Vec<_> = all.iter().map(flat).collect();
        for one in committed(version).iter().filter(|_| !all.is_empty()) {
            assert!(known.contains(&flat(one)), "{}", one.name);
        }
    }
}

#[test]
fn what_the_readers_make_of_the_answers_is_golden() {
    for version in VERSIONS {
        let mut printed = String::new();
        for one in committed(version).iter() {
            if let Some(read) = one.read(decoded(one)) {
                let name = one.name.split_once(' ').unwrap().1;
                printed += &format!("{name} {}\n", read.replace('\n', "\\n"));
            }
        }
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/golden/pve");
        let file = folder.join(format!("{version}.txt"));
        if std::env::var_os("DROWSE_BLESS").is_some() {
            fs::create_dir_all(&folder).unwrap();
            fs::write(&file, &printed).unwrap();
        }
        let golden = fs::read_to_string(&file).unwrap_or_default();
        for (printed, golden) in printed.lines().zip(golden.lines()) {
            assert_eq!(printed, golden, "{}", file.display());
        }
        assert_eq!(printed.lines().count(), golden.lines().count(), "{}", file.display());
    }
}

/// Every reader on every answer, its own or not.
#[test]
fn an_answer_that_says_no_says_the_same_to_all_readers() {
    let readers: [fn(Reply) -> String; 8] = [
        |reply| shown(call::version(), reply),
        |reply| shown(call::resources(), reply),
        |reply| shown(call::privileges(101), reply),
        |reply| shown(call::current(&somewhere()), reply),
        |reply| shown(call::config(&somewhere()), reply),
        |reply| shown(call::interfaces(&somewhere()), reply),
        |reply| shown(call::shutdown(&somewhere(), Duration::ZERO), reply),
        |reply| shown(call::task(&a_task()), reply),
    ];
    for one in VERSIONS.iter().flat_map(|version| [committed(version), all(version)]).flatten() {
        let reply = decoded(&one);
        let read: Vec<String> = readers.iter().map(|read| read(reply.clone())).collect();
        if one.status < 400 {
            continue; // None of them fell over it, which is all.
        }
        assert!(read[0].starts_with("refused: "), "{}: {}", one.name, read[0]);
        assert!(read.iter().all(|other| *other == read[0]), "{}: {read:?}", one.name);
    }
}

#[test]
fn whatever_was_asked_rightly_is_read() {
    let mut count = 0;
    for one in VERSIONS.iter().flat_map(|version| [committed(version), all(version)]).flatten() {
        let Some(read) = one.read(decoded(&one)) else { continue };
        let refused = read.starts_with("refused: ");
        assert_eq!(refused, one.status >= 400, "{}: {read}", one.name);
        count += 1;
    }
    // What is committed alone; beside all that was recorded there are many more.
    assert!(count > 100, "{count}");
}

/// What a GET asked is answered on a connection that may be kept only where PVE keeps it.
#[test]
fn a_connection_is_kept_where_pve_keeps_it() {
    for one in VERSIONS.iter().flat_map(|version| committed(version)).filter(Recorded::is_get) {
        let kept = matches!(
            received([&one.wire()[..]].into_iter()).2,
            Progress::Done(drowse::http::exchange::Afterwards::Reuse)
        );
        let says_so = one.connection.iter().all(|word| word == "Keep-Alive");
        assert_eq!(kept, says_so && one.body.is_some(), "{}", one.name);
    }
}

/// As old releases, and public captures of them, have it; and in any order of the keys.
#[test]
fn numbers_in_quotes_and_keys_in_any_order_read_alike() {
    for one in VERSIONS.iter().flat_map(|version| committed(version)) {
        let reply = decoded(&one);
        let (Some(read), 200) = (one.read(reply.clone()), one.status) else { continue };
        let body: Value = serde_json::from_slice(&reply.body).unwrap();
        let bodies = [
            shape::quoted(body.clone()).to_string(),
            shape::shuffled(&body, 1),
            shape::shuffled(&body, 2),
        ];
        for body in bodies {
            let reply = Reply { body: body.into(), ..reply.clone() };
            assert_eq!(one.read(reply), Some(read.clone()), "{}", one.name);
        }
    }
}

#[test]
fn what_others_captured_is_read_too() {
    for file in ["public-go-proxmox-pve7", "public-telegraf-old"] {
        let Ok(text) = fs::read(beside(&format!("proxmox/replies/{file}.json"))) else { return };
        let all: Value = serde_json::from_slice(&text).unwrap();
        for (at, one) in all["exchanges"].as_array().unwrap().iter().enumerate() {
            let flat = serde_json::json!({
                "name": at.to_string(), "method": "GET", "path": one["request"]["path"],
                "status": 200, "reason": "OK", "connection": [], "body": one["response"]["body"],
            });
            let one = recorded(file, &flat);
            let read = one.read(decoded(&one)).unwrap_or_default();
            assert!(!read.starts_with("refused"), "{}: {read}", one.name);
            let expected = match one.path.rsplit('/').next().unwrap() {
                "interfaces" => "Interface { name: \"eth0\", addresses: [192.168.3.95] }",
                "current" if file.contains("telegraf") => "Running",
                "config" => "hostname: \"test-container\"",
                _ => "",
            };
            assert!(read.contains(expected), "{}: {read}", one.name);
        }
    }
}
