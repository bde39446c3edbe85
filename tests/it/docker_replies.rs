//! What recorded engines say, decoded, against the facts: their own JSON, and where they differ.

use drowse::docker::call::{self, Condition};
use drowse::docker::events::Action;
use drowse::docker::inspect::{Inspect, complete};
use drowse::docker::types::{Health, Mount, Port, Summary};
use drowse::docker::version::{Kind, negotiate};
use drowse::docker::{Filters, documents, image, network, system};
use drowse::error::Why;
use drowse::http::{Call, Reply};
use drowse::sorted::Map;
use serde_json::Value;

use crate::replies::{self, ENGINES, load};

fn list(engine: &str) -> Vec<Summary> {
    (call::list(&Filters::default()).read)(load(&format!("{engine}/list-all"))).unwrap()
}

fn inspect(engine: &str, name: &str) -> Inspect {
    (call::inspect(name).read)(load(&format!("{engine}/inspect/{name}"))).unwrap()
}

/// The container of that name.
fn listed(engine: &str, name: &str) -> Summary {
    let name = format!("/{name}");
    list(engine).into_iter().find(|one| one.names.contains(&name)).unwrap()
}

fn why<T>(call: Call<T>, name: &str) -> Why {
    (call.read)(load(name)).err().unwrap()
}

/// The message of a recorded refusal.
fn message(reply: &Reply) -> String {
    let body: Value = serde_json::from_slice(&reply.body).unwrap();
    body["message"].as_str().unwrap().to_owned()
}

#[test]
fn the_list_says_what_the_engine_wrote() {
    for engine in ENGINES {
        let raw: Vec<Value> =
            serde_json::from_slice(&load(&format!("{engine}/list-all")).body).unwrap();
        let all = list(engine);
        assert_eq!(all.len(), raw.len());
        for (one, raw) in all.iter().zip(&raw) {
            let text = |name: &str| raw[name].as_str().unwrap().to_owned();
            assert_eq!(one.id, text("Id"));
            assert_eq!(one.image, text("Image"));
            assert_eq!(one.image_id, text("ImageID"));
            assert_eq!((&one.state, &one.status), (&text("State"), &text("Status")));
            let names: Vec<String> = serde_json::from_value(raw["Names"].clone()).unwrap();
            assert_eq!(one.names, names);
            let labels: Option<Map<String, String>> =
                serde_json::from_value(raw["Labels"].clone()).unwrap();
            assert_eq!(one.labels, labels.unwrap_or_default());
            let networks = raw["NetworkSettings"]["Networks"].as_object();
            let networks: Vec<&String> = networks.into_iter().flat_map(|all| all.keys()).collect();
            assert!(one.network_settings.networks.keys().eq(networks));
            let mounts = raw["Mounts"].as_array().map_or(0, Vec::len);
            assert_eq!((one.mounts.len(), one.problems.len()), (mounts, 0));
        }
    }
}

#[test]
fn odd_labels_come_through_untouched() {
    for (engine, count) in ENGINES.into_iter().zip([27, 27, 26, 26]) {
        let labels = listed(engine, "h5-labels").labels;
        assert_eq!(labels.len(), count, "{engine}: {:?}", labels);
        assert_eq!(labels, inspect(engine, "h5-labels").config.labels);
        assert!(labels.values().any(|value| value.contains('\u{2028}')));
        assert!(labels.values().any(|value| value.contains('\t')));
    }
}

/// Puts aside what the list and inspect tell differently by nature.
fn comparable(mut one: Summary) -> Summary {
    one.status.clear();
    one.health = None;
    one.ports.sort();
    one.mounts.sort_by(|a, b| a.destination.cmp(&b.destination));
    for mount in &mut one.mounts {
        if mount.kind == "volume" {
            mount.source.clear(); // Docker 20.10's list does not tell it
        }
    }
    one
}

#[test]
fn a_running_container_is_the_same_by_list_and_by_inspect() {
    for engine in ENGINES {
        let mut compared = 0;
        for from_list in list(engine).into_iter().filter(|one| one.state == "running") {
            let name = from_list.names.iter().find_map(|name| name.strip_prefix('/')).unwrap();
            if name == "h5-restarting" {
                continue; // ran anew between the two
            }
            let mut from_list = comparable(from_list.clone());
            let mut from_inspect = comparable(inspect(engine, name).into_summary());
            if engine.starts_with("podman") {
                from_inspect.host_config = None;
                // Some of the ports are missing in the list.
                let known = |port: &Port| from_inspect.ports.contains(port);
                assert!(from_list.ports.iter().all(known), "{engine}: {from_list:?}");
                from_inspect.ports.clone_from(&from_list.ports);
            }
            if engine == "podman-5.8" {
                // Inspect tells one as it was given, the list where it led.
                for mount in from_list.mounts.iter_mut().chain(&mut from_inspect.mounts) {
                    mount.source.clear();
                }
            }
            // An old link's extra name is only in the list.
            from_list.names.retain(|name| name.matches('/').count() == 1);
            assert_eq!(from_inspect, from_list, "{engine}");
            compared += 1;
        }
        assert!(compared > 10, "{engine}");
    }
}

#[test]
fn inspect_completes_what_the_list_lacks() {
    let port = |private_port, public_port: Option<u16>| Port {
        private_port,
        public_port,
        kind: "tcp".into(),
        ..Port::default()
    };
    for engine in ["docker-20.10", "docker-29.7"] {
        let stopped = complete(listed(engine, "h5-created"), &inspect(engine, "h5-created"));
        assert_eq!(listed(engine, "h5-created").ports, []);
        assert_eq!(stopped.ports, [port(98, Some(28098)), port(1234, None)]);
    }
    for engine in ["podman-4.3", "podman-5.8"] {
        let bare = listed(engine, "h5-healthy");
        assert_eq!((bare.host_config.as_ref(), bare.health.as_ref()), (None, None));
        let full = complete(bare, &inspect(engine, "h5-healthy"));
        assert_eq!(full.health, Some(Health { status: "healthy".into() }));
        assert_eq!(full.host_config.unwrap().network_mode, "bridge");
        let host = complete(listed(engine, "h5-host"), &inspect(engine, "h5-host"));
        assert_eq!(host.host_config.unwrap().network_mode, "host");
        assert_eq!(host.health, None);
        // A range comes whole only from inspect, an exposed port too.
        let ports = complete(listed(engine, "h5-bridge"), &inspect(engine, "h5-bridge")).ports;
        let public: Vec<u16> = ports.iter().filter_map(|port| port.public_port).collect();
        assert_eq!(public, [28090, 28091], "{engine}");
        let web = complete(listed(engine, "h5-web"), &inspect(engine, "h5-web")).ports;
        assert!(web.contains(&port(9000, None)), "{engine}");
    }
}

#[test]
fn lists_differ_where_they_are_known_to() {
    let mode = |engine, name| listed(engine, name).host_config.map(|host| host.network_mode);
    let health = |engine, name| listed(engine, name).health.map(|health| health.status);
    let ips = |engine| {
        let ports = listed(engine, "h5-web").ports;
        let is_it = |port: &&Port| port.public_port == Some(28080);
        ports.iter().filter(is_it).map(|port| port.ip.clone()).collect::<Vec<_>>()
    };
    let some = |text: &str| Some(text.to_owned());
    let facts = ENGINES.map(|engine| {
        (
            mode(engine, "h5-exit0"),
            health(engine, "h5-healthy"),
            health(engine, "h5-web"),
            listed(engine, "h5-healthy").status.contains("(healthy)"),
            listed(engine, "h5-host").network_settings.networks.contains_key("host"),
            listed(engine, "h5-badport").ports.len(),
            ips(engine),
            listed(engine, "h5-restarting").state,
        )
    });
    let both = vec![some("0.0.0.0"), some("::")];
    let expected = [
        (some("default"), None, None, true, true, 0, both.clone(), "restarting".into()),
        (some("bridge"), some("healthy"), some("none"), true, true, 0, both, "restarting".into()),
        (None, None, None, false, false, 1, vec![None], "running".into()),
        (None, None, None, false, true, 1, vec![some("0.0.0.0")], "running".into()),
    ];
    assert_eq!(facts, expected);
}

#[test]
fn a_mount_is_told_in_full() {
    let expected = Mount {
        kind: "bind".into(),
        source: "/opt/dk/bind".into(),
        destination: "/data".into(),
        rw: false,
    };
    for engine in ["docker-20.10", "docker-29.7", "podman-4.3"] {
        assert!(listed(engine, "h5-mounts").mounts.contains(&expected), "{engine}");
    }
}

#[test]
fn a_container_that_is_as_asked_is_told_so() {
    for engine in ENGINES {
        assert_eq!(why(call::start("x"), &format!("{engine}/errors/start-304")), Why::AlreadySo);
        let stop = call::stop("x", None, Default::default());
        assert_eq!(why(stop, &format!("{engine}/errors/stop-304")), Why::AlreadySo);
    }
}

#[test]
fn what_stands_against_it_is_a_conflict_on_every_engine() {
    for engine in ENGINES {
        for (call, name) in [
            (call::start("x"), "start-paused"),
            (call::kill("x", "TERM"), "kill-notrunning"),
            (call::pause("x"), "pause-paused"),
            (call::pause("x"), "pause-notrunning"),
            (call::unpause("x"), "unpause-notpaused"),
            (call::unpause("x"), "unpause-notrunning"),
            (call::remove("x", Default::default()), "remove-running-409"),
            (call::remove("x", Default::default()), "remove-paused"),
            (network::connect("x", "y"), "net-connect-dup"),
            (network::remove("x"), "net-remove-inuse"),
        ] {
            let name = format!("{engine}/errors/{name}");
            assert_eq!(why(call, &name), Why::Conflict(message(&load(&name))), "{name}");
        }
        let name = format!("{engine}/errors/create-conflict");
        let create = call::create(Some("x"), &Value::Null);
        assert_eq!(why(create, &name), Why::Conflict(message(&load(&name))));
        let name = format!("{engine}/errors/net-create-dup");
        let create = network::create("x", &Map::new());
        assert_eq!(why(create, &name), Why::Conflict(message(&load(&name))));
    }
}

#[test]
fn what_is_not_there_is_not_found_on_every_engine() {
    for engine in ENGINES {
        for name in ["start-404", "stop-404", "kill-404", "pause-404", "remove-404", "archive-404"]
        {
            let name = format!("{engine}/errors/{name}");
            assert_eq!(why(call::start("x"), &name), Why::NotFound(message(&load(&name))));
        }
        let image = why(image::inspect("x"), &format!("{engine}/image-404"));
        assert!(matches!(image, Why::NotFound(_)));
        let stats = why(call::stats_once("x"), &format!("{engine}/errors/stats-404"));
        assert!(matches!(stats, Why::NotFound(_)), "{stats:?}");
    }
}

#[test]
fn versions_are_agreed_on() {
    for (engine, prefix, kind, signal) in [
        ("docker-20.10", "/v1.41", Kind::Docker, false),
        ("docker-29.7", "/v1.51", Kind::Docker, true),
        ("podman-4.3", "/v1.41", Kind::Podman, false),
        ("podman-5.8", "/v1.44", Kind::Podman, false),
        ("socket-proxy", "/v1.41", Kind::Docker, false),
    ] {
        let head = (system::ping().read)(load(&format!("{engine}/ping-head"))).unwrap();
        let get = (system::ping_get().read)(load(&format!("{engine}/ping-get"))).unwrap();
        assert_eq!(head.as_ref(), Some(&get));
        let agreed = negotiate(&get, None).unwrap();
        let facts = (agreed.prefix(), agreed.kind, agreed.stops_with_signal());
        assert_eq!(facts, (prefix.to_owned(), kind, signal), "{engine}");
    }
    let minimum = (system::ping().read)(load("docker-29.7/min-1.44/head-v1.41-ping"));
    assert_eq!(minimum, Ok(None));
}

#[test]
fn an_engine_that_wants_another_version_says_which() {
    let too_old = why(call::list(&Filters::default()), "docker-29.7/min-1.44/list-v1.41");
    let text = "the engine wants API 1.44 or newer, asked with 1.41: unset DOCKER_API_VERSION, or \
                set it to 1.44";
    assert_eq!(too_old, Why::TooOld(text.into()));
    let too_new = why(call::list(&Filters::default()), "docker-20.10/errors/version-too-new");
    let text = "the engine speaks API 1.41 at most, asked with 1.99: unset DOCKER_API_VERSION, or \
                set it to 1.41";
    assert_eq!(too_new, Why::TooOld(text.into()));
}

#[test]
fn plain_http_on_a_tls_port_names_the_way_out() {
    let expected = Why::NotAnEngine("TLS is spoken there: use https:// or tls://".into());
    let name = "docker-20.10/tls/plain-http-to-tls";
    assert_eq!(why(system::ping_get(), name), expected);
    assert_eq!(why(system::info(), name), expected);
}

#[test]
fn exit_codes_come_from_wait() {
    let wait = |name: &str| (call::wait("x", Condition::NotRunning).read)(load(name));
    for engine in ENGINES {
        assert_eq!(wait(&format!("{engine}/ok/wait-default")).unwrap().code, 5);
    }
    assert_eq!(wait("docker-20.10/events/daemon-shutdown-wait").unwrap().code, 137);
    let gone = Err(Why::Broken("the answer is empty: the engine went away".into()));
    assert_eq!(wait("docker-20.10/events/daemon-shutdown-wait-removed"), gone);
}

#[test]
fn a_stop_is_told_in_each_engines_order() {
    use Action::{Die, Kill, Removed, Rename, Start, Stop};
    let other = |name: &str| Action::Other(name.into());
    // A signal that does not end it, then an ordered stop.
    for (engine, expected) in ENGINES.into_iter().zip([
        vec![Kill, Kill, Die, Stop],
        vec![Kill, Kill, Stop, Die],
        vec![Kill, Die, other("cleanup"), other("cleanup"), other("init")],
        vec![Kill, Die, other("cleanup"), other("init")],
    ]) {
        let mut reader = (system::events(None).read)(Reply { status: 200, ..Reply::default() });
        let mut found = Vec::new();
        let stream = load(&format!("{engine}/events/lifecycle-all"));
        reader.as_mut().unwrap().push(&stream.body, &mut found).unwrap();
        let one = found.iter().filter(|event| event.name == "h5-ev2").map(|event| &event.action);
        let stop = one.skip_while(|action| **action != Rename).skip(1);
        let told: Vec<Action> = stop.take_while(|action| **action != Start).cloned().collect();
        assert_eq!(told, expected, "{engine}");
        assert_eq!(found.iter().filter(|event| event.action == Removed).count(), 5, "{engine}");
        assert!(found.iter().all(|event| event.id.len() == 64 && event.time_nano > 0));
    }
}

#[test]
fn whatever_the_api_says_is_found_among_documents() {
    for engine in ENGINES {
        let mut input = Vec::new();
        for one in replies::recorded(engine) {
            let is_inspect = one.name.contains("/inspect/");
            if is_inspect || one.name.ends_with("/list-all") {
                input.extend_from_slice(&one.reply.body);
            }
        }
        let mut found = Map::<String, usize>::new();
        documents::each(&input, |summary| {
            assert_eq!(summary.problems, Vec::<String>::new());
            *found.entry(summary.id).or_default() += 1;
            std::ops::ControlFlow::Continue(())
        })
        .unwrap();
        // Each once in the list, once inspected.
        assert!(found.len() >= 25 && found.values().all(|count| *count == 2), "{found:?}");
    }
}
