//! How verbs write: formats, stdout that may close, and failures on stderr. Not what they write.

use std::io::{self, IsTerminal, StdoutLock, Write};
use std::str::FromStr;

use serde::Serialize;

use crate::json::write;

use super::Outcome;
use super::table::{Row, Table};
use super::text;

/// As much as waits until it is written to stdout at once.
const BUFFER_BYTES: usize = 64 * 1024;

/// How a verb prints its objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Columns, for eyes.
    Table,
    /// One array.
    Json,
    /// One object a line.
    Jsonl,
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Format, String> {
        match text {
            "table" => Ok(Format::Table),
            "json" => Ok(Format::Json),
            "jsonl" => Ok(Format::Jsonl),
            _ => Err(format!("`{text}`: expected table, json or jsonl")),
        }
    }
}

/// Prints objects of one kind in one format.
pub struct Printer {
    out: StdoutLock<'static>,
    /// What is not written yet.
    waiting: Vec<u8>,
    form: Form,
}

enum Form {
    Table(Table),
    Json { first: bool },
    Jsonl,
}

impl Printer {
    /// Without a choice: a table on a terminal, JSON Lines elsewhere.
    pub fn new(choice: Option<Format>, columns: &'static [&'static str]) -> Printer {
        let stdout = io::stdout();
        let default = if stdout.is_terminal() { Format::Table } else { Format::Jsonl };
        let form = match choice.unwrap_or(default) {
            Format::Table => Form::Table(Table::new(columns, width())),
            Format::Json => Form::Json { first: true },
            Format::Jsonl => Form::Jsonl,
        };
        Printer { out: stdout.lock(), waiting: Vec::new(), form }
    }

    /// Leaves columns of a table out that have nothing in them. All is to be printed at once then.
    pub fn hide_empty(&mut self) {
        if let Form::Table(table) = &mut self.form {
            table.hide_empty();
        }
    }

    /// Whether it is for eyes.
    pub fn is_table(&self) -> bool {
        matches!(self.form, Form::Table(_))
    }

    /// One object more. A table keeps it until [`Printer::flush`].
    pub fn print<T: Serialize + Row>(&mut self, object: &T) -> io::Result<()> {
        match &mut self.form {
            Form::Table(table) => table.push(object.cells()),
            Form::Json { first } => {
                self.waiting.extend_from_slice(if *first { b"[" } else { b",\n" });
                *first = false;
                write::json(object, &mut self.waiting);
            }
            Form::Jsonl => {
                write::json(object, &mut self.waiting);
                self.waiting.push(b'\n');
            }
        }
        if self.waiting.len() < BUFFER_BYTES { Ok(()) } else { self.write() }
    }

    fn write(&mut self) -> io::Result<()> {
        let written = self.out.write_all(&self.waiting);
        self.waiting.clear();
        written
    }

    /// Shows what came so far: an engine has answered, the next one may take its time.
    pub fn flush(&mut self) -> io::Result<()> {
        if let Form::Table(table) = &mut self.form {
            table.write(&mut self.waiting)?;
        }
        self.write()?;
        self.out.flush()
    }

    /// Closes what is open.
    pub fn finish(mut self) -> io::Result<()> {
        if let Form::Json { first } = self.form {
            self.waiting.extend_from_slice(if first { b"[]\n" } else { b"]\n" });
        }
        self.flush()
    }
}

/// The terminal's width; `None`: not a terminal, nothing is cut.
pub fn width() -> Option<usize> {
    if !io::stdout().is_terminal() {
        return None;
    }
    Some(window(|size| size.ws_col).unwrap_or(80))
}

/// The terminal's height in lines.
pub fn height() -> usize {
    window(|size| size.ws_row).unwrap_or(24)
}

/// A side of the terminal; serial lines and some ptys know none, or only one.
fn window(side: fn(rustix::termios::Winsize) -> u16) -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    Some(side(size).into()).filter(|&cells| cells > 0)
}

/// Prints a text as it is.
pub fn print(text: &str) -> io::Result<Outcome> {
    io::stdout().lock().write_all(text.as_bytes())?;
    Ok(Outcome::Done)
}

/// One failure, one line on stderr. A closed stderr is nobody's loss.
pub fn complain(line: &str) {
    let _ = writeln!(io::stderr().lock(), "drowse: {}", text::harmless(line));
}
