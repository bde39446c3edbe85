//! What holds at every moment of the machine that follows a cluster, and what was said of the
//! guests, put together again. Asks nothing.

use std::collections::{BTreeMap, BTreeSet};

use drowse::docker::change::Change;
use drowse::proxmox::types::{Listed, Status};
use drowse::proxmox::watch::{Do, Guest, Input, Watch};

use super::SEC;
use super::cluster::{Cluster, configured, reached};

const READS_PER_NODE: usize = 4;
/// Jitter takes a quarter of the first second at most.
const SHORTEST_WAIT: u64 = SEC * 3 / 4;

/// What is compared.
#[derive(Clone, Copy, PartialEq)]
pub enum Extent {
    /// Not what changed without a hint.
    Hinted,
    All,
}

#[derive(Default)]
pub struct Judge {
    told: BTreeMap<u32, Guest>,
    lost: bool,
    greeted: Option<u64>,
    lists: bool,
    /// Where each guest is, as the machine was told.
    places: BTreeMap<u32, String>,
    /// Reads under way: the guest, the kind, the node, and whether it is there still.
    reads: BTreeMap<(u32, &'static str), (String, bool)>,
    /// When each guest was looked at last.
    looked: BTreeMap<u32, u64>,
    /// How often each was asked.
    pub asked: BTreeMap<&'static str, usize>,
}

impl Judge {
    /// What the machine is told.
    pub fn hear(&mut self, input: &Input) {
        match input {
            Input::Listed(all) => {
                self.lists = false;
                let place = |one: &Listed| (one.place.vmid, one.place.node.clone());
                let places: BTreeMap<u32, String> = all.iter().map(place).collect();
                for ((vmid, _), (_, stays)) in &mut self.reads {
                    *stays &= self.places.get(vmid) == places.get(vmid);
                }
                self.places = places;
            }
            Input::Config(vmid, _) => drop(self.reads.remove(&(*vmid, "config"))),
            Input::Looked(vmid, _) => drop(self.reads.remove(&(*vmid, "look"))),
            Input::Reached(vmid, _) => drop(self.reads.remove(&(*vmid, "addresses"))),
            Input::Tick | Input::Agreed(_) | Input::Failed(_) => {}
        }
    }

    /// What the machine wants.
    pub fn see(&mut self, wanted: &Do, now: u64) {
        let (kind, place) = match wanted {
            Do::Greet => {
                let last = self.greeted.replace(now);
                assert!(last.is_none_or(|at| now - at >= SHORTEST_WAIT), "greets without a rest");
                *self.asked.entry("version").or_default() += 1;
                return;
            }
            Do::List => {
                assert!(!std::mem::replace(&mut self.lists, true), "a list beside a list");
                *self.asked.entry("list").or_default() += 1;
                return;
            }
            Do::HangUp => {
                self.lists = false;
                self.reads.clear();
                return;
            }
            Do::Say(_) | Do::Show(..) => return,
            Do::ReadConfig(place) => ("config", place),
            Do::LookAt(place) => ("look", place),
            Do::AskAddresses(place) => ("addresses", place),
        };
        *self.asked.entry(kind).or_default() += 1;
        let twice = self.reads.insert((place.vmid, kind), (place.node.clone(), true));
        assert_eq!(twice, None, "{kind} of {place:?} beside itself");
        // Of who has moved meanwhile a question may still be on its old node.
        let is_there = |(node, stays): &&(String, bool)| *stays && *node == place.node;
        let there = self.reads.values().filter(is_there).count();
        assert!(there <= READS_PER_NODE, "{there} reads on {}", place.node);
        if kind == "look" {
            self.looked.insert(place.vmid, now);
        }
    }

    /// What it says.
    pub fn believe(&mut self, change: Change<Guest>) {
        match change {
            Change::Lost(_) => {
                assert!(!std::mem::replace(&mut self.lost, true), "lost twice");
            }
            Change::Back => assert!(std::mem::take(&mut self.lost), "back, and was not lost"),
            Change::Changed { event: "removed", container, .. } => {
                assert!(!self.lost, "news of the lost");
                let told = self.told.remove(&container.place.vmid);
                assert_eq!(told, Some(container), "removed as it was last");
            }
            Change::Present(guest) => {
                assert!(!self.lost, "news of the lost");
                let before = self.told.insert(guest.place.vmid, guest);
                assert_eq!(before, None, "present again");
            }
            Change::Changed { event, container, .. } => {
                assert!(!self.lost, "news of the lost");
                let before = self.told.insert(container.place.vmid, container.clone());
                assert_ne!(before.as_ref(), Some(&container), "{event}, and nothing changed");
                let was = before.map(|guest| guest.status);
                match event {
                    "start" => assert!(was != Some(Status::Running), "started twice"),
                    "stop" => assert!(was.is_some_and(|was| was != Status::Stopped)),
                    "create" | "moved" | "update" => {}
                    other => panic!("an unknown word: {other}"),
                }
            }
        }
    }

    /// All that was said, against what is.
    pub fn compare(&self, cluster: &Cluster, watch: &Watch, extent: Extent) {
        assert!(!self.lost && watch.is_following() && watch.is_settled(), "not settled: {watch:?}");
        let known: Vec<&Guest> = watch.known().collect();
        assert_eq!(
            self.told.values().collect::<Vec<_>>(),
            known,
            "what was said and what is known"
        );
        let vmids: Vec<u32> = known.iter().map(|guest| guest.place.vmid).collect();
        assert_eq!(vmids, cluster.vmids());
        let mut places = BTreeSet::new();
        for (guest, one) in known.into_iter().zip(cluster.guests.values()) {
            places.insert(guest.place.clone());
            let status = if one.running { Status::Running } else { Status::Stopped };
            let is = (one.node, one.name.as_str(), status, one.lock.as_deref());
            let said = (guest.place.node.as_str(), guest.name.as_str(), guest.status);
            assert_eq!((said.0, said.1, said.2, guest.lock.as_deref()), is, "{one:?}");
            if extent == Extent::All || !one.is_hidden {
                assert_eq!(guest.config, Some(configured(one)), "{guest:?}");
            }
            let asks = one.asks && one.running;
            assert_eq!(guest.is_silent, asks && !cluster.version.tells_interfaces());
            if asks && cluster.version.tells_interfaces() && one.address != 0 {
                let has_one = guest.interfaces.iter().any(|one| !one.addresses.is_empty());
                assert!(has_one, "no address of {one:?}: {guest:?}");
                let _ = reached(one);
            }
        }
        assert_eq!(places.len(), cluster.guests.len());
    }
}
