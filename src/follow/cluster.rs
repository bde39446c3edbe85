//! One cluster that is followed: its questions as calls, and their answers as what its machine
//! hears. Decides nothing.

use std::time::Instant;

use super::{Tag, Terms};
use crate::container::Packed;
use crate::container::guest::{self, Cluster as About};
use crate::docker::change::Change;
use crate::error::Why;
use crate::http::{Call, Patience, Reply};
use crate::net::clients::Lease;
use crate::net::reactor::Reactor;
use crate::net::running::Ask;
use crate::net::talk::Mode;
use crate::proxmox::call;
use crate::proxmox::rights::Token;
use crate::proxmox::types::{Place, Version};
use crate::proxmox::watch::{Do, Guest, Input, Look, Watch};
use crate::sorted::Map;

/// One cluster: what is asked of it, and how its answers reach its machine.
pub(super) struct Cluster {
    pub(super) terms: Terms,
    pub(super) about: About,
    pub(super) lease: Result<Lease, Why>,
    pub(super) token: Result<Token, Why>,
    pub(super) watch: Watch,
    /// The guests as they are told of.
    pub(super) shown: Map<u32, Packed>,
    /// How often everything asked was given up. What was asked before is not heard any more.
    pub(super) breaks: u64,
    /// What looks showed, until somebody takes it.
    pub(super) looks: Vec<(u32, Look)>,
    /// What the guests became by another configuration of ours, until it is told.
    pub(super) reviewed: Vec<Change<Packed>>,
    /// A list came that nobody has looked at.
    pub(super) is_counted: bool,
    /// A list without guests was told of.
    pub(super) is_empty_told: bool,
    /// No longer followed.
    pub(super) is_left: bool,
}

/// The cluster, and the question.
#[derive(Clone, Debug)]
pub struct Asked {
    pub(super) place: usize,
    breaks: u64,
    question: Question,
}

#[derive(Clone, Debug)]
enum Question {
    Version,
    List,
    Config(u32),
    Look(u32),
    Addresses(u32),
}

impl Cluster {
    /// What an answer means to the machine; `None`: it is not waited for any more.
    pub(super) fn over(&mut self, asked: &Asked, reply: Result<Reply, Why>) -> Option<Input> {
        if asked.breaks != self.breaks {
            return None;
        }
        Some(match asked.question {
            Question::Version => match reply.and_then(call::version().read) {
                Ok(version) => Input::Agreed(version),
                Err(why) => self.failed("ask for the version", why),
            },
            Question::List => match reply.and_then(call::resources().read) {
                Ok(all) => {
                    self.warn_if_empty(all.is_empty());
                    self.is_counted = true;
                    Input::Listed(all)
                }
                Err(why) => self.failed("list guests", why),
            },
            Question::Config(vmid) => {
                let config = reply.and_then(call::config(&nowhere()).read);
                Input::Config(vmid, self.heard(vmid, "read the configuration", config))
            }
            Question::Addresses(vmid) => {
                let found = reply.and_then(call::interfaces(&nowhere()).read);
                Input::Reached(vmid, self.heard(vmid, "ask for the addresses", found))
            }
            Question::Look(vmid) => match reply.and_then(call::current(&nowhere()).read) {
                Err(Why::NotFound(_)) => Input::Looked(vmid, Look::Elsewhere),
                seen => match self.heard(vmid, "look at it", seen) {
                    Some(seen) => Input::Looked(vmid, Look::Seen(seen)),
                    None => Input::Looked(vmid, Look::Failed),
                },
            },
        })
    }

    /// Does one thing that the machine wants; what is to be told comes back.
    pub(super) fn carry_out(
        &mut self,
        wanted: Do,
        place: usize,
        reactor: &mut Reactor<Tag>,
    ) -> Option<Change<Packed>> {
        match wanted {
            Do::Say(change) => return self.show(*change),
            Do::Show(vmid, look) => self.looks.push((vmid, look)),
            Do::HangUp => {
                self.breaks += 1;
                reactor.hang_up(|tag| matches!(tag, Tag::OfCluster(asked) if asked.place == place));
            }
            Do::Greet => self.ask(call::version(), Question::Version, place, reactor),
            Do::List => self.ask(call::resources(), Question::List, place, reactor),
            Do::ReadConfig(at) => {
                self.ask(call::config(&at), Question::Config(at.vmid), place, reactor);
            }
            Do::LookAt(at) => self.ask(call::current(&at), Question::Look(at.vmid), place, reactor),
            Do::AskAddresses(at) => {
                self.ask(call::interfaces(&at), Question::Addresses(at.vmid), place, reactor);
            }
        }
        None
    }

    fn ask<T>(&self, call: Call<T>, question: Question, place: usize, reactor: &mut Reactor<Tag>) {
        let patience = Patience::Within(self.terms.answer_within);
        let asked = Asked { place, breaks: self.breaks, question };
        self.send(Call { patience, ..call }, Tag::OfCluster(asked), reactor);
    }

    /// Sends a call with the token.
    pub(super) fn send<T>(&self, call: Call<T>, tag: Tag, reactor: &mut Reactor<Tag>) {
        let (lease, token) = match (&self.lease, &self.token) {
            (Ok(lease), Ok(token)) => (lease, token),
            (Err(why), _) | (_, Err(why)) => return reactor.refuse(tag, why.clone()),
        };
        log::debug!("{}: {}", self.about.name, call.what);
        let Call { request, patience, .. } = token.sign(call);
        reactor.ask(
            lease,
            Ask { request, prefix: String::new(), patience, mode: Mode::Whole },
            tag,
        );
    }

    /// From now on what guests say is read in this light.
    pub(super) fn review(&mut self, about: About, now: Instant) {
        self.about = about;
        self.watch.review(now);
        for guest in self.watch.known() {
            let new = Packed::of(&guest::parse(guest, &self.about));
            let old = self.shown.insert(guest.place.vmid, new.clone());
            if old.as_ref() != Some(&new) {
                let change = Change::Changed { event: "update", at: None, container: new };
                self.reviewed.push(change);
            }
        }
    }

    /// What this cluster is, as far as its backend cares.
    pub(super) fn version(&self) -> Version {
        self.watch.version()
    }

    /// The error with the way out that the token's owner has.
    pub(super) fn way_out(&self, why: Why) -> Why {
        match &self.token {
            Ok(token) => token.way_out(why),
            Err(_) => why,
        }
    }

    fn show(&mut self, change: Change<Guest>) -> Option<Change<Packed>> {
        let pack = |guest: Guest| {
            let vmid = guest.place.vmid;
            (vmid, Packed::of(&guest::parse(&guest, &self.about)))
        };
        let change = change.map(pack);
        match &change {
            Change::Changed { event: "removed", container: (vmid, _), .. } => {
                self.shown.remove(vmid);
            }
            Change::Present((vmid, container))
            | Change::Changed { container: (vmid, container), .. } => {
                let old = self.shown.insert(*vmid, container.clone());
                // What changed may not show: a digest, a lock.
                if old.as_ref() == Some(container) {
                    return None;
                }
            }
            Change::Lost(_) | Change::Back => {}
        }
        Some(change.map(|(_, container)| container))
    }

    fn failed(&self, what: &str, why: Why) -> Input {
        Input::Failed(format!("{what}: {}", self.way_out(why)))
    }

    fn heard<T>(&self, vmid: u32, what: &str, read: Result<T, Why>) -> Option<T> {
        read.map_err(|why| {
            let why = self.way_out(why);
            log::debug!("{}/{vmid}: {what}: {why}", self.about.name);
        })
        .ok()
    }

    /// PVE answers so where the token has no rights at all.
    fn warn_if_empty(&mut self, is_empty: bool) {
        if is_empty && !std::mem::replace(&mut self.is_empty_told, true) {
            let way = self.token.as_ref().map(|token| token.grant("/vms")).unwrap_or_default();
            log::warn!("{}: no guest is seen: are there any? If so: {way}", self.about.name);
        }
        self.is_empty_told &= is_empty;
    }
}

/// A place that does not matter: for the reader of an answer.
fn nowhere() -> Place {
    Place { node: String::new(), vmid: 0 }
}
