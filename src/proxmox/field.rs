//! Fields of PVE's JSON, read leniently: numbers may be texts, truths are 0 and 1, and null is
//! nothing (PVE is written in Perl). Knows no field's meaning.

use serde_json::Value;

/// The text of a field; a number as PVE would print it. `None`: absent, null or empty.
pub fn text(object: &Value, name: &str) -> Option<String> {
    match object.get(name)? {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            None
        }
    }
}

/// A whole number that is not negative; what is negative by a hair (PVE's `cpu`) is 0.
pub fn count(object: &Value, name: &str) -> Option<u64> {
    let field = object.get(name)?;
    match field {
        Value::Number(number) => number.as_u64().or_else(|| Some(number.as_f64()?.max(0.0) as u64)),
        Value::String(text) => text.trim().parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A number that is not negative.
pub fn number(object: &Value, name: &str) -> Option<f64> {
    let number = match object.get(name)? {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => serde_json::from_str(text.trim()).ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    number.filter(|number| number.is_finite()).map(|number| number.max(0.0))
}

/// Whether a field is 1 in one of its shapes.
pub fn is_set(object: &Value, name: &str) -> bool {
    match object.get(name) {
        Some(Value::Bool(truth)) => *truth,
        Some(Value::Number(_) | Value::String(_)) => count(object, name) == Some(1),
        Some(Value::Null | Value::Array(_) | Value::Object(_)) | None => false,
    }
}

/// A guest's number: 100 to 999,999,999 (PVE's `pve-vmid`).
pub fn vmid(object: &Value) -> Option<u32> {
    u32::try_from(count(object, "vmid")?).ok().filter(|vmid| (100..=999_999_999).contains(vmid))
}
