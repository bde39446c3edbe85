//! Specs as a whole, and each option's ways to be written.

use super::*;

fn owner() -> Owner {
    Owner { app: "drowse".into(), id: "a1".into(), lock: None }
}

fn built(wanted: Wanted) -> Result<Built, String> {
    build(&Wanted { image: "web:1".into(), ..wanted }, &owner())
}

fn port(inside: &str, address: &str, outside: &str) -> Port {
    Port { inside: inside.into(), address: address.into(), outside: outside.into() }
}

#[test]
fn options_become_a_spec() {
    let wanted = Wanted {
        command: vec!["sh".into(), "-c".into(), "true".into()],
        env: vec!["A=1".into()],
        ports: [publish("8080:80").unwrap(), publish("127.0.0.1:53:53/udp").unwrap()].concat(),
        volumes: vec!["/srv:/data:ro".into(), "/cache".into()],
        labels: vec![("a".into(), "b".into()), (whose::ID.into(), "forged".into())],
        networks: vec!["back".into()],
        health_cmd: Some("true".into()),
        user: Some("1000:1000".into()),
        workdir: Some("/data".into()),
        memory_bytes: Some(1 << 20),
        nano_cpus: Some(1_500_000_000),
        ..Wanted::default()
    };
    let spec = json!({
        "Cmd": ["sh", "-c", "true"],
        "Env": ["A=1"],
        "ExposedPorts": {"53/udp": {}, "80/tcp": {}},
        "Healthcheck": {"Test": ["CMD-SHELL", "true"]},
        "HostConfig": {
            "Binds": ["/srv:/data:ro"],
            "Memory": 1 << 20,
            "NanoCpus": 1_500_000_000,
            "NetworkMode": "drowse-a1",
            "PortBindings": {
                "53/udp": [{"HostIp": "127.0.0.1", "HostPort": "53"}],
                "80/tcp": [{"HostIp": "", "HostPort": "8080"}],
            },
        },
        "Image": "web:1",
        "Labels": {"a": "b", "io.drowse.app": "drowse", "io.drowse.id": "a1"},
        "User": "1000:1000",
        "Volumes": {"/cache": {}},
        "WorkingDir": "/data",
    });
    let joins = vec![("back".to_owned(), Value::Null)];
    assert_eq!(built(wanted), Ok(Built { spec, network: Network::Own, joins }));
}

#[test]
fn options_stand_over_a_raw_spec() {
    let raw = json!({
        "Image": "other",
        "Env": ["A=0"],
        "Healthcheck": {"Interval": 5},
        "HostConfig": {"CapAdd": ["NET_ADMIN"], "Memory": 5, "NetworkMode": "front"},
        "Labels": {"a": "a", "c": "c"},
        "NetworkingConfig": {"EndpointsConfig": {"back": {"Aliases": ["db"]}}},
    });
    let wanted = Wanted {
        env: vec!["B=1".into()],
        labels: vec![("a".into(), "b".into())],
        health_cmd: Some("true".into()),
        memory_bytes: Some(6),
        networks: vec!["back".into()],
        raw,
        ..Wanted::default()
    };
    let Built { spec, network, joins } = built(wanted).unwrap();
    let host = json!({"CapAdd": ["NET_ADMIN"], "Memory": 6, "NetworkMode": "drowse-a1"});
    assert_eq!((network, &spec["HostConfig"]), (Network::Own, &host));
    assert_eq!((&spec["Image"], &spec["Env"]), (&json!("web:1"), &json!(["A=0", "B=1"])));
    assert_eq!(spec["Healthcheck"], json!({"Interval": 5, "Test": ["CMD-SHELL", "true"]}));
    assert_eq!((&spec["Labels"]["a"], &spec["Labels"]["c"]), (&json!("b"), &json!("c")));
    assert_eq!(spec.get("NetworkingConfig"), None);
    let back = ("back".to_owned(), json!({"Aliases": ["db"]}));
    assert_eq!(joins, [back, ("front".to_owned(), Value::Null)]);
}

#[test]
fn what_excludes_each_other_is_refused() {
    let raw = |raw: Value| built(Wanted { raw, ..Wanted::default() }).unwrap_err();
    let policy = raw(json!({"HostConfig": {"RestartPolicy": {"Name": "always"}}}));
    assert!(policy.contains("--restart"), "{policy}");
    assert!(raw(json!({"HostConfig": {"AutoRemove": true}})).contains("AutoRemove"));
    assert!(raw(json!({"NetworkingConfig": {"EndpointsConfig": 1}})).contains("EndpointsConfig"));
    let no = json!({"HostConfig": {"RestartPolicy": {"Name": "no"}, "AutoRemove": false}});
    assert!(built(Wanted { raw: no, ..Wanted::default() }).is_ok());
    let two = Wanted { networks: vec!["host".into(), "back".into()], ..Wanted::default() };
    assert_eq!(built(two), Err("network `host`: expected no other beside it".into()));
    for alone in ["host", "none", "container:db"] {
        let one = Wanted { networks: vec![alone.into()], ..Wanted::default() };
        let Built { spec, network, joins } = built(one).unwrap();
        assert_eq!((network, joins.len()), (Network::Other, 0), "{alone}");
        assert_eq!(spec["HostConfig"]["NetworkMode"], alone);
    }
}

#[test]
fn ports_are_written_as_for_docker() {
    for (text, expected) in [
        ("80", vec![port("80/tcp", "", "")]),
        ("8080:80", vec![port("80/tcp", "", "8080")]),
        ("127.0.0.1:8080:80/udp", vec![port("80/udp", "127.0.0.1", "8080")]),
        ("127.0.0.1::80", vec![port("80/tcp", "127.0.0.1", "")]),
        ("[::1]:8080:80", vec![port("80/tcp", "::1", "8080")]),
        ("[::1]::80", vec![port("80/tcp", "::1", "")]),
        ("8000-8001:80-81", vec![port("80/tcp", "", "8000"), port("81/tcp", "", "8001")]),
        ("65535:65535/sctp", vec![port("65535/sctp", "", "65535")]),
    ] {
        assert_eq!(publish(text), Ok(expected), "{text}");
    }
    for text in [
        "",
        "x",
        "0",
        "65536",
        "+80",
        "80/icmp",
        "8000-8001:80",
        "81-80",
        "box:1:2",
        "[::1]",
        "1:2:3:4",
    ] {
        assert!(publish(text).is_err(), "{text}");
    }
}

#[test]
fn sizes_and_cpus_are_written_as_for_docker() {
    for (text, bytes) in [
        ("1", 1),
        ("5b", 5),
        ("2k", 2048),
        ("1.5G", 3 << 29),
        ("512m", 512 << 20),
        ("1GiB", 1 << 30),
    ] {
        assert_eq!(memory(text), Ok(bytes), "{text}");
    }
    for text in ["", "m", "0", "-1", "+1", "1x", "1e3", "ä", "99999999999999999999g"] {
        assert!(memory(text).is_err(), "{text}");
    }
    for (text, nano) in
        [("1", NANO), ("0.5", NANO / 2), (".25", NANO / 4), ("2.000000001", 2 * NANO + 1)]
    {
        assert_eq!(cpus(text), Ok(nano), "{text}");
    }
    for text in ["", "0", ".", "-1", "1e1", "99999999"] {
        assert!(cpus(text).is_err(), "{text}");
    }
}

const NANO: u64 = 1_000_000_000;
