//! The same for guests of clusters, whose orders become tasks that are followed. Prints nothing.

use std::time::{Duration, Instant};

use crate::command::cluster::Cluster;
use crate::container::Container;
use crate::control::request::Until;
use crate::control::{State, millis};
use crate::duration;
use crate::error::{Error, Why};
use crate::idle::backend::{Backend, Life, Order};
use crate::idle::lxc::{Lxc, life};
use crate::plan::Plan;
use crate::proxmox::call;
use crate::proxmox::task::{Task, Upid};
use crate::proxmox::types::Place;

use super::super::engine;
use super::super::orders::Teller;
use super::{Errand, Job, KILL_LIMIT, LOOK_EVERY, plan_of};

/// A task that fails at once, for a lock or a right, does so within this.
const FAILS_WITHIN: Duration = Duration::from_secs(2);

/// A cluster that answered, and all it has.
pub(super) struct Room {
    pub(super) name: String,
    cluster: Cluster,
    pub(super) guests: Vec<Container>,
}

/// Whether there was anything to do.
pub(super) enum Begun {
    Before,
    Now(Upid),
}

/// A guest that was named.
pub(super) struct Target<'a> {
    cluster: &'a mut Cluster,
    backend: Lxc,
    place: Place,
    plan: Plan,
}

impl Job<'_> {
    /// Every cluster that answers, with its guests; what fails is told.
    pub(super) fn rooms(&self, teller: &mut Teller) -> Vec<Room> {
        let mut rooms = Vec::new();
        for one in &self.config.proxmox {
            let until = Instant::now() + self.timeout;
            let listed = Cluster::connect(one, self.config, until)
                .and_then(|cluster| Ok((cluster.containers()?, cluster)));
            match listed {
                Ok((guests, cluster)) => {
                    rooms.push(Room { name: one.name.clone(), cluster, guests });
                }
                Err(error) => teller.complain(&engine::told(&error)),
            }
        }
        rooms
    }

    /// The guest at that place.
    pub(super) fn guest<'r>(&self, room: &'r mut Room, at: usize) -> Option<Target<'r>> {
        let guest = room.guests.get(at)?;
        let place = Place { node: guest.node.clone()?, vmid: guest.vmid? };
        let backend = Lxc::new(room.cluster.version);
        let plan = plan_of(guest, &self.config.idle.defaults());
        Some(Target { cluster: &mut room.cluster, backend, place, plan })
    }

    /// Gives the order, unless it is so already.
    pub(super) fn begin_guest(&self, target: &mut Target<'_>) -> Result<Begun, String> {
        target.cluster.until(Instant::now() + self.timeout);
        let order = match (self.errand, target.life()?) {
            (Errand::Wake, Life::Runs) | (Errand::Sleep, Life::Down(_)) => {
                return Ok(Begun::Before);
            }
            (Errand::Wake, Life::Down(_)) => Order::Start,
            (Errand::Sleep, Life::Runs) => target.backend.terms(&target.plan)?.sleep,
        };
        match target.order(order) {
            Ok(upid) => Ok(Begun::Now(upid)),
            Err(Error { why: Why::AlreadySo, .. }) => Ok(Begun::Before),
            Err(error) => Err(engine::told(&error)),
        }
    }

    /// Waits, where that was asked for, until it is there; the state and how long it took.
    pub(super) fn settle_guest(
        &self,
        target: &mut Target<'_>,
        since: Instant,
        begun: Begun,
    ) -> Result<(State, Option<u64>), String> {
        let (there, on_the_way, is_there): (_, _, fn(Life) -> bool) = match self.errand {
            Errand::Wake => (State::Awake, State::Waking, |life| life == Life::Runs),
            Errand::Sleep => (State::Asleep, State::GoingToSleep, |life| life != Life::Runs),
        };
        let Begun::Now(mut upid) = begun else { return Ok((there, Some(0))) };
        let mut limit = match self.errand {
            Errand::Wake => target.plan.wake_timeout,
            Errand::Sleep => target.backend.terms(&target.plan)?.kill_after,
        };
        let (mut runs, mut killed) = (true, false);
        loop {
            target.cluster.until(Instant::now() + self.timeout);
            runs = runs && target.is_running(&upid)?;
            if !runs && is_there(target.life()?) {
                return Ok((there, Some(millis(since.elapsed()))));
            }
            if self.until == Until::Begun && (!runs || since.elapsed() >= FAILS_WITHIN) {
                return Ok((on_the_way, None));
            }
            if since.elapsed() >= limit {
                if self.errand == Errand::Wake || killed {
                    return Err(format!("it is not there after {}", duration::show(limit)));
                }
                upid = target.order(Order::Kill).map_err(|error| engine::told(&error))?;
                (runs, killed, limit) = (true, true, since.elapsed() + KILL_LIMIT);
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

impl Target<'_> {
    fn life(&self) -> Result<Life, String> {
        let seen = self.cluster.run(call::current(&self.place));
        let status = seen.map_err(|error| engine::told(&error))?.status;
        life(status.word()).ok_or_else(|| "nobody knows what it does".into())
    }

    fn order(&self, order: Order) -> Result<Upid, Error> {
        let at = format!("{}/{}", self.place.node, self.place.vmid);
        let order = self.backend.order(&at, order, &self.plan);
        self.cluster.run(order.map_err(|why| why.during("", at))?)
    }

    /// Whether its task still runs; an error if that failed. One that can't be read is taken to
    /// have ended: the status tells.
    fn is_running(&self, upid: &Upid) -> Result<bool, String> {
        match self.cluster.run(call::task(upid)) {
            Ok(Task::Running) => Ok(true),
            Ok(Task::Ended(Ok(()) | Err(Why::AlreadySo))) | Err(_) => Ok(false),
            Ok(Task::Ended(Err(why))) => {
                let lines = self.cluster.run(call::task_log(upid)).unwrap_or_default().join("; ");
                Err(if lines.is_empty() { why.to_string() } else { format!("{why} ({lines})") })
            }
        }
    }
}
