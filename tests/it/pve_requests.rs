//! Every request that drowse can send to Proxmox VE is taken by the schemas of PVE 7, 8 and 9: the
//! double's own checks, on the schema where that lies beside the crate, and on its short table.

use std::time::{Duration, Instant};

use drowse::http::exchange::Exchange;
use drowse::http::{Call, Method, Request};
use drowse::proxmox::call::{self, Overrule};
use drowse::proxmox::rights::Token;
use drowse::proxmox::types::{Place, Version};

use crate::pve::answer::{self, Answer};
use crate::pve::schema::{self, Rule};
use crate::pve::state::State;
use crate::pve::{Guest, RELEASES, Release, wire};
use crate::source;

fn version(release: Release) -> Version {
    Version::parse(["7.4-20", "8.4.21", "9.2.11"][release as usize]).unwrap()
}

/// Every call that drowse has, as it would be asked of this release.
fn all(release: Release, upid: &str) -> Vec<(&'static str, Request)> {
    let place = Place { node: "pve".into(), vmid: 101 };
    let upid = drowse::proxmox::task::Upid::parse(upid).unwrap();
    let is = version(release);
    let overrule = if is.overrules_shutdown() { Overrule::Shutdown } else { Overrule::Nothing };
    let long = Duration::from_secs(u64::MAX);
    let mut all = vec![
        ("version", signed(call::version())),
        ("resources", signed(call::resources())),
        ("privileges", signed(call::privileges(101))),
        ("current", signed(call::current(&place))),
        ("config", signed(call::config(&place))),
        ("start", signed(call::start(&place))),
        ("shutdown", signed(call::shutdown(&place, Duration::from_millis(1500)))),
        ("shutdown", signed(call::shutdown(&place, Duration::ZERO))),
        ("shutdown", signed(call::shutdown(&place, long))),
        ("stop", signed(call::stop(&place, overrule))),
        ("stop", signed(call::stop(&place, Overrule::Nothing))),
        ("task", signed(call::task(&upid))),
        ("task_log", signed(call::task_log(&upid))),
    ];
    if is.tells_interfaces() {
        all.push(("interfaces", signed(call::interfaces(&place))));
    }
    all
}

fn signed<T>(call: Call<T>) -> Request {
    Token::new("sleeper@pve!t1", "a-secret").sign(call).request
}

/// As it comes over the wire.
fn sent(request: &Request) -> wire::Request {
    let exchange = Exchange::new(request, "pve:8006", "").unwrap();
    let mut bytes = exchange.outgoing();
    wire::parsed(&mut bytes).unwrap()
}

/// The status and the reason that it is answered with.
fn answered(release: Release, rules: &[Rule], request: &Request) -> (u16, String) {
    let mut state = State::new(release);
    state.guests.push(Guest::new(101));
    if request.path.ends_with("/shutdown") || request.path.ends_with("/stop") {
        state.guest(101).boot(Instant::now());
    }
    match answer::answer(&mut state, rules, &sent(request), Instant::now()) {
        Answer::Now(reply) => (reply.status, reply.reason),
        other => panic!("{request:?}: {other:?}"),
    }
}

const UPID: &str = "UPID:pve:00000186:0004C8B9:6B010BD0:vzshutdown:101:sleeper@pve!t1:";

#[test]
fn every_request_is_accepted_by_every_release() {
    for release in RELEASES {
        let given = [schema::of_schema(release), Some(schema::of_table(release))];
        for rules in given.into_iter().flatten() {
            for (name, request) in all(release, UPID) {
                let (status, reason) = answered(release, &rules, &request);
                // That the schema takes its number is all that is asked for here.
                let is_unknown = name == "task" && status == 400;
                let accepted = status == 200 || is_unknown;
                assert!(accepted, "{release:?}: {name}: {status} {reason}");
            }
        }
    }
}

#[test]
fn no_request_has_a_parameter_that_some_release_does_not_know() {
    for release in RELEASES {
        for (name, request) in all(release, UPID) {
            for rules in [schema::of_schema(release), Some(schema::of_table(release))] {
                let Some(rules) = rules else { continue };
                let wrong = complaints(&rules, &request);
                assert_eq!(wrong, [""; 0], "{release:?}: {name}");
            }
        }
    }
}

fn complaints(rules: &[Rule], request: &Request) -> Vec<String> {
    let path = request.path.strip_prefix("/api2/json").unwrap();
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let method = if request.method == Method::Get { "GET" } else { "POST" };
    let (rule, variables) = schema::find(rules, method, path).unwrap();
    let mut given: Vec<_> =
        variables.into_iter().map(|(name, value)| (name, value.into())).collect();
    given.extend(answer::form(query));
    given.extend(answer::form(std::str::from_utf8(&request.body).unwrap()));
    let wrong = schema::complaints(rule, &given);
    wrong.into_iter().map(|(name, what)| format!("{name}: {what}")).collect()
}

#[test]
fn what_an_old_release_does_not_have_is_refused_by_it() {
    let place = Place { node: "pve".into(), vmid: 101 };
    for rules in [schema::of_schema(Release::V7), Some(schema::of_table(Release::V7))] {
        let Some(rules) = rules else { continue };
        let interfaces = signed(call::interfaces(&place));
        assert_eq!(answered(Release::V7, &rules, &interfaces).0, 501);
        let stop = signed(call::stop(&place, Overrule::Shutdown));
        assert_eq!(answered(Release::V7, &rules, &stop).0, 400);
    }
}

/// A call that somebody adds must be in the list above.
#[test]
fn no_call_is_missing_here() {
    let sources = source::read_all(&["src/proxmox"]);
    let calls = sources.iter().find(|source| source.path == "src/proxmox/call.rs").unwrap();
    let is_call = |line: &&str| line.starts_with("pub fn ") && line.contains("-> Call<");
    let names = calls.text.lines().filter(is_call);
    let name = |line: &str| line["pub fn ".len()..].split('(').next().unwrap().to_owned();
    let mut names: Vec<String> = names.map(name).collect();
    let mut known: Vec<String> =
        all(Release::V9, UPID).iter().map(|(name, _)| (*name).to_owned()).collect();
    names.sort();
    known.sort();
    known.dedup();
    assert_eq!(known, names);
}
