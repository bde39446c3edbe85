//! Paths and queries of the Engine API as text. No requests, no versions.

use std::fmt::Display;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::json;
use crate::sorted::{Map, Set};

/// What RFC 3986 §2.3 lets stand anywhere; all else is encoded.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// An image name spans several segments: the engines' routes take its `/` as it is.
const ENCODED_IN_IMAGE: &AsciiSet = &ENCODED.remove(b'/').remove(b':').remove(b'@');

/// The engine's own filters: a map of lists, sent as JSON (Docker API 1.41, `filters`). Values of
/// one key are alternatives, but for labels: there all must hold; keys all must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filters(Map<String, Set<String>>);

impl Filters {
    /// The one filter `key=value`.
    pub fn one(key: &str, value: &str) -> Filters {
        let mut filters = Filters::default();
        filters.add(key, value);
        filters
    }

    /// Adds `key=value`; repeats are dropped.
    pub fn add(&mut self, key: &str, value: &str) {
        self.0.entry(key.to_owned()).or_default().insert(value.to_owned());
    }

    /// The values of one key.
    pub fn of(&self, key: &str) -> impl Iterator<Item = &str> {
        self.0.get(key).into_iter().flat_map(|values| values.iter()).map(String::as_str)
    }

    /// No filter at all?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `{"label":["a=b"],"status":["running"]}`, keys and values sorted.
    pub fn json(&self) -> String {
        let mut out = Vec::new();
        json::write::json(&self.0, &mut out);
        String::from_utf8(out).unwrap_or_default()
    }

    /// `filters=…`, percent-encoded, after `before`; nothing where there are none.
    pub(crate) fn parameter(&self, before: char) -> String {
        match self.is_empty() {
            true => String::new(),
            false => format!("{before}filters={}", encoded(&self.json())),
        }
    }
}

/// One path segment or one query value.
pub(crate) fn encoded(text: &str) -> impl Display {
    utf8_percent_encode(text, ENCODED)
}

/// An image reference as part of a path.
pub(crate) fn encoded_image(name: &str) -> impl Display {
    utf8_percent_encode(name, ENCODED_IN_IMAGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_a_map_of_lists_in_a_fixed_order() {
        let mut filters = Filters::one("status", "running");
        filters.add("label", "z=1");
        filters.add("label", "a=\"q\"");
        filters.add("label", "a=\"q\"");
        assert_eq!(filters.json(), r#"{"label":["a=\"q\"","z=1"],"status":["running"]}"#);
        assert_eq!(
            Filters::one("id", "a b").parameter('?'),
            "?filters=%7B%22id%22%3A%5B%22a%20b%22%5D%7D"
        );
        assert_eq!(Filters::default().parameter('?'), "");
    }

    #[test]
    fn nothing_in_a_name_can_change_the_path() {
        assert_eq!(
            encoded("a/b?c#d%e&f=g\r\nü").to_string(),
            "a%2Fb%3Fc%23d%25e%26f%3Dg%0D%0A%C3%BC"
        );
        assert_eq!(
            encoded_image("ghcr.io:5/a/b:1@sha256:x?y").to_string(),
            "ghcr.io:5/a/b:1@sha256:x%3Fy"
        );
    }
}
