//! Labels to routes: GoDoxy's label language. Text in, text out, but for the few known fields that
//! are checked; idle labels are read in `plan`. Pure.
//!
//! A label is `proxy.<alias>.<field>[.<field>…]`. Every label becomes one or more [`field::Field`]s
//! (which routes, which path, which value); `merge` lays them over each other, weakest first:
//!
//! ```text
//! *  <  #N  <  name       and within each:  YAML mapping  <  dotted label
//!                         and within each:  shorter path  <  longer path
//! ```
//!
//! `proxy.<alias>` takes a YAML mapping: each of its leaves is as good as a label, so that a dot in
//! a key parts names, and `null` is an empty text. The text of a longer label stays text and is
//! read as a mapping only where another path goes through it or a mapping stands there already.

mod field;
mod known;
mod mapping;
mod merge;
mod shortcut;

use std::ops::Bound;

use serde::Serialize;

use crate::sorted::{Map, Set};

pub use known::listen_and_target;

/// How many names a path may have, the alias included, and how deep a YAML mapping may go.
pub const DEPTH_LIMIT: usize = 32;

/// How many bytes the routes of one container may take, roughly counted. A wildcard over many
/// aliases multiplies; without this a small label map could fill the memory.
pub const ROUTES_LIMIT_BYTES: usize = 1 << 20;

/// First words that are labels of their own and never aliases.
pub const RESERVED: [&str; 14] = [
    "aliases",
    "depends_on",
    "exclude",
    "idle_cpu",
    "idle_threshold",
    "idle_timeout",
    "network",
    "no_loading_page",
    "ready",
    "start_endpoint",
    "stop_method",
    "stop_signal",
    "stop_timeout",
    "wake_timeout",
];

/// What labels give a route: text nested by its names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Tree {
    /// The text as written.
    Leaf(String),
    /// A list in a YAML value. Labels have no form for it, so it is one value: it replaces and is
    /// replaced as a whole.
    List(Vec<Tree>),
    /// By name.
    Branch(Map<String, Tree>),
}

impl Tree {
    /// The text at a path of names (`["healthcheck", "path"]`).
    pub fn text(&self, path: &[&str]) -> Option<&str> {
        let mut at = self;
        for name in path {
            let Tree::Branch(map) = at else { return None };
            at = map.get(*name)?;
        }
        match at {
            Tree::Leaf(text) => Some(text),
            Tree::List(_) | Tree::Branch(_) => None,
        }
    }
}

/// The labels that begin with `proxy.`, in order.
pub fn ours(labels: &Map<String, String>) -> impl Iterator<Item = (&str, &str)> {
    let behind = labels.range::<str>((Bound::Included("proxy."), Bound::Unbounded));
    let all = behind.map(|(label, value)| (label.as_str(), value.as_str()));
    all.take_while(|(label, _)| label.starts_with("proxy."))
}

/// Whether the container has any label of ours: then the user means drowse to know it.
pub fn is_explicit(labels: &Map<String, String>) -> bool {
    ours(labels).next().is_some()
}

/// True: 1, t, true, yes, on. False: 0, f, false, no, off. Any case, blanks around it ignored.
pub fn boolean(text: &str) -> Option<bool> {
    let is = |words: [&str; 5]| words.iter().any(|word| text.trim().eq_ignore_ascii_case(word));
    match () {
        () if is(["1", "t", "true", "yes", "on"]) => Some(true),
        () if is(["0", "f", "false", "no", "off"]) => Some(false),
        () => None,
    }
}

/// The names of a container's routes: `proxy.aliases` split at commas, trimmed, empties and repeats
/// dropped; the container's name where that leaves none.
pub fn aliases(labels: &Map<String, String>, container_name: &str) -> Vec<String> {
    let mut names = Vec::new();
    if let Some(given) = labels.get("proxy.aliases") {
        let mut seen = Set::new();
        let given = given.split(',').map(str::trim).filter(|name| !name.is_empty());
        names.extend(given.filter(|name| seen.insert(*name)).map(str::to_owned));
    }
    if names.is_empty() && !container_name.is_empty() {
        names.push(container_name.to_owned());
    }
    names
}

/// The routes of a container, one for each alias and for each new name that a label gives fields;
/// each is a [`Tree::Branch`]. What can't be used is told in `errors`, once for each label, as
/// `label: what: what was expected`, and never repeats a value.
pub fn routes(
    labels: &Map<String, String>,
    aliases: &[String],
    errors: &mut Vec<String>,
) -> Map<String, Tree> {
    if labels.contains_key("proxy") {
        errors.push("proxy: not a label of its own: expected proxy.<alias>.<field>".into());
    }
    // Most containers have none: nothing is laid over anything.
    if !is_explicit(labels) {
        let bare = |alias: &String| (alias.clone(), Tree::Branch(Map::new()));
        return aliases.iter().map(bare).collect();
    }
    let mut fields = field::read(labels, aliases.len(), errors);
    shortcut::read(labels, aliases, &mut fields, errors);
    merge::merge(fields, aliases, errors)
}
