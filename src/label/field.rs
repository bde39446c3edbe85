//! One label read on its own: which routes it is for, which field, which value. Nothing is laid
//! over anything here.

use std::borrow::Cow;
use std::fmt;

use super::{DEPTH_LIMIT, RESERVED, Tree, known, mapping, ours, shortcut};
use crate::nearest::nearest;
use crate::sorted::Map;

/// Which routes a field is for, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target<'a> {
    /// `*`
    Every,
    /// `#N`, counted from 0 here.
    Number(usize),
    /// The route's name.
    Name(&'a str),
}

/// How a field was written, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// In the YAML mapping of `proxy.<alias>`.
    Mapping,
    /// As a label.
    Dotted,
}

/// What a field is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// A text. An empty one is an empty mapping to a longer path.
    Text(Cow<'a, str>),
    /// A list in a YAML mapping.
    List(Vec<Tree>),
    /// A mapping without anything in it.
    Empty,
}

/// A field of one or more routes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// Which routes.
    pub target: Target<'a>,
    /// How it was written.
    pub form: Form,
    /// Its names with dots between, none empty; empty for the route itself.
    pub path: Cow<'a, str>,
    /// What it is given.
    pub value: Value<'a>,
}

impl Field<'_> {
    /// How many names its path has.
    pub fn depth(&self) -> usize {
        names(&self.path).count()
    }

    /// The label it is, or would be if it weren't in a mapping.
    pub fn label(&self) -> String {
        let dot = if self.path.is_empty() { "" } else { "." };
        format!("proxy.{}{dot}{}", self.target, self.path)
    }
}

impl fmt::Display for Target<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Every => f.write_str("*"),
            Target::Number(index) => write!(f, "#{}", index + 1),
            Target::Name(name) => f.write_str(name),
        }
    }
}

/// The names of a path.
pub fn names(path: &str) -> impl Iterator<Item = &str> {
    path.split('.').filter(|name| !name.is_empty())
}

/// All fields that route labels give, in the order of the labels; of a mapping, in its own order.
pub fn read<'a>(
    labels: &'a Map<String, String>,
    alias_count: usize,
    errors: &mut Vec<String>,
) -> Vec<Field<'a>> {
    let mut fields = Vec::new();
    for (label, value) in ours(labels) {
        let read = match place(label, alias_count) {
            Ok(None) => continue,
            Ok(Some((target, ""))) => mapped(target, value, errors),
            Ok(Some((target, path))) => dotted(target, path, value).map(|field| vec![field]),
            Err(problem) => Err(problem),
        };
        match read {
            Ok(read) => fields.extend(read),
            Err(problem) => errors.push(format!("{label}: {problem}")),
        }
    }
    fields
}

/// Target and path of a label; `None` for those that are read elsewhere.
fn place(label: &str, alias_count: usize) -> Result<Option<(Target<'_>, &str)>, String> {
    let rest = label.strip_prefix("proxy.").unwrap_or_default();
    if rest.split('.').any(str::is_empty) {
        return Err("an empty name: expected proxy.<alias>.<field>".into());
    }
    if rest.split('.').nth(DEPTH_LIMIT).is_some() {
        return Err(format!("too many names: expected at most {DEPTH_LIMIT}"));
    }
    let (first, path) = rest.split_once('.').unwrap_or((rest, ""));
    let reserved = RESERVED.contains(&first);
    if path.is_empty() && (reserved || shortcut::is(label)) {
        return Ok(None);
    }
    if reserved {
        return Err(format!("`{first}` is not an alias: expected proxy.{first} alone"));
    }
    Ok(Some((target(first, alias_count)?, path)))
}

fn target(first: &str, alias_count: usize) -> Result<Target<'_>, String> {
    if first == "*" {
        return Ok(Target::Every);
    }
    let Some(digits) = first.strip_prefix('#') else { return Ok(Target::Name(first)) };
    let plain = digits.starts_with(|c: char| c.is_ascii_digit() && c != '0')
        && digits.bytes().all(|b| b.is_ascii_digit());
    let number = if plain { digits.parse::<usize>().ok() } else { None };
    match number {
        Some(number) if number <= alias_count => Ok(Target::Number(number - 1)),
        _ => Err(format!("no such alias: expected #1 to #{alias_count}")),
    }
}

fn dotted<'a>(target: Target<'a>, path: &'a str, text: &'a str) -> Result<Field<'a>, String> {
    let value = Value::Text(Cow::Borrowed(text));
    known::check(path, &value)?;
    Ok(Field { target, form: Form::Dotted, path: Cow::Borrowed(path), value })
}

/// The fields of a YAML mapping. A bad one is told in `errors` and hides no other.
fn mapped<'a>(
    target: Target<'a>,
    text: &str,
    errors: &mut Vec<String>,
) -> Result<Vec<Field<'a>>, String> {
    let leaves = mapping::read(text).map_err(|problem| meant(target, problem))?;
    let route = Field { target, form: Form::Mapping, path: Cow::Borrowed(""), value: Value::Empty };
    let mut fields = vec![route.clone()];
    for leaf in leaves {
        let path = Cow::Owned(leaf.path);
        match leaf.value.and_then(|value| known::check(&path, &value).map(|()| value)) {
            Ok(value) => fields.push(Field { path, value, ..route.clone() }),
            Err(problem) => {
                let label = Field { path, ..route.clone() }.label();
                errors.push(format!("{label}: {problem}"));
            }
        }
    }
    Ok(fields)
}

/// Adds the label that may have been meant: a misspelt idle label looks like an alias.
fn meant(target: Target<'_>, problem: String) -> String {
    let Target::Name(name) = target else { return problem };
    match nearest(name, RESERVED.into_iter().chain(shortcut::words())) {
        Some(word) => format!("{problem}; did you mean proxy.{word}?"),
        None => problem,
    }
}
