//! A guest's notes as labels: lines `proxy.x: y`, as they stand or as Markdown dresses them. Does
//! not know what labels mean.

use crate::sorted::Map;

/// A guest's notes have 8 KiB at most (PVE's schema); what is longer is cut.
const LIMIT_BYTES: usize = 64 << 10;
/// What Markdown puts before a line: an item of a list, a quotation.
const MARKS: [&str; 4] = ["- ", "* ", "+ ", "> "];

/// The labels in the notes; all lines that are none are the user's own. Of two lines with one name
/// the last holds, and `errors` tells.
pub fn labels(notes: &str, errors: &mut Vec<String>) -> Map<String, String> {
    let end = (0..=LIMIT_BYTES.min(notes.len())).rev().find(|at| notes.is_char_boundary(*at));
    let notes = notes.get(..end.unwrap_or_default()).unwrap_or_default();
    let mut labels = Map::new();
    for (name, value) in notes.lines().filter_map(label) {
        if labels.contains_key(&name) {
            errors.push(format!("{name}: twice in the notes: expected once"));
        }
        labels.insert(name, value);
    }
    labels
}

/// The label that a line is. Its name has no blanks, so that prose about `proxy.x: y` is none.
fn label(line: &str) -> Option<(String, String)> {
    let (name, value) = bare(line).split_once(':')?;
    // `idle\_timeout`, as editors of Markdown write it.
    let name = name.trim_end().trim_matches(['*', '`', '"', '\'']).replace("\\_", "_");
    let is_name = name.strip_prefix("proxy.").is_some_and(|rest| !rest.is_empty());
    if !is_name || name.contains(char::is_whitespace) {
        return None;
    }
    Some((name, unquoted(value.trim_start_matches(['*', '`']).trim()).to_owned()))
}

/// Without what Markdown puts around a line: marks before it, backticks, a break at its end.
fn bare(line: &str) -> &str {
    let mut line = line.trim();
    while let Some(rest) = MARKS.iter().find_map(|mark| line.strip_prefix(mark)) {
        line = rest.trim_start();
    }
    let line = line.strip_suffix('\\').or_else(|| line.strip_suffix("<br>")).unwrap_or(line);
    let line = line.trim_end();
    match line.strip_prefix('`').and_then(|line| line.strip_suffix('`')) {
        Some(inner) => inner.trim_matches('`').trim(),
        None => line,
    }
}

fn unquoted(value: &str) -> &str {
    let within = |quote: char| value.strip_prefix(quote)?.strip_suffix(quote);
    within('"').or_else(|| within('\'')).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(notes: &str) -> (Vec<(String, String)>, Vec<String>) {
        let mut errors = Vec::new();
        (labels(notes, &mut errors).into_iter().collect(), errors)
    }

    #[test]
    fn lines_are_labels_whatever_markdown_puts_around_them() {
        let one = |line: &str| read(line).0;
        let label = [("proxy.idle_timeout".to_owned(), "30m".to_owned())];
        for line in [
            "proxy.idle_timeout: 30m",
            "proxy.idle_timeout:30m\r",
            "  - proxy.idle_timeout: 30m  ",
            "* > proxy.idle\\_timeout: \"30m\"",
            "`proxy.idle_timeout: 30m`",
            "**proxy.idle_timeout**: '30m'",
            "**proxy.idle_timeout:** 30m",
            "- `proxy.idle_timeout`: 30m\\",
            "proxy.idle_timeout: 30m<br>",
        ] {
            assert_eq!(one(&format!("# Web\n\n{line}\nmore")), label, "{line}");
        }
    }

    #[test]
    fn prose_is_no_label() {
        let prose = "see proxy.example.com: it is there\nproxy.example.com is up\nproxy.: 1\n\
                     the proxy.x: y\nproxy.a b: c\nproxy: 1\n";
        assert_eq!(read(prose), (vec![], vec![]));
    }

    #[test]
    fn a_value_keeps_its_colons_and_a_second_line_is_told() {
        let (labels, errors) = read("proxy.a.port: 8080:80\nproxy.a.port: \"81:80\"\nproxy.b:");
        let text = |text: &str| text.to_owned();
        let expected = [(text("proxy.a.port"), text("81:80")), (text("proxy.b"), text(""))];
        assert_eq!(labels, expected);
        assert_eq!(errors, ["proxy.a.port: twice in the notes: expected once"]);
    }
}
