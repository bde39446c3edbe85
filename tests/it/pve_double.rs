//! The double of a Proxmox VE cluster is like the recorded ones: what it answers, how it closes.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use drowse::error::Why;
use drowse::http::{Call, Method, Patience, Reply};
use drowse::net::blocking::Client;
use drowse::net::{Endpoint, Route, Tls, Trust};
use serde_json::Value;

use crate::net::server::{call, soon};
use crate::net::tls::file;
use crate::pve::answer::{self, Answer};
use crate::pve::state::{Mood, Node, Order, State, Token};
use crate::pve::wire::{Body, Request};
use crate::pve::{Cluster, Course, Guest, RELEASES, Release, schema};
use crate::replies::beside;

#[test]
fn what_drowse_may_ask_is_in_the_table_as_in_the_schema() {
    for release in RELEASES {
        let Some(schema) = schema::of_schema(release) else { return };
        for row in schema::of_table(release) {
            let same = |rule: &&schema::Rule| rule.method == row.method && rule.path == row.path;
            let mut rule = schema.iter().find(same).unwrap_or_else(|| panic!("{row:?}")).clone();
            // What nothing here asks for may be missing in the table, and is refused then.
            let known = |name: &str| row.parameters.iter().any(|one| one.name == name);
            rule.parameters.retain(|one| known(&one.name) || !one.optional);
            assert_eq!(row, rule, "{release:?}");
        }
    }
}

/// The cluster that was recorded.
fn recorded(release: Release) -> State {
    let mut state = State::new(release);
    state.nodes[1].1 = Node::Down;
    let stopped = |vmid| Guest::new(vmid);
    let slow = Duration::from_millis(600);
    let mut guests: Vec<Guest> = (101..=106).map(stopped).collect();
    guests[0] = stopped(101).running();
    guests[1].lock = Some("backup");
    guests[2].heeds_shutdown = false;
    guests[3].template = true;
    guests[4].tags = Some("idle;web");
    guests[4].notes = Some("hello\nworld".into());
    guests[4].net0 = Some("name=eth0,bridge=vmbr0,ip=10.0.3.15/24".into());
    guests[5].start = Course::new(slow, "startup for container '106' failed");
    guests.push(Guest { known: false, ..stopped(201).on("pve2") });
    for guest in &mut guests {
        guest.shutdown.takes = Some(slow);
        guest.stop.takes = Some(slow);
        guest.start.takes = Some(slow);
    }
    state.guests = guests;
    let token = |id: &str, rights: &[(&str, &'static str)]| Token {
        id: id.into(),
        secret: "a-secret".into(),
        expired: id.ends_with("old"),
        rights: rights.iter().map(|(path, right)| ((*path).to_owned(), *right)).collect(),
    };
    let (audit, power) = ("VM.Audit", "VM.PowerMgmt");
    state.tokens = vec![
        token("sleeper@pve!t1", &[("/vms/101", audit), ("/vms/101", power)]),
        token("sleeper@pve!full", &[("/vms", audit), ("/vms", power)]),
        token("sleeper@pve!noacl", &[]),
        token("sleeper@pve!old", &[]),
        token("noperm@pve!t1", &[("/vms/101", power)]),
        token("audit@pve!t1", &[("/", audit), ("/", "Sys.Audit")]),
    ];
    state
}

/// What is compared of a reply: status, reason, the errors, how a task went, and what else there is
/// by its keys only.
fn outline(status: u64, reason: &str, body: &Value) -> String {
    let keys = |value: &Value| match value {
        Value::Object(all) => all.keys().cloned().collect::<Vec<_>>().join(","),
        Value::Array(all) => format!("[{}", if all.is_empty() { "]" } else { "…]" }),
        Value::String(text) => text.split(':').nth(5).unwrap_or(text).to_owned(),
        Value::Null => "null".to_owned(),
        other => other.to_string(),
    };
    let data = &body["data"];
    let task = [&data["status"], &data["exitstatus"]].map(Value::to_string).join(" ");
    let message = &body["message"];
    format!("{status} {reason}: {} {task} {} {message}", keys(data), body["errors"])
}

/// The recorded request, told to the double, with the ids of its own tasks.
fn told(request: &Value, ids: &BTreeMap<String, String>) -> Option<Request> {
    let text = |key: &str| request[key].as_str().unwrap_or_default();
    let mut target = text("path").to_owned();
    for (theirs, ours) in ids {
        target = target.replace(theirs.as_str(), ours);
    }
    let mut headers = Vec::new();
    match text("auth").strip_prefix("token ") {
        Some(token) => {
            let value = format!("PVEAPIToken={token}=a-secret");
            headers.push(("authorization".to_owned(), value));
        }
        None if request.get("headers").is_some() => return None, // blanked
        None => {}
    }
    if let Some(kind) = request["content_type"].as_str() {
        headers.push(("content-type".into(), kind.into()));
    }
    for line in request["headers"].as_array().into_iter().flatten() {
        let (name, value) = line.as_str().unwrap().split_once(": ").unwrap();
        headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    let method = text("method").to_owned();
    Some(Request { method, target, headers, body: text("body").into() })
}

/// Whether the double plays that request at all.
fn is_played(release: Release, request: &Request) -> bool {
    let path = request.target.split('?').next().unwrap();
    let path = path.strip_prefix("/api2/json").unwrap_or(path);
    let rules = schema::of_table(release);
    let all = schema::of_schema(release).unwrap();
    schema::find(&rules, &request.method, path).is_some()
        || schema::find(&all, &request.method, path).is_none()
}

fn replay(release: Release, name: &str) -> usize {
    let file = beside(&format!("proxmox/replies/recorded-pve{name}.json"));
    let Ok(text) = fs::read(file) else { return 0 };
    let all: Value = serde_json::from_slice(&text).unwrap();
    let (mut state, rules) = (recorded(release), schema::of_schema(release).unwrap());
    let (mut ids, mut now, mut count) = (BTreeMap::new(), Instant::now(), 0);
    let mut differ = Vec::new();
    for exchange in all["exchanges"].as_array().unwrap() {
        let name = exchange["name"].as_str().unwrap();
        if exchange["group"] == "auth" || LEFT_OUT.contains(&name) {
            continue;
        }
        let response = &exchange["response"];
        direct(&mut state, name, now);
        let Some(request) = told(&exchange["request"], &ids) else { continue };
        let of_others = request.target.contains("/UPID") && response["status"] == 200;
        let is_known = ids.values().any(|ours| request.target.contains(ours));
        if !is_played(release, &request) || response["status"].is_null() || (of_others && !is_known)
        {
            continue;
        }
        now += if name.contains("task-final") { Duration::from_secs(60) } else { Duration::ZERO };
        let reply = match answer::answer(&mut state, &rules, &request, now) {
            Answer::Now(reply) | Answer::After(_, reply) => reply,
            Answer::Never => panic!("{name}: no answer"),
        };
        let body = match &reply.body {
            Body::Json(text) => serde_json::from_str(text).unwrap(),
            Body::Text(_) | Body::None => Value::Null,
        };
        if let (Some(theirs), Some(ours)) =
            (response["body"]["data"].as_str(), body["data"].as_str())
        {
            ids.insert(theirs.to_owned(), ours.to_owned());
        }
        let theirs = response["reason"].as_str().unwrap();
        let theirs = outline(response["status"].as_u64().unwrap(), theirs, &response["body"]);
        let ours = outline(reply.status.into(), &reply.reason, &body);
        if ours != theirs {
            differ.push(format!("{release:?} {name}\n  theirs {theirs}\n  ours   {ours}"));
        }
        count += 1;
    }
    assert!(differ.is_empty(), "{}", differ.join("\n"));
    count
}

/// What the double does not do: users, other paths than the API's; and what hung on the moment.
const LEFT_OUT: [&str; 7] = [
    "disabled-user",
    "html-format",
    "outside-api",
    "start-locked-task-first-poll",
    "start-template-task-first-poll",
    "start-while-start-task-runs",
    "task-of-other-token-403",
];

/// What was done on the node itself before an exchange was recorded.
fn direct(state: &mut State, name: &str, now: Instant) {
    match name {
        "shutdown-while-shutdown-runs" => {
            state.guest(103).boot(now);
            let (kind, owner) = ("vzshutdown", "sleeper@pve!full".into());
            let order = Order { node: "pve".into(), vmid: 103, kind, owner, at: now };
            state.begin(order, Course { takes: None, ..Course::new(Duration::ZERO, "OK") });
        }
        "current-running-locked" => {
            state.guest(101).boot(now);
            state.guest(101).lock = Some("snapshot");
        }
        "current-frozen" => {
            state.guest(101).lock = None;
            state.guest(101).heeds_shutdown = false;
        }
        "current-after-migration-away" => state.guest(105).node = "pve2".into(),
        _ => {}
    }
}

#[test]
fn what_was_recorded_is_answered_alike() {
    if schema::of_schema(Release::V9).is_none() {
        return;
    }
    let names = ["7.4", "8.4", "9.2"];
    let replayed =
        |(release, name)| std::panic::catch_unwind(|| replay(release, name)).unwrap_or(0);
    let counts = RELEASES.into_iter().zip(names).map(replayed);
    let counts: Vec<_> = counts.collect();
    assert!(counts.iter().all(|count| *count > 90), "{counts:?}");
}

/// A way to a cluster for calls that have no reader.
fn client(cluster: &Cluster) -> Client {
    let tls = Tls { trust: Trust::Ca(file("ca.pem")), identity: None, server_name: None };
    let route = Route::Tls { host: "127.0.0.1".into(), port: cluster.port, tls };
    Client::open(&Endpoint { url: cluster.url(), authority: "pve:8006".into(), route }).unwrap()
}

fn get(path: &str) -> Call<Reply> {
    with_secret(path, "a-secret")
}

fn with_secret(path: &str, secret: &str) -> Call<Reply> {
    let mut call = call(Method::Get, &format!("/api2/json{path}"));
    let value = format!("PVEAPIToken=sleeper@pve!t1={secret}");
    call.request.headers.push(("authorization", value));
    call
}

/// The connections that the requests so far came on.
fn connections(cluster: &Cluster) -> Vec<usize> {
    cluster.seen().iter().map(|seen| seen.connection).collect()
}

#[test]
fn a_connection_is_kept_for_a_hundred_requests() {
    let cluster = Cluster::of([Guest::new(101)]);
    let client = client(&cluster);
    for _ in 0..101 {
        assert_eq!(client.run(&get("/cluster/resources"), soon()).unwrap().status, 200);
    }
    assert_eq!(connections(&cluster), [vec![0; 100], vec![1]].concat());
}

#[test]
fn an_idle_connection_is_closed_and_one_that_said_no_too() {
    let cluster = Cluster::of([Guest::new(101)]);
    assert_eq!(cluster.change(|state| state.idle), Duration::from_secs(5));
    cluster.change(|state| state.idle = Duration::from_millis(50));
    let client = client(&cluster);
    client.run(&get("/version"), soon()).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    client.run(&get("/version"), soon()).unwrap();
    cluster.change(|state| state.idle = Duration::from_secs(5));
    let reply = client.run(&get("/nodes/pve/lxc/999/config"), soon()).unwrap();
    assert_eq!((reply.status, reply.header("connection")), (500, Some("close")));
    client.run(&get("/version"), soon()).unwrap();
    let connections = connections(&cluster);
    assert_eq!(connections[0], 0);
    assert!(connections[1] > 0 && connections[3] > connections[2], "{connections:?}");
}

#[test]
fn a_bad_token_costs_its_three_seconds_and_has_no_body() {
    let cluster = Cluster::start(Release::V9);
    assert_eq!(cluster.change(|state| state.refusal_takes), Duration::from_secs(3));
    cluster.change(|state| state.refusal_takes = Duration::from_millis(300));
    let begin = Instant::now();
    let reply = client(&cluster).run(&with_secret("/version", "another"), soon()).unwrap();
    assert!(begin.elapsed() >= Duration::from_millis(300));
    assert_eq!((reply.status, reply.body.len()), (401, 0));
    assert_eq!(reply.header("content-length"), None);
}

#[test]
fn a_node_that_is_down_or_hangs_behaves_so() {
    let cluster = Cluster::of([Guest::new(101), Guest::new(201).on("pve2")]);
    cluster.change(|state| state.nodes[1].1 = Node::Down);
    let there = get("/nodes/pve2/lxc/201/status/current");
    let reply = client(&cluster).run(&there, soon()).unwrap();
    assert_eq!((reply.status, reply.body.len()), (595, 0));
    cluster.change(|state| state.nodes[1].1 = Node::Hangs);
    let brief = Patience::Within(Duration::from_millis(200));
    let why = |call: Call<Reply>| {
        let asked = Call { patience: brief, ..call };
        client(&cluster).run(&asked, soon()).map(|reply| reply.status).map_err(|error| error.why)
    };
    assert!(matches!(why(there), Err(Why::TimedOut(_))));
    assert_eq!(why(get("/nodes/pve/lxc/101/status/current")), Ok(200));
    for mood in [Mood::Hangs, Mood::Deaf] {
        cluster.mood(mood);
        assert!(matches!(why(get("/version")), Err(Why::TimedOut(_))), "{mood:?}");
    }
    cluster.mood(Mood::Refuses);
    assert!(matches!(why(get("/version")), Err(Why::Unreachable(_))));
    cluster.mood(Mood::Answers);
    assert_eq!(why(get("/version")), Ok(200));
}

#[test]
fn what_pvedaemon_answers_says_close_and_keep_alive() {
    let cluster = Cluster::of([Guest::new(101)]);
    let reply = client(&cluster).run(&get("/nodes/pve/lxc/101/status/current"), soon()).unwrap();
    let all = reply.headers.iter().filter(|(name, _)| name == "connection");
    assert_eq!(all.map(|(_, value)| value.as_str()).collect::<Vec<_>>(), ["close", "Keep-Alive"]);
}

#[test]
#[should_panic(expected = "the server had to refuse")]
fn a_request_that_the_schema_refuses_fails_the_test() {
    let cluster = Cluster::of([Guest::new(101)]);
    let reply = client(&cluster).run(&get("/cluster/resources?type=lxc"), soon()).unwrap();
    assert_eq!(reply.status, 400);
}
