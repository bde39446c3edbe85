//! An engine's entry to the object that is printed.

use drowse::container::{self, Agent, Container, Health, Origin};
use drowse::docker::types::Summary;
use proptest::prelude::*;
use serde_json::{Value, json};

/// The local engine.
fn here() -> Origin {
    Origin {
        engine: "local".into(),
        url: "unix:///run/docker.sock".into(),
        local: true,
        ..Origin::default()
    }
}

/// An engine elsewhere.
fn there() -> Origin {
    Origin {
        engine: "remote".into(),
        url: "tcp://docker2.local:2375".into(),
        public_host: "docker2.local".into(),
        ..Origin::default()
    }
}

fn parse(summary: Value, origin: &Origin) -> Container {
    container::parse(serde_json::from_value::<Summary>(summary).unwrap(), origin)
}

/// A running container `web` with those fields more or changed.
fn web(more: Value) -> Value {
    let mut summary = json!({
        "Id": "c1625f90f4f86e035860c8c71d6a55870d4e72add77ce327b838ffb1bb04b1af",
        "Names": ["/web"], "Image": "nginx", "State": "running", "Status": "Up 2 minutes",
        "HostConfig": {"NetworkMode": "default"},
        "NetworkSettings": {"Networks": {"bridge": {"IPAddress": "172.17.0.2"}}},
    });
    for (key, value) in more.as_object().unwrap() {
        summary[key] = value.clone();
    }
    summary
}

fn local(more: Value) -> Container {
    parse(web(more), &here())
}

#[test]
fn a_whole_container_is_printed_with_every_key_in_order() {
    let summary = json!({
        "Id": "c1625f90f4f86e035860c8c71d6a55870d4e72add77ce327b838ffb1bb04b1af",
        "Names": ["/h5-link/lnk", "/web"],
        "Image": "ghcr.io/a/b:1",
        "ImageID": "sha256:afa16739",
        "Command": "ignored",
        "State": "running",
        "Status": "Up 2 minutes (healthy)",
        "Labels": {
            "com.docker.compose.project": "p", "com.docker.compose.service": "s",
            "com.docker.compose.depends_on": "db:service_healthy:true,cache:service_started:false",
            "org.opencontainers.image.version": "1.2.3",
            "proxy.idle_timeout": "5m", "proxy.web.port": "80", "proxy.network": "net",
            "": "empty key", "ctl": "\u{1}\u{2028}",
        },
        "Ports": [
            {"IP": "::", "PrivatePort": 80, "PublicPort": 28080, "Type": "tcp"},
            {"IP": "127.0.0.1", "PrivatePort": 80, "PublicPort": 28081, "Type": "tcp"},
            {"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 28080, "Type": "tcp"},
            {"IP": "", "PrivatePort": 90, "Type": "udp"},
        ],
        "Mounts": [
            {"Type": "tmpfs", "Source": "", "Destination": "/t", "RW": true},
            {"Type": "bind", "Source": "/srv", "Destination": "/data", "RW": false},
        ],
        "HostConfig": {"NetworkMode": "p_net"},
        "NetworkSettings": {"Networks": {
            "a": {"IPAddress": "172.18.0.2"}, "p_net": {"IPAddress": "172.19.0.2"},
        }},
    });
    let origin = Origin {
        agent: Some(Agent { addr: "attic.example:443".into(), name: "attic".into() }),
        problem: Some("agent attic.example:443: unknown: expected it in agents".into()),
        ..here()
    };
    let text = serde_json::to_string_pretty(&parse(summary, &origin)).unwrap() + "\n";
    assert_eq!(text, include_str!("../../testdata/container.json"));
}

#[test]
fn the_keys_are_sorted_in_every_object() {
    let value: Value = serde_json::from_str(include_str!("../../testdata/container.json")).unwrap();
    // `Value` sorts its keys by text; so do we, but for port numbers, which here agree.
    let sorted = serde_json::to_string_pretty(&value).unwrap() + "\n";
    assert_eq!(sorted, include_str!("../../testdata/container.json"));
}

#[test]
fn nothing_known_is_printed_as_null_and_empty() {
    let container = parse(json!({}), &Origin::default());
    let expected = json!({
        "agent": null, "aliases": [], "compose": null, "container_id": "", "container_name": "",
        "docker_cfg": "", "engine": "", "errors": [], "health": "none",
        "idlewatcher_config": null,
        "image": {"author": "", "name": "", "sha256": "", "tag": "", "version": ""},
        "is_blacklisted": false, "is_excluded": false, "is_explicit": false,
        "is_host_network_mode": false, "labels": {}, "mounts": [], "network": "", "ports": [],
        "private_hostname": "", "private_ports": {}, "public_hostname": "", "public_ports": {},
        "routes": {}, "running": false, "state": "",
    });
    assert_eq!(json!(container), expected);
}

#[test]
fn the_name_is_the_one_without_a_further_slash_else_the_first_else_the_id() {
    let name = |names: Value| local(json!({ "Names": names })).container_name;
    assert_eq!(name(json!(["/h5-link/lnk", "/h5-bridge"])), "h5-bridge");
    assert_eq!(name(json!(["/a/b", "/c/d"])), "a/b");
    assert_eq!(name(json!(["plain"])), "plain");
    for none in [json!([]), json!(null), json!(["", "/"])] {
        assert_eq!(name(none), "c1625f90f4f8");
    }
}

#[test]
fn podman_s_own_states_turn_into_the_nearest() {
    for (told, state, running) in [
        ("running", "running", true),
        ("paused", "paused", false),
        ("restarting", "restarting", false),
        ("exited", "exited", false),
        ("configured", "created", false),
        ("initialized", "created", false),
        ("stopping", "running", true),
        ("stopped", "exited", false),
        ("unknown", "dead", false),
        ("something new", "something new", false),
    ] {
        let container = local(json!({ "State": told }));
        assert_eq!((container.state.as_str(), container.running), (state, running), "{told}");
    }
}

#[test]
fn health_is_the_engine_s_word_else_in_the_status_text() {
    let health = |more: Value| local(more).health;
    assert_eq!(health(json!({"Status": "Up 57 seconds (unhealthy)"})), Health::Unhealthy);
    assert_eq!(health(json!({"Status": "Up 57 seconds (healthy)"})), Health::Healthy);
    assert_eq!(health(json!({"Status": "Up 58 seconds (health: starting)"})), Health::Starting);
    assert_eq!(health(json!({"Status": "Up 59 seconds (Paused)"})), Health::None);
    let both = json!({"Status": "Up 1 second (healthy)", "Health": {"Status": "starting"}});
    assert_eq!(health(both), Health::Starting);
    let both = json!({"Status": "Up 1 second (healthy)", "Health": {"Status": ""}});
    assert_eq!(health(both), Health::Healthy);
    // Docker's inspect calls what is stopped or paused unhealthy, Podman's keeps the last word.
    for (state, told) in [("exited", "unhealthy"), ("paused", "unhealthy"), ("exited", "healthy")] {
        let down = json!({"State": state, "Status": "", "Health": {"Status": told}});
        assert_eq!(health(down), Health::None, "{state} {told}");
    }
}

#[test]
fn a_database_is_known_by_a_mount_or_a_private_port() {
    let mount = |at: &str| local(json!({"Mounts": [{"Destination": at}]})).is_blacklisted;
    for at in ["postgresql/data", "mysql", "mongodb", "mariadb", "memcached", "rabbitmq", "mysql/"]
    {
        assert!(mount(&format!("/var/lib/{at}")), "{at}");
    }
    for at in ["/var/lib/postgresql", "/var/lib/mysql/x", "/data", ""] {
        assert!(!mount(at), "{at}");
    }
    let ports = |port: Value| local(json!({ "Ports": [port] })).is_blacklisted;
    for port in [5432, 3306, 6379, 11211, 27017] {
        assert!(ports(json!({"PrivatePort": port, "Type": "tcp"})), "{port}");
    }
    assert!(!ports(json!({"PrivatePort": 80, "PublicPort": 5432, "Type": "tcp"})));
}

#[test]
fn explicit_and_excluded_are_what_the_labels_say() {
    let flags = |labels: Value| {
        let container = local(json!({ "Labels": labels }));
        (container.is_explicit, container.is_excluded, container.errors)
    };
    assert!(!flags(json!({"traefik.enable": "1", "proxy": "x"})).0);
    assert_eq!(flags(json!({"Proxy.x.port": "1"})), (false, false, vec![]));
    for yes in ["1", "T", "true", "YES", "on"] {
        assert_eq!(flags(json!({ "proxy.exclude": yes })), (true, true, vec![]), "{yes}");
    }
    for no in ["0", "false", ""] {
        assert_eq!(flags(json!({ "proxy.exclude": no })), (true, false, vec![]), "{no}");
    }
    let error = "proxy.exclude: neither true nor false: expected one of them".to_owned();
    assert_eq!(flags(json!({"proxy.exclude": "maybe"})), (true, false, vec![error]));
}

#[test]
fn of_several_mappings_the_best_stands_for_the_port() {
    let container = local(json!({"Ports": [
        {"IP": "0.0.0.0", "PrivatePort": 53, "PublicPort": 53, "Type": "udp"},
        {"IP": "1::1", "PrivatePort": 53, "PublicPort": 53, "Type": "tcp"},
        {"IP": "9.9.9.9", "PrivatePort": 53, "PublicPort": 53, "Type": "tcp"},
        {"IP": "9.9.9.9", "PrivatePort": 53, "PublicPort": 53, "Type": "tcp"},
        {"IP": "0.0.0.0", "PrivatePort": 10, "PublicPort": 100, "Type": "sctp"},
        {"IP": "0.0.0.0", "PrivatePort": 9, "PublicPort": 100, "Type": "udp"},
    ]}));
    let port = |ip: &str, private: u16, public: u16, kind: &str| {
        let (private_port, public_port) = (private, public);
        json!({"ip": ip, "private_port": private_port, "public_port": public_port, "type": kind})
    };
    let udp = port("0.0.0.0", 9, 100, "udp");
    let sctp = port("0.0.0.0", 10, 100, "sctp");
    let tcp = port("9.9.9.9", 53, 53, "tcp");
    let all = [
        udp.clone(),
        sctp.clone(),
        tcp.clone(),
        port("1::1", 53, 53, "tcp"),
        port("0.0.0.0", 53, 53, "udp"),
    ];
    assert_eq!(json!(container.ports), json!(all));
    assert_eq!(json!(container.public_ports), json!({"53": tcp, "100": udp}));
    assert_eq!(json!(container.private_ports), json!({"9": udp, "10": sctp, "53": tcp}));
    let text = serde_json::to_string(&container.private_ports).unwrap();
    assert!(text.find("\"9\"") < text.find("\"10\""), "numbers sort as numbers: {text}");
}

#[test]
fn a_mapping_without_a_port_is_told_and_hides_no_other() {
    let container = local(json!({"Ports": [{"Type": "tcp"}, {"PrivatePort": 80}, {}]}));
    let numbers: Vec<u16> = container.ports.iter().map(|port| port.private_port).collect();
    assert_eq!(numbers, [80]);
    assert_eq!(container.errors, ["Ports: no PrivatePort: expected 1 to 65535"]);
}

#[test]
fn podman_4_publishes_without_an_address() {
    let ports = json!([{"PrivatePort": 80, "PublicPort": 28080, "Type": "tcp"}]);
    let container = local(json!({ "Ports": ports }));
    let port = json!({"ip": null, "private_port": 80, "public_port": 28080, "type": "tcp"});
    assert_eq!(json!(container.public_ports), json!({ "28080": port }));
}

#[test]
fn without_a_label_the_first_network_with_an_address_is_it() {
    let place = |networks: Value| {
        let container = local(json!({"NetworkSettings": {"Networks": networks}}));
        assert_eq!(container.errors, [""; 0]);
        (container.network, container.private_hostname)
    };
    let (a, b) = (json!({"IPAddress": ""}), json!({"IPAddress": "172.18.0.2"}));
    assert_eq!(place(json!({"a": a, "b": b, "c": b})), ("b".into(), "172.18.0.2".into()));
    let v6 = json!({"IPAddress": "", "GlobalIPv6Address": "fd00::2"});
    assert_eq!(place(json!({ "a": v6 })), ("a".into(), "fd00::2".into()));
    for none in [json!({}), json!({ "a": a }), json!(null)] {
        assert_eq!(place(none), (String::new(), String::new()));
    }
}

#[test]
fn the_label_names_a_network_or_its_compose_name() {
    let place = |wanted: &str, state: &str, networks: Value| {
        let container = local(json!({
            "State": state,
            "Labels": {"proxy.network": wanted, "com.docker.compose.project": "p"},
            "NetworkSettings": {"Networks": networks},
        }));
        (container.network, container.private_hostname, container.errors)
    };
    let (a, b) = (json!({"IPAddress": "172.18.0.2"}), json!({"IPAddress": "172.19.0.2"}));
    let networks = json!({"front": a, "p_back": b, "p_front": b});
    let found = |name: &str, at: &str| (name.to_owned(), at.to_owned(), vec![]);
    assert_eq!(place("front", "running", networks.clone()), found("front", "172.18.0.2"));
    assert_eq!(place("back", "running", networks.clone()), found("p_back", "172.19.0.2"));
    assert_eq!(place(" ", "running", networks.clone()), found("front", "172.18.0.2"));
    let missing = |expected: &str| {
        let error = format!("proxy.network: it is not on that network: expected {expected}");
        (String::new(), String::new(), vec![error])
    };
    assert_eq!(place("frnot", "running", networks.clone()), missing("front"));
    assert_eq!(place("zzz", "exited", networks), missing("front, p_back, p_front"));
    assert_eq!(place("front", "exited", json!({ "front": a })), found("front", ""));
    assert_eq!(place("front", "created", json!({})), found("", ""));
    let (_, _, errors) = place("front", "running", json!({}));
    assert_eq!(errors, ["proxy.network: it is on no network: expected one"]);
}

#[test]
fn an_engine_elsewhere_is_reached_by_its_host_and_by_no_network() {
    let reached = |origin: &Origin, state: &str| {
        let container = parse(web(json!({ "State": state })), origin);
        assert_eq!(container.errors, [""; 0]);
        (container.public_hostname, container.private_hostname)
    };
    let pair = |public: &str, private: &str| (public.to_owned(), private.to_owned());
    assert_eq!(reached(&here(), "running"), pair("127.0.0.1", "172.17.0.2"));
    assert_eq!(reached(&here(), "paused"), pair("", "172.17.0.2"));
    // After a failed start 20.10 lists an address that is another's by now.
    assert_eq!(reached(&here(), "created"), pair("", ""));
    assert_eq!(reached(&here(), "exited"), pair("", ""));
    assert_eq!(reached(&there(), "running"), pair("docker2.local", ""));
    assert_eq!(reached(&there(), "paused"), pair("", ""));
    let agent = Agent { addr: "attic.example:443".into(), name: "attic".into() };
    let agent = Origin { agent: Some(agent), public_host: "attic.example".into(), ..there() };
    assert_eq!(reached(&agent, "running"), pair("attic.example", "172.17.0.2"));
}

#[test]
fn running_without_any_hostname_is_an_error_but_for_the_host_s_network() {
    let nowhere = Origin { public_host: String::new(), ..there() };
    let errors = |more: Value| parse(web(more), &nowhere).errors;
    let error = "network: no network: expected one, or a known host name of the engine";
    assert_eq!(errors(json!({})), [error]);
    assert_eq!(errors(json!({"State": "exited"})), [""; 0]);
    assert_eq!(errors(json!({"HostConfig": {"NetworkMode": "host"}})), [""; 0]);
}

#[test]
fn the_host_s_network_is_told_by_the_mode_or_by_its_name() {
    let is_host = |more: Value| local(more).is_host_network_mode;
    assert!(is_host(json!({"HostConfig": {"NetworkMode": "host"}})));
    assert!(!is_host(json!({"HostConfig": {"NetworkMode": "hostess"}})));
    let networks = json!({"Networks": {"host": {"IPAddress": ""}}});
    assert!(is_host(json!({"HostConfig": null, "NetworkSettings": networks})));
    assert!(!is_host(json!({"HostConfig": null})));
}

#[test]
fn a_bad_compose_list_is_told_and_the_plan_stands_without_it() {
    let container = local(json!({"Labels": {
        "com.docker.compose.project": "p",
        "com.docker.compose.depends_on": "db:sometimes",
        "proxy.idle_timeout": "5m",
    }}));
    let compose = json!({"depends_on": [], "project": "p", "service": ""});
    assert_eq!(json!(container.compose), compose);
    assert_eq!(container.idlewatcher_config.map(|plan| plan.depends_on), Some(vec![]));
    let error = "com.docker.compose.depends_on: an unknown condition: ";
    assert!(container.errors[0].starts_with(error), "{:?}", container.errors);
}

#[test]
fn a_swarm_task_is_told_by_its_label() {
    assert!(!container::is_swarm_task(&local(json!({}))));
    let labels = json!({"com.docker.swarm.task.id": "x"});
    assert!(container::is_swarm_task(&local(json!({ "Labels": labels }))));
}

#[test]
fn what_could_not_be_read_is_among_the_errors() {
    let mut summary: Summary = serde_json::from_value(web(json!({}))).unwrap();
    summary.problems = vec!["Ports: not a list: expected one".into()];
    assert_eq!(container::parse(summary, &here()).errors, ["Ports: not a list: expected one"]);
}

/// Ports, mounts and labels as texts of JSON.
type Parts = [Vec<String>; 3];

fn parts() -> impl Strategy<Value = Parts> {
    use proptest::collection::{btree_map, vec};
    let port = (1..4u16, 0..3u16, "(tcp|udp|sctp)", "(::|::1|1.2.3.4|)");
    let port = port.prop_map(|(private, public, kind, ip)| {
        json!({"PrivatePort": private, "PublicPort": public, "Type": kind, "IP": ip}).to_string()
    });
    let mount = "/[ab]{1,2}".prop_map(|at| json!({"Destination": at}).to_string());
    let labels = btree_map("proxy\\.[ax*]\\.[ab]", "[ab]: [ab]", 0..6);
    let label = |(key, value): (String, String)| format!("{}:{}", json!(key), json!(value));
    let labels = labels.prop_map(move |labels| labels.into_iter().map(label).collect());
    (vec(port, 0..6), vec(mount, 0..4), labels)
        .prop_map(|(ports, mounts, labels)| [ports, mounts, labels])
}

fn entry(parts: &Parts) -> Container {
    let [ports, mounts, labels] = parts.each_ref().map(|part| part.join(","));
    let text = format!(
        r#"{{"Names":["/x"],"Ports":[{ports}],"Mounts":[{mounts}],"Labels":{{{labels}}}}}"#
    );
    container::parse(serde_json::from_str(&text).unwrap(), &here())
}

proptest! {
    #[test]
    fn the_engine_s_order_changes_nothing(mut parts in parts()) {
        let before = entry(&parts);
        parts.iter_mut().for_each(|part| part.reverse());
        prop_assert_eq!(entry(&parts), before);
    }
}
