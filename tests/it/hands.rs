//! Other hands: whatever they do to a container, in whatever state it is, the daemon and the engine
//! end of one mind, and as those hands want it. The same when either is killed hard.

use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use drowse::docker::call::{self, Removal};
use drowse::http::{Call, Request};
use drowse::net::blocking::Client;
use serde_json::{Value, json};

use crate::dockerd;
use crate::stage::{Engine, LIMIT, REST, Stage, WEB, fetch};

/// Cases tried at once.
const WORKERS: usize = 4;

/// The signal to end means nothing to it.
const STUBBORN: &str = "trap '' TERM; while :; do sleep 1; done";

/// What each hand makes of a container in each state: by the engine, and by the daemon.
const CASES: &str = "
asleep stop exited asleep
asleep start running awake
asleep pause exited asleep
asleep kill exited asleep
asleep restart running awake
asleep rename exited asleep
asleep update exited asleep
asleep rm gone gone
frozen stop exited asleep
frozen start paused asleep
frozen unpause running awake
frozen kill exited asleep
frozen restart running awake
frozen rename paused asleep
frozen update paused asleep
frozen rm gone gone
waking stop exited asleep
waking start running waking
waking pause paused asleep
waking kill exited asleep
waking restart running waking
waking rename running waking
waking update running waking
waking rm gone gone
awake stop exited asleep
awake start running awake
awake pause paused asleep
awake kill exited asleep
awake restart running awake
awake rename running awake
awake update running awake
awake rm gone gone
leaving stop exited asleep
leaving start exited asleep
leaving pause exited asleep
leaving kill exited asleep
leaving restart running awake
leaving rename exited asleep
leaving update exited asleep
leaving rm gone gone
";

/// One engine and one daemon, and somebody else who uses the engine.
struct Ground<'a> {
    stage: &'a Stage,
    client: Client,
}

impl Ground<'_> {
    fn new(stage: &Stage) -> Ground<'_> {
        Ground { stage, client: dockerd::client(&stage.engine.socket()) }
    }

    fn run<T>(&self, call: &Call<T>) -> Result<T, String> {
        self.client.run(call, Instant::now() + LIMIT).map_err(|error| error.to_string())
    }

    fn create(&self, name: &str, script: &str, labels: &Value) {
        let mut labels = labels.clone();
        labels["proxy.idle_timeout"] = "1h".into();
        // A shell that has only just begun heeds no signal yet: that is not waited for a minute.
        if labels.get("proxy.stop_timeout").is_none() {
            labels["proxy.stop_timeout"] = "5s".into();
        }
        let body = json!({
            "Image": "drowse-test:latest", "Cmd": ["sh", "-c", script], "Labels": labels,
        });
        self.run(&call::create(Some(name), &body)).unwrap();
    }

    /// A container of that name in that state.
    fn bring(&self, name: &str, state: &str) {
        let nothing = json!({});
        match state {
            "waking" => {
                // Nobody listens there.
                self.create(name, REST, &json!({ "proxy.x.port": "9", "proxy.aliases": "x" }));
                self.stage.until_told(name, "asleep");
                self.stage.done(&format!("wake {name}"));
                self.until(name, "running", "waking");
            }
            "asleep" => self.started(name, REST, &nothing),
            "frozen" => self.started(name, REST, &json!({"proxy.stop_method": "pause"})),
            "awake" => self.started(name, REST, &nothing),
            "leaving" => self.started(name, STUBBORN, &json!({"proxy.stop_timeout": "3s"})),
            other => unreachable!("{other}"),
        }
        match state {
            "asleep" | "frozen" => {
                self.stage.done(&format!("sleep {name} --wait"));
            }
            "leaving" => {
                self.stage.done(&format!("sleep {name}"));
                self.until(name, "running", "going_to_sleep");
            }
            _ => {}
        }
    }

    fn started(&self, name: &str, script: &str, labels: &Value) {
        self.create(name, script, labels);
        self.run(&call::start(name)).unwrap();
        self.until(name, "running", "awake");
    }

    /// What may be refused, as a start of what is paused, is refused.
    fn lay(&self, hand: &str, name: &str) {
        let _ = match hand {
            "stop" => self.run(&call::stop(name, None, Duration::ZERO)),
            "start" => self.run(&call::start(name)),
            "pause" => self.run(&call::pause(name)),
            "unpause" => self.run(&call::unpause(name)),
            "kill" => self.run(&call::kill(name, "KILL")),
            "restart" => self.run(&posted(name, "restart?t=0")),
            "rename" => self.run(&posted(name, &format!("rename?name={name}-new"))),
            "update" => Ok(self.stage.client(&["update", "--cpu-shares", "512", name]).0)
                .map(|status| assert_eq!(status, Some(0))),
            "rm" => self.run(&call::remove(name, Removal { force: true, volumes: true })),
            other => unreachable!("{other}"),
        };
    }

    /// By the engine and by the daemon.
    fn seen(&self, name: &str) -> (String, String) {
        let life = self.run(&call::inspect(name)).map(|inspect| inspect.state.status);
        let told = self.stage.row(name)["state"].as_str().map(str::to_owned);
        let gone = || "gone".to_owned();
        (life.unwrap_or_else(|_| gone()), told.unwrap_or_else(gone))
    }

    #[track_caller]
    fn until(&self, name: &str, life: &str, told: &str) {
        self.stage.wait_while(|| {
            let seen = self.seen(name);
            (seen != (life.into(), told.into())).then(|| format!("{name} is {seen:?}, not {life}"))
        });
    }
}

/// The library has no such orders.
fn posted(name: &str, what: &str) -> Call<()> {
    let call = call::start(name);
    let path = format!("/containers/{name}/{what}");
    Call { request: Request { path, ..call.request }, ..call }
}

#[test]
fn whatever_other_hands_do_counts() {
    let Some(stage) = Stage::docker(85, "max_waking: 40") else { return };
    let cases: Vec<Vec<&str>> =
        CASES.trim().lines().map(|line| line.split(' ').collect()).collect();
    let (rest, done) = (Mutex::new(cases.iter()), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                let ground = Ground::new(&stage);
                loop {
                    let Some(case) = rest.lock().unwrap().next() else { return };
                    let [state, hand, life, told] = case[..] else { unreachable!("four words") };
                    let mut name = format!("{state}-{hand}");
                    ground.bring(&name, state);
                    ground.lay(hand, &name);
                    if hand == "rename" {
                        name += "-new";
                    }
                    ground.until(&name, life, told);
                    done.lock().unwrap().push((name, (life.to_owned(), told.to_owned())));
                }
            });
        }
    });
    // And so it stays.
    thread::sleep(Duration::from_secs(1));
    let ground = Ground::new(&stage);
    for (name, expected) in done.into_inner().unwrap() {
        assert_eq!(ground.seen(&name), expected, "{name}");
    }
}

/// Names of containers in each state, and a web server that was frozen.
fn one_of_each(ground: &Ground<'_>) -> [&'static str; 6] {
    for state in ["asleep", "frozen", "waking", "awake", "leaving"] {
        ground.bring(state, state);
    }
    ground.started("web", WEB, &json!({"proxy.stop_method": "pause"}));
    ground.stage.done("sleep web --wait");
    ["asleep", "frozen", "waking", "awake", "leaving", "web"]
}

/// The daemon and the engine agree on each, and each can be woken and put to sleep.
fn all_is_well(ground: &Ground<'_>, names: &[&str]) {
    for name in names {
        ground.stage.wait_while(|| {
            let (life, told) = ground.seen(name);
            let is_well = match told.as_str() {
                "awake" | "waking" => life == "running",
                "asleep" => ["exited", "paused", "created"].contains(&life.as_str()),
                _ => false,
            };
            (!is_well).then(|| format!("{name} is {life}, and the daemon says {told}"))
        });
    }
    for name in names.iter().filter(|name| **name != "waking") {
        ground.stage.done(&format!("wake {name} --wait"));
        ground.until(name, "running", "awake");
        ground.stage.done(&format!("sleep {name} --wait"));
    }
}

#[test]
fn a_daemon_that_was_killed_hard_goes_on_with_what_it_finds() {
    let Some(mut stage) = Stage::docker(86, "") else { return };
    let names = one_of_each(&Ground::new(&stage));
    stage.daemon.kill();
    // Meanwhile somebody knocks, and other hands are at work.
    let web = stage.address("web");
    let knocked = thread::spawn(move || fetch(&web));
    let ground = Ground::new(&stage);
    ground.run(&call::start("asleep")).unwrap();
    ground.run(&call::unpause("frozen")).unwrap();
    ground.create("new", REST, &json!({}));
    stage.daemon_again();
    assert_eq!(knocked.join().unwrap(), "hello\n", "who came meanwhile is answered");
    let ground = Ground::new(&stage);
    ground.until("asleep", "running", "awake");
    ground.until("frozen", "running", "awake");
    ground.until("leaving", "exited", "asleep");
    ground.until("waking", "running", "awake");
    all_is_well(&ground, &[&names[..], &["new"]].concat());
}

#[test]
fn an_engine_that_was_killed_hard_is_followed_on() {
    let Some(mut stage) = Stage::docker(87, "") else { return };
    let names = one_of_each(&Ground::new(&stage));
    let Engine::Docker(dockerd) = &mut stage.engine else { unreachable!("it is Docker") };
    dockerd.kill();
    let is_lost = || stage.row("awake")["why"] == "its engine is not reachable";
    stage.wait_while(|| (!is_lost()).then(|| "the engine is not missed".to_owned()));
    let Engine::Docker(dockerd) = &mut stage.engine else { unreachable!("it is Docker") };
    dockerd.restart();
    stage.wait_while(|| {
        let is_lost = stage.row("awake")["why"] == "its engine is not reachable";
        is_lost.then(|| "the engine is not back".to_owned())
    });
    all_is_well(&Ground::new(&stage), &names);
}
