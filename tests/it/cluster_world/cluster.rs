//! A cluster made up for the machine that follows it: what is so, and the list that lags behind.

use std::collections::BTreeMap;

use drowse::proxmox::types::{
    Config, Counters, Current, Interface, Listed, Net, Place, Status, Version,
};
use drowse::proxmox::watch::Look;

use crate::dice::Dice;

pub const NODES: [&str; 3] = ["one", "two", "three"];

/// PVE's own clock for the states and counters in the list.
const STATS_EVERY: u64 = 10_000;
/// More guests than reads under way.
const GUESTS_MAX: usize = 14;

/// A guest as it is.
#[derive(Clone, Debug)]
pub struct One {
    pub node: &'static str,
    pub name: String,
    pub running: bool,
    pub lock: Option<String>,
    pub is_ha: bool,
    pub notes: u64,
    /// What the machine can't see by the list changed since it was last seen to change.
    pub is_hidden: bool,
    /// By DHCP: its address has to be asked for.
    pub asks: bool,
    /// The last part of its address; 0: none yet.
    pub address: u8,
}

pub struct Cluster {
    pub version: Version,
    /// This node answers nothing.
    pub silent: Option<&'static str>,
    pub guests: BTreeMap<u32, One>,
    /// What was running when the nodes told last.
    told: BTreeMap<u32, bool>,
    told_at: u64,
    count: u64,
}

impl Cluster {
    pub fn new(version: Version, dice: &mut Dice) -> Cluster {
        let (guests, told) = (BTreeMap::new(), BTreeMap::new());
        let mut cluster = Cluster { version, silent: None, guests, told, told_at: 0, count: 0 };
        for _ in 0..dice.roll(10) {
            cluster.create(dice);
        }
        cluster
    }

    pub fn vmids(&self) -> Vec<u32> {
        self.guests.keys().copied().collect()
    }

    /// Somebody does something.
    pub fn act(&mut self, now: u64, dice: &mut Dice) {
        self.tell(now);
        let vmids = self.vmids();
        if vmids.is_empty() || (vmids.len() < GUESTS_MAX && dice.chance(15)) {
            return self.create(dice);
        }
        let vmid = *dice.pick(&vmids);
        self.count += 1;
        let (count, what) = (self.count, dice.roll(12));
        let Some(one) = self.guests.get_mut(&vmid) else { return };
        match what {
            0 => drop(self.guests.remove(&vmid)),
            1 => one.node = *dice.pick(&NODES),
            2 => one.name = format!("renamed{count}"),
            3 => one.lock = if one.lock.is_some() { None } else { Some("backup".into()) },
            // Nothing in the list shows it.
            4 => (one.notes, one.is_hidden) = (count, true),
            5 => one.address = dice.roll(200) as u8 * u8::from(one.running),
            _ => {
                one.running = !one.running;
                one.address = if one.running { 1 + dice.roll(200) as u8 } else { 0 };
            }
        }
    }

    fn create(&mut self, dice: &mut Dice) {
        self.count += 1;
        let vmid = 100 + self.count as u32;
        let running = dice.chance(50);
        let one = One {
            node: dice.pick::<&str>(&NODES),
            name: format!("ct{vmid}"),
            running,
            lock: None,
            is_ha: dice.chance(20),
            notes: self.count,
            is_hidden: false,
            asks: dice.chance(50),
            address: u8::from(running) * (1 + dice.roll(200) as u8),
        };
        self.guests.insert(vmid, one);
    }

    /// Nodes that are not silent tell what runs, in their time.
    fn tell(&mut self, now: u64) {
        if now / STATS_EVERY == self.told_at / STATS_EVERY && now != 0 {
            return;
        }
        self.told_at = now;
        for (vmid, one) in &self.guests {
            if self.silent != Some(one.node) {
                self.told.insert(*vmid, one.running);
            }
        }
    }

    pub fn list(&mut self, now: u64) -> Vec<Listed> {
        self.tell(now);
        let listed = |(vmid, one): (&u32, &One)| {
            let told = self.told.get(vmid).filter(|_| self.silent != Some(one.node));
            let status = match told {
                Some(true) => Status::Running,
                Some(false) => Status::Stopped,
                None => Status::Unknown,
            };
            let known = status != Status::Unknown;
            Listed {
                place: Place { node: one.node.into(), vmid: *vmid },
                name: if known { one.name.clone() } else { String::new() },
                status,
                is_template: false,
                lock: one.lock.clone().filter(|_| known),
                tags: String::new(),
                counters: Counters { in_bytes: Some(now), ..Counters::default() },
            }
        };
        self.guests.iter().map(listed).collect()
    }

    fn there(&self, place: &Place) -> Option<&One> {
        self.guests.get(&place.vmid).filter(|one| one.node == place.node)
    }

    pub fn current(&self, place: &Place) -> Look {
        let Some(one) = self.there(place) else { return Look::Elsewhere };
        let status = if one.running { Status::Running } else { Status::Stopped };
        let (lock, is_ha) = (one.lock.clone(), one.is_ha);
        Look::Seen(Current { status, lock, is_ha, counters: Counters::default() })
    }

    pub fn config(&self, place: &Place) -> Option<Config> {
        self.there(place).map(configured)
    }

    pub fn interfaces(&self, place: &Place) -> Option<Vec<Interface>> {
        self.there(place).map(reached)
    }
}

pub fn configured(one: &One) -> Config {
    let ip = (!one.asks).then(|| [10, 0, 3, 15].into());
    Config {
        notes: one.notes.to_string(),
        hostname: one.name.clone(),
        is_template: false,
        digest: String::new(),
        nets: vec![Net { name: "eth0".into(), ip, ip6: None }],
    }
}

pub fn reached(one: &One) -> Vec<Interface> {
    let addresses = match one.address {
        0 => Vec::new(),
        last => vec![[192, 0, 2, last].into()],
    };
    if one.running { vec![Interface { name: "eth0".into(), addresses }] } else { Vec::new() }
}
