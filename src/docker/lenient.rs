//! A container whose JSON is not as it should be, field by field: what can be read stands, the rest
//! becomes a text. Slow on purpose; the good ones never come here.

use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::value::RawValue;

use crate::docker::answer::one_line;
use crate::docker::inspect::{Binding, Bindings, Config, Host, Inspect, Networking, State};
use crate::docker::types::{Health, HostConfig, Mount, Network, NetworkSettings, Port, Summary};
use crate::sorted::Map;

/// The fields of an object, not read yet: how deep one of them goes harms no other.
type Raw<'a> = Map<String, &'a RawValue>;

/// Reads an object of the list or of inspect as far as it goes.
pub(crate) fn summary(json: &str) -> Summary {
    let is_inspect = is_inspect(json);
    if let (true, Ok(inspect)) = (is_inspect, serde_json::from_str::<Inspect>(json)) {
        return inspect.into_summary();
    }
    let fields = serde_json::from_str(json).unwrap_or_default();
    let mut from = Fields { fields, place: String::new(), problems: Vec::new() };
    let summary = if is_inspect { inspect(&mut from).into_summary() } else { listed(&mut from) };
    Summary { problems: from.problems, ..summary }
}

/// Whether it is an object of inspect: there `State` and `Config` are objects, and the name is one.
pub(crate) fn is_inspect(json: &str) -> bool {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Probe<'a> {
        names: Option<IgnoredAny>,
        #[serde(borrow)]
        state: Option<&'a RawValue>,
        #[serde(borrow)]
        config: Option<&'a RawValue>,
    }
    let is_object = |value: Option<&RawValue>| value.is_some_and(|value| kind(value) == OBJECT);
    json.starts_with('{')
        && serde_json::from_str::<Probe>(json).is_ok_and(|probe| {
            probe.names.is_none() && (is_object(probe.state) || is_object(probe.config))
        })
}

/// Why a JSON value is no container, if it is none: another kind of value, or an engine's refusal
/// (`{"message": …}`).
pub(crate) fn no_container(value: &RawValue) -> Option<String> {
    #[derive(Deserialize)]
    struct Refusal {
        message: String,
    }
    if kind(value) != OBJECT {
        return Some(format!("{}: expected a container", kind(value)));
    }
    let refusal: Refusal = serde_json::from_str(value.get()).ok()?;
    let told = one_line(&refusal.message);
    Some(format!("an engine's error, `{told}`: expected a container"))
}

fn listed(from: &mut Fields<'_>) -> Summary {
    Summary {
        id: from.one("Id"),
        names: from.texts("Names"),
        image: from.one("Image"),
        image_id: from.one("ImageID"),
        ports: from.objects("Ports", |port| Port {
            ip: port.text("IP"),
            private_port: port.one("PrivatePort"),
            public_port: port.one("PublicPort"),
            kind: port.one("Type"),
        }),
        labels: from.labels(),
        state: from.one("State"),
        status: from.one("Status"),
        health: from.health(),
        host_config: from
            .within("HostConfig", |host| HostConfig { network_mode: host.one("NetworkMode") }),
        network_settings: from
            .within("NetworkSettings", |from| NetworkSettings { networks: from.networks() })
            .unwrap_or_default(),
        mounts: from.mounts(),
        problems: Vec::new(),
    }
}

/// As far as the list has it too.
fn inspect(from: &mut Fields<'_>) -> Inspect {
    let state = |state: &mut Fields<'_>| State {
        status: state.one("Status"),
        running: state.one("Running"),
        exit_code: state.one("ExitCode"),
        health: state.health(),
        ..State::default()
    };
    let config = |config: &mut Fields<'_>| Config {
        image: config.one("Image"),
        labels: config.labels(),
        exposed_ports: config.map("ExposedPorts", |_, _| Some(IgnoredAny)),
        ..Config::default()
    };
    let host = |host: &mut Fields<'_>| Host {
        network_mode: host.one("NetworkMode"),
        port_bindings: host.bindings("PortBindings"),
        ..Host::default()
    };
    let networking = |from: &mut Fields<'_>| Networking {
        networks: from.networks(),
        ports: from.bindings("Ports"),
    };
    Inspect {
        id: from.one("Id"),
        name: from.one("Name"),
        image: from.one("Image"),
        state: from.within("State", state).unwrap_or_default(),
        config: from.within("Config", config).unwrap_or_default(),
        host_config: from.within("HostConfig", host).unwrap_or_default(),
        network_settings: from.within("NetworkSettings", networking).unwrap_or_default(),
        mounts: from.mounts(),
        ..Inspect::default()
    }
}

/// An object's fields, where they stand (`State.`), and what could not be read so far.
struct Fields<'a> {
    fields: Raw<'a>,
    place: String,
    problems: Vec<String>,
}

impl<'a> Fields<'a> {
    /// A field that holds nothing else.
    fn one<T: DeserializeOwned + Default>(&mut self, name: &str) -> T {
        let value = self.value(name);
        value.and_then(|(at, value)| scalar(&at, value, &mut self.problems)).unwrap_or_default()
    }

    fn text(&mut self, name: &str) -> Option<String> {
        Some(self.one(name)).filter(|text: &String| !text.is_empty())
    }

    fn texts(&mut self, name: &str) -> Vec<String> {
        let texts = self.list(name).into_iter();
        texts.filter_map(|(at, text)| scalar(&at, text, &mut self.problems)).collect()
    }

    /// A list of objects; one with anything that can't be read is left out.
    fn objects<T>(&mut self, name: &str, read: fn(&mut Fields<'a>) -> T) -> Vec<T> {
        let objects = self.list(name).into_iter();
        objects.filter_map(|(at, one)| whole(&at, one, read, &mut self.problems)).collect()
    }

    /// A map by any keys.
    fn map<T>(
        &mut self,
        name: &str,
        mut read: impl FnMut(&mut Fields<'a>, (String, &'a RawValue)) -> Option<T>,
    ) -> Map<String, T> {
        let Some((at, value)) = self.value(name) else { return Map::new() };
        let entries = object(&at, value, &mut self.problems).unwrap_or_default().into_iter();
        let mut map = Map::new();
        map.extend(entries.filter_map(|(key, value)| {
            let value = read(self, (format!("{at}.{key}"), value))?;
            Some((key, value))
        }));
        map
    }

    /// What stands in an object; `None` where there is none.
    fn within<T>(&mut self, name: &str, read: impl Fn(&mut Fields<'a>) -> T) -> Option<T> {
        let (at, value) = self.value(name)?;
        let fields = object(&at, value, &mut self.problems)?;
        let mut inner = Fields { fields, place: format!("{at}."), problems: Vec::new() };
        let read = read(&mut inner);
        self.problems.append(&mut inner.problems);
        Some(read)
    }

    fn labels(&mut self) -> Map<String, String> {
        self.map("Labels", |from, (at, value)| scalar(&at, value, &mut from.problems))
    }

    fn health(&mut self) -> Option<Health> {
        self.within("Health", |health| Health { status: health.one("Status") })
    }

    fn networks(&mut self) -> Map<String, Network> {
        let read = |network: &mut Fields<'a>| Network {
            ip_address: network.one("IPAddress"),
            global_ipv6_address: network.one("GlobalIPv6Address"),
        };
        self.map("Networks", |from, (at, value)| whole(&at, value, read, &mut from.problems))
    }

    fn bindings(&mut self, name: &str) -> Bindings {
        let read = |binding: &mut Fields<'a>| Binding {
            host_ip: binding.text("HostIp"),
            host_port: binding.one("HostPort"),
        };
        self.map(name, |from, (at, value)| {
            if kind(value) == NULL {
                return Some(None);
            }
            let places = list(&at, value, &mut from.problems).into_iter();
            Some(Some(
                places.filter_map(|(at, one)| whole(&at, one, read, &mut from.problems)).collect(),
            ))
        })
    }

    fn mounts(&mut self) -> Vec<Mount> {
        self.objects("Mounts", |mount| Mount {
            kind: mount.one("Type"),
            source: mount.one("Source"),
            destination: mount.one("Destination"),
            rw: mount.one("RW"),
        })
    }

    fn list(&mut self, name: &str) -> Vec<(String, &'a RawValue)> {
        let value = self.value(name);
        value.map_or(Vec::new(), |(at, value)| list(&at, value, &mut self.problems))
    }

    /// A field and where it stands. `null` is nothing, and no problem.
    fn value(&self, name: &str) -> Option<(String, &'a RawValue)> {
        let value = self.fields.get(name).filter(|value| kind(value) != NULL)?;
        Some((format!("{}{name}", self.place), value))
    }
}

/// An object of a list or a map, if all of it can be read.
fn whole<'a, T>(
    at: &str,
    value: &'a RawValue,
    read: impl Fn(&mut Fields<'a>) -> T,
    problems: &mut Vec<String>,
) -> Option<T> {
    let fields = object(at, value, problems)?;
    let mut inner = Fields { fields, place: format!("{at}."), problems: Vec::new() };
    let read = read(&mut inner);
    let good = inner.problems.is_empty();
    problems.append(&mut inner.problems);
    good.then_some(read)
}

fn object<'a>(at: &str, value: &'a RawValue, problems: &mut Vec<String>) -> Option<Raw<'a>> {
    match (kind(value), serde_json::from_str(value.get())) {
        (NULL, _) => return None,
        (OBJECT, Ok(fields)) => return Some(fields),
        (OBJECT, Err(_)) => tell(problems, at, "a key that is no text", OBJECT),
        (found, _) => tell(problems, at, found, OBJECT),
    }
    None
}

fn list<'a>(
    at: &str,
    value: &'a RawValue,
    problems: &mut Vec<String>,
) -> Vec<(String, &'a RawValue)> {
    if kind(value) != LIST {
        tell(problems, at, kind(value), LIST);
        return Vec::new();
    }
    let items: Vec<&RawValue> = serde_json::from_str(value.get()).unwrap_or_default();
    items.into_iter().enumerate().map(|(nth, item)| (format!("{at}[{nth}]"), item)).collect()
}

/// Values are not shown: labels may hold secrets.
fn scalar<T: DeserializeOwned>(
    at: &str,
    value: &RawValue,
    problems: &mut Vec<String>,
) -> Option<T> {
    if kind(value) == NULL {
        return None;
    }
    let error = match serde_json::from_str(value.get()) {
        Ok(value) => return Some(value),
        Err(error) => error.to_string(),
    };
    let expected = match error.rsplit_once("expected ").map(|(_, what)| what) {
        Some(what) if what.starts_with("a string") => "a text",
        Some(what) if what.starts_with("a boolean") => "true or false",
        Some(what) if what.starts_with("u16") => "a port from 1 to 65535",
        Some(_) => "a whole number",
        None => "one that can be read",
    };
    tell(problems, at, kind(value), expected);
    None
}

fn tell(problems: &mut Vec<String>, at: &str, found: &str, expected: &str) {
    problems.push(one_line(&format!("{at}: {found}: expected {expected}")));
}

const NULL: &str = "null";
const LIST: &str = "a list";
const OBJECT: &str = "an object";

fn kind(value: &RawValue) -> &'static str {
    match value.get().as_bytes().first() {
        Some(b'n') => NULL,
        Some(b't' | b'f') => "true or false",
        Some(b'"') => "a text",
        Some(b'[') => LIST,
        Some(b'{') => OBJECT,
        _ => "a number",
    }
}
