//! The arguments of `drowse run`: options up to the image, and all behind it the container's. Not
//! what they do.

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::str::FromStr;

use log::LevelFilter;

use crate::command::help;
use crate::command::run::options::{Copy, Format, Options};
use crate::run::job::PullWhen;
use crate::run::{spec, whose};
use crate::{duration, host, nearest};

/// Docker's short names for options.
const SHORT: [(&str, &str); 6] = [
    ("-e", "--env"),
    ("-l", "--label"),
    ("-m", "--memory"),
    ("-p", "--publish"),
    ("-u", "--user"),
    ("-v", "--volume"),
];

/// What a run's user wants.
#[derive(Debug)]
pub(super) enum Wish {
    /// `--help`
    Help,
    /// A run, and what is logged.
    Run(Box<Options>, Option<LevelFilter>),
}

/// Reads the arguments behind the verb.
///
/// # Errors
/// The mistake, in a line.
pub(super) fn read(args: &[OsString]) -> Result<Wish, String> {
    let mut options = Options::default();
    let mut level = None;
    let mut rest = args.iter().map(|arg| arg.to_str().ok_or("an argument is not UTF-8"));
    while let Some(arg) = rest.next() {
        let arg = arg?;
        if arg == "--" {
            options.wanted.image = rest.next().transpose()?.unwrap_or_default().to_owned();
            break;
        }
        if !arg.starts_with('-') || arg == "-" {
            options.wanted.image = arg.to_owned();
            break;
        }
        let (name, joined) = match arg.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (arg, None),
        };
        let name = SHORT.iter().find(|(short, _)| *short == name).map_or(name, |(_, long)| long);
        match name {
            "--help" | "-h" => return Ok(Wish::Help),
            "--log" if joined.is_none() => options.log = true,
            _ if !takes_value(name) => return Err(unknown(name, joined)),
            _ => {
                let value = match joined {
                    Some(value) => value,
                    None => rest.next().transpose()?.ok_or(format!("{name}: expected a value"))?,
                };
                let said = |error: String| format!("{name}: {error}");
                if name == "--log-level" {
                    level = Some(super::level(value).map_err(said)?);
                } else {
                    option(&mut options, name, value).map_err(said)?;
                }
            }
        }
    }
    if options.wanted.image.is_empty() {
        return Err("no image given (drowse run --help says more)".into());
    }
    let command: Result<Vec<String>, _> = rest.map(|arg| arg.map(str::to_owned)).collect();
    options.wanted.command = command?;
    Ok(Wish::Run(Box::new(options), level))
}

fn takes_value(name: &str) -> bool {
    name != "--log" && help::options("run").any(|known| known == name) && name != "--version"
}

fn option(options: &mut Options, name: &str, value: &str) -> Result<(), String> {
    let wanted = &mut options.wanted;
    match name {
        "--host" => {
            host::scheme(value).map_err(|why| why.to_string())?;
            options.source.host = Some(value.to_owned());
        }
        "--config" => options.source.config = Some(value.into()),
        "--env" => wanted.env.extend(variable(value)?),
        "--publish" => wanted.ports.extend(spec::publish(value)?),
        "--volume" => wanted.volumes.push(volume(value)?),
        "--label" => {
            let (key, value) = value.split_once('=').unwrap_or((value, ""));
            wanted.labels.push((key.to_owned(), value.to_owned()));
        }
        "--network" => wanted.networks.push(value.to_owned()),
        "--health-cmd" => wanted.health_cmd = Some(value.to_owned()),
        "--user" => wanted.user = Some(value.to_owned()),
        "--workdir" => wanted.workdir = Some(value.to_owned()),
        "--memory" => wanted.memory_bytes = Some(spec::memory(value)?),
        "--cpus" => wanted.nano_cpus = Some(spec::cpus(value)?),
        "--spec" => options.spec = Some(value.into()),
        "--name" => options.name = Some(whose::name(value)?),
        "--id" => options.id = Some(whose::id(value)?),
        "--copy" => options.copies.push(Copy::parse(value)?),
        "--pull" => options.pull = pull(value)?,
        "--restart" => options.restart.when = value.parse()?,
        "--restart-interval" => options.restart.interval = time(value)?,
        "--stop-timeout" => options.grace = Some(time(value)?),
        "--count-rx" => options.count_rx = Some(value.to_owned()),
        "--count-tx" => options.count_tx = Some(value.to_owned()),
        "--format" => options.format = Some(format(value)?),
        other => unreachable!("help lists {other}"),
    }
    Ok(())
}

fn time(value: &str) -> Result<std::time::Duration, String> {
    duration::seconds_or_duration(value).map_err(|what| format!("`{value}`: {what}"))
}

/// `KEY=VALUE`, or `KEY` with the value it has here (docker/cli); one that has none is left out.
fn variable(text: &str) -> Result<Option<String>, String> {
    match text.split_once('=') {
        Some(("", _)) => Err(format!("`{text}`: expected KEY=VALUE or KEY")),
        Some(_) => Ok(Some(text.to_owned())),
        None => Ok(std::env::var(text).ok().map(|value| format!("{text}={value}"))),
    }
}

/// What begins with `.` is meant from here (docker/cli).
fn volume(text: &str) -> Result<String, String> {
    let here = |error: io::Error| format!("`{text}`: {error}");
    match text.split_once(':') {
        Some((source, rest)) if source.starts_with('.') => {
            let source = std::path::absolute(source).map_err(here)?;
            Ok(format!("{}:{rest}", source.display()))
        }
        Some(("", _)) => Err(format!("`{text}`: expected SOURCE:TARGET or TARGET")),
        Some(_) => Ok(text.to_owned()),
        None if text.starts_with('/') => Ok(text.to_owned()),
        None => Err(format!("`{text}`: expected an absolute path in the container")),
    }
}

fn pull(text: &str) -> Result<PullWhen, String> {
    match text {
        "missing" => Ok(PullWhen::Missing),
        "always" => Ok(PullWhen::Always),
        "never" => Ok(PullWhen::Never),
        _ => Err(format!("`{text}`: expected missing, always or never")),
    }
}

fn format(text: &str) -> Result<Format, String> {
    match text {
        "jsonl" => Ok(Format::Lines),
        "table" if io::stdout().is_terminal() => Ok(Format::Live),
        "table" => Err("its line is drawn on a terminal only: use jsonl".into()),
        "json" => Err("a run never ends its array: use jsonl".into()),
        _ => Err(format!("`{text}`: expected table or jsonl")),
    }
}

fn unknown(name: &str, joined: Option<&str>) -> String {
    if name == "--log" && joined.is_some_and(|level| LevelFilter::from_str(level).is_ok()) {
        return "--log: takes no value here: it passes the container's output on; the level of \
                drowse's own log is --log-level"
            .into();
    }
    match name {
        "--log" => "`--log`: takes no value".into(),
        "--rm" => "`--rm`: a run is always removed, leave it out".into(),
        "-d" | "--detach" | "-i" | "-t" | "-it" | "--interactive" | "--tty" => {
            format!("`{name}`: a run stays in front and reads no input; for others, docker run")
        }
        _ => match nearest::nearest(name, help::options("run")) {
            Some(near) => format!("`{name}`: unknown option; did you mean `{near}`?"),
            None => format!("`{name}`: unknown option (drowse run --help lists them)"),
        },
    }
}
