//! From YAML nodes to typed values, every problem collected on the way. Knows no key by name.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::{Env, Problem};
use crate::nearest::nearest;
use crate::net::access::plain;
use crate::yaml::{Key, Node, Position, Value};

/// No file that the config names is longer.
const FILE_LIMIT_BYTES: u64 = 1 << 20;

/// A file being read, and what was found wrong with it so far.
pub(super) struct Reader<'a> {
    pub file: &'a Path,
    pub env: &'a Env,
    pub problems: Vec<Problem>,
}

/// A map whose keys are known to be known.
pub(super) struct Section<'n> {
    entries: &'n [(Key, Node)],
    pub at: Position,
}

impl<'n> Section<'n> {
    /// The value of a key; nothing if it is left empty.
    pub fn field(&self, key: &str) -> Option<&'n Node> {
        let found = self.entries.iter().find(|(known, _)| known.text == key);
        found.map(|(_, node)| node).filter(|node| node.value != Value::Null)
    }
}

impl Reader<'_> {
    /// Notes a problem, in the order of the text.
    pub fn problem(&mut self, at: Position, what: impl Into<String>) {
        let problem = Problem { file: self.file.into(), at: Some(at), what: what.into() };
        let place = self.problems.partition_point(|before| before.at <= problem.at);
        self.problems.insert(place, problem);
    }

    /// A map with these keys and no others; nothing counts as an empty one. `None`: it is no map,
    /// and that is noted.
    pub fn section<'n>(&mut self, node: &'n Node, known: &[&str]) -> Option<Section<'n>> {
        let entries = self.entries(node)?;
        for (key, _) in entries {
            if !known.contains(&&*key.text) {
                self.unknown_key(key, known);
            }
        }
        Some(Section { entries, at: node.at })
    }

    /// A map with any keys; nothing counts as an empty one.
    pub fn entries<'n>(&mut self, node: &'n Node) -> Option<&'n [(Key, Node)]> {
        match &node.value {
            Value::Map(entries) => Some(entries),
            Value::Null => Some(&[]),
            Value::Scalar { .. } | Value::List(_) => {
                self.problem(node.at, format!("{}, expected a map", shape(node)));
                None
            }
        }
    }

    /// A list; nothing counts as an empty one, and so does what is no list, which is noted.
    pub fn items<'n>(&mut self, node: &'n Node) -> &'n [Node] {
        match &node.value {
            Value::List(items) => items,
            Value::Null => &[],
            Value::Scalar { .. } | Value::Map(_) => {
                self.problem(node.at, format!("{}, expected a list", shape(node)));
                &[]
            }
        }
    }

    pub fn unknown_key(&mut self, key: &Key, known: &[&str]) {
        let expected = match nearest(&key.text, known.iter().copied()) {
            Some(near) => format!("`{near}`"),
            None => format!("one of {}", known.join(", ")),
        };
        self.problem(key.at, format!("unknown key `{}`, expected {expected}", key.text));
    }

    /// A text with its variables replaced. `None`: there is none, and that is noted.
    pub fn text(&mut self, node: &Node) -> Option<String> {
        let Value::Scalar { text, .. } = &node.value else {
            self.problem(node.at, format!("{}, expected a text", shape(node)));
            return None;
        };
        match expand(text, self.env) {
            Ok(text) => Some(text),
            Err(what) => {
                self.problem(node.at, what);
                None
            }
        }
    }

    /// A field as `read` takes it; its error tells what was expected.
    pub fn value<T>(
        &mut self,
        section: &Section<'_>,
        key: &str,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        let node = section.field(key)?;
        let text = self.text(node)?;
        match read(&text) {
            Ok(value) => Some(value),
            Err(what) => {
                self.problem(node.at, format!("{key}: {what}"));
                None
            }
        }
    }

    /// As [`Reader::value`], and its absence is a problem.
    pub fn required<T>(
        &mut self,
        section: &Section<'_>,
        key: &str,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        if section.field(key).is_none() {
            self.problem(section.at, format!("expected `{key}`"));
        }
        self.value(section, key, read)
    }

    /// A file that can be read.
    pub fn file(&mut self, section: &Section<'_>, key: &str) -> Option<PathBuf> {
        let base = self.file.parent().unwrap_or(Path::new("")).to_owned();
        self.value(section, key, |text| {
            let path = base.join(text);
            match is_readable(&path) {
                Ok(true) => Ok(path),
                Ok(false) => Err(format!("{}: no such file", path.display())),
                Err(what) => Err(what),
            }
        })
    }
}

/// Whether a file is there; an error, with its name, if it is and can't be read.
pub(super) fn is_readable(path: &Path) -> Result<bool, String> {
    let named = |e: io::Error| format!("{}: {}", path.display(), plain(&e));
    match path.metadata() {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(named(e)),
        // Looked at before it is opened: opening a pipe waits for a writer.
        Ok(found) if !found.is_file() => Err(format!("{}: expected a file", path.display())),
        Ok(_) => File::open(path).map(|_| true).map_err(named),
    }
}

/// A file's whole text. The error says why not, without the file's name.
pub(super) fn whole_text(path: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|e| plain(&e))?;
    file.take(FILE_LIMIT_BYTES + 1).read_to_end(&mut bytes).map_err(|e| plain(&e))?;
    if bytes.len() as u64 > FILE_LIMIT_BYTES {
        return Err(format!("longer than {FILE_LIMIT_BYTES} bytes"));
    }
    String::from_utf8(bytes).map_err(|e| {
        let good = e.utf8_error().valid_up_to();
        format!("not UTF-8 after {good} bytes")
    })
}

/// A whole number within limits.
pub(super) fn number(text: &str, least: u32, most: u32) -> Result<u32, String> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    match text.parse() {
        Ok(number) if digits && (least..=most).contains(&number) => Ok(number),
        _ => Err(format!("`{text}`, expected a number from {least} to {most}")),
    }
}

/// A port.
pub(super) fn port(text: &str) -> Result<u16, String> {
    let port = number(text, 1, u32::from(u16::MAX))?;
    u16::try_from(port).map_err(|e| e.to_string())
}

/// `true` or `false`.
pub(super) fn truth(text: &str) -> Result<bool, String> {
    word(text, &[("true", true), ("false", false)])
}

/// One of some words.
pub(super) fn word<T: Copy>(text: &str, words: &[(&str, T)]) -> Result<T, String> {
    if let Some((_, value)) = words.iter().find(|(known, _)| *known == text) {
        return Ok(*value);
    }
    let known: Vec<&str> = words.iter().map(|(known, _)| *known).collect();
    let expected = match nearest(text, known.iter().copied()) {
        Some(near) => format!("`{near}`"),
        None => known.join(" or "),
    };
    Err(format!("`{text}`, expected {expected}"))
}

/// Replaces `${NAME}` and `${NAME:-default}`; any other `$` stays.
fn expand(text: &str, env: &Env) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((inside, behind)) = after.split_once('}') else {
            return Err("a `${` without its `}`".into());
        };
        let (name, default) = match inside.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inside, None),
        };
        let Some(value) = env.var(name).or(default) else {
            return Err(format!("${{{name}}} is not set, expected it in the environment"));
        };
        out.push_str(before);
        out.push_str(value);
        rest = behind;
    }
    out.push_str(rest);
    Ok(out)
}

/// What a node is, in a word or two. Never its text, which may be a secret.
fn shape(node: &Node) -> &'static str {
    match node.value {
        Value::Null => "nothing",
        Value::Scalar { .. } => "a text",
        Value::List(_) => "a list",
        Value::Map(_) => "a map",
    }
}
