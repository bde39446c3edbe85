//! The container that is asked for, as the Engine API's JSON: options over a raw spec. Asks no
//! engine what it thinks of it.

mod options;

pub use options::{cpus, memory, publish};

use serde_json::{Map, Value, json};

use super::job::Network;
use super::whose::{self, Lock};

/// Lists to which options add, where they stand over the same list of a raw spec.
const ADDED_TO: [&str; 2] = ["Env", "Binds"];

/// What the options ask for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wanted {
    /// The image.
    pub image: String,
    /// Its command; empty: the image's.
    pub command: Vec<String>,
    /// `KEY=VALUE`.
    pub env: Vec<String>,
    /// See [`publish`].
    pub ports: Vec<Port>,
    /// `SOURCE:TARGET[:OPTIONS]`, or `TARGET` alone for an anonymous one.
    pub volumes: Vec<String>,
    /// Key and value.
    pub labels: Vec<(String, String)>,
    /// Besides its own; or `host`, `none`, `container:NAME` alone, in its place.
    pub networks: Vec<String>,
    /// A shell's command.
    pub health_cmd: Option<String>,
    /// `USER[:GROUP]`.
    pub user: Option<String>,
    /// Where its command begins.
    pub workdir: Option<String>,
    /// The most it may hold.
    pub memory_bytes: Option<u64>,
    /// The most it may use, in billionths of a CPU.
    pub nano_cpus: Option<u64>,
    /// Raw API JSON for the rest (Docker API 1.41, `ContainerCreate`).
    pub raw: Value,
}

/// One published port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// `80/tcp`.
    pub inside: String,
    /// The host's address; empty: every one.
    pub address: String,
    /// The host's port; empty: the engine chooses.
    pub outside: String,
}

/// Who it is made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The program.
    pub app: String,
    /// The run.
    pub id: String,
    /// What is locked while the run lives.
    pub lock: Option<Lock>,
}

/// What to send.
#[derive(Clone, Debug, PartialEq)]
pub struct Built {
    /// The body of `/containers/create`.
    pub spec: Value,
    /// Whose network it has.
    pub network: Network,
    /// The networks it is put on besides, and its place there.
    pub joins: Vec<(String, Value)>,
}

impl Owner {
    /// The labels of all that is its.
    pub fn labels(&self) -> Vec<(String, String)> {
        let mut labels = vec![(whose::APP, self.app.clone()), (whose::ID, self.id.clone())];
        labels.extend(self.lock.as_ref().map(|lock| (whose::LOCK, lock.label())));
        labels.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
    }
}

/// The options over the raw spec: objects are merged key by key, environment and binds are added
/// to, anything else is replaced.
///
/// # Errors
/// What excludes each other, or is not ours to give away.
pub fn build(wanted: &Wanted, owner: &Owner) -> Result<Built, String> {
    let mut spec = wanted.raw.clone();
    if !spec.is_object() {
        spec = json!({});
    }
    refuse(&spec)?;
    let mut joins = endpoints(&mut spec)?;
    let raw_mode = spec["HostConfig"]["NetworkMode"].as_str().unwrap_or_default().to_owned();
    let named = wanted.networks.iter().cloned();
    for name in named.chain(Some(raw_mode).filter(|mode| !matches!(&**mode, "" | "default"))) {
        if !joins.iter().any(|(known, _)| *known == name) {
            joins.push((name, Value::Null));
        }
    }
    let instead = joins.iter().find(|(name, _)| stands_alone(name)).map(|(name, _)| name.clone());
    let (network, mode) = match instead {
        None => (Network::Own, whose::network_name(&owner.app, &owner.id)),
        Some(name) if joins.len() == 1 => {
            joins.clear();
            (Network::Other, name)
        }
        Some(name) => return Err(format!("network `{name}`: expected no other beside it")),
    };
    merge(&mut spec, &options(wanted, owner));
    spec["HostConfig"]["NetworkMode"] = mode.into();
    Ok(Built { spec, network, joins })
}

/// What drowse does itself can't be the engine's too.
fn refuse(spec: &Value) -> Result<(), String> {
    let policy = spec["HostConfig"]["RestartPolicy"]["Name"].as_str().unwrap_or_default();
    if !matches!(policy, "" | "no") {
        return Err(format!(
            "HostConfig.RestartPolicy `{policy}`: the engine's restarts and drowse's exclude each \
             other: expected --restart in its place"
        ));
    }
    if spec["HostConfig"]["AutoRemove"] == true {
        return Err("HostConfig.AutoRemove: drowse removes the container: expected none".into());
    }
    Ok(())
}

/// The networks of a raw spec. More than one at once is refused by old engines: they are joined one
/// by one.
fn endpoints(spec: &mut Value) -> Result<Vec<(String, Value)>, String> {
    let Some(networking) = spec.as_object_mut().and_then(|spec| spec.remove("NetworkingConfig"))
    else {
        return Ok(Vec::new());
    };
    match networking.get("EndpointsConfig") {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Object(all)) => {
            Ok(all.iter().map(|(name, place)| (name.clone(), place.clone())).collect())
        }
        Some(_) => Err("NetworkingConfig.EndpointsConfig: expected an object".into()),
    }
}

fn stands_alone(network: &str) -> bool {
    matches!(network, "host" | "none") || network.starts_with("container:")
}

fn options(wanted: &Wanted, owner: &Owner) -> Value {
    let mut top = Map::new();
    let mut host = Map::new();
    let mut put = |key: &str, value: Option<Value>| {
        top.extend(value.map(|value| (key.to_owned(), value)));
    };
    let list = |all: &[String]| (!all.is_empty()).then(|| Value::from(all));
    put("Image", Some(wanted.image.as_str().into()));
    put("Cmd", list(&wanted.command));
    put("Env", list(&wanted.env));
    put("User", wanted.user.as_deref().map(Value::from));
    put("WorkingDir", wanted.workdir.as_deref().map(Value::from));
    put("Healthcheck", wanted.health_cmd.as_ref().map(|cmd| json!({"Test": ["CMD-SHELL", cmd]})));
    // Last, for nobody else may say whose it is.
    let labels = wanted.labels.iter().cloned().chain(owner.labels());
    put("Labels", Some(labels.map(|(key, value)| (key, Value::from(value))).collect()));
    let (bound, anonymous): (Vec<String>, Vec<String>) =
        wanted.volumes.iter().cloned().partition(|volume| volume.contains(':'));
    put("Volumes", (!anonymous.is_empty()).then(|| objects(&anonymous)));
    let inside: Vec<String> = wanted.ports.iter().map(|port| port.inside.clone()).collect();
    put("ExposedPorts", (!inside.is_empty()).then(|| objects(&inside)));
    host.extend(list(&bound).map(|bound| ("Binds".to_owned(), bound)));
    host.extend(wanted.memory_bytes.map(|bytes| ("Memory".to_owned(), bytes.into())));
    host.extend(wanted.nano_cpus.map(|nano| ("NanoCpus".to_owned(), nano.into())));
    if !wanted.ports.is_empty() {
        host.insert("PortBindings".to_owned(), bindings(&wanted.ports));
    }
    top.insert("HostConfig".to_owned(), Value::Object(host));
    Value::Object(top)
}

fn objects(keys: &[String]) -> Value {
    keys.iter().map(|key| (key.clone(), json!({}))).collect()
}

fn bindings(ports: &[Port]) -> Value {
    let mut all = Map::new();
    for port in ports {
        let binding = json!({"HostIp": port.address, "HostPort": port.outside});
        if let Value::Array(list) = all.entry(port.inside.clone()).or_insert_with(|| json!([])) {
            list.push(binding);
        }
    }
    Value::Object(all)
}

fn merge(under: &mut Value, over: &Value) {
    let (Value::Object(under), Value::Object(over)) = (&mut *under, over) else {
        *under = over.clone();
        return;
    };
    for (key, value) in over {
        match (under.get_mut(key), value) {
            (Some(Value::Array(list)), Value::Array(more)) if ADDED_TO.contains(&&**key) => {
                list.extend(more.iter().cloned());
            }
            (Some(found), value) => merge(found, value),
            (None, value) => drop(under.insert(key.clone(), value.clone())),
        }
    }
}

#[cfg(test)]
mod tests;
