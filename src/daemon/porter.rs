//! What all doors share: whether rules can be made, sockets that were handed over, where metrics
//! are served. One container's doors are tended in `doors`.

use std::net::SocketAddr;

use crate::config::Redirect;
use crate::idle::doors::Transport;
use crate::net::door::{self, Door, First, Opening};

use super::Daemon;

/// What holds for all doors.
pub struct Porter {
    /// Why published ports have no redirect doors; `Ok`: they have.
    pub redirect: Result<(), String>,
    /// Where metrics are served.
    pub metrics: Option<Door>,
    /// Sockets that systemd opened for front doors, until they are taken.
    pub sockets: Vec<Handed>,
}

/// A socket that was handed over.
#[derive(Debug)]
pub struct Handed {
    /// Listening (TCP) or bound (UDP).
    pub socket: std::os::fd::OwnedFd,
    /// TCP or UDP.
    pub transport: Transport,
    /// What it is bound to.
    pub at: SocketAddr,
}

impl Daemon {
    /// Gets ready for doors, before any container is known.
    pub(super) fn prepare_doors(&mut self) {
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
