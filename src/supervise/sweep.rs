//! What runs left behind, found and removed by label, one call after the other. Which of it is dead
//! is the caller's question: see [`super::lock`].

use std::time::Instant;

use crate::docker::call::{self, Removal};
use crate::docker::network::{self, Listed};
use crate::docker::types::Summary;
use crate::error::{Error, Why};
use crate::net::blocking::Client;
use crate::run::whose::Whose;

/// States of a container that has processes.
const UP: [&str; 3] = ["running", "paused", "restarting"];

/// An engine to ask, and until when.
pub struct Place<'a> {
    /// Its client.
    pub client: &'a Client,
    /// By then all has to be done.
    pub until: Instant,
}

impl Place<'_> {
    /// Its containers.
    pub fn containers(&self, whose: &Whose) -> Result<Vec<Summary>, Error> {
        let mut all = self.client.run(&call::list(&whose.filters()), self.until)?;
        all.retain(|one| whose.has(&one.labels));
        Ok(all)
    }

    /// Its networks.
    pub fn networks(&self, whose: &Whose) -> Result<Vec<Listed>, Error> {
        let mut all = self.client.run(&network::list(&whose.filters()), self.until)?;
        all.retain(|one| whose.has(&one.labels));
        Ok(all)
    }

    /// Whether one of its containers is up.
    pub fn is_one_running(&self, whose: &Whose) -> Result<bool, Error> {
        Ok(self.containers(whose)?.iter().any(|one| UP.contains(&&*one.state)))
    }

    /// Removes a container, whether or not it runs. One that is gone is removed.
    pub fn remove_container(&self, id: &str) -> Result<(), Error> {
        let removal = Removal { force: true, volumes: true };
        gone(self.client.run(&call::remove(id, removal), self.until))
    }

    /// Removes a network by its name, if nobody is on it; `false`: somebody is. (By an id Podman
    /// 4.3 removes it from under those who are.)
    pub fn remove_network(&self, name: &str) -> Result<bool, Error> {
        match gone(self.client.run(&network::remove(name), self.until)) {
            Ok(()) => Ok(true),
            Err(Error { why: Why::Conflict(_), .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Removes all of its containers; how many.
    pub fn remove_containers(&self, whose: &Whose) -> Result<usize, Error> {
        let all = self.containers(whose)?;
        all.iter().try_for_each(|one| self.remove_container(&one.id))?;
        Ok(all.len())
    }

    /// Removes all of its networks that nobody uses; how many.
    pub fn remove_networks(&self, whose: &Whose) -> Result<usize, Error> {
        let mut removed = 0;
        for one in self.networks(whose)? {
            removed += usize::from(self.remove_network(&one.name)?);
        }
        Ok(removed)
    }
}

fn gone(answer: Result<(), Error>) -> Result<(), Error> {
    match answer {
        Err(Error { why: Why::NotFound(_), .. }) => Ok(()),
        answer => answer,
    }
}
