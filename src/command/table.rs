//! Columns that fit the terminal. Knows texts and widths, not what they mean.

use std::io::{self, Write};

use super::text::harmless;

/// Between two columns.
const GAP: usize = 2;
/// A column is not cut below this, unless the terminal is narrower than all of them so.
const NARROWEST: usize = 8;

/// What can stand in a table.
pub trait Row {
    /// A text for each column.
    fn cells(&self) -> Vec<String>;
}

/// Rows that wait to be written, and the widths of those that were.
pub struct Table {
    columns: &'static [&'static str],
    width: Option<usize>,
    /// As wide as anything seen so far: a second engine's block stands under the first's.
    natural: Vec<usize>,
    rows: Vec<Vec<String>>,
    headed: bool,
    /// A column with nothing in it is left out.
    hides_empty: bool,
}

impl Table {
    /// `width`: columns of the terminal, or `None` to cut nothing.
    pub fn new(columns: &'static [&'static str], width: Option<usize>) -> Table {
        let natural = columns.iter().map(|name| cells_wide(name)).collect();
        Table { columns, width, natural, rows: Vec::new(), headed: false, hides_empty: false }
    }

    /// Leaves out columns with nothing in them; for a table that is written at once.
    pub fn hide_empty(&mut self) {
        self.hides_empty = true;
    }

    /// One row more; control characters are made harmless.
    pub fn push(&mut self, cells: Vec<String>) {
        let cells: Vec<String> =
            cells.iter().map(|cell| harmless(&cell.replace('\n', " "))).collect();
        for (natural, cell) in self.natural.iter_mut().zip(&cells) {
            *natural = (*natural).max(cells_wide(cell));
        }
        self.rows.push(cells);
    }

    /// Writes the rows that wait, below the header if it was not written yet.
    pub fn write(&mut self, out: &mut impl Write) -> io::Result<()> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let mut natural = self.natural.clone();
        for (at, natural) in natural.iter_mut().enumerate().filter(|_| self.hides_empty) {
            let is_empty = |row: &Vec<String>| row.get(at).is_none_or(String::is_empty);
            if self.rows.iter().all(is_empty) {
                *natural = 0;
            }
        }
        let widths = fit(&natural, self.width);
        if !self.headed {
            self.headed = true;
            let header = self.columns.iter().map(ToString::to_string).collect::<Vec<_>>();
            line(out, &header, &widths)?;
        }
        for row in self.rows.drain(..) {
            line(out, &row, &widths)?;
        }
        Ok(())
    }
}

fn line(out: &mut impl Write, cells: &[String], widths: &[usize]) -> io::Result<()> {
    let mut text = String::new();
    for (cell, &width) in cells.iter().zip(widths).filter(|(_, width)| **width > 0) {
        let cut = cut(cell, width);
        let pad = width - cells_wide(&cut);
        text.push_str(&cut);
        text.extend(std::iter::repeat_n(' ', pad + GAP));
    }
    writeln!(out, "{}", text.trim_end())
}

/// Takes from the widest column until all fit; then, if it must, lets the last ones vanish.
fn fit(natural: &[usize], width: Option<usize>) -> Vec<usize> {
    let mut widths = natural.to_vec();
    let Some(width) = width else { return widths };
    let total = |widths: &[usize]| -> usize {
        let shown = widths.iter().filter(|&&w| w > 0).count();
        widths.iter().sum::<usize>() + GAP * shown.saturating_sub(1)
    };
    while total(&widths) > width {
        let Some(widest) = widths.iter_mut().max().filter(|w| **w > NARROWEST) else { break };
        *widest -= 1;
    }
    for i in (0..widths.len()).rev() {
        let over = total(&widths).saturating_sub(width);
        widths[i] = widths[i].saturating_sub(over);
    }
    widths
}

/// At most `width` cells of a text; what was cut ends in `…`.
fn cut(text: &str, width: usize) -> String {
    if cells_wide(text) <= width {
        return text.to_string();
    }
    let mut out = String::new();
    let mut left = width.saturating_sub(1);
    for c in text.chars() {
        let Some(rest) = left.checked_sub(cell_wide(c)) else { break };
        left = rest;
        out.push(c);
    }
    if width > 0 {
        out.push('…');
    }
    out
}

fn cells_wide(text: &str) -> usize {
    text.chars().map(cell_wide).sum()
}

/// Never less than what a terminal takes: from Hangul on, where double width begins, all count two.
fn cell_wide(c: char) -> usize {
    match c {
        '…' => 1,
        c if u32::from(c) < 0x1100 => 1,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(width: Option<usize>, rows: &[[&str; 3]]) -> String {
        let mut table = Table::new(&["NAME", "STATE", "IMAGE"], width);
        for row in rows {
            table.push(row.iter().map(ToString::to_string).collect());
        }
        let mut out = Vec::new();
        table.write(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let text = shown(None, &[["web", "running", "nginx"], ["a-longer-name", "exited", "x"]]);
        let want = "NAME           STATE    IMAGE\n\
                    web            running  nginx\n\
                    a-longer-name  exited   x\n";
        assert_eq!(text, want);
    }

    #[test]
    fn the_widest_column_gives_way_first() {
        let image = "registry.example:5000/team/application:1.2.3";
        let text = shown(Some(40), &[["web", "running", image]]);
        let want = "NAME  STATE    IMAGE\nweb   running  registry.example:5000/te…\n";
        assert_eq!(text, want);
    }

    #[test]
    fn no_line_is_wider_than_the_terminal_whatever_it_is() {
        let row = ["日本語の名前-🐳-and-more", "running (healthy)", "a/rather/long/image:tag"];
        for width in 1..90 {
            for line in shown(Some(width), &[row]).lines() {
                assert!(cells_wide(line) <= width, "{width}: {line}");
            }
        }
    }

    #[test]
    fn a_cell_cannot_move_the_cursor() {
        let text = shown(None, &[["\u{1b}[31mred", "a\rb\nc", "x"]]);
        assert!(!text.contains(['\u{1b}', '\r']), "{text:?}");
        assert_eq!(text.lines().count(), 2);
    }

    #[test]
    fn a_column_with_nothing_in_it_is_left_out_where_that_is_wanted() {
        let mut table = Table::new(&["A", "B", "C"], None);
        table.hide_empty();
        table.push(vec!["a".into(), String::new(), "c".into()]);
        let mut out = Vec::new();
        table.write(&mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "A  C\na  c\n");
    }

    #[test]
    fn a_second_block_stands_under_the_first() {
        let mut table = Table::new(&["A", "B"], None);
        let mut out = Vec::new();
        table.push(vec!["long-one".into(), "x".into()]);
        table.write(&mut out).unwrap();
        table.push(vec!["s".into(), "y".into()]);
        table.write(&mut out).unwrap();
        let want = "A         B\nlong-one  x\ns         y\n";
        assert_eq!(String::from_utf8(out).unwrap(), want);
    }
}
