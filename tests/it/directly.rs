//! `wake` and `sleep` where no daemon runs: on fake engines, and on the world's real ones.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use drowse::docker::call::{self, Removal};
use drowse::net::blocking::Client;
use serde_json::{Value, json};
use tempfile::tempdir;

use crate::binary::{Outcome, drowse};
use crate::servers::Deed;
use crate::{dockerd, servers, world};

/// Far more than anything here takes.
fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

/// Containers of a test, on one engine, gone when the test is over.
struct Ground {
    client: Client,
    url: String,
    ids: Vec<String>,
}

impl Ground {
    fn on(url: String) -> Ground {
        let client = dockerd::client(Path::new(url.trim_start_matches("unix://")));
        Ground { client, url, ids: Vec::new() }
    }

    /// The engines there are.
    fn all() -> Vec<Ground> {
        let docker = world::engine().map(|engine| engine.unix);
        [docker, world::podman()].into_iter().flatten().map(Ground::on).collect()
    }

    /// A container that does this, with these labels.
    fn create(&mut self, name: &str, script: &str, labels: Value) -> String {
        self.create_with(name, script, json!({"Labels": labels}))
    }

    fn create_with(&mut self, name: &str, script: &str, mut spec: Value) -> String {
        spec["Image"] = json!("drowse-test:latest");
        spec["Entrypoint"] = json!(["sh", "-c", script]);
        spec["HostConfig"] = json!({"NetworkMode": "none"});
        let made = self.client.run(&call::create(Some(name), &spec), soon()).unwrap();
        self.ids.push(made.id.clone());
        made.id
    }

    fn start(&self, id: &str) {
        self.client.run(&call::start(id), soon()).unwrap();
    }

    /// The state that the engine tells, and the exit code.
    fn state(&self, id: &str) -> (String, i64) {
        let seen = self.client.run(&call::inspect(id), soon()).unwrap();
        (seen.state.status, seen.state.exit_code)
    }

    fn run(&self, line: &str) -> Outcome {
        let args: Vec<_> = line.split(' ').collect();
        drowse(&[&args[..], &["--host", &self.url]].concat()).outcome()
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        for id in &self.ids {
            let removal = Removal { force: true, volumes: true };
            let _ = self.client.run(&call::remove(id, removal), soon());
        }
    }
}

/// Name, state and whether it took any time; nothing went wrong.
#[track_caller]
fn came_to(outcome: &Outcome) -> Vec<(String, String, Option<bool>)> {
    assert_eq!((outcome.status, outcome.stderr.as_str()), (Some(0), ""), "{outcome:?}");
    let text = |object: &Value, key: &str| object[key].as_str().unwrap().to_owned();
    let took = |object: &Value| object["took_ms"].as_u64().map(|millis| millis > 0);
    let told = |object| (text(object, "name"), text(object, "state"), took(object));
    outcome.objects().iter().map(told).collect()
}

fn one(name: &str, state: &str, took: Option<bool>) -> Vec<(String, String, Option<bool>)> {
    vec![(name.into(), state.into(), took)]
}

const LOOP: &str = "trap 'exit 0' TERM; while :; do sleep 0.05; done";
const STUBBORN: &str = "trap '' TERM USR1; while :; do sleep 0.05; done";

#[test]
fn each_stop_method_sleeps_and_wakes_again() {
    for mut ground in Ground::all() {
        for (name, method, state) in [
            ("direct-stop", json!({}), "exited"),
            ("direct-kill", json!({"proxy.stop_method": "kill"}), "exited"),
            ("direct-pause", json!({"proxy.stop_method": "pause"}), "paused"),
        ] {
            let id = ground.create(name, LOOP, method);
            let wake = |wait: &str| ground.run(&format!("wake {name}{wait}"));
            let sleep = |wait: &str| ground.run(&format!("sleep {name}{wait}"));
            assert_eq!(came_to(&sleep("")), one(name, "asleep", Some(false)), "never ran");
            assert_eq!(came_to(&wake(" --wait")), one(name, "awake", Some(true)));
            assert_eq!(ground.state(&id).0, "running");
            assert_eq!(came_to(&wake("")), one(name, "awake", Some(false)), "it is so already");
            assert_eq!(came_to(&sleep(" --wait")), one(name, "asleep", Some(true)));
            assert_eq!(ground.state(&id).0, state);
            assert_eq!(came_to(&sleep(" --wait")), one(name, "asleep", Some(false)));
            assert_eq!(came_to(&wake("")), one(name, "awake", Some(true)));
            assert_eq!(ground.state(&id).0, "running");
        }
    }
}

#[test]
fn what_does_not_stop_is_killed() {
    for mut ground in Ground::all() {
        for (name, labels) in [
            ("direct-stubborn", json!({"proxy.stop_timeout": "1s"})),
            ("direct-own-signal", json!({"proxy.stop_timeout": "1s", "proxy.stop_signal": "USR1"})),
            (
                "direct-unmoved",
                json!({
                    "proxy.stop_timeout": "1s", "proxy.stop_method": "kill",
                    "proxy.stop_signal": "USR1",
                }),
            ),
        ] {
            let id = ground.create(name, STUBBORN, labels);
            ground.start(&id);
            let began = Instant::now();
            let outcome = ground.run(&format!("sleep {name} --wait"));
            assert_eq!(came_to(&outcome), one(name, "asleep", Some(true)));
            assert!(began.elapsed() >= Duration::from_secs(1), "it had its time");
            assert_eq!(ground.state(&id), ("exited".into(), 137), "{name}");
        }
    }
}

#[test]
fn who_does_not_wait_gets_the_state_of_the_moment() {
    for mut ground in Ground::all() {
        let id = ground.create("direct-slow", STUBBORN, json!({"proxy.stop_timeout": "2s"}));
        ground.start(&id);
        let outcome = ground.run("sleep direct-slow --timeout 500ms");
        assert_eq!(came_to(&outcome), one("direct-slow", "going_to_sleep", None));
        assert_ne!(ground.state(&id).0, "exited");
        let end = soon();
        while ground.state(&id).0 != "exited" {
            assert!(Instant::now() < end, "the stop was called off");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

#[test]
fn one_that_ends_at_once_fails_and_the_others_wake() {
    for mut ground in Ground::all() {
        ground.create("direct-short", "exit 3", json!({}));
        let id = ground.create("direct-long", LOOP, json!({}));
        let prefix = &id[..16];
        let line = format!("wake --wait direct-short {prefix} direct-lone direct-long");
        let outcome = ground.run(&line);
        let told = "drowse: wake direct-lone: unknown container; did you mean `direct-long`?\n\
                    drowse: wake default/direct-short: it ran and ended with exit code 3\n";
        assert_eq!((outcome.status, outcome.stderr.as_str()), (Some(1), told));
        let objects = outcome.objects();
        let states: Vec<_> = objects.iter().map(|one| (&one["name"], &one["state"])).collect();
        let expected = [("direct-short", "failed"), ("direct-long", "awake")];
        let expected = expected.map(|(name, state)| (json!(name), json!(state)));
        assert_eq!(states, expected.each_ref().map(|(name, state)| (name, state)), "each once");
        assert_eq!(ground.state(&id).0, "running");
    }
}

#[test]
fn ready_means_healthy_where_there_is_a_check() {
    // Podman's checks are run by systemd, which the world has not.
    let Some(engine) = world::engine() else { return };
    let mut ground = Ground::on(engine.unix);
    let health = |command: &str| {
        let test = ["CMD-SHELL", command];
        let every = 200_000_000; // ns
        json!({
            "Healthcheck": {"Test": test, "Interval": every, "Timeout": 5_000_000_000_u64},
            "Labels": {"proxy.wake_timeout": "4s"},
        })
    };
    let id = ground.create_with(
        "direct-well",
        &format!("rm -f /well; (sleep 1; touch /well) & {LOOP}"),
        health("test -e /well"),
    );
    let outcome = ground.run("wake direct-well");
    assert_eq!(came_to(&outcome), one("direct-well", "waking", None));
    let outcome = ground.run("wake --wait direct-well");
    assert_eq!(came_to(&outcome), one("direct-well", "awake", Some(false)));
    let seen = ground.client.run(&call::inspect(&id), soon()).unwrap();
    assert_eq!(seen.state.health.unwrap().status, "healthy");
    ground.create_with("direct-ill", LOOP, health("false"));
    let outcome = ground.run("wake --wait direct-ill");
    let told = "drowse: wake default/direct-ill: its health check does not pass after 4s\n";
    assert_eq!((outcome.status, outcome.stderr.as_str()), (Some(1), told));
}

#[test]
fn two_engines_that_share_a_name_are_told_apart() {
    let grounds = Ground::all();
    let Ok([mut docker, mut podman]) = <[Ground; 2]>::try_from(grounds) else { return };
    let ids = [&mut docker, &mut podman].map(|one| one.create("direct-twin", LOOP, json!({})));
    let dir = tempdir().unwrap();
    let file = dir.path().join("drowse.yml");
    let config = format!(
        "control: none.sock\nproviders:\n  docker:\n    one: {}\n    gone: unix://{}/none\n\
         \x20   two: {}\n",
        docker.url,
        dir.path().display(),
        podman.url
    );
    fs::write(&file, config).unwrap();
    let run = |line: &str| {
        let args: Vec<_> = line.split(' ').collect();
        drowse(&[&args[..], &["--config", file.to_str().unwrap()]].concat()).outcome()
    };
    let none = dir.path().join("none").display().to_string();
    let gone = format!(
        "drowse: gone: reach the engine on unix://{none}: no such socket {none}: is the engine \
         running?\n"
    );
    let outcome = run("wake direct-twin");
    let told = format!(
        "{gone}drowse: wake direct-twin: which one? expected one of one/direct-twin, \
         two/direct-twin\n"
    );
    assert_eq!((outcome.status, outcome.stderr, &*outcome.stdout), (Some(1), told, ""));
    assert_eq!(
        (docker.state(&ids[0]).0, podman.state(&ids[1]).0),
        ("created".into(), "created".into())
    );
    let outcome = run("wake two/direct-twin");
    assert_eq!((outcome.status, outcome.stderr), (Some(1), gone));
    assert_eq!(
        (docker.state(&ids[0]).0, podman.state(&ids[1]).0),
        ("created".into(), "running".into())
    );
}

/// An engine (API 1.41) with one running container that somebody else pauses just before us.
fn quicker_hands(request: &str) -> Deed {
    match request {
        pause if pause.ends_with("/pause") => {
            servers::json(409, "{\"message\":\"already paused\"}")
        }
        one if one.starts_with("GET") && one.ends_with("/json") => {
            servers::json(200, "{\"Id\":\"776562\",\"State\":{\"Status\":\"paused\"}}")
        }
        other => servers::engine(other),
    }
}

/// An engine that has no answer to a stop, and says that the container still runs.
fn slow_stop(request: &str) -> Deed {
    match request {
        stop if stop.contains("/stop?") => Deed::Nothing,
        one if one.starts_with("GET") && one.ends_with("/json") => {
            servers::json(200, "{\"Id\":\"776562\",\"State\":{\"Status\":\"running\"}}")
        }
        other => servers::engine(other),
    }
}

#[test]
fn an_order_that_somebody_else_gave_first_is_done() {
    let dir = tempdir().unwrap();
    let file = dir.path().join("drowse.yml");
    let url = servers::unix(dir.path(), "engine.sock", quicker_hands);
    let engines = format!("providers:\n  docker:\n    pi: {url}\n");
    fs::write(&file, format!("control: none\nidle: {{stop_method: pause}}\n{engines}")).unwrap();
    let outcome = drowse(&["sleep", "web", "--config", file.to_str().unwrap()]).outcome();
    assert_eq!(came_to(&outcome), one("web", "asleep", Some(false)));
}

#[test]
fn a_stop_without_an_answer_goes_on() {
    let dir = tempdir().unwrap();
    let url = servers::unix(dir.path(), "engine.sock", slow_stop);
    let outcome = drowse(&["sleep", "web", "--host", &url, "--timeout", "300ms"]).outcome();
    assert_eq!(came_to(&outcome), one("web", "going_to_sleep", None));
    assert_eq!(outcome.threads, 1);
}

#[test]
fn a_failure_says_what_and_where() {
    let dir = tempdir().unwrap();
    let url = servers::unix(dir.path(), "engine.sock", servers::engine);
    let outcome = drowse(&["sleep", "web", "--host", &url]).outcome();
    let told = format!("drowse: sleep default/web: stop container 776562000000 on {url}: ");
    assert_eq!(outcome.status, Some(1));
    assert!(outcome.stderr.starts_with(&told), "{}", outcome.stderr);
    let failed = json!({
        "engine": "default", "error": outcome.objects()[0]["error"], "name": "web",
        "state": "failed", "took_ms": null,
    });
    assert_eq!(outcome.objects(), [failed]);
}
