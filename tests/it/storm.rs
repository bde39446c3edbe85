//! Random orders to a real engine while `ps --watch` follows it through a proxy that cuts,
//! and while
//! dockerd is killed: afterwards the picture that its lines drew is the engine's own.
//!
//! `DROWSE_STORM_SEEDS=N` runs N seeds instead of 20; `DROWSE_STORM_BINARY` follows with another
//! build, as to see the longest turn of a release.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use drowse::docker::call::{self, Removal};
use drowse::http::{Call, Request};
use drowse::net::blocking::Client;
use serde_json::{Value, json};
use tempfile::tempdir;

use crate::binary::{DROWSE, Run, program};
use crate::dice::Dice;
use crate::dockerd::{self, Dockerd};
use crate::proxy::Proxy;
use crate::watching::{Heard, Picture, Watching, difference, key};
use crate::world;

/// Seeds, if nobody says otherwise.
const SEEDS: usize = 20;
/// Orders between two kills of dockerd, and how many kills.
const ORDERS: usize = 75;
const KILLS: usize = 3;
/// Orders given to Podman, which is slow.
const PODMAN_ORDERS: usize = 60;
/// Orders under way at once.
const WORKERS: usize = 3;
/// The containers' names: few, so that orders meet.
const NAMES: usize = 12;

/// What is let loose on one engine.
struct Storm<'a> {
    socket: &'a Path,
    seed: usize,
    /// Orders that were carried out.
    done: AtomicUsize,
}

#[test]
fn after_a_storm_with_cuts_and_kills_the_picture_is_docker_s() {
    let Some(mut dockerd) = Dockerd::start(77) else { return };
    for seed in 0..seeds(SEEDS) {
        let begun = Instant::now();
        let socket = dockerd.socket();
        let (dir, storm) = (tempdir().unwrap(), Storm::new(&socket, seed));
        let proxy = Proxy::foul(dir.path(), "s", &socket, seed as u64);
        let watching = Watching::start(following(&["--host", &proxy.url]));
        for part in 0..=KILLS {
            storm.rage(part, ORDERS, || {
                if part < KILLS {
                    dockerd.kill();
                }
            });
            if part < KILLS {
                dockerd.restart();
            }
        }
        let raged = begun.elapsed();
        proxy.calm();
        let heard = watching.until(|heard| {
            let listed = listed(&["--host", &proxy.url]);
            let unlike = || {
                let (names, by_docker) = (names(heard), by_docker(&dockerd));
                (names != by_docker).then(|| format!("{names:?} but {by_docker:?}"))
            };
            difference(&heard.picture, &listed).or_else(unlike)
        });
        tell(&storm, &proxy, &watching, (begun, raged));
        assert_eq!(heard.faults, [""; 0], "seed {seed}");
        let ids = dockerd.docker(&["ps", "-aq"]).1;
        dockerd.docker(&[&["rm", "-f"], &ids.lines().collect::<Vec<_>>()[..]].concat());
        watching.until(|heard| difference(&heard.picture, &Picture::new()));
    }
}

#[test]
fn after_a_storm_with_cuts_the_picture_is_podman_s() {
    let Some(podman) = world::podman() else { return };
    let socket = Path::new(podman.trim_start_matches("unix://"));
    for seed in 0..seeds(SEEDS).min(3) {
        let begun = Instant::now();
        let (dir, storm) = (tempdir().unwrap(), Storm::new(socket, seed));
        let proxy = Proxy::foul(dir.path(), "s", socket, seed as u64);
        let of = ["--host", &proxy.url, "--filter", &format!("label=storm={seed}")];
        let watching = Watching::start(following(&of));
        storm.rage(0, PODMAN_ORDERS, || {});
        let raged = begun.elapsed();
        proxy.calm();
        let heard = watching.until(|heard| difference(&heard.picture, &listed(&of)));
        tell(&storm, &proxy, &watching, (begun, raged));
        assert_eq!(heard.faults, [""; 0], "seed {seed}");
        let client = dockerd::client(socket);
        let until = Instant::now() + Duration::from_secs(60);
        for (_, id) in heard.picture.keys() {
            let _ = client.run(&call::remove(id, Removal { force: true, volumes: true }), until);
        }
        watching.until(|heard| difference(&heard.picture, &Picture::new()));
    }
}

impl Storm<'_> {
    fn new(socket: &Path, seed: usize) -> Storm<'_> {
        Storm { socket, seed, done: AtomicUsize::new(0) }
    }

    /// So many orders by several workers; `end` comes in the midst of the last third of them.
    fn rage(&self, part: usize, orders: usize, end: impl FnOnce()) {
        let before = self.done.load(Ordering::SeqCst);
        thread::scope(|scope| {
            let workers: Vec<_> = (0..WORKERS)
                .map(|worker| {
                    let dice = Dice::new((self.seed * 100 + part * 10 + worker) as u64);
                    scope.spawn(move || self.work(dice, orders / WORKERS))
                })
                .collect();
            let soon = || self.done.load(Ordering::SeqCst) - before >= orders / 3;
            while !soon() && !workers.iter().all(|worker| worker.is_finished()) {
                thread::sleep(Duration::from_millis(5));
            }
            end();
            // Those that find nobody at the socket give up by themselves.
        });
    }

    fn work(&self, mut dice: Dice, orders: usize) {
        let client = dockerd::client(self.socket);
        for _ in 0..orders {
            match self.order(&client, &mut dice) {
                Ok(()) => self.done.fetch_add(1, Ordering::SeqCst),
                Err(drowse::error::Why::Unreachable(_)) => return,
                Err(_) => 0, // refused: not in that state, no such name
            };
        }
    }

    fn order(&self, client: &Client, dice: &mut Dice) -> Result<(), drowse::error::Why> {
        let name = &self.name(dice);
        let until = Instant::now() + Duration::from_secs(30);
        let run = |call: Call<()>| client.run(&call, until).map_err(|error| error.why);
        match dice.roll(100) {
            0..15 => {
                let create = call::create(Some(name), &self.body(dice));
                client.run(&create, until).map_err(|error| error.why)?;
                run(call::start(name))
            }
            15..30 => client
                .run(&call::create(Some(name), &self.body(dice)), until)
                .map(|_| ())
                .map_err(|error| error.why),
            30..42 => run(call::start(name)),
            42..52 => run(call::kill(name, "KILL")),
            52..58 => run(call::stop(name, None, Duration::ZERO)),
            58..70 => run(call::pause(name)),
            70..80 => run(call::unpause(name)),
            80..90 => run(rename(name, &self.name(dice))),
            _ => run(call::remove(name, Removal { force: dice.chance(60), volumes: true })),
        }
    }

    fn name(&self, dice: &mut Dice) -> String {
        format!("storm-{}-{}", self.seed, dice.roll(NAMES))
    }

    fn body(&self, dice: &mut Dice) -> Value {
        let commands =
            [&["sleep", "1000"][..], &["sleep", "1000"], &["true"], &["sh", "-c", "exit 3"]];
        let mut labels = json!({"storm": self.seed.to_string()});
        if dice.chance(50) {
            labels["proxy.idle_timeout"] = "30m".into();
        }
        let mut host = json!({"NetworkMode": if dice.chance(20) { "bridge" } else { "none" }});
        if dice.chance(10) {
            host["AutoRemove"] = true.into();
        } else if dice.chance(20) {
            host["RestartPolicy"] = json!({"Name": "on-failure", "MaximumRetryCount": 2});
        }
        json!({
            "Image": "drowse-test:latest", "Cmd": dice.pick(&commands), "Labels": labels,
            "ExposedPorts": {"80/tcp": {}}, "StopSignal": "SIGKILL", "HostConfig": host,
        })
    }
}

/// The library has no such order.
fn rename(from: &str, to: &str) -> Call<()> {
    let call = call::start(from);
    let path = format!("/containers/{from}/rename?name={to}");
    Call { request: Request { path, ..call.request }, ..call }
}

fn following(of: &[&str]) -> Run {
    let binary = std::env::var("DROWSE_STORM_BINARY").unwrap_or_else(|_| DROWSE.to_owned());
    program(&binary, &[&["ps", "--watch", "--log", "trace"], of].concat())
}

/// What `ps` lists; nothing like it if it fails.
fn listed(of: &[&str]) -> Picture {
    let outcome = program(DROWSE, &[&["ps"], of].concat()).outcome();
    assert_eq!((outcome.status, outcome.stderr.as_str()), (Some(0), ""));
    outcome.objects().into_iter().map(|object| (key(&object), object)).collect()
}

/// Id, name and state, as the docker client prints them.
fn by_docker(dockerd: &Dockerd) -> Vec<String> {
    let format = "{{.ID}} {{.Names}} {{.State}}";
    let (_, lines) = dockerd.docker(&["ps", "-a", "--no-trunc", "--format", format]);
    let mut lines: Vec<_> = lines.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

fn names(heard: &Heard) -> Vec<String> {
    let text = |one: &Value, key: &str| one[key].as_str().unwrap_or_default().to_owned();
    let line = |one: &Value| {
        ["container_id", "container_name", "state"].map(|key| text(one, key)).join(" ")
    };
    let mut lines: Vec<_> = heard.picture.values().map(line).collect();
    lines.sort();
    lines
}

fn seeds(usual: usize) -> usize {
    std::env::var("DROWSE_STORM_SEEDS").map_or(usual, |seeds| seeds.parse().unwrap())
}

fn tell(storm: &Storm, proxy: &Proxy, watching: &Watching, (begun, raged): (Instant, Duration)) {
    let lines: usize = watching.heard().events.values().sum();
    eprintln!(
        "seed {}: {} orders, {} cuts, {} requests, {lines} lines; raged {raged:.1?}, the same \
         after {:.1?}; longest turn {}",
        storm.seed,
        storm.done.load(Ordering::SeqCst),
        proxy.cuts(),
        proxy.asked().len(),
        begun.elapsed().saturating_sub(raged),
        watching.longest_turn(),
    );
}
