//! Who may begin to wake now, and who waits in line. Pure: gives no orders, knows no time.

use std::collections::BTreeSet;

use super::{Graph, Key, Standing};
use crate::plan::Condition;

/// How the wake of a container ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is ready.
    Ready,
    /// It ran and ended by itself with 0.
    Done,
    /// Anything else.
    Failed,
}

/// The line of those who are to wake, over all engines. Whoever is first in line is woken first,
/// what it needs before it; who comes later takes the room that this leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WakeQueue {
    limit: usize,
    /// Whom somebody wants, in the order of asking, until they are ready.
    line: Vec<Key>,
    /// Who had a turn that has not ended.
    begun: BTreeSet<Key>,
    /// Who had a turn and is done, for those in line who only asked that it be started.
    done: BTreeSet<Key>,
}

impl WakeQueue {
    /// An empty line; no more than `limit` wake at once, but always one.
    pub fn new(limit: usize) -> WakeQueue {
        let (begun, done) = (BTreeSet::new(), BTreeSet::new());
        WakeQueue { limit: limit.max(1), line: Vec::new(), begun, done }
    }

    /// Another limit; who has begun goes on.
    pub fn limit(&mut self, limit: usize) {
        self.limit = limit.max(1);
    }

    /// Puts it in line, once.
    pub fn ask(&mut self, key: Key) {
        if !self.line.contains(&key) {
            self.line.push(key);
        }
    }

    /// It is not wanted any longer, or gone; its turn ends.
    pub fn withdraw(&mut self, key: Key) {
        self.line.retain(|other| *other != key);
        self.begun.remove(&key);
        self.done.remove(&key);
    }

    /// Who wakes.
    pub fn begun(&self) -> impl Iterator<Item = Key> {
        self.begun.iter().copied()
    }

    /// Who is wanted, in order.
    pub fn line(&self) -> impl Iterator<Item = Key> {
        self.line.iter().copied()
    }

    /// Whose turn it is now; it lasts until [`WakeQueue::ended`]. Ask whenever something changed.
    /// A container that has its turn stands as `Waking` from now on.
    pub fn next(&mut self, graph: &Graph, standing: impl Fn(Key) -> Standing) -> Vec<Key> {
        self.line.retain(|key| graph.contains(*key) && !standing(*key).is_ready());
        self.begun.retain(|key| graph.contains(*key));
        let wanted = self.wanted(graph, &standing);
        self.done.retain(|key| graph.place(*key).is_some_and(|at| wanted.contains(&at)));
        let mut turns = Vec::new();
        for at in wanted {
            let key = graph.keys[at];
            let has_room = self.begun.len() < self.limit;
            if has_room && self.may_begin(graph, at, &standing) {
                self.begun.insert(key);
                turns.push(key);
            }
        }
        turns
    }

    /// The turn of a container is over, or the wake that it had without one. Answers who in line
    /// can't wake now, and no longer is there: itself, and those who need it.
    pub fn ended(
        &mut self,
        key: Key,
        outcome: Outcome,
        graph: &Graph,
        standing: impl Fn(Key) -> Standing,
    ) -> Vec<Key> {
        self.begun.remove(&key);
        if outcome == Outcome::Failed {
            let waiting = self.waiting_for(key, graph, &standing);
            let is_waiting = |target: &Key| graph.place(*target).is_some_and(|at| waiting[at]);
            let (failed, rest) = self.line.iter().partition(|target| is_waiting(target));
            self.line = rest;
            return failed;
        }
        self.line.retain(|other| *other != key);
        if outcome == Outcome::Done {
            self.done.insert(key);
        }
        Vec::new()
    }

    /// Whether somebody in line needs it: then it had better not sleep now.
    pub fn needs(&self, key: Key, graph: &Graph, standing: impl Fn(Key) -> Standing) -> bool {
        graph.place(key).is_some_and(|at| self.wanted(graph, &standing).contains(&at))
    }

    /// By place: this one, and who can't begin before it is up.
    fn waiting_for(
        &self,
        key: Key,
        graph: &Graph,
        standing: &impl Fn(Key) -> Standing,
    ) -> Vec<bool> {
        let mut waiting = vec![false; graph.nodes.len()];
        let mut path: Vec<usize> = graph.place(key).into_iter().collect();
        while let Some(at) = path.pop() {
            waiting[at] = true;
            for dependant in &graph.nodes[at].dependants {
                let key = graph.keys[dependant.of];
                let has_begun = self.begun.contains(&key) || standing(key).is_up();
                if !has_begun && !waiting[dependant.of] {
                    path.push(dependant.of);
                }
            }
        }
        waiting
    }

    fn wanted(&self, graph: &Graph, standing: &impl Fn(Key) -> Standing) -> Vec<usize> {
        walk(graph, &self.line, standing)
    }

    fn may_begin(&self, graph: &Graph, at: usize, standing: &impl Fn(Key) -> Standing) -> bool {
        let key = graph.keys[at];
        let is_down = match standing(key) {
            Standing::Down => true,
            Standing::Done => self.line.contains(&key) || !self.done.contains(&key),
            Standing::Waking | Standing::Started | Standing::Awake => false,
            Standing::Healthy | Standing::Leaving => false,
        };
        let is_met = |(need, condition): (Key, Condition)| {
            let has_run = || self.done.contains(&need) && condition == Condition::ServiceStarted;
            let standing = standing(need);
            standing.meets(condition) || standing == Standing::Done && has_run()
        };
        is_down && !self.begun.contains(&key) && graph.needs(key).all(is_met)
    }
}

/// All who must come up for those in line to wake: for each the nearest first. Who is up has what
/// it needed; what had to end before another began is left out when it has.
fn walk(graph: &Graph, line: &[Key], standing: &impl Fn(Key) -> Standing) -> Vec<usize> {
    let mut seen = vec![false; graph.nodes.len()];
    let mut found: Vec<usize> = Vec::new();
    let mut read = 0;
    for start in line.iter().filter_map(|key| graph.place(*key)) {
        let mut visit = |at: usize, found: &mut Vec<usize>| {
            if !seen[at] {
                seen[at] = true;
                found.push(at);
            }
        };
        visit(start, &mut found);
        while let Some(at) = found.get(read).copied() {
            read += 1;
            if standing(graph.keys[at]).is_up() {
                continue;
            }
            for need in &graph.nodes[at].needs {
                let must_end = need.condition == Condition::ServiceCompletedSuccessfully;
                if !(must_end && standing(graph.keys[need.of]) == Standing::Done) {
                    visit(need.of, &mut found);
                }
            }
        }
    }
    found
}
