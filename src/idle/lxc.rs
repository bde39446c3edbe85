//! A guest of Proxmox VE as a backend. Sends nothing.

use std::time::Duration;

use crate::error::Why;
use crate::http::Call;
use crate::idle::backend::{Backend, Kind, Life, Nap, Order, Status, Terms};
use crate::plan::{Plan, StopMethod};
use crate::proxmox::call::{self, Overrule};
use crate::proxmox::task::Upid;
use crate::proxmox::types::{Current, Listed, Place, Version};

/// What a shutdown that kills by itself gets beyond the grace period before we do: it may wait 10 s
/// for the guest's lock first.
const STOP_MARGIN: Duration = Duration::from_secs(20);

/// One cluster, by what it can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lxc {
    version: Version,
}

impl Lxc {
    /// The cluster of this version; ask anew after every reconnect.
    pub fn new(version: Version) -> Lxc {
        Lxc { version }
    }
}

impl Backend for Lxc {
    type Begun = Upid;
    type Seen = Current;
    type Watch = Vec<Listed>;

    fn terms(&self, plan: &Plan) -> Result<Terms, String> {
        let (sleep, margin) = match plan.stop_method {
            StopMethod::Stop => (Order::Stop, STOP_MARGIN),
            StopMethod::Kill => (Order::Signal, Duration::ZERO),
            StopMethod::Pause => {
                return Err("proxy.stop_method: pause: Proxmox VE can't freeze a guest".into());
            }
        };
        Ok(Terms {
            idle_timeout: (!plan.idle_timeout.is_zero()).then_some(plan.idle_timeout),
            wake_timeout: plan.wake_timeout,
            turn_timeout: plan.wake_timeout,
            ready: plan.ready,
            sleep,
            kill_after: plan.stop_timeout.saturating_add(margin),
            kind: Kind::Service,
        })
    }

    /// `id` is `node/vmid`. A guest has no signals, so that a plan that kills stops it at once.
    fn order(&self, id: &str, order: Order, plan: &Plan) -> Result<Call<Upid>, Why> {
        let place = place(id)?;
        let overrule = match self.version.overrules_shutdown() {
            true => Overrule::Shutdown,
            false => Overrule::Nothing,
        };
        match order {
            Order::Start => Ok(call::start(&place)),
            Order::Stop => Ok(call::shutdown(&place, plan.stop_timeout)),
            Order::Signal | Order::Kill => Ok(call::stop(&place, overrule)),
            Order::Pause | Order::Unpause => {
                Err(Why::Invalid("Proxmox VE can't freeze a guest".into()))
            }
        }
    }

    fn status(&self, id: &str) -> Call<Current> {
        let nowhere = Place { node: String::new(), vmid: 0 };
        call::current(&place(id).unwrap_or(nowhere))
    }

    /// What is not known is taken to run: nothing is done to it then.
    fn read(&self, seen: &Current) -> Status {
        Status { life: life(seen.status.word()).unwrap_or(Life::Runs), healthy: false }
    }

    /// The list, again and again: PVE has no events.
    fn watch(&self, _: Option<u64>) -> Call<Vec<Listed>> {
        call::resources()
    }
}

/// What a guest in a state of that name does; `None`: nobody knows.
pub fn life(state: &str) -> Option<Life> {
    match state {
        "running" => Some(Life::Runs),
        "stopped" => Some(Life::Down(Nap::Stopped)),
        _ => None,
    }
}

fn place(id: &str) -> Result<Place, Why> {
    let parts = id.split_once('/').filter(|(node, _)| !node.is_empty());
    let place = parts
        .and_then(|(node, vmid)| Some(Place { node: node.to_owned(), vmid: vmid.parse().ok()? }));
    place.ok_or_else(|| Why::Invalid(format!("`{id}`, expected node/vmid")))
}
