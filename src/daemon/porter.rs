//! What all doors share: whether rules can be made, sockets that were handed over, where metrics
//! are served. One container's doors are tended in `doors`.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use crate::config::Redirect;
use crate::idle::doors::{Kind, Place, Transport, Wanted};
use crate::net::door::{self, Door, First, Opening};

use super::Daemon;
use super::doors::shown;

/// What holds for all doors.
pub struct Porter {
    /// Why published ports have no redirect doors; `Ok`: they have.
    pub redirect: Result<(), String>,
    /// Where metrics are served.
    pub metrics: Option<Door>,
    /// Sockets that systemd opened for front doors. They stay ours as long as we live: a door that
    /// closes and comes back finds its port taken by nobody else, for systemd still listens there.
    pub sockets: Vec<Handed>,
}

/// A socket that was handed over.
#[derive(Debug)]
pub struct Handed {
    /// Listening (TCP) or bound (UDP).
    pub socket: OwnedFd,
    /// TCP or UDP.
    pub transport: Transport,
    /// What it is bound to.
    pub at: SocketAddr,
    /// It is bound to `[::]` and takes IPv4 too: systemd's default (systemd.socket(5),
    /// `BindIPv6Only=`).
    pub is_dual: bool,
}

impl Porter {
    /// The socket that was opened for this place, once more; `None`: there is none.
    pub fn handed(&self, place: Place) -> Option<io::Result<OwnedFd>> {
        let found = self.sockets.iter().find(|handed| handed.is_at(place))?;
        Some(found.socket.try_clone())
    }

    /// Whether who comes to this front door comes to the socket of its sister of IPv6.
    pub fn is_covered(&self, wanted: &Wanted) -> bool {
        let Place { transport, ip, port } = wanted.place;
        let covers = |handed: &Handed| {
            handed.is_dual && (handed.transport, handed.at.port()) == (transport, port)
        };
        let is_every = ip.is_ipv4() && ip.is_unspecified();
        wanted.kind == Kind::Front && is_every && self.sockets.iter().any(covers)
    }
}

impl Handed {
    fn is_at(&self, place: Place) -> bool {
        self.place() == place
    }

    fn place(&self) -> Place {
        Place { transport: self.transport, ip: self.at.ip(), port: self.at.port() }
    }
}

impl Daemon {
    /// Gets ready for doors, before any container is known.
    pub(super) fn prepare_doors(&mut self) {
        self.choose_redirect();
        self.serve_metrics_at();
    }

    /// Redirect doors or stand-in doors, as the configuration says.
    pub(super) fn choose_redirect(&mut self) {
        self.porter.redirect = match self.config.doors.redirect {
            Redirect::Off => Err("doors.redirect is off".into()),
            Redirect::Auto => {
                self.reactor.redirect(self.config.doors.port).map_err(|why| why.to_string())
            }
        };
        match (&self.porter.redirect, self.config.doors.redirect) {
            (Ok(()), _) => self.reactor.look_at_firewall(),
            (Err(why), Redirect::Auto) => self.warn_of_stand_ins(why),
            (Err(_), Redirect::Off) => {}
        }
    }

    fn serve_metrics_at(&mut self) {
        if let Some(at) = self.config.metrics {
            let opening = Opening {
                name: "metrics".into(),
                place: door::Place::Own(at),
                transport: door::Transport::Tcp,
                first: First::Head,
            };
            match self.reactor.open_door(opening) {
                Ok(door) => self.porter.metrics = Some(door),
                Err(why) => log::error!("metrics: {why}"),
            }
        }
    }

    /// A socket that no route wants is a mistake in the unit or in the labels.
    pub(super) fn warn_of_idle_sockets(&self) {
        for handed in &self.porter.sockets {
            let place = handed.place();
            let mut leaves = self.wards.values().flat_map(|ward| &ward.gate.leaves);
            if !leaves.any(|leaf| leaf.wanted.kind == Kind::Front && leaf.wanted.place == place) {
                log::warn!(
                    "systemd opened {}, and no container has a front door there: expected a route \
                     with `port: {}:TARGET`, and `bind` the same address",
                    shown(place),
                    place.port
                );
            }
        }
    }

    fn warn_of_stand_ins(&self, why: &str) {
        log::warn!(
            "no redirect doors: {why}; drowse listens on the ports of sleeping containers itself, \
             and until a woken one listens there its clients may be refused"
        );
    }

    /// No rules can be made: from now on drowse stands in.
    pub(super) fn stand_in(&mut self, why: &str) {
        if self.porter.redirect.is_err() {
            return;
        }
        self.warn_of_stand_ins(why);
        self.porter.redirect = Err(why.to_owned());
        self.renew_gates();
    }
}
