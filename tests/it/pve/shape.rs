//! JSON as PVE writes it: the keys of an object in any order, numbers in quotes where an old
//! release did so.

use serde_json::Value;

/// Writes `value`; where its objects begin hangs on `turn`.
pub fn shuffled(value: &Value, turn: usize) -> String {
    match value {
        Value::Array(all) => {
            let parts = all.iter().enumerate().map(|(at, one)| shuffled(one, turn + at));
            format!("[{}]", parts.collect::<Vec<_>>().join(","))
        }
        Value::Object(all) => {
            let written = |(key, one): (&String, &Value)| {
                format!("{}:{}", Value::from(key.as_str()), shuffled(one, turn + 1))
            };
            let mut parts: Vec<String> = all.iter().map(written).collect();
            if !parts.is_empty() {
                let first = turn % parts.len();
                parts.rotate_left(first);
            }
            format!("{{{}}}", parts.join(","))
        }
        other => other.to_string(),
    }
}

/// Every number as a string.
pub fn quoted(value: Value) -> Value {
    match value {
        Value::Number(number) => Value::String(number.to_string()),
        Value::Array(all) => all.into_iter().map(quoted).collect(),
        Value::Object(all) => all.into_iter().map(|(key, one)| (key, quoted(one))).collect(),
        other => other,
    }
}
