//! What the Engine API's calls ask: whole request lines, and each against the engines' own rules.

use std::fmt::Write as _;
use std::time::Duration;

use drowse::docker::call::{self, Condition, LogPart, Removal};
use drowse::docker::logs::Framing;
use drowse::docker::version::{Kind, Negotiated, Version};
use drowse::docker::{Filters, image, network, system};
use drowse::http::{Call, Patience, Prefix, Request};
use drowse::sorted::Map;
use serde_json::{Value, json};

use crate::replies;

const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// A call without its reader.
struct Asked {
    what: String,
    request: Request,
    prefix: Prefix,
    patience: Patience,
}

fn asked<T>(call: Call<T>) -> Asked {
    let Call { what, request, prefix, patience, .. } = call;
    Asked { what, request, prefix, patience }
}

/// Every call, as it is made for an engine of this version.
fn every_call(engine: &Negotiated) -> Vec<Asked> {
    let mut filters = Filters::one("label", "io.drowse.app=a b");
    filters.add("status", "exited");
    let signal = engine.stops_with_signal().then_some("SIGINT");
    let labels = Map::from([("io.drowse.id".to_owned(), "1".to_owned())]);
    let part = LogPart {
        tail: Some(10),
        since_seconds: Some(1_795_229_458),
        timestamps: true,
        once: true,
    };
    let digest = "host:5000/a/b:1@sha256:12";
    vec![
        asked(system::ping()),
        asked(system::ping_get()),
        asked(system::version()),
        asked(system::info()),
        asked(system::events(None)),
        asked(system::events(Some(1_795_229_458_000_000_009))),
        asked(call::list(&Filters::default())),
        asked(call::list(&filters)),
        asked(call::list_one(ID)),
        asked(call::inspect("web")),
        asked(call::start(ID)),
        asked(call::stop("web", signal, Duration::from_millis(2500))),
        asked(call::kill("web", "SIGTERM")),
        asked(call::pause("web")),
        asked(call::unpause("web")),
        asked(call::wait("web", Condition::NotRunning)),
        asked(call::wait("web", Condition::NextExit)),
        asked(call::wait("web", Condition::Removed)),
        asked(call::stats_once("web")),
        asked(call::stats_stream("web")),
        asked(call::logs("web", Framing::Frames, LogPart::default())),
        asked(call::logs("web", Framing::Raw, part)),
        asked(call::create(None, &json!({"Image": "bb"}))),
        asked(call::create(Some("a b"), &json!({"Image": "bb"}))),
        asked(call::remove("web", Removal::default())),
        asked(call::remove("web", Removal { force: true, volumes: true })),
        asked(call::upload("web", "/etc/a b", b"tar".to_vec())),
        asked(image::inspect("ghcr.io/a/b:1")),
        asked(image::pull("bb", None)),
        asked(image::pull(digest, Some("e30="))),
        asked(network::list(&Filters::default())),
        asked(network::list(&Filters::one("label", "io.drowse.id"))),
        asked(network::create("run", &labels)),
        asked(network::connect("run", "web")),
        asked(network::disconnect("run", "web")),
        asked(network::remove("run")),
    ]
}

fn engine(version: &str) -> Negotiated {
    let version = version.parse().unwrap();
    Negotiated { version, kind: Kind::Docker, server: String::new() }
}

#[test]
fn request_lines_are_as_the_engines_want_them() {
    let mut lines = String::new();
    for Asked { what, request, prefix, patience } in every_call(&engine("1.44")) {
        let Request { method, path, headers, body } = request;
        let bare = if prefix == Prefix::Bare { "" } else { "/v" };
        let patience = match patience {
            Patience::Ordinary => String::new(),
            Patience::Within(limit) => format!(" within {} s", limit.as_secs()),
            Patience::Endless => " endless".to_owned(),
        };
        write!(lines, "{what}: {method:?} {bare}{path}{patience}").unwrap();
        for (name, value) in headers {
            write!(lines, " [{name}: {value}]").unwrap();
        }
        let body = String::from_utf8(body).unwrap();
        writeln!(lines, "{}{body}", if body.is_empty() { "" } else { " " }).unwrap();
    }
    for (now, then) in lines.lines().zip(EXPECTED.lines()) {
        assert_eq!(now, then);
    }
    assert_eq!(lines.lines().count(), EXPECTED.lines().count());
}

const EXPECTED: &str = include_str!("../../testdata/requests.txt");

#[test]
fn grace_is_rounded_up_and_bounded() {
    let ask = |grace| {
        let Asked { request, patience, .. } = asked(call::stop("a", None, grace));
        (request.path, patience)
    };
    let within = |seconds| Patience::Within(Duration::from_secs(seconds));
    let t = |seconds: u64| (format!("/containers/a/stop?t={seconds}"), within(seconds + 30));
    assert_eq!(ask(Duration::ZERO), t(0));
    assert_eq!(ask(Duration::from_millis(1)), t(1));
    assert_eq!(ask(Duration::from_secs(60)), t(60));
    assert_eq!(ask(Duration::MAX), t(2_147_483_647));
}

#[test]
fn a_name_cannot_leave_its_place_in_the_path() {
    let path = |name: &str| asked(call::inspect(name)).request.path;
    assert_eq!(path("a/../b?c#d e"), "/containers/a%2F..%2Fb%3Fc%23d%20e/json");
    assert_eq!(asked(image::inspect("a?b/c")).request.path, "/images/a%3Fb/c/json");
}

#[test]
fn every_request_is_one_the_engines_know() {
    let Ok(text) = std::fs::read_to_string(replies::beside("docker/endpoints.json")) else {
        return; // only where the data lie beside the crate
    };
    let data: Value = serde_json::from_str(&text).unwrap();
    let endpoints = data["endpoints"].as_array().unwrap();
    for minor in 41..=51 {
        let version = Version { major: 1, minor };
        let engine = Negotiated { version, kind: Kind::Docker, server: String::new() };
        for asked in every_call(&engine) {
            let faults = faults(&asked, endpoints, version);
            assert_eq!(faults, Vec::<String>::new(), "{} at {version}", asked.what);
        }
    }
}

#[test]
fn a_wrong_request_would_be_noticed() {
    let Ok(text) = std::fs::read_to_string(replies::beside("docker/endpoints.json")) else {
        return;
    };
    let data: Value = serde_json::from_str(&text).unwrap();
    let endpoints = data["endpoints"].as_array().unwrap();
    let at = |minor| Version { major: 1, minor };
    let mut stop = asked(call::stop("a", Some("SIGINT"), Duration::ZERO));
    assert_eq!(faults(&stop, endpoints, at(42)), Vec::<String>::new());
    assert_eq!(faults(&stop, endpoints, at(41)), ["parameter signal"]);
    stop.request.body = b"{}".to_vec();
    assert_eq!(faults(&stop, endpoints, at(42)), ["a body"]);
    let mut create = asked(call::create(None, &json!({})));
    create.request.headers.clear();
    assert_eq!(faults(&create, endpoints, at(41)), ["content type"]);
    let filtered = asked(call::list(&Filters::one("nosuch", "x")));
    assert_eq!(faults(&filtered, endpoints, at(41)), ["filter nosuch"]);
    let mut bare = asked(system::ping());
    bare.prefix = Prefix::Versioned;
    assert_eq!(faults(&bare, endpoints, at(41)), ["prefix"]);
}

/// What a strict engine of this version would find wrong.
fn faults(asked: &Asked, endpoints: &[Value], version: Version) -> Vec<String> {
    let Request { method, path, headers, body } = &asked.request;
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let method = format!("{method:?}").to_uppercase();
    let found = endpoints
        .iter()
        .find(|one| one["method"] == method.as_str() && fits(one["path"].as_str().unwrap(), path));
    let Some(found) = found else { return vec![format!("no such endpoint: {method} {path}")] };
    let mut faults = Vec::new();
    if (found["prefix"] == "never") != (asked.prefix == Prefix::Bare) {
        faults.push("prefix".to_owned());
    }
    let params = found["params"].as_array().unwrap();
    for (name, value) in query.split('&').filter(|part| !part.is_empty()).map(pair) {
        let known = params.iter().find(|one| one["name"] == name && one["in"] == "query");
        match known.filter(|one| exists(one, version)) {
            Some(known) => faults.extend(bad_filters(known, &value)),
            None => faults.push(format!("parameter {name}")),
        }
    }
    if found["body_forbidden"] == true && !body.is_empty() {
        faults.push("a body".to_owned());
    }
    let sent = headers.iter().find(|(name, _)| *name == "content-type");
    let wanted = found["content_type"].as_str().and_then(|text| text.split(' ').next());
    if wanted.is_some() && sent.map(|(_, value)| value.as_str()) != wanted {
        faults.push("content type".to_owned());
    }
    faults
}

/// `/containers/{id}/json`; an image's name may span segments.
fn fits(pattern: &str, path: &str) -> bool {
    if let Some((before, after)) = pattern.split_once("{name}") {
        return path.len() > before.len() + after.len()
            && path.starts_with(before)
            && path.ends_with(after);
    }
    let (pattern, path): (Vec<&str>, Vec<&str>) =
        (pattern.split('/').collect(), path.split('/').collect());
    let same = |(a, b): (&&str, &&str)| a == b || (a.starts_with('{') && !b.is_empty());
    pattern.len() == path.len() && pattern.iter().zip(&path).all(same)
}

fn pair(part: &str) -> (String, String) {
    let decode = |text: &str| {
        assert!(!text.contains(['{', '"', ' ']), "not encoded: {text}");
        percent_encoding::percent_decode_str(text).decode_utf8().unwrap().into_owned()
    };
    let (name, value) = part.split_once('=').unwrap_or((part, ""));
    (decode(name), decode(value))
}

fn exists(param: &Value, version: Version) -> bool {
    let bound = |name: &str| param[name].as_str().map(|text| text.parse::<Version>().unwrap());
    bound("since").is_none_or(|since| since <= version)
        && bound("until").is_none_or(|until| version <= until)
}

fn bad_filters(param: &Value, value: &str) -> Vec<String> {
    let Some(keys) = param["filter_keys"].as_array() else { return Vec::new() };
    let filters: Map<String, Vec<String>> = serde_json::from_str(value).unwrap();
    let unknown = filters.keys().filter(|key| !keys.iter().any(|known| known == key.as_str()));
    unknown.map(|key| format!("filter {key}")).collect()
}
