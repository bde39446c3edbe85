//! Texts from outside, made fit for a terminal. Prints nothing.

/// A text that can't move the cursor: control characters stand as `\u{1b}`; lines stay lines.
pub fn harmless(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() && c != '\n' {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_shown_and_lines_stay_lines() {
        assert_eq!(harmless("a\u{1b}[31m\r\nb\u{85}é🐳"), "a\\u{1b}[31m\\r\nb\\u{85}é🐳");
    }
}
