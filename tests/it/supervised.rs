//! `drowse run` on real engines: each end has its last line, its exit code, and leaves nothing.

#[path = "supervised/agrees.rs"]
mod agrees;
#[path = "supervised/library.rs"]
mod library;
#[path = "supervised/pulls.rs"]
mod pulls;
#[path = "supervised/registry.rs"]
mod registry;
#[path = "supervised/stage.rs"]
mod stage;

use std::fs;
use std::net::TcpListener;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::binary::drowse;
use crate::dockerd::Dockerd;
use stage::{Engine, IMAGE, column, engines, last, statuses};

/// Ends with 7 when it is told to, at once.
const OBEDIENT: &str = "trap 'exit 7' TERM; echo ready; while :; do sleep 0.1; done";

/// Whether that heeds TERM by now: it runs a moment before.
fn heeds(told: &Value) -> bool {
    told["line"] == "ready"
}

#[test]
fn the_exit_code_is_the_containers_and_each_state_is_told() {
    for engine in engines() {
        let ended = engine.run("exit0", &[], &["true"]);
        assert_eq!((ended.status, &*ended.stderr), (Some(0), ""), "{ended:?}");
        let states = ended.objects();
        let expected = ["pulling", "created", "running", "exited", "removed"];
        assert_eq!(statuses(&states), expected);
        let keys: Vec<_> = states[0].as_object().unwrap().keys().collect();
        assert!(keys.is_sorted() && keys.len() == 19, "{keys:?}");
        assert_eq!(last(&states)["pull_status"], "local");
        for (script, code, words) in [
            ("exit 3", 3, "ended with exit code 3\n"),
            ("sh -c 'kill -9 $$'; exit $?", 137, "ended with exit code 137 (signal 9)\n"),
        ] {
            let ended = engine.run("exit3", &[], &["sh", "-c", script]);
            assert_eq!(ended.status, Some(code), "{ended:?}");
            assert!(ended.stderr.ends_with(words), "{ended:?}");
            assert_eq!(last(&ended.objects())["exit_code"], code);
        }
    }
}

#[test]
fn what_can_not_start_is_told_and_leaves_nothing() {
    for engine in engines() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let publish = format!("--publish=127.0.0.1:{port}:80");
        let bare = engine.bare_image();
        for (case, options, image, command, code, words) in [
            ("badcmd", vec![], IMAGE, vec!["no-such"], 127, "executable file not found"),
            ("badexec", vec![], IMAGE, vec!["/etc/passwd"], 126, "permission denied"),
            ("badport", vec![publish.as_str()], IMAGE, vec!["true"], 1, "already in use"),
            ("badnet", vec!["--network=no-such"], IMAGE, vec!["true"], 1, "no-such"),
            ("badimage", vec!["--pull=never"], "no-such:1", vec![], 1, "no-such:1"),
            ("nocmd", vec![], bare, vec![], 1, "o command"),
            ("badcopy", vec!["--copy=/no-such:/x"], IMAGE, vec![], 1, "--copy /no-such: "),
        ] {
            let ended = engine.run_image(case, &options, (image, &command));
            assert_eq!(ended.status, Some(code), "{case}: {ended:?}");
            let line = ended.stderr.lines().last().unwrap_or_default();
            assert!(line.contains(words), "{case}: {ended:?}");
        }
    }
}

#[test]
fn a_name_that_is_taken_is_nobodys_to_remove() {
    for engine in engines() {
        let id = engine.id("clash");
        let spec = json!({"Image": IMAGE, "Cmd": ["true"]});
        engine.create(&format!("drowse-{id}-web"), &spec);
        let ended = engine.run("clash", &["--name=web"], &["true"]);
        assert_eq!(ended.status, Some(1), "{ended:?}");
        assert!(ended.stderr.contains("in use"), "{ended:?}");
        engine.remove(&format!("drowse-{id}-web"));
    }
}

#[test]
fn files_are_copied_in_and_output_is_passed_on() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.conf"), "hello\n").unwrap();
    let folder = format!("--copy={}:/opt/app", dir.path().display());
    let file = format!("--copy={}/a.conf:/no/such/yet/:0640", dir.path().display());
    let script = "cat /opt/app/a.conf; stat -c '%a %u' /no/such/yet/a.conf; stat -c %a /no/such; \
                  stat -c %a /tmp; echo oops >&2; printf half";
    for engine in engines() {
        let ended = engine.run("copy", &[&folder, &file, "--log"], &["sh", "-c", script]);
        assert_eq!(ended.status, Some(0), "{ended:?}");
        let lines = ended.objects();
        let of = |stream: &str| -> Vec<String> {
            let ours = lines.iter().filter(|line| line["stream"] == stream);
            ours.map(|line| line["line"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(of("stdout"), ["hello", "640 0", "755", "1777", "half"]);
        assert_eq!(of("stderr"), ["oops"]);
    }
}

#[test]
fn health_and_a_kill_for_memory_are_told() {
    for engine in engines() {
        let dir = tempfile::tempdir().unwrap();
        let spec = dir.path().join("spec.json");
        let health = json!({"Healthcheck": {"Interval": 200_000_000, "Retries": 1}});
        fs::write(&spec, health.to_string()).unwrap();
        let spec = format!("--spec={}", spec.display());
        let script = "sleep 1; touch /ok; sleep 2; rm /ok; while :; do sleep 0.1; done";
        let mut run = engine.start("health", &[&spec, "--health-cmd=test -f /ok"], script);
        for health in ["healthy", "unhealthy"] {
            run.until_probed(&engine, |state| state["health"] == health);
        }
        run.signal(Signal::TERM);
        assert_eq!(run.ended().status, Some(137), "it does not heed SIGTERM");
        engine.assert_clean("health");
        let ended = engine.run("oom", &["--memory=24m"], &["sh", "-c", "tail /dev/zero; exit $?"]);
        assert_eq!(ended.status, Some(137), "{ended:?}");
        let killed = engine.run("oom", &["--memory=24m"], &["tail", "/dev/zero"]);
        // Podman 4.3 does not tell why.
        let words = match engine.is_podman() {
            true => "ended with exit code 137 (signal 9)\n",
            false => "was killed: out of memory (exit code 137)\n",
        };
        assert!(killed.stderr.ends_with(words), "{}", killed.stderr);
    }
}

#[test]
fn it_is_restarted_with_longer_pauses_until_the_limit() {
    let policy = ["--restart=on-failure:2", "--restart-interval=300ms", "--log"];
    for engine in engines() {
        let ended = engine.run("again", &policy, &["sh", "-c", "echo up; exit 5"]);
        assert_eq!(ended.status, Some(5), "{ended:?}");
        let words = "ended with exit code 5; it was restarted 2 times in a row\n";
        assert!(ended.stderr.ends_with(words), "{ended:?}");
        let lines = ended.objects();
        assert_eq!(lines.iter().filter(|line| line["line"] == "up").count(), 3, "{ended:?}");
        let expected =
            ["pulling", "created", "running", "restarting", "running", "restarting", "running"];
        assert_eq!(statuses(&lines)[..7], expected);
        assert_eq!(last(&lines)["restarts"], 2);
        let rests = stage::pauses(&lines);
        assert!(rests[0] >= Duration::from_millis(300), "{rests:?}");
        assert!(rests[1] >= Duration::from_millis(600), "{rests:?}");
        let ended = engine.run("once", &["--restart=on-failure"], &["true"]);
        assert_eq!(ended.status, Some(0), "{ended:?}");
    }
}

#[test]
fn signals_and_a_reader_that_leaves_stop_it() {
    for engine in engines() {
        for (case, signal) in [("int", Signal::INT), ("term", Signal::TERM), ("hup", Signal::HUP)] {
            let mut run = engine.start(case, &["--log"], OBEDIENT);
            run.until(heeds);
            run.signal(signal);
            let ended = run.ended();
            assert_eq!((ended.status, &*ended.stderr), (Some(7), ""), "{case}: {ended:?}");
            assert_eq!(last(&ended.objects())["status"], "removed");
            engine.assert_clean(case);
        }
        let mut run = engine.start("gone", &["--log"], OBEDIENT);
        run.until(heeds);
        run.stop_reading();
        let ended = run.ended();
        assert_eq!((ended.status, &*ended.stderr), (Some(7), ""), "{ended:?}");
        engine.assert_clean("gone");
        let mut deaf = engine.start("deaf", &["--stop-timeout=1h"], "trap '' TERM; sleep 1000");
        deaf.until(|state| state["status"] == "running");
        deaf.signal(Signal::INT);
        deaf.let_a_moment_pass();
        deaf.signal(Signal::INT);
        assert_eq!(deaf.ended().status, Some(137), "a second signal kills");
        engine.assert_clean("deaf");
    }
}

#[test]
fn what_a_killed_run_left_is_cleaned_and_nothing_of_one_that_lives() {
    for engine in engines() {
        let mut living = engine.start("alive", &["--log"], OBEDIENT);
        living.until(heeds);
        let mut killed = engine.start("dead", &[], OBEDIENT);
        killed.until(|state| state["status"] == "running");
        killed.signal(Signal::KILL);
        killed.ended();
        assert!(engine.has("dead"));
        let clean = || drowse(&["clean", "--host", &engine.host, "--timeout=30s"]).outcome();
        let cleaned = clean();
        assert_eq!((cleaned.status, &*cleaned.stderr), (Some(0), ""), "{cleaned:?}");
        let ours = |one: &&Value| one["run"] == engine.id("dead").as_str();
        let objects = cleaned.objects();
        let kinds: Vec<_> = objects.iter().filter(ours).map(|one| one["kind"].clone()).collect();
        assert_eq!(kinds, ["container", "network"], "{cleaned:?}");
        engine.assert_clean("dead");
        assert!(!cleaned.stdout.contains(&engine.id("alive")));
        let again = engine.run("alive", &[], &["true"]);
        assert!(again.stderr.contains("lives: expected another --id"), "{again:?}");
        living.signal(Signal::TERM);
        assert_eq!(living.ended().status, Some(7));
        engine.assert_clean("alive");
    }
}

#[test]
fn ten_runs_at_once_do_not_touch_each_other() {
    for engine in engines() {
        let runs: Vec<_> = (0..10)
            .map(|n| engine.start(&format!("ten{n}"), &[], &format!("sleep 1; exit {}", n + 1)))
            .collect();
        for (n, run) in (1..).zip(runs) {
            let ended = run.ended();
            assert_eq!(ended.status, Some(n), "{ended:?}");
            assert_eq!(ended.threads, 1);
        }
        (0..10).for_each(|n| engine.assert_clean(&format!("ten{n}")));
    }
}

#[test]
fn networks_besides_its_own_are_joined_and_their_bytes_can_be_told_apart() {
    for engine in engines() {
        let other = format!("{}-other", engine.id("joins"));
        let (subnet, gateway) = engine.subnet();
        engine.create_network(&other, &subnet);
        let script =
            format!("while :; do ping -q -c 1 -s 1000 {gateway} >/dev/null; usleep 50000; done");
        let (_dir, spec) = stage::pings();
        let options = ["--network", &other, "--count-rx", &other, "--count-tx=own", &spec];
        let mut run = engine.start("joins", &options, &script);
        let state = run.until(|state| state["rx_rate"].as_u64() > Some(5_000));
        assert!(state["tx_rate"].as_u64() < Some(5_000), "{state}");
        assert!(state["receiving_since"].is_string(), "{state}");
        run.signal(Signal::TERM);
        run.ended();
        engine.assert_clean("joins");
        engine.remove_network(&other);
    }
}

#[test]
fn an_engine_that_is_restarted_under_it_is_waited_for() {
    let Some(mut dockerd) = Dockerd::start(76) else { return };
    let engine = Engine::own(&dockerd);
    let mut run = engine.start("under", &[], OBEDIENT);
    run.until(|state| state["status"] == "running");
    dockerd.kill();
    run.until(|state| state["error"].is_string());
    dockerd.restart();
    let ended = run.ended();
    assert!(ended.status.is_some_and(|code| code > 0), "{ended:?}");
    assert!(ended.stderr.contains("ended with exit code"), "{ended:?}");
    assert_eq!(column(&ended.objects(), "status").last().unwrap(), "removed");
    engine.assert_clean("under");
}
