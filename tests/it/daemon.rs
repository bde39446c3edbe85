//! `drowse daemon` on a real engine of its own: containers fall asleep by every method and wake by
//! a request, by command, for those who need them; and nothing is left behind.

use std::fs;

use rustix::process::Signal;
use serde_json::Value;

use crate::stage::{REST, Stage, WEB, fetch};

/// As labels.
fn labels<'a>(of: &[&'a str]) -> Vec<&'a str> {
    of.iter().flat_map(|label| ["--label", label]).collect()
}

#[test]
fn on_docker_containers_fall_asleep_by_each_method_and_wake_when_they_must() {
    let Some(stage) = Stage::docker(78, "stop_timeout: 5s") else { return };
    each_method(&stage);
}

#[test]
fn on_podman_containers_fall_asleep_by_each_method_and_wake_when_they_must() {
    let Some(stage) = Stage::podman(78, "stop_timeout: 5s") else { return };
    each_method(&stage);
}

fn each_method(stage: &Stage) {
    let idle = "proxy.idle_timeout=1s";
    let frozen = [idle, "proxy.stop_method=pause", "proxy.frozen.port=80"];
    let killed = [idle, "proxy.stop_method=kill", "proxy.stop_signal=USR1"];
    stage.run("frozen", WEB, &labels(&frozen));
    stage.run("stopped", REST, &labels(&[idle]));
    stage.run("killed", REST, &labels(&killed));
    stage.run("busy", "while :; do :; done", &labels(&[idle, "proxy.idle_cpu=1"]));
    stage.until("frozen", "paused");
    stage.until("stopped", "exited");
    stage.until("killed", "exited");
    let address = stage.address("frozen");
    for _ in 0..3 {
        assert_eq!(fetch(&address), "hello\n");
        stage.until("frozen", "paused");
    }
    // Kept before it is woken: a busy machine may need longer than it takes to fall asleep again.
    stage.ask("keep stopped 1h");
    let woken = stage.ask("wake stopped --wait");
    assert_eq!((&woken[0]["name"], &woken[0]["state"]), (&"stopped".into(), &"awake".into()));
    assert_eq!(stage.row("stopped")["why"], "kept");
    assert_eq!(stage.row("busy")["why"], "cpu");
    assert_eq!(stage.row("frozen")["state"], "asleep");
    assert_eq!(stage.state("busy"), "running");
    let slept = stage.ask("sleep busy --wait");
    assert_eq!((&slept[0]["error"], &slept[0]["state"]), (&Value::Null, &"asleep".into()));
}

#[test]
fn what_a_container_needs_wakes_before_it_and_sleeps_after_it() {
    let Some(mut stage) = Stage::docker(79, "stop_timeout: 5s") else { return };
    let of = |service| format!("com.docker.compose.service={service}");
    let project = "com.docker.compose.project=shop";
    let needs =
        "com.docker.compose.depends_on=db:service_started,job:service_completed_successfully";
    let idle = "proxy.idle_timeout=1s";
    stage.create("db", REST, &labels(&[project, &of("db")]));
    stage.create("job", "exit 0", &labels(&[project, &of("job")]));
    stage.create("app", REST, &labels(&[project, &of("app"), needs, idle]));
    stage.create("alone", REST, &labels(&[]));
    stage.client(&["start", "alone"]);
    stage.until_told("app", "asleep");
    let woken = stage.ask("wake app --wait");
    assert_eq!((&woken[0]["error"], &woken[0]["state"]), (&Value::Null, &"awake".into()));
    let format = "{{.Name}} {{.State.StartedAt}}";
    let told = stage.client(&["inspect", "-f", format, "db", "job", "app"]).1;
    let starts: Vec<&str> = told.lines().filter_map(|line| line.split(' ').nth(1)).collect();
    assert!(starts[0] < starts[2] && starts[1] < starts[2], "{told}");
    stage.until("app", "exited");
    stage.until("db", "exited");
    stage.until("alone", "running");
    // Killed hard, and started again: it goes on with what it finds.
    stage.daemon.kill();
    stage.client(&["start", "app"]);
    stage.daemon_again();
    stage.until("app", "exited");
    // Reloaded with nonsense, it keeps what it has.
    fs::write(stage.dir.path().join("drowse.yml"), "providers: [").unwrap();
    stage.daemon.signal(Signal::HUP);
    assert_eq!(stage.row("app")["state"], "asleep");
    stage.daemon.signal(Signal::TERM);
    assert!(stage.daemon.ended_well());
    assert!(!stage.control().exists());
}
