//! One cluster for the one-shot verbs: connect, list its guests, look at one. Does not print.

use std::time::Instant;

use crate::config::{self, Config};
use crate::container::Container;
use crate::container::guest::{self, Cluster as About};
use crate::error::{Error, Why};
use crate::http::Call;
use crate::net::blocking::Client;
use crate::proxmox::call;
use crate::proxmox::rights::Token;
use crate::proxmox::types::{Status, Version};
use crate::proxmox::watch::Guest;
use crate::sorted;

/// A connected cluster.
pub struct Cluster {
    client: Client,
    /// What it is signed with.
    pub token: Token,
    /// What it says it is.
    pub version: Version,
    about: About,
    until: Instant,
}

impl Cluster {
    /// Connects and asks for the version. Everything asked of this cluster ends at `until`.
    pub fn connect(
        one: &config::Proxmox,
        config: &Config,
        until: Instant,
    ) -> Result<Cluster, Error> {
        let failed = |what: &str, why: Why| why.during(what, one.endpoint.url.as_str());
        let token = one.token().map_err(|why| failed("", why))?;
        let client = Client::open(&one.endpoint).map_err(|why| failed("reach the cluster", why))?;
        let (about, version) = (config.cluster(one), Version::default());
        let mut cluster = Cluster { client, token, version, about, until };
        cluster.version = cluster.run(call::version())?;
        Ok(cluster)
    }

    /// Gives this cluster another time: what is asked from now on ends at `until`.
    pub fn until(&mut self, until: Instant) {
        self.until = until;
    }

    /// Runs a call within this cluster's time. A refusal says which commands grant what is missing.
    pub fn run<T>(&self, call: Call<T>) -> Result<T, Error> {
        let outcome = self.client.run(&self.token.sign(call), self.until);
        outcome.map_err(|error| Error { why: self.token.way_out(error.why.clone()), ..error })
    }

    /// Every guest, sorted by name.
    pub fn containers(&self) -> Result<Vec<Container>, Error> {
        let guests = self.guests()?;
        let mut all: Vec<Container> =
            guests.iter().map(|guest| guest::parse(guest, &self.about)).collect();
        sorted::sort_by(&mut all, |one, other| one.order().cmp(&other.order()));
        Ok(all)
    }

    /// Every guest, with what is configured for it; templates are none.
    fn guests(&self) -> Result<Vec<Guest>, Error> {
        let mut guests = Vec::new();
        for listed in self.run(call::resources())? {
            if !listed.is_template {
                let mut guest = Guest::new(listed);
                self.complete(&mut guest)?;
                guests.push(guest);
            }
        }
        Ok(guests)
    }

    /// Of a guest whose node is silent nothing can be read; it would only take long.
    fn complete(&self, guest: &mut Guest) -> Result<(), Error> {
        if guest.status == Status::Unknown {
            return Ok(());
        }
        guest.config = unless_late(self.run(call::config(&guest.place)))?;
        if guest.wants_addresses() {
            guest.is_silent = !self.version.tells_interfaces();
            if !guest.is_silent {
                let found = unless_late(self.run(call::interfaces(&guest.place)))?;
                guest.interfaces = found.unwrap_or_default();
            }
        }
        Ok(())
    }
}

/// What can't be read of one guest hides no other, but who was silent once would be so again.
fn unless_late<T>(read: Result<T, Error>) -> Result<Option<T>, Error> {
    match read {
        Err(error @ Error { why: Why::TimedOut(_), .. }) => Err(error),
        read => Ok(read.ok()),
    }
}
