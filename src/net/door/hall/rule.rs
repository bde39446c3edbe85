//! Redirect doors: the two listeners they share, the rules that lead there, and the child that
//! makes those.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::rc::Rc;
use std::time::Instant;

use mio::Interest;
use mio::unix::SourceFd;

use super::come::Queue;
use super::{Hall, Whose, cannot};
use crate::error::Why;
use crate::net::door::entrance::{self, any};
use crate::net::door::limits::{EXHAUSTED_RETRY, FLOW_QUIET, LATE_WITHIN};
use crate::net::door::room::{Entrance, Room};
use crate::net::door::visits::Visit;
use crate::net::door::{Door, Notice, Transport};
use crate::net::redirect::firewall;
use crate::net::redirect::nft::{Run, WITHIN};
use crate::net::redirect::occupied::is_taken;
use crate::net::redirect::rules::{RENEW_EVERY, Rules};
use crate::net::redirect::ruleset::Rule;

/// What makes rules.
const NFT: [&str; 3] = ["nft", "-f", "-"];
/// What tells those of the host.
const LIST: [&str; 3] = ["nft", "list", "ruleset"];

/// What redirect doors share.
#[derive(Debug)]
pub struct Redirect {
    listeners: [Option<Rc<OwnedFd>>; 2],
    /// Somebody may wait there.
    ready: [bool; 2],
    retry_at: Option<Instant>,
    rules: Rules,
    child: Option<Child>,
    /// The generation of the child begun last.
    last: usize,
    look_at: Option<Instant>,
    /// The host's own rules are to be looked at.
    shall_look: bool,
}

/// A child at work, and for what.
#[derive(Debug)]
struct Child {
    run: Run,
    purpose: Purpose,
    until: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Rules,
    Firewall,
}

impl Redirect {
    /// Whether somebody may wait who can be accepted.
    pub fn is_ready(&self) -> bool {
        self.ready.contains(&true) && self.retry_at.is_none()
    }

    /// When to look again.
    pub fn deadline(&self) -> Option<Instant> {
        let child = self.child.as_ref().map(|child| child.until);
        let idle = self.child.is_none();
        let rules = self.rules.deadline().filter(|_| idle);
        [child, rules, self.retry_at, self.look_at].into_iter().flatten().min()
    }
}

impl Hall {
    /// Listens for those whom rules send here.
    pub fn redirect(&mut self, port: u16) -> Result<(), Why> {
        if let Some(redirect) = &mut self.redirect {
            redirect.rules.tell_again();
            return Ok(());
        }
        let v4: SocketAddr = (Ipv4Addr::UNSPECIFIED, port).into();
        let v6: SocketAddr = (Ipv6Addr::UNSPECIFIED, port).into();
        let first = entrance::listener(v4).map_err(|error| cannot(v4, &error))?;
        let second = match entrance::listener(v6) {
            Ok(second) => Some(second),
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
                return Err(cannot(v6, &error));
            }
            // A host without IPv6.
            Err(error) => {
                log::debug!("no redirect doors for IPv6: {error}");
                None
            }
        };
        let listeners = [Some(Rc::new(first)), second.map(Rc::new)];
        for (which, listener) in listeners.iter().enumerate() {
            let Some(listener) = listener else { continue };
            let token = (self.tokens.of)(Whose::Redirect(which));
            let mut source = SourceFd(&listener.as_raw_fd());
            entrance::prepare_listener(listener.as_fd())
                .and_then(|()| self.registry.register(&mut source, token, Interest::READABLE))
                .map_err(|error| cannot(v4, &error))?;
        }
        self.redirect = Some(Redirect {
            listeners,
            ready: [false; 2],
            retry_at: None,
            rules: Rules::new(port),
            child: None,
            last: 0,
            look_at: None,
            shall_look: false,
        });
        Ok(())
    }

    /// The entrance of a redirect door; its rule is wanted from now on.
    pub(super) fn by_rule(
        &mut self,
        door: Door,
        binding: SocketAddr,
        transport: Transport,
    ) -> Result<Entrance, Why> {
        let Some(redirect) = &self.redirect else {
            return Err(Why::Unreachable("redirect doors are off".into()));
        };
        let port = redirect.rules.port();
        if binding.port() == port {
            return Err(Why::Conflict(format!("{binding} is the port of doors itself")));
        }
        let (entrance, to) = match transport {
            Transport::Tcp => (Entrance::Rule(binding), port),
            Transport::Udp => {
                let socket = self.revive(binding).map_or_else(
                    || {
                        entrance::datagrams(any(binding, 0))
                            .map_err(|error| cannot(binding, &error))
                    },
                    Ok,
                )?;
                let to = entrance::local(socket.as_fd()).map_or(0, |at| at.port());
                (Entrance::RuledDatagrams(socket, binding), to)
            }
        };
        if let Some(redirect) = &mut self.redirect {
            redirect.rules.want(Rule { door, binding, transport, to });
            redirect.look_at.get_or_insert(self.now + RENEW_EVERY);
        }
        Ok(entrance)
    }

    /// The socket of a closed door for the same datagrams: the kernel may still send some there.
    fn revive(&mut self, binding: SocketAddr) -> Option<OwnedFd> {
        let is_it = |room: &Room| {
            matches!(&room.entrance, Entrance::RuledDatagrams(_, at) if *at == binding)
                && room.closed_until.is_some()
        };
        let at = self.rooms.iter().position(is_it)?;
        let room = self.rooms.remove(at);
        room.flows.iter().for_each(|(_, flow)| self.dismiss(*flow));
        match room.entrance {
            Entrance::RuledDatagrams(socket, _) => Some(socket),
            Entrance::Rule(_) | Entrance::Listener(_) => None,
            Entrance::Datagrams(_) | Entrance::Shut => None,
        }
    }

    /// A redirect door is closed: its rule shall go.
    pub(super) fn unwant(&mut self, door: Door) {
        if let Some(redirect) = &mut self.redirect {
            redirect.rules.unwant(door);
        }
    }

    /// A closed door's time is over.
    pub(super) fn forget(&mut self, door: Door) {
        let Some(at) = self.rooms.iter().position(|room| room.door == door) else { return };
        let room = self.rooms.remove(at);
        let is_within = |visit: &Visit| visit.door == door && visit.state.is_held();
        for visitor in self.visits.all(is_within) {
            self.dismiss(visitor);
        }
        if let Entrance::RuledDatagrams(socket, _) = &room.entrance
            && let Some(at) = entrance::local(socket.as_fd())
            && let Some(redirect) = &mut self.redirect
        {
            redirect.rules.release(at.port());
        }
    }

    /// All rules shall go, for good.
    pub fn drop_rules(&mut self) {
        match &mut self.redirect {
            Some(redirect) => redirect.rules.end(),
            None => self.notices.push(Notice::RulesGone),
        }
    }

    /// Looks whether the host's firewall lets redirected clients in.
    pub fn look_at_firewall(&mut self) {
        if let Some(redirect) = &mut self.redirect {
            redirect.shall_look = true;
        }
    }

    pub(super) fn ready_redirect(&mut self, which: usize) {
        if let Some(redirect) = &mut self.redirect
            && let Some(ready) = redirect.ready.get_mut(which)
        {
            *ready = true;
        }
    }

    /// Lets in who was sent here by rules.
    pub(super) fn come_by_rules(&mut self) {
        let now = self.now;
        for which in 0..2 {
            let Some(redirect) = &mut self.redirect else { return };
            if redirect.retry_at.is_some_and(|at| now < at) {
                return;
            }
            redirect.retry_at = None;
            if redirect.ready.get(which) != Some(&true) {
                continue;
            }
            let listener = redirect.listeners.get(which).cloned().flatten();
            let queue = listener.map_or(Queue::Empty, |listener| {
                self.accept_at(listener.as_fd(), |hall, socket, peer| hall.door_of(socket, peer))
            });
            let Some(redirect) = &mut self.redirect else { return };
            if let Some(ready) = redirect.ready.get_mut(which) {
                *ready = queue != Queue::Empty;
            }
            if queue == Queue::Stuck {
                redirect.retry_at = Some(now + EXHAUSTED_RETRY);
            }
        }
    }

    pub(super) fn child_ended(&mut self, generation: usize) {
        let mask = self.tokens.mask;
        let Some(redirect) = &mut self.redirect else { return };
        let Some(child) = redirect.child.as_mut().filter(|_| redirect.last & mask == generation)
        else {
            return;
        };
        if let Some(outcome) = child.run.ended() {
            self.over(outcome);
        }
    }

    fn over(&mut self, outcome: Result<String, String>) {
        let now = self.now;
        let Some(redirect) = &mut self.redirect else { return };
        let Some(child) = redirect.child.take() else { return };
        let told = match child.purpose {
            Purpose::Rules => redirect.rules.done(outcome.map(drop), now),
            Purpose::Firewall => {
                let advice = outcome.map(|text| firewall::judge(&text, redirect.rules.port()));
                match advice {
                    Ok(Some(advice)) => vec![Notice::Shut(advice)],
                    Ok(None) => Vec::new(),
                    Err(why) => {
                        log::debug!("the firewall could not be looked at: {why}");
                        Vec::new()
                    }
                }
            }
        };
        for notice in &told {
            // Who came by the rule before it went is let in for some time from now on; and the
            // kernel sends datagrams of a flow where it sent the first.
            if let Notice::Down(door) = notice
                && let Some(room) = self.room(*door)
            {
                let is_udp = matches!(room.entrance, Entrance::RuledDatagrams(..));
                let late = if is_udp { FLOW_QUIET } else { LATE_WITHIN };
                room.closed_until = Some(now + late);
            }
        }
        self.notices.extend(told);
    }

    /// Has rules made, renewed and taken away; looks who else is at those ports.
    pub(super) fn mind_rules(&mut self) {
        let now = self.now;
        let late =
            |redirect: &Redirect| redirect.child.as_ref().is_some_and(|child| now >= child.until);
        if self.redirect.as_ref().is_some_and(late) {
            self.over(Err(format!("nft does not end within {} s", WITHIN.as_secs())));
        }
        self.begin_child();
        let Some(redirect) = &mut self.redirect else { return };
        if redirect.look_at.is_some_and(|at| now >= at) {
            let taken = |rule: &&Rule| is_taken(rule.binding, rule.transport);
            let taken: Vec<_> =
                redirect.rules.standing().filter(taken).map(|rule| rule.door).collect();
            let is_any = redirect.rules.standing().next().is_some();
            redirect.look_at = is_any.then_some(now + RENEW_EVERY);
            self.notices.extend(taken.into_iter().map(Notice::Taken));
        }
    }

    fn begin_child(&mut self) {
        let now = self.now;
        let Some(redirect) = &mut self.redirect else { return };
        if redirect.child.is_some() {
            return;
        }
        let (purpose, started) = if let Some(script) = redirect.rules.next(now) {
            (Purpose::Rules, Run::start(&NFT, &script))
        } else if std::mem::take(&mut redirect.shall_look) {
            (Purpose::Firewall, Run::start(&LIST, ""))
        } else {
            return;
        };
        redirect.last = redirect.last.wrapping_add(1);
        let token = (self.tokens.of)(Whose::Child(redirect.last & self.tokens.mask));
        let registered = started.and_then(|run| {
            let mut source = SourceFd(&run.fd().as_raw_fd());
            match self.registry.register(&mut source, token, Interest::READABLE) {
                Ok(()) => Ok(run),
                Err(error) => Err(error.to_string()),
            }
        });
        match registered {
            Ok(run) => redirect.child = Some(Child { run, purpose, until: now + WITHIN }),
            Err(why) if purpose == Purpose::Rules => {
                let told = redirect.rules.done(Err(why), now);
                self.notices.extend(told);
            }
            Err(why) => log::debug!("the firewall could not be looked at: {why}"),
        }
    }
}
