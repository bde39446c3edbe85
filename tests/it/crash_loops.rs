//! A container that crashes and is restarted again and again must not cost its engine more than a
//! look a second.

use std::time::{Duration, Instant};

use drowse::docker::call::{self, Removal};
use serde_json::json;
use tempfile::tempdir;

use crate::binary::drowse;
use crate::proxy::Proxy;
use crate::watching::Watching;
use crate::{dockerd, world};

/// At once, before the limit holds.
const FIRST_LOOKS: usize = 4;

#[test]
fn a_crash_loop_costs_no_more_than_a_look_a_second() {
    let Some(engine) = world::engine() else { return };
    let socket = engine.unix.trim_start_matches("unix://").as_ref();
    let dir = tempdir().unwrap();
    let proxy = Proxy::start(dir.path(), "s", socket);
    let mine = ["ps", "--watch", "--host", &proxy.url, "--filter", "label=crash=loop"];
    let client = dockerd::client(socket);
    let until = Instant::now() + Duration::from_secs(60);
    let spec = json!({
        "Image": "drowse-test:latest", "Cmd": ["false"], "Labels": {"crash": "loop"},
        "HostConfig": {"NetworkMode": "none", "RestartPolicy": {"Name": "always"}},
    });
    let id = client.run(&call::create(None, &spec), until).unwrap().id;
    let watching = Watching::start(drowse(&mine));
    watching.until(|heard| heard.picture.is_empty().then(|| "no container".to_owned()));
    let begun = Instant::now();
    // Docker waits longer after each crash, but not when somebody starts it anew.
    while begun.elapsed() < Duration::from_secs(5) {
        let _ = client.run(&call::kill(&id, "KILL"), until);
        let _ = client.run(&call::start(&id), until);
    }
    let took = begun.elapsed();
    client.run(&call::remove(&id, Removal { force: true, volumes: true }), until).unwrap();
    let heard = watching.until(|heard| (!heard.picture.is_empty()).then(|| "not gone".to_owned()));
    // Others make containers on this engine too.
    let looks = proxy.asked().into_iter().filter(|(_, what)| what.contains(&id)).count();
    let most = FIRST_LOOKS + took.as_secs_f64().ceil() as usize + 1; // and one when it was removed
    eprintln!("{looks} looks in {took:.1?}: {:?}", heard.events);
    assert!(looks <= most, "{looks} looks in {took:?}, at most {most}");
    assert_eq!(heard.faults, [""; 0]);
}
