//! Pulls from a real registry on loopback: slow, cut, closed, and not there.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::registry::{Manner, front};
use super::stage::{Engine, IMAGE, column, engines, last};
use crate::binary::{Outcome, program};

/// As tests/world.d/engines.sh has them for Podman.
const SLOW: u16 = 41971;
const CUT: u16 = 41972;
const CLOSED: u16 = 41973;
const NOBODY: u16 = 41974;

/// Bytes that don't compress, so that a pull takes its time.
const LAYER_BYTES: usize = 3 << 20;

fn docker(args: &[&str]) -> Outcome {
    let host = crate::world::engine().unwrap().unix;
    let home = std::env::var("HOME").unwrap();
    let done = program("docker", args).env("DOCKER_HOST", &host).env("HOME", &home).outcome();
    assert_eq!(done.status, Some(0), "docker {args:?}: {done:?}");
    done
}

/// Puts an image of some size into the registry: by Docker, whoever pulls it.
fn publish(registry: &str, dir: &Path) {
    let mut noise = Vec::new();
    let mut dice = crate::dice::Dice::new(7);
    noise.resize_with(LAYER_BYTES, || dice.roll(256) as u8);
    fs::write(dir.join("noise"), noise).unwrap();
    fs::write(dir.join("Dockerfile"), format!("FROM {IMAGE}\nCOPY noise /noise\n")).unwrap();
    let name = format!("{registry}/big:1");
    let env_off = dir.display().to_string();
    docker(&["build", "-q", "-t", &name, &env_off]);
    docker(&["push", "-q", &name]);
    docker(&["rmi", &name]);
}

fn run(engine: &Engine, case: &str, options: &[&str], image: &str) -> Outcome {
    engine.run_image(case, options, (image, &["true"]))
}

#[test]
fn images_are_pulled_with_progress_and_failures_are_told() {
    let Ok(registry) = std::env::var("DROWSE_TEST_REGISTRY") else {
        eprintln!("left out: no DROWSE_TEST_REGISTRY (DROWSE_WITH=registry)");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    publish(&registry, dir.path());
    let pause = Duration::from_millis(20);
    front(SLOW, &registry, Manner::Slow { bytes: 32 << 10, pause });
    front(CUT, &registry, Manner::Cut { bytes: 2 << 20 });
    let password = "Basic bWU6cGFzcw=="; // me:pass
    front(CLOSED, &registry, Manner::Closed { password });
    thread::scope(|scope| {
        for engine in engines() {
            let own = dir.path().join(engine.id("home"));
            let registry = &registry;
            scope.spawn(move || {
                closed(&engine, &own);
                missing(&engine, registry);
                cut(&engine);
                slow(&engine);
                down(&engine);
            });
        }
    });
}

/// A private registry: with the password, from the file and from a helper, and without.
fn closed(engine: &Engine, dir: &Path) {
    let (server, image) = (format!("127.0.0.1:{CLOSED}"), format!("127.0.0.1:{CLOSED}/big:1"));
    let home = dir.join("docker");
    let helpers = dir.join("bin");
    fs::create_dir_all(&home).unwrap();
    fs::create_dir_all(&helpers).unwrap();
    let helper = helpers.join("docker-credential-test");
    let answer = r#"{"ServerURL":"x","Username":"me","Secret":"pass"}"#;
    fs::write(&helper, format!("#!/bin/sh\n[ \"$(cat)\" = {server} ] && echo '{answer}'\n"))
        .unwrap();
    fs::set_permissions(&helper, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", helpers.display(), std::env::var("PATH").unwrap());
    let auth = STANDARD.encode("me:pass");
    for (config, code) in [
        (json!({}), 1),
        (json!({"auths": {&server: {"auth": STANDARD.encode("me:wrong")}}}), 1),
        (json!({"auths": {&server: {"auth": auth}}}), 0),
        (json!({"credHelpers": {&server: "no-such"}}), 1),
        (json!({"credHelpers": {&server: "test"}}), 0),
    ] {
        fs::write(home.join("config.json"), config.to_string()).unwrap();
        let prepared = engine.prepared("closed", &["--pull=always"], (&image, &["true"]));
        let prepared = prepared.env("DOCKER_CONFIG", home.to_str().unwrap()).env("PATH", &path);
        let ended = prepared.outcome();
        assert_eq!(ended.status, Some(code), "{config}: {ended:?}");
        assert!(!ended.stderr.contains("pass"), "{ended:?}");
        if config["credHelpers"][&server] == "no-such" {
            assert!(ended.stderr.contains("docker-credential-no-such"), "{ended:?}");
        }
        engine.assert_clean("closed");
        if code == 0 {
            engine.remove_image(&image);
        }
    }
}

fn missing(engine: &Engine, registry: &str) {
    let image = format!("{registry}/big:no-such");
    let ended = run(engine, "notag", &[], &image);
    assert_eq!(ended.status, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("manifest") && ended.stderr.contains("big"), "{ended:?}");
}

/// The engine resumes what was cut, or gives up.
fn cut(engine: &Engine) {
    let image = format!("127.0.0.1:{CUT}/big:1");
    let started = engine.prepared("cut", &[], (&image, &["true"])).start();
    let mut running = super::stage::Running::new(started);
    // Where the engine resumes what was cut, it comes to its end piece by piece.
    let state =
        running.until(|state| state["pull_status"] == "failed" || state["status"] == "running");
    let ended = running.ended();
    match state["pull_status"] == "failed" {
        true => assert!(ended.status == Some(1) && !ended.stderr.is_empty(), "{ended:?}"),
        false => assert_eq!(ended.status, Some(0), "{ended:?}"),
    }
    engine.assert_clean("cut");
    engine.forget_image(&image);
}

fn slow(engine: &Engine) {
    let image = format!("127.0.0.1:{SLOW}/big:1");
    let ended = run(engine, "slow", &[], &image);
    assert_eq!((ended.status, &*ended.stderr), (Some(0), ""), "{ended:?}");
    let states = ended.objects();
    assert_eq!(
        (&last(&states)["pull_status"], &last(&states)["pull_percent"]),
        (&"done".into(), &100.into())
    );
    let percents: Vec<_> =
        column(&states, "pull_percent").iter().filter_map(|one| one.as_u64()).collect();
    assert!(percents.is_sorted(), "{percents:?}");
    if !engine.is_podman() {
        let between = percents.iter().filter(|percent| (1..100).contains(*percent)).count();
        assert!(between >= 3, "{percents:?}");
    }
    // A signal in the middle of a pull leaves nothing.
    engine.remove_image(&image);
    let mut running =
        super::stage::Running::new(engine.prepared("midway", &[], (&image, &["true"])).start());
    running.until(|state| state["pull_status"] == "downloading");
    running.signal(rustix::process::Signal::INT);
    let ended = running.ended();
    assert_eq!((ended.status, &*ended.stderr), (Some(130), ""), "{ended:?}");
    engine.assert_clean("midway");
    engine.forget_image(&image);
}

/// The registry is down, and the image is here.
fn down(engine: &Engine) {
    let image = format!("127.0.0.1:{NOBODY}/big:1");
    engine.tag(IMAGE, &format!("127.0.0.1:{NOBODY}/big"));
    let ended = run(engine, "down", &["--pull=always"], &image);
    assert_eq!(ended.status, Some(0), "{ended:?}");
    assert!(ended.stderr.ends_with("the image that is here is taken\n"), "{ended:?}");
    assert_eq!(last(&ended.objects())["pull_status"], "failed");
    engine.remove_image(&image);
    let ended = run(engine, "down", &[], &image);
    assert_eq!(ended.status, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("refused"), "{ended:?}");
}
