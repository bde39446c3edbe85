//! What only clusters can be asked of all that is followed. Decides nothing.

use std::time::Instant;

use super::cluster::Cluster;
use super::{Follow, Followed, News, Tag, jitter};
use crate::container::guest::Cluster as About;
use crate::error::Why;
use crate::net::Endpoint;
use crate::net::reactor::Reactor;
use crate::proxmox::rights::Token;
use crate::proxmox::types::{Counters, Place, Version};
use crate::proxmox::watch::{self, Look, Watch};
use crate::sorted::Map;

/// How a guest is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attend {
    /// Every second: it is to start or stop.
    Closely,
    /// With all others, every ten seconds.
    ByList,
}

impl Follow {
    /// Follows one cluster more, by this token.
    pub fn add_cluster(
        &mut self,
        reactor: &mut Reactor<Tag>,
        endpoint: &Endpoint,
        (about, token): (About, Result<Token, Why>),
    ) {
        self.places.push(Followed::Cluster(Cluster {
            terms: self.terms,
            about,
            lease: Ok(reactor.lease(endpoint)),
            token,
            watch: Watch::new(reactor.now()),
            shown: Map::new(),
            looks: Vec::new(),
            reviewed: Vec::new(),
            breaks: 0,
            is_counted: false,
            is_empty_told: false,
            is_left: false,
        }));
    }

    /// From now on what a cluster's guests say is read in this light: their configuration is read
    /// again.
    pub fn review_cluster(&mut self, place: usize, about: About, now: Instant) {
        if let Some(Followed::Cluster(one)) = self.places.get_mut(place) {
            one.review(about, now);
        }
    }

    /// What a cluster said it is; `None`: it is an engine.
    pub fn cluster_version(&self, place: usize) -> Option<Version> {
        Some(self.cluster(place)?.version())
    }

    /// Where a guest is; `None`: it is gone, or no guest.
    pub fn place_of(&self, place: usize, id: &str) -> Option<&Place> {
        Some(&self.cluster(place)?.watch.find(id.parse().ok()?)?.place)
    }

    /// A guest's counters in the last list.
    pub fn counters(&self, place: usize, id: &str) -> Option<Counters> {
        Some(self.cluster(place)?.watch.find(id.parse().ok()?)?.counters)
    }

    /// Looks at a guest every second, or no longer.
    pub fn attend(&mut self, place: usize, id: &str, (attend, now): (Attend, Instant)) {
        let Some(Followed::Cluster(one)) = self.places.get_mut(place) else { return };
        let Ok(vmid) = id.parse() else { return };
        match attend {
            Attend::Closely => one.watch.attend(vmid, now),
            Attend::ByList => one.watch.release(vmid),
        }
    }

    /// A look at a guest that begins after now: [`Follow::looks`] tells what it showed.
    pub fn look(&mut self, place: usize, id: &str, now: Instant) {
        let Some(Followed::Cluster(one)) = self.places.get_mut(place) else { return };
        if let Ok(vmid) = id.parse() {
            one.watch.look(vmid, now);
        }
    }

    /// What looks showed since this was asked last: the cluster, the guest and the look. Changes
    /// that came of them are among the news already.
    pub fn looks(&mut self) -> Vec<(usize, u32, Look)> {
        let mut looks = Vec::new();
        for (place, one) in self.places.iter_mut().enumerate() {
            if let Followed::Cluster(one) = one {
                looks.extend(one.looks.drain(..).map(|(vmid, look)| (place, vmid, look)));
            }
        }
        looks
    }

    /// The clusters whose list came since this was asked last.
    pub fn counted(&mut self) -> Vec<usize> {
        let is_counted = |(place, one): (usize, &mut Followed)| match one {
            Followed::Cluster(one) => std::mem::take(&mut one.is_counted).then_some(place),
            Followed::Engine(_) => None,
        };
        self.places.iter_mut().enumerate().filter_map(is_counted).collect()
    }

    /// An error with the way out that the owner of a cluster's token has.
    pub fn way_out(&self, place: usize, why: Why) -> Why {
        match self.cluster(place) {
            Some(one) => one.way_out(why),
            None => why,
        }
    }

    fn cluster(&self, place: usize) -> Option<&Cluster> {
        match self.places.get(place)? {
            Followed::Cluster(one) => Some(one),
            Followed::Engine(_) => None,
        }
    }

    pub(super) fn step_cluster(
        &mut self,
        place: usize,
        input: watch::Input,
        reactor: &mut Reactor<Tag>,
        news: &mut Vec<News>,
    ) {
        let now = reactor.now();
        let jitter = jitter(now.duration_since(self.began), place);
        let Some(Followed::Cluster(one)) = self.places.get_mut(place) else { return };
        if one.is_left {
            return;
        }
        let reviewed = std::mem::take(&mut one.reviewed).into_iter();
        news.extend(reviewed.map(|change| News { engine: place, change }));
        for wanted in one.watch.step(input, now, jitter) {
            let change = one.carry_out(wanted, place, reactor);
            news.extend(change.map(|change| News { engine: place, change }));
        }
    }
}
