//! The table of `ps --watch` on a terminal, drawn again in place. Knows rows, not engines' ways.

use std::io;

use crate::container::Container;
use crate::docker::change::Change;
use crate::net::outlet::Outlet;
use crate::sorted::Map;

use super::output;
use super::ps::COLUMNS;
use super::table::{Row, Table};
use super::text::harmless;

/// What is on the screen.
#[derive(Default)]
pub struct Screen {
    /// By engine, name and id.
    rows: Map<(String, String, String), Vec<String>>,
    /// Engines that are away, and why.
    lost: Map<String, String>,
    drawn_lines: usize,
}

impl Screen {
    /// Takes a change, to be drawn by [`Screen::draw`].
    pub fn take(&mut self, engine: &str, change: &Change<Container>) {
        match change {
            Change::Present(container) => self.put(engine, container),
            Change::Changed { event: "removed", container, .. } => {
                self.forget(engine, &container.container_id);
            }
            Change::Changed { container, .. } => {
                self.forget(engine, &container.container_id);
                self.put(engine, container);
            }
            Change::Lost(why) => {
                self.lost.insert(engine.to_string(), why.clone());
            }
            Change::Back => {
                self.lost.remove(engine);
            }
        }
    }

    /// Draws over what was drawn before; what does not fit the terminal's height is counted.
    pub fn draw(&mut self, out: &mut Outlet) -> io::Result<()> {
        let mut table = Table::new(COLUMNS, output::width());
        for row in self.rows.values() {
            table.push(row.clone());
        }
        let mut text = Vec::new();
        table.write(&mut text)?;
        let text = String::from_utf8_lossy(&text);
        let lost = self
            .lost
            .iter()
            .map(|(engine, why)| harmless(&format!("{engine} can't be reached: {why}")));
        let mut lines: Vec<String> = text.lines().map(str::to_string).chain(lost).collect();
        let height = output::height().saturating_sub(1).max(1);
        if lines.len() > height {
            let hidden = lines.len() - (height - 1);
            lines.truncate(height - 1);
            lines.push(format!("… and {hidden} more"));
        }
        if self.drawn_lines > 0 {
            out.push(format!("\x1b[{}F", self.drawn_lines).as_bytes());
        }
        out.push(b"\x1b[J");
        for line in &lines {
            out.push(line.as_bytes());
            out.push(b"\n");
        }
        self.drawn_lines = lines.len();
        Ok(())
    }

    fn put(&mut self, engine: &str, container: &Container) {
        let (name, id) = (container.container_name.clone(), container.container_id.clone());
        self.rows.insert((engine.to_string(), name, id), container.cells());
    }

    /// A rename moves the row: the id is what stays.
    fn forget(&mut self, engine: &str, id: &str) {
        self.rows.retain(|(e, _, i), _| e != engine || i != id);
    }
}
