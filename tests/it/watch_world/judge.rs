//! What holds at every moment of a `Watch`, and what was said of the containers, put together
//! again. Asks nothing.

use std::collections::{BTreeMap, BTreeSet};

use drowse::docker::change::Change;
use drowse::docker::watch::{Do, Input, Watch};

use super::SEC;
use super::engine::{Engine, One};

const LOOKS_UNDER_WAY: usize = 4;
const LOOKS_AT_ONCE: u64 = 4;

/// Jitter takes a quarter of the first second at most.
const SHORTEST_WAIT: u64 = SEC * 3 / 4;

#[derive(Default)]
pub struct Judge {
    /// An event was lost: a picture that is wrong until the next list is no fault.
    pub missed: bool,
    told: BTreeMap<String, One>,
    gone: BTreeSet<String>,
    lost: bool,
    newest: Option<u64>,
    greeted: Option<u64>,
    lists: bool,
    looks: BTreeSet<String>,
    /// When each container was looked at since the last break.
    looked: BTreeMap<String, Vec<u64>>,
}

impl Judge {
    /// What the machine is told.
    pub fn hear(&mut self, input: &Input<One>) {
        match input {
            Input::Event(event) => self.newest = self.newest.max(Some(event.time_nano)),
            Input::Listed(_) => self.lists = false,
            Input::Looked(id, _) | Input::LookFailed(id) => {
                self.looks.remove(id);
            }
            Input::Tick | Input::Agreed | Input::Opened | Input::Failed(_) | Input::Ended => {}
        }
    }

    /// What the machine wants.
    pub fn see(&mut self, todo: &Do<One>, now: u64) {
        match todo {
            Do::Greet => {
                let last = self.greeted.replace(now);
                assert!(last.is_none_or(|at| now - at >= SHORTEST_WAIT), "greets without a rest");
            }
            Do::Subscribe(since) => assert_eq!(*since, self.newest, "asks on from the last event"),
            Do::List => {
                assert!(!self.lists && self.looks.is_empty(), "a list beside a list or a look");
                self.lists = true;
            }
            Do::Look(id) => {
                assert!(!self.lists, "a look beside a list");
                assert!(self.looks.insert(id.clone()), "two looks at one container");
                assert!(self.looks.len() <= LOOKS_UNDER_WAY, "more than four looks under way");
                let times = self.looked.entry(id.clone()).or_default();
                times.push(now);
                for (before, at) in times.iter().rev().enumerate() {
                    let most = LOOKS_AT_ONCE + (now - at) / SEC;
                    assert!((before as u64) < most, "{id} is looked at too often");
                }
            }
            Do::HangUp => {
                self.lists = false;
                self.looks.clear();
                self.looked.clear();
            }
            Do::Say(_) => {}
        }
    }

    /// What it says.
    pub fn believe(&mut self, change: Change<One>) {
        match change {
            Change::Lost(_) => {
                assert!(!std::mem::replace(&mut self.lost, true), "lost twice");
                return;
            }
            Change::Back => {
                assert!(std::mem::take(&mut self.lost), "back, and was not lost");
                return;
            }
            Change::Present(_) | Change::Changed { .. } => assert!(!self.lost, "news of the lost"),
        }
        match change {
            Change::Changed { event: "removed", container, .. } => {
                let told = self.told.remove(&container.id);
                assert_eq!(told, Some(container.clone()), "removed as it was last");
                self.gone.insert(container.id);
            }
            Change::Present(one) => {
                assert_eq!(self.told.get(&one.id), None, "present again");
                self.learn(one);
            }
            Change::Changed { container, .. } => self.learn(container),
            Change::Lost(_) | Change::Back => {}
        }
    }

    fn learn(&mut self, one: One) {
        assert!(one.detail.is_some(), "said before all was known: {one:?}");
        assert!(!self.gone.contains(&one.id), "{} rose again", one.id);
        let old = self.told.insert(one.id.clone(), one.clone());
        let is_newer = old.as_ref().is_none_or(|old| old.version < one.version);
        assert!(is_newer, "said {one:?}\n after {old:?}");
    }

    /// All that was said, against what is.
    pub fn compare(&self, engine: &Engine, watch: &Watch<One>) {
        assert!(!self.lost && watch.is_following() && watch.is_settled(), "not settled: {watch:?}");
        let is: Vec<&One> = engine.all().collect();
        assert_eq!(self.told.values().collect::<Vec<_>>(), is, "what was said and what is");
        assert_eq!(watch.known().collect::<Vec<_>>(), is, "what is known and what is");
    }
}
