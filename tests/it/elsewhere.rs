//! What a daemon asks of its engine: nothing of one on its own machine, as long as nothing happens;
//! and of one elsewhere no more than its counters, one container at a time.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::proxy::Proxy;
use crate::stage::{REST, Stage, WEB, fetch};

/// The daemon's poll.
const POLL: Duration = Duration::from_millis(500);
/// So long nothing is asked of an engine here.
const QUIET: Duration = Duration::from_secs(3);

const PAUSE: [&str; 4] = ["--label", "proxy.idle_timeout=2s", "--label", "proxy.stop_method=pause"];

/// A stage whose daemon is not started yet, with a proxy before the engine.
fn stage(number: u8) -> Option<(Stage, Proxy)> {
    let mut stage = Stage::docker(number, "poll: 500ms")?;
    stage.daemon.kill();
    let proxy = Proxy::start(stage.dir.path(), "proxy.sock", &stage.engine.socket());
    stage.through(Path::new(proxy.url.trim_start_matches("unix://")));
    Some((stage, proxy))
}

fn since(proxy: &Proxy, from: usize) -> Vec<(Instant, String)> {
    proxy.asked().split_off(from)
}

#[test]
fn an_engine_on_this_machine_is_asked_nothing_while_nothing_happens() {
    let Some((mut stage, proxy)) = stage(82) else { return };
    for name in ["one", "two"] {
        stage.run(name, REST, &["--label", "proxy.idle_timeout=1h"]);
    }
    stage.run("frozen", WEB, &PAUSE);
    stage.daemon_again();
    stage.until("frozen", "paused");
    stage.until_told("frozen", "asleep");
    stage.until_told("two", "awake");
    thread::sleep(2 * POLL); // what belongs to falling asleep is asked by then
    let from = proxy.asked().len();
    thread::sleep(QUIET);
    assert_eq!(since(&proxy, from), []);
    assert_eq!(fetch(&stage.address("frozen")), "hello\n");
    assert!(!since(&proxy, from).is_empty(), "the proxy sees what is asked");
    assert!(proxy.asked().iter().all(|(_, line)| !line.contains("/stats")));
}

#[test]
fn an_engine_elsewhere_tells_the_counters_and_who_knocks() {
    let Some((mut stage, proxy)) = stage(83) else { return };
    let threshold = ["--label", "proxy.idle_threshold=150"];
    for name in ["web", "other"] {
        stage.run(name, WEB, &[&PAUSE[..], &threshold].concat());
    }
    stage.run(
        "busy",
        "while :; do :; done",
        &[&PAUSE[..], &["--label", "proxy.idle_cpu=1"]].concat(),
    );
    let address = stage.address("web");
    stage.daemon_elsewhere();
    stage.until("web", "paused");
    stage.until("other", "paused");
    for _ in 0..3 {
        assert_eq!(fetch(&address), "hello\n");
        stage.until("web", "paused");
    }
    assert_eq!(stage.row("busy")["why"], "cpu");
    // What came before it is frozen by hand is no knock.
    assert_eq!(fetch(&address), "hello\n");
    stage.until_told("web", "awake");
    assert_eq!(fetch(&address), "hello\n");
    stage.done("sleep web --wait");
    let from = proxy.asked().len();
    thread::sleep(QUIET);
    assert_eq!(stage.state("web"), "paused");
    let samples = since(&proxy, from).iter().filter(|(_, line)| line.contains("/stats?")).count();
    let most = 3 * (QUIET.as_millis() / POLL.as_millis() + 2) as usize;
    assert!(samples > 0 && samples <= most, "{samples} samples");
    assert_eq!(fetch(&address), "hello\n");
}
