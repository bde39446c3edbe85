//! `drowse daemon`: the idlewatcher. Prints nothing: what it does goes to the log, what it knows to
//! the control socket.

use std::fs;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process;
use std::time::Instant;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::{Config, Env};
use crate::daemon::{self, Handed, Setup};
use crate::idle::doors::Transport;
use crate::net::access::plain;
use crate::net::guests::Guests;
use crate::systemd::notify::Notify;
use crate::systemd::{Inherited, NetworkSocket, Watchdog};

use super::engine::{self, configured};
use super::output::complain;
use super::{Outcome, Source};

/// What the daemon is run with.
#[derive(Debug)]
pub struct Options {
    /// Where its engines come from.
    pub source: Source,
    /// `--control PATH`, in place of the configured one.
    pub control: Option<PathBuf>,
}

/// Runs until SIGTERM or SIGINT.
pub fn run(options: Options) -> io::Result<Outcome> {
    match start(options) {
        Ok(()) => Ok(Outcome::Done),
        Err(lines) => {
            lines.iter().for_each(|line| complain(line));
            Ok(Outcome::Failed)
        }
    }
}

fn start(options: Options) -> Result<(), Vec<String>> {
    let env = Env::of_process();
    let Options { source, control } = options;
    let load = move || load(&source, control.as_deref());
    let config = load()?;
    let mut inherited = Inherited::of_process(&env);
    let (listener, file) = listen(&config.control, &mut inherited).map_err(|why| vec![why])?;
    let guests = Guests::new(listener)
        .map_err(|error| vec![format!("{}: {}", config.control.display(), plain(&error))])?;
    open_many_files();
    let setup = Setup {
        load: Box::new(load),
        origin: engine::origin,
        forced: engine::forced_version(),
        notify: Notify::new(&env),
        watchdog: Watchdog::new(&env, process::id(), Instant::now()),
        sockets: inherited.of_networks().into_iter().map(handed).collect(),
    };
    let ended = daemon::run(config, setup, guests);
    if let Some(file) = file {
        let _ = fs::remove_file(file);
    }
    ended.map_err(|error| vec![format!("the loop: {}", plain(&error))])
}

fn load(source: &Source, control: Option<&Path>) -> Result<Config, Vec<String>> {
    let mut config = configured(source, &Env::of_process())?;
    if let Some(control) = control {
        config.control = control.to_owned();
    }
    Ok(config)
}

fn handed(socket: NetworkSocket) -> Handed {
    match socket {
        NetworkSocket::Tcp(socket, at) => handed_at(socket.into(), Transport::Tcp, at),
        NetworkSocket::Udp(socket, at) => handed_at(socket.into(), Transport::Udp, at),
    }
}

fn handed_at(socket: OwnedFd, transport: Transport, at: SocketAddr) -> Handed {
    let is_every = at.is_ipv6() && at.ip().is_unspecified();
    let is_dual = is_every && !rustix::net::sockopt::ipv6_v6only(&socket).unwrap_or(true);
    Handed { socket, transport, at, is_dual }
}

/// The control socket, and its file if it is ours to remove: one that systemd opened is not.
fn listen(
    path: &Path,
    inherited: &mut Inherited,
) -> Result<(UnixListener, Option<PathBuf>), String> {
    let at = |why: String| format!("control socket {}: {why}", path.display());
    if let Some(listener) = inherited.unix_listener("control")? {
        return Ok((listener, None));
    }
    if UnixStream::connect(path).is_ok() {
        return Err(
            at("another daemon listens there: stop it first, or use --control PATH".into()),
        );
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(at(plain(&error))),
        Ok(()) | Err(_) => {}
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|error| at(plain(&error)))?;
    }
    // Nobody else may connect, not even for the moment until the file has its mode.
    let umask = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o177));
    let listener = UnixListener::bind(path);
    rustix::process::umask(umask);
    let listener = listener.map_err(|error| at(plain(&error)))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))
        .map_err(|error| at(plain(&error)))?;
    Ok((listener, Some(path.to_owned())))
}

/// Each running container is read through some open files.
fn open_many_files() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, ..limit };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        log::debug!("raise the limit of open files: {error}");
    }
}
