//! A cluster in trouble beside a Docker engine: who comes to a Docker container's door waits no
//! longer than beside a cluster that is well.

use std::io::{Read, Write};
use std::thread;
use std::time::{Duration, Instant};

use crate::dockerd::Dockerd;
use crate::pve::stage::Stage;
use crate::pve::state::{Mood, Node, State};
use crate::pve::{Cluster, Guest};
use crate::stage::{WEB, connect};

/// The container's door.
const DOOR: u16 = 41_987;
/// Visits of one phase, and from one to the next, whether or not that one was answered: who comes
/// while nobody is heard waits too.
const VISITS: u32 = 100;
const PACE: Duration = Duration::from_millis(5);
/// What a cluster in trouble may cost a visit.
const DELAY: Duration = Duration::from_millis(10);
/// The phases come in turn so often at least, and at most: a busy machine is slow in some rounds,
/// and what blocks is in all.
const ROUNDS: (usize, usize) = (2, 8);
/// A wake may take so much longer, less than a 401 does; and so often it is tried.
const WAKE_DELAY: Duration = Duration::from_secs(2);
const WAKES: usize = 3;

/// How the cluster is during a phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    None,
    /// No answer.
    Hangs,
    /// Not even TLS's.
    Deaf,
    /// 401, which takes 3 s.
    Expired,
    /// 595.
    NodeDown,
}

const PHASES: [Trouble; 5] =
    [Trouble::None, Trouble::Hangs, Trouble::Deaf, Trouble::Expired, Trouble::NodeDown];

impl Trouble {
    fn befall(self, state: &mut State) {
        state.mood = match self {
            Trouble::Hangs => Mood::Hangs,
            Trouble::Deaf => Mood::Deaf,
            Trouble::None | Trouble::Expired | Trouble::NodeDown => Mood::Answers,
        };
        state.tokens[0].expired = self == Trouble::Expired;
        state.nodes[1].1 = if self == Trouble::NodeDown { Node::Down } else { Node::Up };
    }
}

/// How long the visits of a phase took: half of them, and nine in ten, no longer than that.
#[derive(Clone, Copy, Debug)]
struct Took {
    half: Duration,
    most: Duration,
}

impl Took {
    const NEVER: Took = Took { half: Duration::MAX, most: Duration::MAX };

    fn of(mut visits: Vec<Duration>) -> Took {
        visits.sort();
        Took { half: visits[visits.len() / 2], most: visits[visits.len() * 9 / 10] }
    }

    fn best(self, other: Took) -> Took {
        Took { half: self.half.min(other.half), most: self.most.min(other.most) }
    }

    fn is_delayed_beside(self, well: Took) -> bool {
        self.half > well.half + DELAY || self.most > well.most + DELAY
    }
}

#[test]
fn a_cluster_in_trouble_delays_nobody_at_a_docker_door() {
    let Some(dockerd) = Dockerd::start(88) else { return };
    let stage = stage(&dockerd);
    let mut guests = 101..;
    let mut best = [Took::NEVER; PHASES.len()];
    for round in 1..=ROUNDS.1 {
        for (trouble, best) in PHASES.into_iter().zip(&mut best) {
            *best = best.best(beside(&stage, (trouble, guests.next().unwrap()), visits));
        }
        let delayed = best.iter().any(|took| took.is_delayed_beside(best[0]));
        if round >= ROUNDS.0 && !delayed {
            break;
        }
        assert!(round < ROUNDS.1, "{PHASES:?}: {best:?}");
    }
    eprintln!("{PHASES:?}: {best:?}");
    let mut wake = |trouble| {
        let slept = stage.run("sleep --wait app").objects();
        assert_eq!(slept[0]["state"], "asleep");
        beside(&stage, (trouble, guests.next().unwrap()), || visit(Instant::now()))
    };
    let well = wake(Trouble::None);
    for trouble in [Trouble::Hangs, Trouble::Expired] {
        let is_late = (0..WAKES).all(|_| wake(trouble) > well + WAKE_DELAY);
        assert!(!is_late, "{trouble:?}: a wake takes longer than {well:?}");
    }
}

/// A daemon that watches a container with a door, which is awake, and a cluster whose guests sleep.
fn stage(dockerd: &Dockerd) -> Stage {
    let labels = ["idle_timeout=1h".to_owned(), format!("web.port={DOOR}:80")];
    let labels = labels.map(|label| format!("--label=proxy.{label}"));
    let args = ["run", "-d", "--name", "app", "--stop-signal=KILL", &labels[0], &labels[1]];
    let run = dockerd.docker(&[&args[..], &["drowse-test:latest", "sh", "-c", WEB]].concat());
    assert_eq!(run.0, Some(0), "{}", run.1);
    let notes = "proxy.idle_timeout: 1h\nproxy.wake_timeout: 3s\n";
    let count = PHASES.len() * ROUNDS.1 + 1 + 2 * WAKES;
    let guests = (101..).take(count).map(|vmid| {
        let net0 = Some("name=eth0,bridge=vmbr0,ip=10.0.3.15/24".to_owned());
        Guest { net0, ..Guest::new(vmid).on("pve2").notes(notes) }
    });
    let cluster = Cluster::of(guests);
    let docker = format!("docker: {{own: \"unix://{}\"}}", dockerd.socket().display());
    let providers = format!("{docker}, proxmox: [{}]", cluster.entry());
    let stage = Stage::configured(cluster, &providers, "idle: {max_waking: 50}");
    stage.until("all are seen", || stage.rows().len() > count);
    stage.until("the door passes", || stage.row("app")["doors"][0]["state"] == "passes");
    stage
}

/// What comes of the visits while the cluster is so and has something to do: a guest is to wake.
fn beside<T>(stage: &Stage, (trouble, vmid): (Trouble, u32), visits: impl FnOnce() -> T) -> T {
    let connections = || stage.cluster.change(|state| state.connections);
    let before = connections();
    stage.cluster.change(|state| trouble.befall(state));
    thread::scope(|scope| {
        // An order has a connection of its own.
        scope.spawn(|| {
            stage.run(&format!("wake ct{vmid}"));
            stage.until("the order is under way", || connections() > before);
        });
        visits()
    })
}

/// How long the visits of a phase take.
fn visits() -> Took {
    let begun = Instant::now();
    let one = |number| {
        let due = begun + PACE * number;
        thread::sleep(due.saturating_duration_since(Instant::now()));
        visit(due)
    };
    Took::of((0..VISITS).map(one).collect())
}

/// How long it takes from then until somebody who comes to the door is answered.
fn visit(due: Instant) -> Duration {
    let mut stream = connect("127.0.0.1", DOOR);
    stream.write_all(b"GET / HTTP/1.0\r\nHost: app\r\n\r\n").unwrap();
    let mut heard = String::new();
    stream.read_to_string(&mut heard).unwrap();
    assert!(heard.ends_with("\r\n\r\nhello\n"), "{heard}");
    due.elapsed()
}
