//! A container whose JSON is not as it should be, field by field: what can be read stands, the rest
//! becomes a text. Slow on purpose; the good ones never come here.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::docker::answer::one_line;
use crate::docker::inspect::Inspect;
use crate::docker::types::{NetworkSettings, Summary};

/// Reads an object of the list or of inspect (there `State` is an object) as far as it goes.
pub(crate) fn summary(json: &str) -> Summary {
    let is_inspect = is_inspect(json);
    if let (true, Ok(inspect)) = (is_inspect, serde_json::from_str::<Inspect>(json)) {
        return inspect.into_summary();
    }
    match serde_json::from_str::<Value>(json) {
        Ok(Value::Object(fields)) if is_inspect => by_fields(like_the_list(fields)),
        Ok(Value::Object(fields)) => by_fields(fields),
        Ok(other) => nothing(format!("expected an object, found {}", kind(&other))),
        Err(error) => nothing(one_line(&error.to_string())),
    }
}

/// In the list `State` is a text.
fn is_inspect(json: &str) -> bool {
    #[derive(Deserialize)]
    struct Probe<'a> {
        #[serde(borrow, rename = "State")]
        state: &'a RawValue,
    }
    let is_object = json.trim_start().starts_with('{');
    is_object
        && serde_json::from_str::<Probe>(json).is_ok_and(|probe| probe.state.get().starts_with('{'))
}

fn nothing(problem: String) -> Summary {
    Summary { problems: vec![problem], ..Summary::default() }
}

fn by_fields(fields: Map<String, Value>) -> Summary {
    let mut from = Fields { fields, problems: Vec::new() };
    Summary {
        id: from.one("Id"),
        names: from.list("Names"),
        image: from.one("Image"),
        image_id: from.one("ImageID"),
        ports: from.list("Ports"),
        labels: from.map("Labels"),
        state: from.one("State"),
        status: from.one("Status"),
        health: from.one("Health"),
        host_config: from.one("HostConfig"),
        network_settings: from.one::<NetworkSettings>("NetworkSettings"),
        mounts: from.list("Mounts"),
        problems: from.problems,
    }
}

/// An inspect object that could not be read as one, with its fields where the list has them.
fn like_the_list(mut inspect: Map<String, Value>) -> Map<String, Value> {
    let mut take = |name: &str| inspect.remove(name).unwrap_or(Value::Null);
    let within = |from: &mut Value, name: &str| from.get_mut(name).map(Value::take);
    let (mut state, mut config) = (take("State"), take("Config"));
    let (image_id, name) = (take("Image"), take("Name"));
    let moved = [
        ("Names", Some(Value::Array(vec![name]))),
        ("Image", within(&mut config, "Image")),
        ("ImageID", Some(image_id)),
        ("Labels", within(&mut config, "Labels")),
        ("State", within(&mut state, "Status")),
        ("Health", within(&mut state, "Health")),
    ];
    inspect.extend(moved.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    inspect
}

/// What is left to read, and what could not be read so far.
struct Fields {
    fields: Map<String, Value>,
    problems: Vec<String>,
}

impl Fields {
    fn one<T: DeserializeOwned + Default>(&mut self, name: &str) -> T {
        let value = self.fields.remove(name).unwrap_or(Value::Null);
        self.read(name, value).unwrap_or_default()
    }

    fn list<T: DeserializeOwned>(&mut self, name: &str) -> Vec<T> {
        let items = match self.fields.remove(name).unwrap_or(Value::Null) {
            Value::Array(items) => items,
            Value::Null => Vec::new(),
            other => {
                self.problems.push(format!("{name}: {}: expected a list", kind(&other)));
                Vec::new()
            }
        };
        let read = |(at, item)| self.read(&format!("{name}[{at}]"), item);
        items.into_iter().enumerate().filter_map(read).collect()
    }

    fn map<T: DeserializeOwned>(&mut self, name: &str) -> BTreeMap<String, T> {
        let entries = match self.fields.remove(name).unwrap_or(Value::Null) {
            Value::Object(entries) => entries,
            Value::Null => Map::new(),
            other => {
                self.problems.push(format!("{name}: {}: expected an object", kind(&other)));
                Map::new()
            }
        };
        let read = |(key, value): (String, Value)| {
            let value = self.read(&format!("{name}.{key}"), value)?;
            Some((key, value))
        };
        entries.into_iter().filter_map(read).collect()
    }

    /// `null` is nothing, and no problem. Values are not shown: labels may hold secrets.
    fn read<T: DeserializeOwned>(&mut self, name: &str, value: Value) -> Option<T> {
        let found = kind(&value);
        if value.is_null() {
            return None;
        }
        // Through text: a decoder from values would be a second copy of all the decoders.
        let error = match serde_json::from_str(&value.to_string()) {
            Ok(value) => return Some(value),
            Err(error) => error.to_string(),
        };
        let error = error.rsplit_once(" at line ").map_or(error.as_str(), |(text, _)| text);
        let expected = error.rsplit_once("expected ").map_or("something else", |(_, what)| what);
        let inside = matches!(found, "a list" | "an object");
        let found = if inside { "something in it" } else { found };
        self.problems.push(one_line(&format!("{name}: {found}: expected {expected}")));
        None
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
