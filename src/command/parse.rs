//! `drowse parse`: the same parser over API JSON from a file or stdin. Talks to no engine.

use std::fs::File;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use crate::config::{Config, Env};
use crate::container;
use crate::docker::documents;
use crate::error::{Error, Why};
use crate::host::{self, Scheme};

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
    let input = match read(options.file.as_deref()) {
        Ok(input) => input,
        Err(error) => {
            complain(&error.to_string());
            return Ok(Outcome::Failed);
        }
    };
    let mut printer = Printer::new(options.format, COLUMNS);
    let mut written = Ok(());
    let read = documents::each(&input, |summary| {
        written = printer.print(&container::parse(summary, &origin));
        if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    written?;
    printer.finish()?;
    let Err(why) = read else { return Ok(Outcome::Done) };
    complain(&why.during("parse", name(options.file.as_deref())).to_string());
    Ok(Outcome::Failed)
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

fn read(file: Option<&Path>) -> Result<Vec<u8>, Error> {
    let broken = |error: io::Error| {
        Why::Invalid(error.to_string()).during("read the API's JSON", name(file))
    };
    let mut input = Vec::new();
    let limited = match file {
        Some(path) => {
            let file = File::open(path).map_err(broken)?;
            // One piece of the right size; what is no plain file grows as it comes.
            let size = file.metadata().map_or(0, |meta| meta.len()).min(INPUT_LIMIT_BYTES);
            input.reserve_exact(usize::try_from(size).unwrap_or_default() + 1);
            file.take(INPUT_LIMIT_BYTES + 1).read_to_end(&mut input)
        }
        None => io::stdin().lock().take(INPUT_LIMIT_BYTES + 1).read_to_end(&mut input),
    };
    let bytes = limited.map_err(broken)?;
    if bytes as u64 > INPUT_LIMIT_BYTES {
        return Err(broken(io::Error::other("more than 1 GiB: give it in parts")));
    }
    Ok(input)
}

fn name(file: Option<&Path>) -> String {
    file.map_or_else(|| "standard input".into(), |path| path.display().to_string())
}
