//! What a cluster holds, and what becomes of it as time goes: tasks that end, guests that come up.

use std::time::{Duration, Instant};

use super::Release;
use super::guest::{Course, Guest};
use super::wire::Request;

/// A cluster from within.
#[derive(Debug)]
pub struct State {
    pub release: Release,
    pub guests: Vec<Guest>,
    pub nodes: Vec<(String, Node)>,
    pub tokens: Vec<Token>,
    pub tasks: Vec<Task>,
    pub mood: Mood,
    /// How long a refusal of a token takes: 3 s.
    pub refusal_takes: Duration,
    /// How long a task waits for the guest's lock: 10 s.
    pub lock_wait: Duration,
    /// How long a connection may be idle: 5 s.
    pub idle: Duration,
    /// All numbers come as strings.
    pub quotes_numbers: bool,
    /// What was asked, in its order.
    pub seen: Vec<Seen>,
    /// What the server's own checks refused of that: nothing that drowse may do.
    pub refused: Vec<String>,
    pub connections: usize,
    pub over: bool,
    serial: u32,
}

/// How the node that is asked behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    Answers,
    /// Takes requests and never answers.
    Hangs,
    /// Accepts connections and never says a word, not even TLS's.
    Deaf,
    /// Hangs up at once.
    Refuses,
}

/// A node as the one that is asked sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Node {
    Up,
    /// 595.
    Down,
    /// It takes what is handed to it, and never answers.
    Hangs,
}

/// A token and what it may.
#[derive(Clone, Debug)]
pub struct Token {
    /// `sleeper@pve!t1`
    pub id: String,
    pub secret: String,
    pub expired: bool,
    /// Path and privilege.
    pub rights: Vec<(String, &'static str)>,
}

/// A task, at work or ended.
#[derive(Clone, Debug)]
pub struct Task {
    pub upid: String,
    pub node: String,
    pub vmid: u32,
    pub kind: &'static str,
    /// Who began it: a token.
    pub owner: String,
    pub ends: Option<Instant>,
    pub exit: String,
    /// What it writes before that.
    pub log: Vec<&'static str>,
    /// What its end does.
    effect: Effect,
    settled: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    Nothing,
    Boots,
    Halts,
    /// The order of a managed guest: the manager carries it out later.
    Hands(bool),
}

/// A request that came.
#[derive(Clone, Debug)]
pub struct Seen {
    pub at: Instant,
    /// `POST /nodes/pve/lxc/101/status/start`, without `/api2/json`, with its query.
    pub line: String,
    pub body: String,
    /// Which connection, from 0 on.
    pub connection: usize,
}

impl State {
    pub fn new(release: Release) -> State {
        let rights = ["VM.Audit", "VM.PowerMgmt"].map(|right| ("/vms".to_owned(), right));
        State {
            release,
            guests: Vec::new(),
            nodes: vec![("pve".into(), Node::Up), ("pve2".into(), Node::Up)],
            tokens: vec![Token {
                id: "sleeper@pve!t1".into(),
                secret: "a-secret".into(),
                expired: false,
                rights: rights.to_vec(),
            }],
            tasks: Vec::new(),
            mood: Mood::Answers,
            refusal_takes: Duration::from_secs(3),
            lock_wait: Duration::from_secs(10),
            idle: Duration::from_secs(5),
            quotes_numbers: false,
            seen: Vec::new(),
            refused: Vec::new(),
            connections: 0,
            over: false,
            serial: 0x6B01_0BD0,
        }
    }

    pub fn guest(&mut self, vmid: u32) -> &mut Guest {
        self.guests.iter_mut().find(|guest| guest.vmid == vmid).expect("a guest of the test")
    }

    /// The guest, if it is on this node.
    pub fn there(&mut self, node: &str, vmid: u32) -> Option<&mut Guest> {
        self.guests.iter_mut().find(|guest| guest.vmid == vmid && guest.node == node)
    }

    /// Lets everything happen that is due.
    pub fn settle(&mut self, now: Instant) {
        loop {
            let due = |task: &&mut Task| !task.settled && task.ends.is_some_and(|end| end <= now);
            let Some(task) = self.tasks.iter_mut().filter(due).min_by_key(|task| task.ends) else {
                return;
            };
            task.settled = true;
            let (vmid, effect, end) = (task.vmid, task.effect, task.ends.unwrap_or(now));
            let Some(guest) = self.guests.iter_mut().find(|guest| guest.vmid == vmid) else {
                continue;
            };
            match effect {
                Effect::Nothing => {}
                Effect::Boots => guest.boot(end),
                Effect::Halts => guest.up_since = None,
                Effect::Hands(up) => {
                    let course = if up { guest.start.clone() } else { guest.shutdown.clone() };
                    let owner = "root@pam".to_owned();
                    let kind = if up { "vzstart" } else { "vzshutdown" };
                    let node = guest.node.clone();
                    self.begin(Order { node, vmid, kind, owner, at: end }, course);
                }
            }
        }
    }

    /// Begins a task that goes like that; its UPID.
    pub fn begin(&mut self, order: Order, course: Course) -> String {
        let Order { node, vmid, kind, owner, at } = order;
        self.serial += 1;
        let serial = self.serial;
        let upid = format!("UPID:{node}:{:08X}:0004C8B9:{serial:08X}:{kind}:{vmid}:{owner}:", 390);
        let effect = match kind {
            _ if !course.works => Effect::Nothing,
            "vzstart" => Effect::Boots,
            "vzstop" | "vzshutdown" => Effect::Halts,
            "hastart" => Effect::Hands(true),
            "hastop" | "hashutdown" => Effect::Hands(false),
            other => panic!("no such task: {other}"),
        };
        let ends = course.takes.map(|takes| at + takes);
        let (exit, log) = (course.exit, course.log);
        let task = Task { upid, node, vmid, kind, owner, ends, exit, log, effect, settled: false };
        let upid = task.upid.clone();
        self.tasks.push(task);
        upid
    }

    /// The task that holds the guest's lock.
    pub fn holder(&self, vmid: u32) -> Option<&Task> {
        let holds =
            |task: &&Task| task.vmid == vmid && !task.settled && task.kind.starts_with("vz");
        self.tasks.iter().find(holds)
    }

    /// Ends what shuts the guest down, as `overrule-shutdown` does.
    pub fn overrule(&mut self, vmid: u32, now: Instant) {
        let shuts =
            |task: &&mut Task| task.vmid == vmid && task.kind == "vzshutdown" && !task.settled;
        for task in self.tasks.iter_mut().filter(shuts) {
            (task.ends, task.settled) = (Some(now), true);
            task.exit = "unexpected status".into();
        }
    }

    /// Writes a request down.
    pub fn note(&mut self, request: &Request, connection: usize) {
        let path = request.target.strip_prefix("/api2/json").unwrap_or(&request.target);
        self.seen.push(Seen {
            at: Instant::now(),
            line: format!("{} {path}", request.method),
            body: String::from_utf8_lossy(&request.body).into_owned(),
            connection,
        });
    }

    /// What the token may there, in alphabetical order.
    pub fn privileges(&self, token: &str, path: &str) -> Vec<&'static str> {
        let covers = |place: &str| {
            place == "/"
                || place == path
                || path.strip_prefix(place).is_some_and(|rest| rest.starts_with('/'))
        };
        let rights = self.tokens.iter().filter(|one| one.id == token).flat_map(|one| &one.rights);
        let mut found: Vec<_> =
            rights.filter(|(place, _)| covers(place)).map(|(_, right)| *right).collect();
        found.sort_unstable();
        found.dedup();
        found
    }
}

/// What a task is about.
#[derive(Debug)]
pub struct Order {
    pub node: String,
    pub vmid: u32,
    pub kind: &'static str,
    pub owner: String,
    pub at: Instant,
}
