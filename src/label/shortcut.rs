//! Plural labels that give one item to each alias: `proxy.ports: 8080, 9090`.

use std::borrow::Cow;

use super::field::{Field, Form, Target, Value};
use super::known;
use crate::sorted::{Map, Set};

/// Label and field. Of several labels for one field the first here stands.
const SHORTCUTS: [(&str, &str); 6] = [
    ("proxy.ports", "port"),
    ("proxy.schemes", "scheme"),
    ("proxy.protos", "scheme"),
    ("proxy.protocols", "scheme"),
    ("proxy.hosts", "host"),
    ("proxy.binds", "bind"),
];

/// Is the label a shortcut?
pub fn is(label: &str) -> bool {
    SHORTCUTS.iter().any(|(shortcut, _)| *shortcut == label)
}

/// The shortcuts' own words: `ports`, ….
pub fn words() -> impl Iterator<Item = &'static str> {
    SHORTCUTS.iter().filter_map(|(label, _)| label.strip_prefix("proxy."))
}

/// Adds the fields that shortcuts give. One whose field is already given for an alias it would
/// serve, on any level, is dropped whole.
pub fn read<'a>(
    labels: &'a Map<String, String>,
    aliases: &[String],
    fields: &mut Vec<Field<'a>>,
    errors: &mut Vec<String>,
) {
    let mut given = Set::new();
    let mut found = Vec::new();
    for (label, field) in SHORTCUTS {
        let Some(value) = labels.get(label) else { continue };
        let rival = match rival(value, field, aliases, fields) {
            None if !given.insert(field) => Some(format!("another shortcut gives `{field}`")),
            None => None,
            Some(rival) => Some(format!("{} gives `{field}`", rival.label())),
        };
        match rival {
            Some(rival) => errors.push(format!("{label}: {rival} too: expected one or the other")),
            None => {
                for item in items(field, value, aliases.len()) {
                    match item {
                        Ok(field) => found.push(field),
                        Err(problem) => errors.push(format!("{label}: {problem}")),
                    }
                }
            }
        }
    }
    fields.append(&mut found);
}

/// A field that gives an alias what the shortcut would give it.
fn rival<'f, 'a>(
    value: &str,
    name: &str,
    aliases: &[String],
    fields: &'f [Field<'a>],
) -> Option<&'f Field<'a>> {
    let served: Vec<bool> = value.split(',').map(|item| !item.trim().is_empty()).collect();
    let serves = |index: usize| served.get(index).copied().unwrap_or(false);
    let with_items = aliases.iter().enumerate().filter(|(index, _)| serves(*index));
    let mut by_name = Set::new();
    by_name.extend(with_items.map(|(_, alias)| alias.as_str()));
    fields.iter().find(|field| {
        field.path == name
            && match field.target {
                Target::Every => !by_name.is_empty(),
                Target::Number(index) => serves(index),
                Target::Name(alias) => by_name.contains(alias),
            }
    })
}

/// The N-th item for the N-th alias, or what is wrong with it. An empty item gives nothing.
fn items<'a>(
    name: &'static str,
    value: &'a str,
    alias_count: usize,
) -> Vec<Result<Field<'a>, String>> {
    let items = value.split(',').map(str::trim).enumerate().filter(|(_, item)| !item.is_empty());
    // One more than there are aliases tells the same as many.
    let few = items.take(alias_count + 1);
    few.map(|(index, item)| {
        if index >= alias_count {
            return Err(format!(
                "item {}: one more than aliases: expected at most {alias_count}",
                index + 1
            ));
        }
        let value = Value::Text(Cow::Borrowed(item));
        known::check(name, &value).map_err(|problem| format!("item {}: {problem}", index + 1))?;
        let target = Target::Number(index);
        Ok(Field { target, form: Form::Dotted, path: Cow::Borrowed(name), value })
    })
    .collect()
}
