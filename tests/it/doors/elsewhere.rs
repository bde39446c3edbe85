//! An engine on another machine, known by a name: front doors lead to what it publishes, and it is
//! asked for its counters one container at a time.

use std::fs::File;
use std::io::Write;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::client::body;
use super::stage::{Stage, at, enter, until};
use super::{IDLE, WEB};
use crate::proxy::Proxy;

const POLL: Duration = Duration::from_millis(250);
/// Not the port of a web server on the machine of the engine.
const ON_HOST: &str = "mkdir -p /w; echo host > /w/index.html; exec httpd -f -p 8090 -h /w";

/// The daemon sees no process of the engine's machine.
const FAR: [&str; 5] = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"];

/// A stage whose daemon is the engine's neighbour and knows it as `NAME.test`.
struct Far {
    stage: Stage,
    proxy: Proxy,
    listener: Child,
}

impl Far {
    fn start(name: &str) -> Option<Far> {
        let config = "idle: {poll: 250ms, stop_timeout: 2s}";
        let mut stage = Stage::start(name, config)?;
        let far = stage.neighbour();
        let mut hosts = File::options().append(true).open("/etc/hosts").unwrap();
        writeln!(hosts, "10.99.0.1 {name}.test").unwrap();
        let proxy = Proxy::start(stage.file("").as_path(), "proxy.sock", &stage.socket());
        let to = format!("UNIX-CONNECT:{}", stage.file("proxy.sock").display());
        let listener = stage
            .inside("socat", &["TCP-LISTEN:2375,fork,reuseaddr", &to])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        stage.signal(rustix::process::Signal::TERM);
        stage.ended();
        stage.url = Some(format!("tcp://{name}.test:2375"));
        stage.home = Some(far.clone());
        stage.by = FAR.map(str::to_owned).to_vec();
        stage.start_daemon();
        enter(&far);
        Some(Far { stage, proxy, listener })
    }
}

impl Drop for Far {
    fn drop(&mut self) {
        let _ = self.listener.kill();
        let _ = self.listener.wait();
    }
}

#[test]
fn an_engine_elsewhere_has_front_doors_and_one_question_at_a_time() {
    let Some(far) = Far::start("drfar") else { return };
    let stage = &far.stage;
    let route = |label: &'static str| [&IDLE[..], &["--label", label]].concat();
    let web = [&route("proxy.web.port=9080:80")[..], &["-p", "8080:80"]].concat();
    stage.create("web", WEB, &web);
    let host = ["--network", "host", "--label", "proxy.host.port=9081:8090"];
    stage.create("host", ON_HOST, &[&IDLE[..], &host].concat());
    let stays = ["--label", "proxy.idle_timeout=1h", "--label", "proxy.hidden.port=9082:80"];
    stage.create("hidden", WEB, &stays);
    // Who comes to what its engine does not publish waits for a while, and is told.
    stage.until_held("hidden");
    let network = stage.home.clone().unwrap();
    let hidden = thread::spawn(move || {
        enter(&network);
        body(at("127.0.0.1:9082")).unwrap()
    });
    for (name, place, answer) in
        [("web", "127.0.0.1:9080", "hello\n"), ("host", "[::1]:9081", "host\n")]
    {
        stage.until_held(name);
        assert_eq!(body(at(place)).unwrap(), answer, "{name}, asleep");
        assert_eq!(body(at(place)).unwrap(), answer, "{name}, awake");
    }
    assert_eq!(stage.row("web")["doors"].as_array().unwrap().len(), 2, "no stand-in door there");

    one_sample_at_a_time(&far);
    let told = hidden.join().unwrap();
    assert!(told.contains("expected its engine to publish it"), "{told}");
    let problems = stage.row("hidden")["problems"].to_string();
    assert!(problems.contains("port 80 can't be reached from here"), "{problems}");
}

/// While three are awake, one of which goes away while it is asked about.
fn one_sample_at_a_time(far: &Far) {
    let Far { stage, proxy, .. } = far;
    let busy = ["--label", "proxy.idle_timeout=3s", "--label", "proxy.idle_cpu=1"];
    for name in ["one", "two", "three"] {
        stage.create(name, "while :; do :; done", &busy);
        stage.docker(&["start", name]);
        stage.until_is(name, "awake");
    }
    let samples = |from: usize| {
        let all = proxy.asked().split_off(from);
        all.into_iter().filter(|(_, line)| line.contains("/stats?")).collect::<Vec<_>>()
    };
    let (from, begun) = (proxy.asked().len(), Instant::now());
    until("some rounds have passed", || samples(from).len() >= 12);
    let rounds = begun.elapsed().as_millis() / POLL.as_millis() + 2;
    for (_, line) in samples(from) {
        assert!(line.contains("one-shot=true") || line.contains("stream=false"), "{line}");
    }
    let most = samples(from).len() as u128;
    assert!(most <= 5 * rounds, "{most} samples in {rounds} rounds of five containers at most");
    assert_eq!(proxy.most_samples_at_once(), 1);
    // Those who stay are sampled on, though one goes before its sample has come.
    let id = stage.docker(&["inspect", "-f", "{{.Id}}", "one"]).1.trim().to_owned();
    let sample = format!("{id}/stats?");
    let from = proxy.asked().len();
    proxy.hold(Some(sample.clone()));
    until("it is asked for", || samples(from).iter().any(|(_, line)| line.contains(&sample)));
    stage.docker(&["rm", "-f", "one"]);
    stage.until_row("one", "is gone", |row| row.is_null());
    proxy.hold(None);
    let from = proxy.asked().len();
    until("the others are sampled on", || samples(from).len() >= 3);
}
