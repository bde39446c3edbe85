//! Arguments → verb → exit code. Not what the verbs do.

mod run;

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use log::LevelFilter;
use pico_args::Arguments;

use crate::command::filter::Filter;
use crate::command::output::{Format, complain, print};
use crate::command::ps::Until;
use crate::command::{
    Outcome, Source, check, clean, daemon, help, orders, parse, ps, status, unit, watch,
};
use crate::config::Env;
use crate::control::request::{KEEP_LIMIT, Request, Until as Answered};
use crate::net::access::plain;
use crate::run::whose;
use crate::{command, duration, host, nearest, systemd};

/// How long one engine may take by default.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A verb with its options.
#[derive(Debug)]
enum Verb {
    Help(&'static str),
    Version,
    Ps(ps::Options),
    Parse(parse::Options),
    Check(check::Options),
    Status(status::Options),
    Order(orders::Options),
    Unit(unit::Options),
    Daemon(daemon::Options),
    Run(Box<command::run::options::Options>),
    Clean(clean::Options),
}

/// Runs the verb that the arguments (without the program's name) ask for. Exit code 0: done, or
/// the reader of stdout has gone; 1: something failed, and stderr says what; 2: wrong usage.
pub fn main(args: Vec<OsString>) -> ExitCode {
    let (verb, level) = match read_all(args) {
        Ok(read) => read,
        Err(usage) => {
            complain(&usage);
            return ExitCode::from(2);
        }
    };
    start_log(&verb, level);
    match run(verb) {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Failed) => ExitCode::FAILURE,
        Ok(Outcome::Code(code)) => ExitCode::from(code),
        Err(gone) if gone.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("write to standard output: {}", plain(&error)));
            ExitCode::FAILURE
        }
    }
}

fn run(verb: Verb) -> io::Result<Outcome> {
    match verb {
        Verb::Help(text) => print(text),
        Verb::Version => print(concat!("drowse ", env!("CARGO_PKG_VERSION"), "\n")),
        Verb::Ps(options) if options.until == Until::Stopped => watch::run(&options),
        Verb::Ps(options) => ps::run(&options),
        Verb::Parse(options) => parse::run(&options),
        Verb::Check(options) => check::run(&options),
        Verb::Status(options) => status::run(&options),
        Verb::Order(options) => orders::run(&options),
        Verb::Unit(options) => unit::run(&options),
        Verb::Daemon(options) => daemon::run(options),
        Verb::Run(options) => command::run::run(&options),
        Verb::Clean(options) => clean::run(&options),
    }
}

/// Logs go to stderr. That there is a logger already can only be a test's doing.
fn start_log(verb: &Verb, level: Option<LevelFilter>) {
    match verb {
        Verb::Daemon(_) => {
            systemd::log::start(level.unwrap_or(LevelFilter::Info), &Env::of_process());
        }
        _ => {
            let level = level.unwrap_or(LevelFilter::Warn);
            let _ = simple_logger::SimpleLogger::new().with_level(level).init();
        }
    }
}

/// What stands behind an image is the container's: those of `run` are read in their order.
fn read_all(args: Vec<OsString>) -> Result<(Verb, Option<LevelFilter>), String> {
    match args.split_first() {
        Some((verb, rest)) if verb == "run" => match run::read(rest)? {
            run::Wish::Help => Ok((Verb::Help(help_on("run")?), None)),
            run::Wish::Run(options, level) => Ok((Verb::Run(options), level)),
        },
        _ => read(Arguments::from_vec(args)),
    }
}

fn read(mut args: Arguments) -> Result<(Verb, Option<LevelFilter>), String> {
    let wants_help = args.contains(["-h", "--help"]);
    let wants_version = args.contains(["-V", "--version"]);
    let level = option(&mut args, "--log", level)?;
    let name = args.subcommand().map_err(said)?;
    let verb = match name.as_deref() {
        _ if wants_version => Verb::Version,
        None if wants_help => Verb::Help(help::DROWSE),
        None => {
            finish(args, "")?;
            return Err(format!("no verb given\n\n{}", help::DROWSE));
        }
        Some("help") => topic(&mut args)?,
        Some(verb) if wants_help => Verb::Help(help_on(verb)?),
        Some(verb) => verb_of(verb, &mut args)?,
    };
    finish(args, name.as_deref().unwrap_or_default())?;
    Ok((verb, level))
}

fn verb_of(verb: &str, args: &mut Arguments) -> Result<Verb, String> {
    match verb {
        "ps" => {
            let until = if args.contains("--watch") { Until::Stopped } else { Until::Listed };
            Ok(Verb::Ps(ps::Options {
                source: source(args)?,
                timeout: timeout(args)?,
                format: watchable(format(args)?, until)?,
                filter: filter(args)?,
                until,
            }))
        }
        "parse" => Ok(Verb::Parse(parse::Options {
            source: source(args)?,
            format: format(args)?,
            file: file(args)?,
        })),
        "check" => Ok(Verb::Check(check::Options {
            source: source(args)?,
            timeout: timeout(args)?,
            format: format(args)?,
        })),
        "daemon" => Ok(Verb::Daemon(daemon::Options {
            source: source(args)?,
            control: path(args, "--control")?,
        })),
        "status" => Ok(Verb::Status(status::Options {
            config: path(args, "--config")?,
            control: path(args, "--control")?,
            timeout: timeout(args)?,
            format: format(args)?,
        })),
        "wake" | "sleep" | "keep" => order(verb, args).map(Verb::Order),
        "clean" => Ok(Verb::Clean(clean::Options {
            source: source(args)?,
            timeout: timeout(args)?,
            format: format(args)?,
            id: option(args, "--id", whose::id)?,
            elsewhere: args.contains("--elsewhere"),
        })),
        "run" => Err("`run`: expected as the first argument, its options behind it".into()),
        "unit" => Ok(Verb::Unit(unit::Options { config: path(args, "--config")? })),
        other => Err(unknown_verb(other)),
    }
}

/// Names come last, and after them, with `keep`, for how long.
fn order(verb: &str, args: &mut Arguments) -> Result<orders::Options, String> {
    let until =
        if verb != "keep" && args.contains("--wait") { Answered::Settled } else { Answered::Begun };
    let source = match verb {
        "keep" => Source { config: path(args, "--config")?, host: None },
        _ => source(args)?,
    };
    let control = path(args, "--control")?;
    if control.is_some() && source.host.is_some() {
        return Err("--host goes past the daemon, --control does not: expected one of them".into());
    }
    let (timeout, format) = (timeout(args)?, format(args)?);
    let mut names = names(args, verb)?;
    let request = match verb {
        "wake" => Request::Wake(names, until),
        "sleep" => Request::Sleep(names, until),
        _ => {
            let time = names.pop().unwrap_or_default();
            Request::Keep(names, kept_for(&time)?)
        }
    };
    if request.names().is_empty() {
        return Err(format!("no names given (drowse {verb} --help says more)"));
    }
    Ok(orders::Options { request, source, control, timeout, format })
}

fn names(args: &mut Arguments, verb: &str) -> Result<Vec<String>, String> {
    let mut names = Vec::new();
    while let Some(name) = free(args, verb)? {
        names.push(name.into_string().map_err(|_| "an argument is not UTF-8")?);
    }
    Ok(names)
}

fn kept_for(text: &str) -> Result<Duration, String> {
    let expected = |what: String| format!("`{text}`: {what} (drowse keep NAME… DURATION)");
    match duration::parse(text).map_err(expected)? {
        time if time > KEEP_LIMIT => Err(format!("`{text}`: expected a year at most")),
        time => Ok(time),
    }
}

fn topic(args: &mut Arguments) -> Result<Verb, String> {
    let verb = args.subcommand().map_err(said)?;
    Ok(Verb::Help(verb.map_or(Ok(help::DROWSE), |verb| help_on(&verb))?))
}

fn help_on(verb: &str) -> Result<&'static str, String> {
    help::on(verb).ok_or_else(|| unknown_verb(verb))
}

fn unknown_verb(verb: &str) -> String {
    let hint = nearest::nearest(verb, help::VERBS.iter().copied());
    let hint = hint.map_or(String::new(), |near| format!("; did you mean `{near}`?"));
    format!("`{verb}`: unknown verb{hint} (drowse --help lists them)")
}

fn source(args: &mut Arguments) -> Result<Source, String> {
    let config = path(args, "--config")?;
    let host = option(args, "--host", |url| match host::scheme(url) {
        Ok(_) => Ok(url.to_string()),
        Err(why) => Err(why.to_string()),
    })?;
    Ok(Source { config, host })
}

fn path(args: &mut Arguments, name: &'static str) -> Result<Option<PathBuf>, String> {
    args.opt_value_from_os_str(name, |text| Ok::<_, String>(PathBuf::from(text)))
        .map_err(|error| format!("{name}: {}", said(error)))
}

fn timeout(args: &mut Arguments) -> Result<Duration, String> {
    let timeout = option(args, "--timeout", |text| match duration::parse(text) {
        Ok(timeout) if timeout.is_zero() => {
            Err(format!("`{text}`: expected more than that, such as 5s"))
        }
        Ok(timeout) => Ok(timeout),
        Err(what) => Err(format!("`{text}`: {what}")),
    });
    Ok(timeout?.unwrap_or(TIMEOUT))
}

fn format(args: &mut Arguments) -> Result<Option<Format>, String> {
    option(args, "--format", Format::from_str)
}

/// What goes on for ever can't be one array, and can only be redrawn on a terminal.
fn watchable(format: Option<Format>, until: Until) -> Result<Option<Format>, String> {
    match (until, format) {
        (Until::Stopped, Some(Format::Json)) => {
            Err("--watch never ends its array: use --format jsonl".into())
        }
        (Until::Stopped, Some(Format::Table)) if !io::stdout().is_terminal() => {
            Err("--watch draws its table on a terminal only: use --format jsonl".into())
        }
        (_, format) => Ok(format),
    }
}

fn filter(args: &mut Arguments) -> Result<Filter, String> {
    let mut filter = Filter::default();
    if args.contains("--running") {
        filter.add("state=running")?;
    }
    while option(args, "--filter", |text| filter.add(text))?.is_some() {}
    Ok(filter)
}

fn file(args: &mut Arguments) -> Result<Option<PathBuf>, String> {
    let path = free(args, "parse")?.map(PathBuf::from);
    Ok(path.filter(|path| path.as_os_str() != "-"))
}

/// The next argument that is no option; all that are known have been read before.
fn free(args: &mut Arguments, verb: &str) -> Result<Option<OsString>, String> {
    let text = args.opt_free_from_os_str(|text| Ok::<_, String>(text.to_owned())).map_err(said)?;
    match text {
        Some(text) if text.as_encoded_bytes().starts_with(b"-") && text != "-" => {
            Err(left_over(&text.to_string_lossy(), verb))
        }
        text => Ok(text),
    }
}

/// The value of an option; what `read` says against it is told with the option's name.
fn option<T>(
    args: &mut Arguments,
    name: &'static str,
    read: impl FnOnce(&str) -> Result<T, String>,
) -> Result<Option<T>, String> {
    let text: Option<String> =
        args.opt_value_from_str(name).map_err(|error| format!("{name}: {}", said(error)))?;
    text.map(|text| read(&text).map_err(|error| format!("{name}: {error}"))).transpose()
}

fn level(text: &str) -> Result<LevelFilter, String> {
    LevelFilter::from_str(text)
        .map_err(|_| format!("`{text}`: expected off, error, warn, info, debug or trace"))
}

/// Nothing may be left over: an option that nobody read is a mistake, not a no-op.
fn finish(args: Arguments, verb: &str) -> Result<(), String> {
    let Some(left) = args.finish().into_iter().next() else { return Ok(()) };
    let left = left.to_string_lossy();
    if left.starts_with('-') && left != "-" {
        return Err(left_over(&left, verb));
    }
    Err(format!("`{left}`: unexpected argument"))
}

/// Why an option was not read; an empty `verb`: there was none.
fn left_over(option: &str, verb: &str) -> String {
    let name = option.split('=').next().unwrap_or_default();
    if help::options(verb).any(|known| known == name) {
        let what = if name == option { "given twice" } else { "takes no value" };
        return format!("`{name}`: {what}");
    }
    let owner = help::VERBS.iter().find(|verb| help::options(verb).any(|known| known == name));
    match (owner, nearest::nearest(name, help::options(verb))) {
        (Some(owner), _) if verb.is_empty() => {
            format!("`{name}`: expected after the verb, as in `drowse {owner} {name} …`")
        }
        (Some(owner), _) => format!("`{name}`: an option of {owner}, not of {verb}"),
        (None, Some(near)) => format!("`{name}`: unknown option; did you mean `{near}`?"),
        (None, None) if verb.is_empty() => format!("`{name}`: unknown option (see drowse --help)"),
        (None, None) => format!("`{name}`: unknown option (drowse {verb} --help lists them)"),
    }
}

/// An error of the argument reader in our words.
fn said(error: pico_args::Error) -> String {
    match error {
        pico_args::Error::OptionWithoutAValue(_) => "expected a value".into(),
        pico_args::Error::NonUtf8Argument => "an argument is not UTF-8".into(),
        other => other.to_string(),
    }
}
