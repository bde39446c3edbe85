//! `drowse ps` on real engines: the same containers by every way there, and on Podman what Podman
//! knows of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::{Value, json};
use tempfile::tempdir;

use crate::binary::{drowse, program};
use crate::world;

/// Containers by name.
type Scene = BTreeMap<String, Value>;

/// What says by which way an object came; the rest is the same.
const OF_THE_WAY: [&str; 3] = ["agent", "docker_cfg", "engine"];

/// What changes by itself while the tests run, of a container that crashes again and again.
const OF_THE_MOMENT: [&str; 7] =
    ["network", "ports", "private_hostname", "public_hostname", "running", "state", "health"];

/// What Podman knows as well as Docker; names, addresses and ids are each engine's own.
const OF_BOTH: [&str; 12] = [
    "aliases",
    "compose",
    "container_name",
    "idlewatcher_config",
    "is_blacklisted",
    "is_excluded",
    "is_explicit",
    "is_host_network_mode",
    "labels",
    "routes",
    "running",
    "state",
];

#[test]
fn all_five_ways_show_the_same_containers() {
    let Some(engine) = world::engine() else { return };
    let tls = engine.tls_section("");
    let docker = [
        ("unix", format!("\"{}\"", engine.unix)),
        ("tcp", format!("\"{}\"", engine.tcp)),
        ("tls", engine.with_tls(&engine.tls, &tls)),
        ("ssh", format!("\"{}\"", engine.ssh)),
        ("agent", format!("\"{}\"", engine.agent)),
    ];
    let lines: String = docker.iter().map(|(name, way)| format!("    {name}: {way}\n")).collect();
    let config = format!("providers:\n  docker:\n{lines}{}", engine.agents_section());
    let dir = tempdir().unwrap();
    let file = dir.path().join("drowse.yml");
    fs::write(&file, config).unwrap();

    let outcome = drowse(&["ps", "--config", file.to_str().unwrap()]).outcome();
    assert_eq!((outcome.status, outcome.stderr.as_str()), (Some(0), ""));
    let mut by_way: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for object in outcome.objects() {
        by_way.entry(text(&object, "engine")).or_default().push(object);
    }
    let agent = &by_way["agent"][0]["agent"];
    let addr = engine.agent.trim_start_matches("agent://");
    assert_eq!(*agent, json!({"name": "attic", "addr": addr}));
    let unix = same(by_way.remove("unix").unwrap_or_default());
    assert_eq!(names(&unix), names_by_docker());
    for way in ["tcp", "tls", "ssh", "agent"] {
        assert_eq!(same(by_way.remove(way).unwrap_or_default()), unix, "{way}");
    }
}

#[test]
fn the_environment_names_an_engine_as_docker_s_does() {
    let Some(engine) = world::engine() else { return };
    let certs = engine.certs.to_str().unwrap();
    let tls = engine.tls.replace("https://", "tcp://");
    let by = |run: crate::binary::Run| {
        let outcome = run.outcome();
        assert_eq!((outcome.status, outcome.stderr.as_str()), (Some(0), ""));
        same(outcome.objects())
    };
    let unix = by(drowse(&["ps"]).env("DOCKER_HOST", &engine.unix));
    assert_eq!(names(&unix), names_by_docker());
    let ps = || drowse(&["ps"]).env("DOCKER_CERT_PATH", certs).env("DOCKER_TLS_VERIFY", "1");
    assert_eq!(by(ps().env("DOCKER_HOST", &tls)), unix);
    assert_eq!(by(drowse(&["ps", "--host", &engine.tcp])), unix);
    assert_eq!(by(drowse(&["ps", "--host", &engine.ssh])), unix);
    assert_eq!(by(drowse(&["ps"])), unix, "the default socket");
}

#[test]
fn podman_s_containers_have_the_same_fields() {
    let (Some(engine), Some(podman)) = (world::engine(), world::podman()) else { return };
    let of = |url: &str| {
        let outcome = drowse(&["ps", "--host", url]).outcome();
        assert_eq!((outcome.status, outcome.stderr.as_str()), (Some(0), ""));
        outcome.objects()
    };
    let (docker, podman) = (of(&engine.unix), of(&podman));
    let keys = |objects: &[Value]| {
        let maps = objects.iter().filter_map(Value::as_object);
        maps.map(|object| object.keys().cloned().collect::<Vec<_>>()).collect::<BTreeSet<_>>()
    };
    assert_eq!(keys(&podman), keys(&docker), "every object has every key");
    assert_eq!(shared(podman), shared(docker));
}

#[test]
fn filters_and_running_are_the_engine_s_own() {
    let Some(engine) = world::engine() else { return };
    let found = |more: &[&str]| {
        let outcome = drowse(&[&["ps", "--host", &engine.unix], more].concat()).outcome();
        let names = outcome.objects().iter().map(|o| text(o, "container_name")).collect();
        (outcome.status, names)
    };
    let shop: BTreeSet<_> = ["cache", "db", "web"].map(str::to_owned).into();
    let label = "label=com.docker.compose.project=shop";
    assert_eq!(found(&["--filter", label]), (Some(0), shop));
    let both = ["--filter", label, "--filter", "name=^/db$"];
    assert_eq!(found(&both), (Some(0), ["db".to_owned()].into()));
    assert_eq!(found(&["--filter", "state=paused"]), (Some(0), ["paused".to_owned()].into()));
    let (status, running) = found(&["--running"]);
    assert_eq!(status, Some(0));
    assert!(running.contains("web") && !running.contains("exit0"), "{running:?}");
}

/// The scene without what differs by the way, or changes by the moment.
fn same(objects: Vec<Value>) -> Scene {
    kept(objects, |key| key != "health" && !OF_THE_WAY.contains(&key))
}

/// What both engines know of the scene.
fn shared(objects: Vec<Value>) -> Scene {
    kept(objects, |key| OF_BOTH.contains(&key))
}

/// The containers of the scene, for other tests make theirs, with only these fields.
fn kept(objects: Vec<Value>, keep: fn(&str) -> bool) -> Scene {
    let mut scene = Scene::new();
    for mut object in objects {
        let name = text(&object, "container_name");
        let fields = object.as_object_mut().unwrap();
        fields.retain(|key, _| keep(key) && (name != "restarting" || !is_of_the_moment(key)));
        if object["labels"]["scene"] == "1" {
            scene.insert(name, object);
        }
    }
    assert_eq!(Some(scene.len()), world::scene());
    scene
}

fn is_of_the_moment(key: &str) -> bool {
    OF_THE_MOMENT.contains(&key)
}

fn names(scene: &Scene) -> BTreeSet<String> {
    scene.keys().cloned().collect()
}

fn names_by_docker() -> BTreeSet<String> {
    let list = ["ps", "-a", "--filter", "label=scene=1", "--format", "{{.Names}}"];
    let names = program("docker", &list).outcome().stdout;
    let own = |names: &str| names.split(',').find(|name| !name.contains('/')).map(str::to_owned);
    names.lines().filter_map(own).collect() // a link adds `other/alias`
}

fn text(object: &Value, key: &str) -> String {
    object[key].as_str().unwrap_or_else(|| panic!("no {key} in {object}")).to_owned()
}
