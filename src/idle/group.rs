//! Who needs whom, and how long that may take. Pure: knows no states, gives no orders.

mod component;
mod lookup;
mod member;

use std::time::Duration;

use crate::plan::Condition;
use crate::sorted;
use component::components;
use lookup::Names;

pub use member::{Key, Member};

/// How many names a problem lists.
const LISTED: usize = 5;

/// How a container stands, as far as others care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Stopped or paused, or it never ran.
    Down,
    /// Stopped, and its last run ended by itself with 0.
    Done,
    /// Told to run; it does not yet.
    Waking,
    /// It runs.
    Started,
    /// It runs and is ready, but not healthy, though it has a health check.
    Awake,
    /// It runs, is ready, and healthy if it has a health check.
    Healthy,
    /// Told to sleep; it still runs.
    Leaving,
}

impl Standing {
    /// Whether its wake is over.
    pub fn is_ready(self) -> bool {
        matches!(self, Standing::Awake | Standing::Healthy)
    }

    /// Whether a dependant with that condition may start.
    pub fn meets(self, condition: Condition) -> bool {
        match condition {
            Condition::ServiceStarted => self == Standing::Started || self.is_ready(),
            Condition::ServiceHealthy => self == Standing::Healthy,
            Condition::ServiceCompletedSuccessfully => self == Standing::Done,
        }
    }
}

/// The containers of all engines and what they need. Without cycles; made anew when a container
/// comes, goes or changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Graph {
    /// Sorted; a container's place here is its place in `nodes`.
    keys: Vec<Key>,
    nodes: Vec<Node>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Node {
    needs: Vec<Need>,
    /// Whom it is needed by, and how.
    dependants: Vec<Need>,
    /// The container whose network it has; itself where that is its own.
    network: usize,
    /// The wake timeouts of the longest chain that it heads.
    budget: Duration,
    /// Its dependencies have lower ones.
    rank: usize,
    problems: Vec<String>,
}

/// An edge; `of` is a place in `nodes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Need {
    of: usize,
    condition: Condition,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Labels say so.
    Label,
    /// It has the other's network: without that one it can't start.
    Network,
}

impl Graph {
    /// The graph of all known containers, each with a key of its own; of several with one, the
    /// first counts.
    ///
    /// What is wrong with a container's `depends_on` is told in [`Graph::problems`], and it then
    /// counts for nothing: the container wakes alone, but for the one whose network it has.
    pub fn new(members: &[Member<'_>]) -> Graph {
        let mut members: Vec<&Member<'_>> = members.iter().collect();
        sorted::sort_by_key(&mut members, |member| member.key);
        members.dedup_by_key(|member| member.key);
        let names = Names::new(&members);
        let mut nodes: Vec<Node> = (0..members.len()).map(|at| names.node(at)).collect();
        for kind in [Kind::Label, Kind::Network] {
            break_cycles(&mut nodes, &members, kind);
        }
        settle(&mut nodes, &members);
        Graph { keys: members.iter().map(|member| member.key).collect(), nodes }
    }

    /// Whether it is known.
    pub fn contains(&self, key: Key) -> bool {
        self.place(key).is_some()
    }

    /// What is wrong with what it needs, as `field: what: what was expected`.
    pub fn problems(&self, key: Key) -> &[String] {
        self.node(key).map_or(&[], |node| &node.problems)
    }

    /// What it needs itself.
    pub fn needs(&self, key: Key) -> impl Iterator<Item = (Key, Condition)> {
        let needs = self.node(key).map_or(&[][..], |node| &node.needs);
        needs.iter().map(|need| (self.keys[need.of], need.condition))
    }

    /// Who needs it.
    pub fn dependants(&self, key: Key) -> impl Iterator<Item = (Key, Condition)> {
        let dependants = self.node(key).map_or(&[][..], |node| &node.dependants);
        dependants.iter().map(|need| (self.keys[need.of], need.condition))
    }

    /// How long its wake may take with all that it needs; 0 if it is unknown.
    pub fn budget(&self, key: Key) -> Duration {
        self.node(key).map_or(Duration::ZERO, |node| node.budget)
    }

    /// It and all that it needs, however far: dependencies before their dependants.
    pub fn order(&self, key: Key) -> Vec<Key> {
        let mut seen = vec![false; self.nodes.len()];
        let mut path: Vec<usize> = self.place(key).into_iter().collect();
        let mut found = Vec::new();
        while let Some(at) = path.pop() {
            if !seen[at] {
                seen[at] = true;
                found.push(at);
                path.extend(self.nodes[at].needs.iter().map(|need| need.of));
            }
        }
        sorted::sort_by_key(&mut found, |at| self.nodes[*at].rank);
        found.into_iter().map(|at| self.keys[at]).collect()
    }

    /// All that have the same network as this one, itself too: what is activity or a knock for one
    /// is so for all.
    pub fn sharing(&self, key: Key) -> Vec<Key> {
        let Some(network) = self.node(key).map(|node| node.network) else { return Vec::new() };
        let pairs = self.keys.iter().zip(&self.nodes);
        pairs.filter(|(_, node)| node.network == network).map(|(key, _)| *key).collect()
    }

    /// The container whose network it has, itself in most cases; `None`: it is unknown.
    pub fn network(&self, key: Key) -> Option<Key> {
        self.node(key).map(|node| self.keys[node.network])
    }

    fn place(&self, key: Key) -> Option<usize> {
        self.keys.binary_search(&key).ok()
    }

    fn node(&self, key: Key) -> Option<&Node> {
        Some(&self.nodes[self.place(key)?])
    }
}

/// Takes the edges of that kind from all that are on a cycle. Networks go last: a cycle of them
/// alone is nothing that an engine can start.
fn break_cycles(nodes: &mut [Node], members: &[&Member<'_>], kind: Kind) {
    for component in components(&edges(nodes)).iter().filter(|component| component.len() > 1) {
        let mut names: Vec<&str> = component.iter().map(|at| members[*at].name).collect();
        sorted::sort(&mut names);
        let more = if names.len() > LISTED { ", …" } else { "" };
        names.truncate(LISTED);
        let field = match kind {
            Kind::Label => "depends_on",
            Kind::Network => "network_mode",
        };
        let names = names.join(", ");
        let problem =
            format!("{field}: a cycle: expected none, but these need each other: {names}{more}");
        for at in component {
            let node = &mut nodes[*at];
            let before = node.needs.len();
            node.needs.retain(|need| need.kind != kind);
            if node.needs.len() < before {
                node.problems.push(problem.clone());
            }
        }
    }
}

/// What follows from the edges, once they are without cycles.
fn settle(nodes: &mut [Node], members: &[&Member<'_>]) {
    let order = components(&edges(nodes));
    for (rank, at) in order.into_iter().flatten().enumerate() {
        let needs = nodes[at].needs.clone();
        let longest = needs.iter().map(|need| nodes[need.of].budget).max().unwrap_or_default();
        let owner = needs.iter().find(|need| need.kind == Kind::Network);
        let network = owner.map_or(at, |need| nodes[need.of].network);
        for need in needs {
            nodes[need.of].dependants.push(Need { of: at, ..need });
        }
        let budget = longest.saturating_add(members[at].wake_timeout);
        nodes[at] = Node { budget, network, rank, ..std::mem::take(&mut nodes[at]) };
    }
    for node in nodes {
        sorted::sort_by_key(&mut node.dependants, |need| need.of);
    }
}

fn edges(nodes: &[Node]) -> Vec<Vec<usize>> {
    nodes.iter().map(|node| node.needs.iter().map(|need| need.of).collect()).collect()
}
