//! A guest as its node keeps it, and how it prints.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Release;

/// A guest in all its shapes; `Guest::new` makes an ordinary one that is stopped.
#[derive(Clone, Debug)]
pub struct Guest {
    pub vmid: u32,
    pub name: String,
    pub node: String,
    /// `lxc`, or `qemu`: a virtual machine, which is none of drowse's.
    pub family: &'static str,
    /// When it came up; `None`: it is stopped.
    pub up_since: Option<Instant>,
    /// What else holds it: `backup`, `snapshot`.
    pub lock: Option<&'static str>,
    pub template: bool,
    /// The cluster's resource manager starts and stops it.
    pub managed: bool,
    pub tags: Option<&'static str>,
    /// The notes, as the config has them.
    pub notes: Option<String>,
    /// `name=eth0,bridge=vmbr0,ip=10.0.3.15/24`
    pub net0: Option<String>,
    /// Interfaces beside `lo`, each with its addresses and their prefixes.
    pub interfaces: Vec<(&'static str, Vec<String>)>,
    pub netin: u64,
    pub netout: u64,
    /// False: its node has not told anything about it.
    pub known: bool,
    pub heeds_shutdown: bool,
    pub start: Course,
    pub shutdown: Course,
    pub stop: Course,
}

/// How a task goes.
#[derive(Clone, Debug)]
pub struct Course {
    /// `None`: it never ends.
    pub takes: Option<Duration>,
    /// `OK`, `WARNINGS: 1`, `unexpected status` (it was killed), or its error.
    pub exit: String,
    /// What it says afterwards is so.
    pub works: bool,
    /// What it writes into its log.
    pub log: Vec<&'static str>,
}

impl Course {
    pub fn new(takes: Duration, exit: &str) -> Course {
        let works = exit == "OK" || exit.starts_with("WARNINGS");
        Course { takes: Some(takes), exit: exit.to_owned(), works, log: Vec::new() }
    }
}

impl Guest {
    pub fn new(vmid: u32) -> Guest {
        let course = Course::new(Duration::from_millis(50), "OK");
        Guest {
            vmid,
            name: format!("ct{vmid}"),
            node: "pve".into(),
            family: "lxc",
            up_since: None,
            lock: None,
            template: false,
            managed: false,
            tags: None,
            notes: None,
            net0: None,
            interfaces: Vec::new(),
            netin: 0,
            netout: 0,
            known: true,
            heeds_shutdown: true,
            start: course.clone(),
            shutdown: course.clone(),
            stop: course,
        }
    }

    pub fn named(self, name: &str) -> Guest {
        Guest { name: name.into(), ..self }
    }

    pub fn running(self) -> Guest {
        Guest { up_since: Some(Instant::now()), netin: 5000, netout: 3000, ..self }
    }

    pub fn notes(self, notes: &str) -> Guest {
        Guest { notes: Some(notes.into()), ..self }
    }

    pub fn on(self, node: &str) -> Guest {
        Guest { node: node.into(), ..self }
    }

    /// With one address on `eth0`.
    pub fn at(self, address: &str) -> Guest {
        let net0 = Some("name=eth0,bridge=vmbr0,ip=dhcp".to_owned());
        Guest { net0, interfaces: vec![("eth0", vec![address.into()])], ..self }
    }

    pub fn is_up(&self) -> bool {
        self.up_since.is_some()
    }

    /// It came up: counters begin anew.
    pub fn boot(&mut self, now: Instant) {
        self.up_since = Some(now);
        (self.netin, self.netout) = (0, 0);
    }

    fn status(&self) -> &'static str {
        if self.is_up() { "running" } else { "stopped" }
    }

    fn uptime(&self) -> u64 {
        self.up_since.map_or(0, |since| since.elapsed().as_secs())
    }

    /// As in `/cluster/resources`.
    pub fn resource(&self) -> Value {
        let id = format!("{}/{}", self.family, self.vmid);
        if !self.known {
            return json!({
                "id": id, "node": self.node, "status": "unknown", "type": self.family,
                "vmid": self.vmid,
            });
        }
        let (netin, netout) = if self.is_up() { (self.netin, self.netout) } else { (0, 0) };
        let mut object = json!({
            "id": id, "node": self.node, "status": self.status(), "type": self.family,
            "vmid": self.vmid, "name": self.name, "cpu": 0, "mem": 0, "maxcpu": 1, "disk": 0,
            "maxmem": 134_217_728, "maxdisk": 1_073_741_824, "diskread": 0, "diskwrite": 0,
            "netin": netin, "netout": netout, "template": u8::from(self.template),
            "uptime": self.uptime(),
        });
        if self.managed {
            object["hastate"] = if self.is_up() { json!("started") } else { json!("stopped") };
        }
        self.shared(&mut object);
        object
    }

    /// As in `status/current`.
    pub fn current(&self, release: Release) -> Value {
        let ha = if self.managed {
            json!({"managed": 1, "state": if self.is_up() { "started" } else { "stopped" }})
        } else {
            json!({"managed": 0})
        };
        let mut object = json!({
            "status": self.status(), "vmid": self.vmid, "name": self.name, "type": "lxc",
            "cpu": 0, "cpus": 1, "mem": 0, "maxmem": 134_217_728, "swap": 0, "maxswap": 0,
            "disk": 0, "maxdisk": 1_073_741_824, "diskread": 0, "diskwrite": 0,
            "netin": self.netin, "netout": self.netout, "uptime": self.uptime(), "ha": ha,
        });
        if self.is_up() {
            object["pid"] = json!(12_345);
            if release >= Release::V9 {
                object["cpu"] = json!(-0.000_01);
                for what in ["cpu", "io", "memory"] {
                    object[format!("pressure{what}some")] = json!("0.46");
                    object[format!("pressure{what}full")] = json!("0.00");
                }
            }
        }
        if self.template {
            object["template"] = json!(1);
        }
        self.shared(&mut object);
        object
    }

    fn shared(&self, object: &mut Value) {
        if let Some(tags) = self.tags {
            object["tags"] = json!(tags);
        }
        if let Some(lock) = self.lock {
            object["lock"] = json!(lock);
        }
    }

    /// As in `config`.
    pub fn config(&self) -> Value {
        let mut object = json!({
            "arch": "amd64", "cores": 1, "hostname": self.name, "memory": 128, "swap": 0,
            "ostype": "unmanaged", "onboot": 1, "unprivileged": 1,
            "startup": "order=2,up=5,down=20", "digest": "398323e58b83f63c393803e18f478690686bbb1c",
            "rootfs": format!("/var/lib/lxc/{}/rootfs,size=1G", self.vmid),
        });
        if let Some(notes) = &self.notes {
            object["description"] = json!(notes);
        }
        if let Some(net0) = &self.net0 {
            object["net0"] = json!(net0);
        }
        if let Some(tags) = self.tags {
            object["tags"] = json!(tags);
        }
        object
    }

    /// As in `interfaces`: null for who is stopped.
    pub fn addresses(&self) -> Value {
        if !self.is_up() {
            return Value::Null;
        }
        let lo = ("lo", vec!["127.0.0.1/8".to_owned(), "::1/128".to_owned()]);
        let all = [lo].into_iter().chain(self.interfaces.iter().cloned());
        all.map(|(name, addresses)| interface(name, &addresses)).collect()
    }
}

/// `inet` and `inet6` keep the last address of each family.
fn interface(name: &str, addresses: &[String]) -> Value {
    let mut object = json!({
        "name": name, "hwaddr": "bc:24:11:89:67:07", "hardware-address": "bc:24:11:89:67:07",
        "ip-addresses": [],
    });
    for address in addresses {
        let (plain, prefix) = address.split_once('/').unwrap();
        let family = if plain.contains(':') { "inet6" } else { "inet" };
        object[family] = json!(address);
        let one = json!({"ip-address": plain, "prefix": prefix, "ip-address-type": family});
        object["ip-addresses"].as_array_mut().unwrap().push(one);
    }
    object
}
