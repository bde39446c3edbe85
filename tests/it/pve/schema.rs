//! What PVE's API takes: its own schema where that lies beside the crate, else a short table of
//! what drowse may ask. Checks parameters as the server's `PVE::JSONSchema` does.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;

use super::Release;
use crate::replies::beside;

/// One endpoint a line: `*` is answered by the daemon that runs as root, `8+` says since when it is
/// there, and `7.` that it is so only there. After the path its parameters beyond those in it, `?`
/// where they may be missing.
const TABLE: &str = "\
7+ - GET /version
7+ - GET /nodes
7+ - GET /cluster/resources type?=vm|storage|node|sdn
7+ - GET /access/permissions path?:string
7+ * GET /nodes/{node}/lxc
7+ - GET /nodes/{node}/lxc/{vmid}/config current?:boolean
7+ * GET /nodes/{node}/lxc/{vmid}/status/current
8+ * GET /nodes/{node}/lxc/{vmid}/interfaces
7+ * POST /nodes/{node}/lxc/{vmid}/status/start debug?:boolean skiplock?:boolean
7+ * POST /nodes/{node}/lxc/{vmid}/status/shutdown forceStop?:boolean timeout?:natural
7. * POST /nodes/{node}/lxc/{vmid}/status/stop skiplock?:boolean
8+ * POST /nodes/{node}/lxc/{vmid}/status/stop skiplock?:boolean overrule-shutdown?:boolean
7+ * GET /nodes/{node}/tasks/{upid}/status
7+ * GET /nodes/{node}/tasks/{upid}/log limit?:natural start?:natural
";

/// One endpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    pub method: String,
    /// `/nodes/{node}/lxc`
    pub path: String,
    /// Answered by pvedaemon, which `pveproxy` asks.
    pub protected: bool,
    pub token: bool,
    pub parameters: Vec<Parameter>,
}

/// One parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    pub name: String,
    pub optional: bool,
    pub kind: Kind,
    /// `pve-vmid`, `pve-node`
    pub format: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    Integer {
        min: Option<i64>,
        max: Option<i64>,
    },
    Boolean,
    Text,
    OneOf(Vec<String>),
    /// Nothing here knows how to check it, so nothing may send it.
    Unknown(String),
}

/// What a release takes.
pub fn rules(release: Release) -> Vec<Rule> {
    of_schema(release).unwrap_or_else(|| of_table(release))
}

/// The schema's own rules; `None` where it is not there.
pub fn of_schema(release: Release) -> Option<Vec<Rule>> {
    let text = fs::read(beside("proxmox/api-schema.json")).ok()?;
    let schema: Value = serde_json::from_slice(&text).unwrap();
    let endpoints = &schema["versions"][release.number().to_string()]["endpoints"];
    Some(endpoints.as_array().unwrap().iter().map(rule).collect())
}

/// The rules of the short table.
pub fn of_table(release: Release) -> Vec<Rule> {
    let there = |line: &&str| {
        let (since, rest) = line.split_at(1);
        let since: u32 = since.parse().unwrap();
        since == release.number() || (since < release.number() && rest.starts_with('+'))
    };
    let lines = TABLE.lines().filter(there);
    lines.map(|line| row(line, release)).collect()
}

/// The endpoint that answers there, and what its path says.
pub fn find<'a>(
    rules: &'a [Rule],
    method: &str,
    path: &str,
) -> Option<(&'a Rule, Vec<(String, String)>)> {
    let found = |rule: &'a Rule| Some((rule, variables(&rule.path, path)?));
    rules.iter().filter(|rule| rule.method == method).find_map(found)
}

/// What is wrong with these parameters, each by its name; `text`: they came as a form or a query.
pub fn complaints(rule: &Rule, given: &[(String, Value)]) -> BTreeMap<String, String> {
    let mut wrong = BTreeMap::new();
    for (name, value) in given {
        match rule.parameters.iter().find(|parameter| parameter.name == *name) {
            Some(parameter) => {
                if let Err(what) = check(parameter, value) {
                    wrong.insert(name.clone(), what);
                }
            }
            None => {
                let what = "property is not defined in schema and the schema does not allow \
                            additional properties";
                wrong.insert(name.clone(), what.into());
            }
        }
    }
    for parameter in rule.parameters.iter().filter(|parameter| !parameter.optional) {
        if !given.iter().any(|(name, _)| *name == parameter.name) {
            let what = "property is missing and it is not optional";
            wrong.insert(parameter.name.clone(), what.into());
        }
    }
    wrong
}

fn check(parameter: &Parameter, value: &Value) -> Result<(), String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Bool(truth) => u8::from(*truth).to_string(),
        other => other.to_string(),
    };
    let not_a = |kind: &str| Err(format!("type check ('{kind}') failed - got '{text}'"));
    match &parameter.kind {
        Kind::Integer { min, max } => {
            let digits = text.strip_prefix(['-', '+']).unwrap_or(&text);
            if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return not_a("integer");
            }
            let number: i64 = text.parse().unwrap_or(i64::MAX);
            // The format is looked at before the bounds.
            format(parameter, &text)?;
            if let Some(min) = min.filter(|min| number < *min) {
                return Err(format!("value must have a minimum value of {min}"));
            }
            if let Some(max) = max.filter(|max| number > *max) {
                return Err(format!("value must have a maximum value of {max}"));
            }
            Ok(())
        }
        Kind::Boolean if text != "0" && text != "1" => not_a("boolean"),
        Kind::OneOf(all) if !all.contains(&text) => {
            let all = all.join(", ");
            Err(format!("value '{text}' does not have a value in the enumeration '{all}'"))
        }
        Kind::Unknown(kind) => Err(format!("the double can't check a parameter of {kind}")),
        Kind::Boolean | Kind::OneOf(_) | Kind::Text => format(parameter, &text),
    }
}

/// `PVE::JSONSchema`'s formats, as far as they come up.
fn format(parameter: &Parameter, text: &str) -> Result<(), String> {
    let invalid = |what: &str| Err(format!("invalid format - value does not look like {what}\n"));
    let word = |b: u8| b.is_ascii_alphanumeric();
    match parameter.format.as_deref() {
        None => Ok(()),
        Some("pve-vmid") => match text.as_bytes() {
            [b'1'..=b'9', rest @ ..] if (2..=8).contains(&rest.len()) => Ok(()),
            _ => invalid("a valid VM ID"),
        },
        Some("pve-node") => match text.as_bytes() {
            [first, .., last] if !word(*first) || !word(*last) => invalid("a valid node name"),
            bytes if bytes.iter().all(|b| word(*b) || *b == b'-') && !bytes.is_empty() => Ok(()),
            _ => invalid("a valid node name"),
        },
        Some(other) => Err(format!("the double can't check the format {other}")),
    }
}

/// What stands in the place of `{…}`; `None`: it is another path.
fn variables(template: &str, path: &str) -> Option<Vec<(String, String)>> {
    let (wanted, given) = (template.split('/'), path.split('/'));
    if wanted.clone().count() != given.clone().count() {
        return None;
    }
    let mut found = Vec::new();
    for (wanted, given) in wanted.zip(given) {
        match wanted.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            Some(name) => found.push((name.to_owned(), super::wire::decoded(given))),
            None if wanted == given => {}
            None => return None,
        }
    }
    Some(found)
}

fn rule(endpoint: &Value) -> Rule {
    let text = |key: &str| endpoint[key].as_str().unwrap().to_owned();
    let schema = &endpoint["parameters"];
    assert_eq!(schema["additionalProperties"], 0, "{endpoint}");
    let mut parameters: Vec<Parameter> = match schema["properties"].as_object() {
        Some(all) => all.iter().map(|(name, of)| parameter(name, of)).collect(),
        None => Vec::new(),
    };
    parameters.sort_by(|one, other| one.name.cmp(&other.name));
    Rule {
        method: text("method"),
        path: text("path"),
        protected: endpoint["protected"] == 1,
        token: endpoint["allowtoken"] == 1,
        parameters,
    }
}

fn parameter(name: &str, of: &Value) -> Parameter {
    let kind = match (&of["enum"], of["type"].as_str()) {
        (Value::Array(all), _) => {
            Kind::OneOf(all.iter().map(|one| one.as_str().unwrap().to_owned()).collect())
        }
        _ if of.get("pattern").is_some() => Kind::Unknown("a pattern".into()),
        (_, Some("integer")) => {
            Kind::Integer { min: of["minimum"].as_i64(), max: of["maximum"].as_i64() }
        }
        (_, Some("boolean")) => Kind::Boolean,
        (_, Some("string")) => Kind::Text,
        (_, other) => Kind::Unknown(format!("the type {other:?}")),
    };
    let format = of["format"].as_str().map(str::to_owned);
    Parameter { name: name.to_owned(), optional: of["optional"] == 1, kind, format }
}

/// A line of the table.
fn row(line: &str, release: Release) -> Rule {
    let mut words = line.split(' ').skip(1);
    let mut word = || words.next().unwrap().to_owned();
    let (mark, method, path) = (word(), word(), word());
    let mut parameters: Vec<Parameter> = words.map(written).collect();
    for name in ["node", "vmid", "upid"] {
        if path.contains(&format!("{{{name}}}")) {
            parameters.push(in_path(name, release));
        }
    }
    parameters.sort_by(|one, other| one.name.cmp(&other.name));
    Rule { method, path, protected: mark == "*", token: true, parameters }
}

fn in_path(name: &str, release: Release) -> Parameter {
    let bounds = match release {
        Release::V7 => (Some(1), None),
        Release::V8 | Release::V9 => (Some(100), Some(999_999_999)),
    };
    let (kind, format) = match name {
        "node" => (Kind::Text, Some("pve-node".to_owned())),
        "vmid" => (Kind::Integer { min: bounds.0, max: bounds.1 }, Some("pve-vmid".to_owned())),
        _ => (Kind::Text, None),
    };
    Parameter { name: name.to_owned(), optional: false, kind, format }
}

fn written(word: &str) -> Parameter {
    let (name, rest) = word.split_once('?').unwrap();
    let kind = match rest.split_at(1) {
        ("=", all) => Kind::OneOf(all.split('|').map(str::to_owned).collect()),
        (":", "boolean") => Kind::Boolean,
        (":", "natural") => Kind::Integer { min: Some(0), max: None },
        (":", "string") => Kind::Text,
        _ => panic!("{word}"),
    };
    Parameter { name: name.to_owned(), optional: true, kind, format: None }
}
