//! `drowse parse`: the same parser over API JSON from a file or stdin. Talks to no engine.

use std::fs::File;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use crate::config::{Config, Env};
use crate::container;
use crate::docker::documents::pieces;
use crate::error::{Error, Why};
use crate::host::{self, Scheme};
use crate::net::access::plain;

use super::output::{Format, Printer, complain};
use super::ps::COLUMNS;
use super::{Outcome, Source, engine};

/// More input than this is refused: some 600,000 containers.
const INPUT_LIMIT_BYTES: u64 = 1 << 30;

/// Where the JSON is said to come from, unless `--host` says otherwise.
const HOST: &str = "unix:///var/run/docker.sock";

/// The options of `parse`.
#[derive(Clone, Debug)]
pub struct Options {
    /// `--host`: the engine the JSON came from. `--config`: agents and idle defaults.
    pub source: Source,
    /// `None`: by where stdout goes.
    pub format: Option<Format>,
    /// `None`: stdin.
    pub file: Option<PathBuf>,
}

/// Reads, parses and prints one container after the other.
pub fn run(options: &Options) -> io::Result<Outcome> {
    let host = options.source.host.clone().unwrap_or_else(|| HOST.into());
    let source = Source { host: Some(host.clone()), ..options.source.clone() };
    // Of the environment nothing: the same input gives the same output everywhere.
    let config = match engine::configured(&source, &Env::default()) {
        Ok(config) => without_certificates(config, &host),
        Err(lines) => {
            lines.iter().for_each(|line| complain(line));
            return Ok(Outcome::Failed);
        }
    };
    let engine = config.engines.first();
    let origin = engine.map(|one| engine::origin(one, &config)).unwrap_or_default();
    let file = options.file.as_deref();
    let failed = |error: &Error| {
        complain(&error.to_string());
        Ok(Outcome::Failed)
    };
    let unreadable = |error: io::Error| Why::Invalid(plain(&error)).during("", name(file));
    let mut input = match open(file) {
        Ok(input) => input,
        Err(error) => return failed(&unreadable(error)),
    };
    let mut printer = Printer::new(options.format, COLUMNS);
    let mut written = Ok(());
    let read = pieces::each(&mut input, |summary| {
        written = printer.print(&container::parse(summary, &origin));
        if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    written?;
    printer.finish()?;
    match read {
        Ok(Ok(())) => Ok(Outcome::Done),
        Ok(Err(why)) => failed(&why.during("", name(file))),
        Err(error) => failed(&unreadable(error)),
    }
}

/// Only a connection needs the certificates of an `https://` engine; its name is known without.
fn without_certificates(mut config: Config, url: &str) -> Config {
    let is_tls = host::scheme(url) == Ok(Scheme::Tls);
    let place = url.split_once("://").map(|(_, place)| place).filter(|_| is_tls);
    if let (Some(place), Some(engine)) = (place, config.engines.first_mut()) {
        engine.host = host::parse(&format!("tcp://{place}"), None, &config.agents);
    }
    config
}

/// An input that fails where it gets too long.
struct Limited {
    input: Box<dyn Read>,
    left_bytes: u64,
}

impl Read for Limited {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        match self.left_bytes.checked_sub(count as u64) {
            Some(left) => self.left_bytes = left,
            None => return Err(io::Error::other("more than 1 GiB: give it in parts")),
        }
        Ok(count)
    }
}

fn open(file: Option<&Path>) -> io::Result<Limited> {
    let input: Box<dyn Read> = match file {
        Some(path) => Box::new(File::open(path)?),
        None => Box::new(io::stdin().lock()),
    };
    Ok(Limited { input, left_bytes: INPUT_LIMIT_BYTES })
}

fn name(file: Option<&Path>) -> String {
    file.map_or_else(|| "standard input".into(), |path| path.display().to_string())
}
