//! A YAML mapping in a label, as the leaves it would be if they were labels. Leaves keep their
//! text.

use std::borrow::Cow;

use super::field::Value;
use super::{DEPTH_LIMIT, ROUTES_LIMIT_BYTES, Tree};
use crate::sorted::Map;
use crate::yaml::{self, Key, Node};

/// A field in a mapping; the value is an error text where it can't be used.
pub struct Leaf {
    /// Its names with dots between. A dot in a key parts names, as it does in a label.
    pub path: String,
    /// What it is given.
    pub value: Result<Value<'static>, String>,
}

/// Reads a mapping into its leaves, in the order of the text. Tabs count as two spaces; an empty
/// text and `null` are an empty mapping. An error if it is something else or no YAML at all.
pub fn read(text: &str) -> Result<Vec<Leaf>, String> {
    if text.len() > ROUTES_LIMIT_BYTES {
        return Err(format!("too long: expected at most {ROUTES_LIMIT_BYTES} bytes"));
    }
    let spaced: Cow<'_, str> =
        if text.contains('\t') { text.replace('\t', "  ").into() } else { text.into() };
    let node = yaml::parse(&spaced).map_err(|p| format!("{p}: expected a YAML mapping"))?;
    match node.value {
        yaml::Value::Null => Ok(Vec::new()),
        yaml::Value::Map(map) => {
            let mut leaves = Leaves { found: Vec::new(), room_bytes: ROUTES_LIMIT_BYTES };
            leaves.map("", map, 1)?;
            Ok(leaves.found)
        }
        yaml::Value::Scalar { .. } => Err("a text: expected a YAML mapping of fields".into()),
        yaml::Value::List(_) => Err("a list: expected a YAML mapping of fields".into()),
    }
}

struct Leaves {
    found: Vec<Leaf>,
    /// Each leaf repeats the names above it: a long one over many would fill the memory.
    room_bytes: usize,
}

impl Leaves {
    fn map(&mut self, above: &str, map: Vec<(Key, Node)>, depth: usize) -> Result<(), String> {
        for (key, node) in map {
            let dot = if above.is_empty() { "" } else { "." };
            let path = format!("{above}{dot}{}", key.text);
            let room_bytes = self.room_bytes.checked_sub(path.len());
            self.room_bytes = room_bytes.ok_or("its keys together are too long: expected less")?;
            if key.text.split('.').any(str::is_empty) {
                self.push(path, Err("an empty name: expected one".into()));
            } else if depth > DEPTH_LIMIT {
                self.push(path, Err(too_deep()));
            } else {
                self.value(path, node.value, depth)?;
            }
        }
        Ok(())
    }

    fn value(&mut self, path: String, value: yaml::Value, depth: usize) -> Result<(), String> {
        match value {
            yaml::Value::Map(map) if !map.is_empty() => self.map(&path, map, depth + 1)?,
            yaml::Value::Map(_) => self.push(path, Ok(Value::Empty)),
            yaml::Value::Null => self.push(path, Ok(Value::Text("".into()))),
            yaml::Value::Scalar { text, .. } => self.push(path, Ok(Value::Text(text.into()))),
            yaml::Value::List(list) => {
                let list = list.into_iter().map(|node| tree(node, depth + 1)).collect();
                let list: Result<Vec<Tree>, String> = list;
                self.push(path, list.map(Value::List));
            }
        }
        Ok(())
    }

    fn push(&mut self, path: String, value: Result<Value<'static>, String>) {
        self.found.push(Leaf { path, value });
    }
}

/// What stands in a list, as it is: keys below a list are no paths.
fn tree(node: Node, depth: usize) -> Result<Tree, String> {
    if depth > DEPTH_LIMIT {
        return Err(too_deep());
    }
    match node.value {
        yaml::Value::Null => Ok(Tree::Leaf(String::new())),
        yaml::Value::Scalar { text, .. } => Ok(Tree::Leaf(text)),
        yaml::Value::List(list) => {
            let list: Result<_, _> = list.into_iter().map(|node| tree(node, depth + 1)).collect();
            list.map(Tree::List)
        }
        yaml::Value::Map(map) => {
            let mut branch = Map::new();
            for (key, node) in map {
                branch.insert(key.text, tree(node, depth + 1)?);
            }
            Ok(Tree::Branch(branch))
        }
    }
}

fn too_deep() -> String {
    format!("too deep: expected at most {DEPTH_LIMIT} names")
}
