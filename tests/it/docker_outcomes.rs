//! Every recorded reply, read by the call that asks for it: one line each, compared as a whole.

use std::fmt::Debug;
use std::fs;

use drowse::docker::call::{self, Condition};
use drowse::docker::logs::Framing;
use drowse::docker::types::Summary;
use drowse::docker::{Filters, image, network, system};
use drowse::error::Why;
use drowse::http::{Call, Reply};

use crate::replies::{self, ENGINES, Recorded};

#[test]
fn outcomes_of_every_committed_reply_are_as_reviewed() {
    for engine in ENGINES.into_iter().chain(["socket-proxy"]) {
        let recorded = replies::recorded(engine);
        assert!(!recorded.is_empty());
        let lines: String = recorded.into_iter().map(|one| line(engine, one)).collect();
        let file = replies::folder().join(engine).join("outcomes.txt");
        if std::env::var_os("DROWSE_UPDATE").is_some() {
            fs::write(&file, &lines).unwrap();
        }
        let reviewed = fs::read_to_string(&file).unwrap_or_default();
        for (now, then) in lines.lines().zip(reviewed.lines()) {
            assert_eq!(now, then, "{engine}");
        }
        assert_eq!(lines.lines().count(), reviewed.lines().count(), "{engine}");
    }
}

#[test]
fn every_reply_ever_recorded_is_read_by_its_status() {
    for engine in ENGINES {
        for one in replies::shared(engine) {
            let name = one.name.clone();
            if one.method == "HEAD" {
                continue; // any answer is one: ask again
            }
            // A wait that was cut, and the answers that say "does not run" or nothing at all.
            let cut = !one.ended || one.reply.body.is_empty();
            let fine = (200..300).contains(&one.reply.status);
            let outcome = outcome(one);
            assert!(outcome.starts_with("Ok") == fine || (fine && cut), "{name}: {outcome}");
        }
    }
}

fn line(engine: &str, one: Recorded) -> String {
    let name = one.name[engine.len() + 1..].to_owned();
    let status = one.reply.status;
    format!("{name} {status} {}\n", outcome(one))
}

/// What the call makes of it, as text. Long values as what matters of them.
fn outcome(one: Recorded) -> String {
    let (method, path) = (one.method.clone(), one.path.clone());
    let path = path.split('?').next().unwrap_or_default();
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    match (method.as_str(), segments.as_slice()) {
        ("HEAD", ["_ping"]) => plain(system::ping(), one.reply),
        ("GET", ["_ping"]) => plain(system::ping_get(), one.reply),
        ("GET", ["version"]) => plain(system::version(), one.reply),
        ("GET", ["info"]) => plain(system::info(), one.reply),
        ("GET", ["events"]) => events(one),
        ("POST", ["images", "create"]) => pull(one),
        ("GET", ["images", _, "json"]) => plain(image::inspect("x"), one.reply),
        ("GET", ["networks"]) => text(network::list(&Filters::default()), one.reply, |all| {
            let names: Vec<&str> = all.iter().map(|network| network.name.as_str()).collect();
            names.join(" ")
        }),
        ("POST", ["networks", "create"]) => {
            plain(network::create("x", &Default::default()), one.reply)
        }
        ("POST", ["networks", _, "connect"]) => plain(network::connect("x", "y"), one.reply),
        ("POST", ["networks", _, "disconnect"]) => plain(network::disconnect("x", "y"), one.reply),
        ("DELETE", ["networks", _]) => plain(network::remove("x"), one.reply),
        (method, ["containers", rest @ ..]) => container(method, rest, one),
        // Requests that drowse never sends: only their errors are of interest.
        _ => plain(call::start("x"), one.reply),
    }
}

fn container(method: &str, path: &[&str], one: Recorded) -> String {
    match (method, path) {
        ("GET", ["json"]) => text(call::list(&Filters::default()), one.reply, |all| {
            let problems: Vec<&String> = all.iter().flat_map(|one| &one.problems).collect();
            format!("{} containers, problems {problems:?}", all.len())
        }),
        ("POST", ["create"]) => plain(call::create(None, &"".into()), one.reply),
        ("DELETE", [_]) => plain(call::remove("x", Default::default()), one.reply),
        ("GET", [_, "json"]) => text(call::inspect("x"), one.reply, |one| {
            let has_check = one.has_healthcheck();
            let summary = one.clone().into_summary();
            format!("{}, checked {has_check}, {:?}", brief(&summary), one.state)
        }),
        ("POST", [_, "wait"]) => plain(call::wait("x", Condition::NextExit), one.reply),
        ("GET", [_, "logs"]) => logs(one),
        ("GET", [_, "stats"]) if one.path.contains("stream=true") => samples(one),
        ("GET", [_, "stats"]) => plain(call::stats_once("x"), one.reply),
        ("PUT", [_, "archive"]) => plain(call::upload("x", "/", Vec::new()), one.reply),
        _ => plain(call::start("x"), one.reply),
    }
}

fn brief(summary: &Summary) -> String {
    let Summary { names, image, state, status, ports, .. } = summary;
    let mode = summary.host_config.as_ref().map(|host| host.network_mode.as_str());
    let ports: Vec<String> = ports
        .iter()
        .map(|port| {
            let ip = port.ip.as_deref().unwrap_or("-");
            format!("{ip}/{:?}/{}/{}", port.public_port, port.private_port, port.kind)
        })
        .collect();
    format!("{names:?} {image} {state} {status:?} {mode:?} {ports:?}")
}

fn events(one: Recorded) -> String {
    let mut found = Vec::new();
    match (system::events(None).read)(head(&one.reply)) {
        Ok(mut reader) => {
            let result = reader.push(&one.reply.body, &mut found);
            let all: Vec<String> =
                found.iter().map(|event| format!("{:?} {}", event.action, event.name)).collect();
            format!("{result:?} {}", all.join(", "))
        }
        Err(why) => format!("{why:?}"),
    }
}

fn pull(one: Recorded) -> String {
    match (image::pull("x", None).read)(head(&one.reply)) {
        Ok(mut pull) => {
            let pushed = pull.push(&one.reply.body);
            let progress = pull.progress();
            let end = if one.ended { format!("{:?}", pull.finish()) } else { "cut".to_owned() };
            format!("{pushed:?} {end} {progress:?}")
        }
        Err(why) => format!("{why:?}"),
    }
}

fn logs(one: Recorded) -> String {
    let mut reader = (call::logs("x", Framing::Frames, Default::default()).read)(head(&one.reply));
    let mut text = String::new();
    let pushed = reader.as_mut().map_err(|why| why.clone()).and_then(|reader| {
        reader.push(&one.reply.body, |_, piece| text += &String::from_utf8_lossy(piece))
    });
    format!("{pushed:?} {text:?}")
}

fn samples(one: Recorded) -> String {
    let mut found = Vec::new();
    let result = (call::stats_stream("x").read)(head(&one.reply))
        .and_then(|mut reader| reader.push(&one.reply.body, &mut found));
    let seen: Vec<Option<u64>> =
        found.iter().map(|one| one.as_ref().map(|sample| sample.cpu_nanos)).collect();
    format!("{result:?} {seen:?}")
}

/// What a stream's reader is given: the head, and the body only where it says why there is none.
fn head(reply: &Reply) -> Reply {
    let body = if reply.status == 200 { Vec::new() } else { reply.body.clone() };
    Reply { body, ..reply.clone() }
}

fn plain<T: Debug>(call: Call<T>, reply: Reply) -> String {
    format!("{:?}", (call.read)(reply))
}

fn text<T>(call: Call<T>, reply: Reply, show: fn(&T) -> String) -> String {
    let read: Result<T, Why> = (call.read)(reply);
    match read {
        Ok(value) => format!("Ok {}", show(&value)),
        Err(why) => format!("{why:?}"),
    }
}
