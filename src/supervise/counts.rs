//! Which interface is the network whose bytes count, and what went through it where the engine does
//! not tell. Looks into /proc of this machine only.

use std::path::Path;

use super::Setup;
use crate::docker::inspect::Inspect;
use crate::docker::stats::Sample;
use crate::net::kept::Kept;
use crate::run::figures::Counted;
use crate::run::interfaces;

/// The run's own network, whose name nobody can know before.
const OWN: &str = "own";
/// What any of these files holds at most.
const FILE_LIMIT_BYTES: usize = 64 << 10;

/// Whose bytes count.
#[derive(Debug)]
pub(super) struct Counts {
    rx: Option<String>,
    tx: Option<String>,
    own: String,
    local: bool,
    /// The counters of each interface. They hold the network namespace: one look keeps them until
    /// the next.
    dev: Option<Kept>,
}

impl Counts {
    pub(super) fn new(setup: &Setup) -> Counts {
        let own = setup.network.clone();
        let name = |name: &Option<String>| match name.as_deref() {
            Some(OWN) => Some(own.clone()),
            _ => name.clone(),
        };
        let (rx, tx) = (name(&setup.count_rx), name(&setup.count_tx));
        Counts { rx, tx, own: own.clone(), local: setup.local, dev: None }
    }

    /// Which interfaces those are now.
    ///
    /// # Errors
    /// What can't be found out, and the way out.
    pub(super) fn find(&mut self, inspect: &Inspect) -> Result<Counted, String> {
        self.dev = None;
        if (self.rx.is_none() && self.tx.is_none()) || !inspect.state.running {
            return Ok(Counted::default());
        }
        let route = self.local.then(|| self.open(inspect)).flatten();
        let rx = self.interface(self.rx.as_deref(), inspect, route.as_deref())?;
        let tx = self.interface(self.tx.as_deref(), inspect, route.as_deref())?;
        Ok(Counted { rx, tx })
    }

    /// The counters of each interface, where the engine has only a sum or other names for them.
    pub(super) fn refine(&self, mut sample: Sample) -> Sample {
        let mut text = Vec::new();
        if let Some(dev) = &self.dev
            && dev.read(&mut text, FILE_LIMIT_BYTES).is_ok()
        {
            sample.networks = Some(interfaces::traffic(&text));
        }
        sample
    }

    /// Opens the counters, and returns the routes. `None`: the process is another machine's.
    fn open(&mut self, inspect: &Inspect) -> Option<Vec<u8>> {
        let file =
            |name: &str| Kept::open(Path::new(&format!("/proc/{}/{name}", inspect.state.pid))).ok();
        let mut text = Vec::new();
        file("cgroup")?.read(&mut text, FILE_LIMIT_BYTES).ok()?;
        let id = inspect.id.as_bytes();
        if !text.windows(id.len().max(1)).any(|part| part == id) {
            return None;
        }
        let dev = file("net/dev")?;
        file("net/route")?.read(&mut text, FILE_LIMIT_BYTES).ok()?;
        self.dev = Some(dev);
        Some(text)
    }

    fn interface(
        &self,
        name: Option<&str>,
        inspect: &Inspect,
        route: Option<&[u8]>,
    ) -> Result<Option<String>, String> {
        let Some(name) = name else { return Ok(None) };
        let networks = &inspect.network_settings.networks;
        let Some(network) = networks.get(name) else {
            // An interface's name, as the engine's samples have it, is one too.
            return match networks.is_empty() || is_interface(name) {
                true => Ok(Some(name.to_owned())),
                false => Err(format!(
                    "count bytes: it is on no network {name}, expected one of {}",
                    self.shown(networks.keys())
                )),
            };
        };
        if networks.len() == 1 {
            return Ok(None);
        }
        let address = network.ip_address.parse().ok();
        let found = route.zip(address).and_then(|(route, at)| interfaces::of_address(route, at));
        found.map(Some).ok_or_else(|| {
            format!(
                "count bytes: which interface is on {name} can't be seen from this machine: name \
                 the interface, such as eth1"
            )
        })
    }

    fn shown<'a>(&self, names: impl Iterator<Item = &'a String>) -> String {
        let name = |name: &String| if *name == self.own { OWN.to_owned() } else { name.clone() };
        names.map(name).collect::<Vec<_>>().join(", ")
    }
}

/// `eth0`, as engines call them.
fn is_interface(name: &str) -> bool {
    name.strip_prefix("eth").is_some_and(|rest| !rest.is_empty() && rest.parse::<u16>().is_ok())
}
