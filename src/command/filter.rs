//! `--filter key=value`: which go to the engine as its own, and which are decided here.

use crate::container::Container;
use crate::docker::Filters;
use crate::nearest;

/// What a container must be. Values of one key are alternatives, keys must all hold.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// The engine's own: `label`, `name` (part of it, or a regular expression) and `status`.
    pub engine: Filters,
    here: Vec<(Field, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Alias,
    Engine,
    Health,
    Image,
    Project,
    Service,
}

const KEYS: &[&str] =
    &["alias", "engine", "health", "image", "label", "name", "project", "service", "state"];

/// Docker API 1.41, `ContainerList`, which Podman takes too.
const STATES: &[&str] =
    &["created", "dead", "exited", "paused", "removing", "restarting", "running"];

const HEALTHS: &[&str] = &["healthy", "none", "starting", "unhealthy"];

impl Filter {
    /// One `key=value`. An error says which keys there are.
    pub fn add(&mut self, text: &str) -> Result<(), String> {
        let Some((key, value)) = text.split_once('=').filter(|(_, value)| !value.is_empty()) else {
            return Err(format!("`{text}`: expected KEY=VALUE, such as state=running"));
        };
        let field = match key {
            "label" | "name" => {
                self.engine.add(key, value);
                return Ok(());
            }
            "state" => {
                self.engine.add("status", one_of(value, STATES)?);
                return Ok(());
            }
            "alias" => Field::Alias,
            "engine" => Field::Engine,
            "health" => one_of(value, HEALTHS).map(|_| Field::Health)?,
            "image" => Field::Image,
            "project" => Field::Project,
            "service" => Field::Service,
            _ => return one_of(key, KEYS).map(drop),
        };
        self.here.push((field, value.to_string()));
        Ok(())
    }

    /// What the engine could not decide; of a guest all, for its cluster has no filters.
    pub fn admits(&self, container: &Container) -> bool {
        let by_engine = container.vmid.is_none() || self.admits_guest(container);
        by_engine && self.is_admitted_here(container)
    }

    /// What an engine would decide.
    fn admits_guest(&self, guest: &Container) -> bool {
        let state = match guest.state.as_str() {
            "stopped" => "exited",
            state => state,
        };
        let any = |key: &str, holds: &dyn Fn(&str) -> bool| {
            self.engine.of(key).next().is_none() || self.engine.of(key).any(holds)
        };
        let has = |label: &str| match label.split_once('=') {
            Some((name, value)) => guest.labels.get(name).is_some_and(|has| has == value),
            None => guest.labels.contains_key(label),
        };
        any("status", &|wanted| wanted == state)
            && any("name", &|part| guest.container_name.contains(part))
            && self.engine.of("label").all(has)
    }

    fn is_admitted_here(&self, container: &Container) -> bool {
        self.here.iter().all(|(field, _)| {
            self.here.iter().any(|(f, value)| f == field && field.holds(value, container))
        })
    }
}

/// A word that is known; the error says which are, and which was meant.
fn one_of<'a>(word: &'a str, known: &[&str]) -> Result<&'a str, String> {
    if known.contains(&word) {
        return Ok(word);
    }
    let hint = nearest::nearest(word, known.iter().copied())
        .map_or(String::new(), |near| format!("; did you mean `{near}`?"));
    Err(format!("`{word}`: expected one of {}{hint}", known.join(", ")))
}

impl Field {
    fn holds(self, value: &str, container: &Container) -> bool {
        let compose = container.compose.as_ref();
        match self {
            Field::Alias => container.aliases.iter().any(|alias| alias == value),
            Field::Engine => container.engine == value,
            Field::Health => container.health.word() == value,
            Field::Image => container.image.to_string() == value,
            Field::Project => compose.is_some_and(|compose| compose.project == value),
            Field::Service => compose.is_some_and(|compose| compose.service == value),
        }
    }
}
