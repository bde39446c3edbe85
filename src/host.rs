//! An engine's URL and what it means. Opens nothing, reads no file.

use std::net::{IpAddr, Ipv6Addr};

use crate::agent::{self, Agents};
use crate::error::Why;
use crate::nearest::nearest;
use crate::net::{Endpoint, Route, Tls};

/// The port of `tcp://` without TLS (docker/cli).
const PLAIN_PORT: u16 = 2375;
/// The port of `tcp://` with TLS (docker/cli), and of `https://`.
const TLS_PORT: u16 = 2376;
/// `sockaddr_un` has 108 bytes, the last a NUL (unix(7)).
pub const SOCKET_PATH_LIMIT_BYTES: usize = 107;
/// RFC 1035 §2.3.4.
const NAME_LIMIT_BYTES: usize = 253;
/// The Host header where there is no host.
const NO_HOST: &str = "localhost";

const SCHEMES: [(&str, Scheme); 7] = [
    ("unix", Scheme::Unix),
    ("tcp", Scheme::Tcp),
    ("http", Scheme::Tcp),
    ("https", Scheme::Tls),
    ("tls", Scheme::Tls),
    ("ssh", Scheme::Ssh),
    ("agent", Scheme::Agent),
];

/// An engine and how it is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// The way to it.
    pub endpoint: Endpoint,
    /// The agent before it, if it is an `agent://`.
    pub agent: Option<Named>,
    /// Whether its published ports are reached at `127.0.0.1`: a Unix socket, `localhost`, a
    /// loopback address, or the engine of `$DOCKER_HOST`. Says nothing about its processes.
    pub local: bool,
    /// The engine's host name or address; `localhost` for a Unix socket.
    pub public_name: String,
}

/// Which agent stands before an engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Its name in the config.
    pub name: String,
    /// Its address in the config.
    pub addr: String,
}

/// The kinds of way that a URL's scheme names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `unix://`, or a bare absolute path.
    Unix,
    /// `tcp://` and `http://`: plain, or TLS if certificates are given.
    Tcp,
    /// `https://` and `tls://`.
    Tls,
    /// `ssh://`.
    Ssh,
    /// `agent://`.
    Agent,
}

/// Reads an engine's URL. `tls` is what the config or the environment gives beside it.
///
/// Fails with [`Why::NotFound`] for an unknown agent, else with [`Why::Invalid`]. No error repeats
/// a user info, for it may hold a password.
pub fn parse(url: &str, tls: Option<Tls>, agents: &Agents) -> Result<Host, Why> {
    let (scheme, rest) = split(url)?;
    if tls.is_some() && !matches!(scheme, Scheme::Tcp | Scheme::Tls) {
        return Err(invalid("certificates given, expected them only with tcp, http, https or tls"));
    }
    match (scheme, tls) {
        (Scheme::Unix, _) => unix(rest),
        (Scheme::Tls, None) => {
            Err(invalid("TLS without certificates, expected `tls: {ca_file: …}` beside the URL"))
        }
        (Scheme::Tcp | Scheme::Tls, Some(tls)) => over_tls(url, place(rest)?, tls),
        (Scheme::Tcp, None) => tcp(url, place(rest)?),
        (Scheme::Ssh, _) => ssh(url, rest),
        (Scheme::Agent, _) => by_agent(url, rest, agents),
    }
}

/// The kind of way that a URL names.
pub fn scheme(url: &str) -> Result<Scheme, Why> {
    split(url).map(|(scheme, _)| scheme)
}

/// The URL without its user info (a user of ssh stays), for messages.
pub fn redacted(url: &str) -> String {
    let scheme =
        url.split_once("://").map_or("", |(word, _)| if is_word(word) { word } else { "" });
    let (scheme, rest) = url.split_at(if scheme.is_empty() { 0 } else { scheme.len() + 3 });
    if scheme.eq_ignore_ascii_case("unix://") || url.starts_with('/') {
        return url.to_owned();
    }
    let Some((user, host)) = rest.rsplit_once('@') else { return url.to_owned() };
    match user.split_once(':') {
        None if scheme.eq_ignore_ascii_case("ssh://") => url.to_owned(),
        _ => format!("{scheme}…@{host}"),
    }
}

/// A host name or address, and a port. An IPv6 address stands in brackets, and is given without.
///
/// The error says what was expected and holds nothing of a user info.
pub fn place(text: &str) -> Result<(String, Option<u16>), Why> {
    if text.contains('@') {
        return Err(invalid("a user in the URL, expected one only in ssh://"));
    }
    let text = text.strip_suffix('/').unwrap_or(text);
    if text.contains(['/', '?', '#']) {
        return Err(invalid("a path behind the host, expected only HOST:PORT"));
    }
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let (host, tail) = rest.split_once(']').ok_or_else(|| invalid("expected a `]`"))?;
        let address = host.parse::<Ipv6Addr>();
        let address =
            address.map_err(|_| invalid(format!("`[{host}]`, expected an IPv6 address")))?;
        match tail.strip_prefix(':') {
            None if !tail.is_empty() => return Err(invalid("expected a `:` after the `]`")),
            port => (address.to_string(), port),
        }
    } else {
        match text.split_once(':') {
            Some((_, port)) if port.contains(':') => {
                return Err(invalid(format!("`{text}`, expected an IPv6 address in brackets")));
            }
            Some((host, port)) => (name(host)?, Some(port)),
            None => (name(text)?, None),
        }
    };
    Ok((host, port.map(port_number).transpose()?))
}

/// A port as digits, 1 to 65535.
fn port_number(text: &str) -> Result<u16, Why> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    match text.parse::<u16>() {
        Ok(port) if digits && port > 0 => Ok(port),
        _ => Err(invalid(format!("port `{text}`, expected 1 to 65535"))),
    }
}

/// The absolute path of a socket, short enough for the kernel.
fn socket_path(path: &str) -> Result<&str, Why> {
    if path.len() > SOCKET_PATH_LIMIT_BYTES {
        let length = path.len();
        return Err(invalid(format!(
            "a socket's path of {length} bytes, expected at most {SOCKET_PATH_LIMIT_BYTES}"
        )));
    }
    if !path.starts_with('/') {
        return Err(invalid(format!("`{path}`, expected an absolute path")));
    }
    Ok(path)
}

fn split(url: &str) -> Result<(Scheme, &str), Why> {
    if url.contains(char::is_control) {
        return Err(invalid("a control character in the URL"));
    }
    if url.starts_with('/') {
        return Ok((Scheme::Unix, url));
    }
    let Some((word, rest)) = url.split_once("://").filter(|(word, _)| is_word(word)) else {
        let shown = redacted(url);
        return Err(invalid(format!(
            "`{shown}`, expected a URL such as unix:///var/run/docker.sock or tcp://host:2375"
        )));
    };
    let lower = word.to_ascii_lowercase();
    if let Some((_, scheme)) = SCHEMES.iter().find(|(known, _)| *known == lower) {
        return Ok((*scheme, rest));
    }
    let known = SCHEMES.map(|(known, _)| known);
    let expected = match nearest(&lower, known.into_iter()) {
        Some(near) => format!("`{near}`"),
        None => format!("one of {}", known.join(", ")),
    };
    Err(invalid(format!("unknown scheme `{word}`, expected {expected}")))
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

fn unix(path: &str) -> Result<Host, Why> {
    let path = socket_path(path)?;
    let endpoint = Endpoint {
        url: format!("unix://{path}"),
        authority: NO_HOST.into(),
        route: Route::Unix(path.into()),
    };
    Ok(Host { endpoint, agent: None, local: true, public_name: NO_HOST.into() })
}

fn tcp(url: &str, (host, port): (String, Option<u16>)) -> Result<Host, Why> {
    let port = port.unwrap_or(PLAIN_PORT);
    let authority = authority(&host, port);
    Ok(at(url, authority, Route::Tcp { host: host.clone(), port }, host))
}

fn over_tls(url: &str, (host, port): (String, Option<u16>), tls: Tls) -> Result<Host, Why> {
    let port = port.unwrap_or(TLS_PORT);
    let authority = authority(&host, port);
    Ok(at(url, authority, Route::Tls { host: host.clone(), port, tls }, host))
}

/// `docker system dial-stdio` at the other end of ssh, as docker/cli does it.
fn ssh(url: &str, rest: &str) -> Result<Host, Why> {
    let (at_host, path) = match rest.find('/') {
        Some(slash) => rest.split_at(slash),
        None => (rest, ""),
    };
    let (user, host) = match at_host.rsplit_once('@') {
        Some((user, host)) => (Some(ssh_user(user)?), host),
        None => (None, at_host),
    };
    let (host, port) = place(host)?;
    let mut command = words(&["ssh", "-T", "-o", "ConnectTimeout=30"]);
    if let Some(user) = user {
        command.extend(words(&["-l", user]));
    }
    if let Some(port) = port {
        command.extend(["-p".to_owned(), port.to_string()]);
    }
    command.extend(words(&["--", &host, "docker"]));
    if path.len() > 1 {
        command.extend(["--host".to_owned(), format!("unix://{}", remote_path(path)?)]);
    }
    command.extend(words(&["system", "dial-stdio"]));
    Ok(at(url, NO_HOST.into(), Route::Command(command), host))
}

fn ssh_user(user: &str) -> Result<&str, Why> {
    if user.contains(':') {
        return Err(invalid("a password in the URL, expected a key that ssh knows"));
    }
    let good = |c: char| c.is_alphanumeric() || "-._+@\\".contains(c);
    if user.is_empty() || user.starts_with('-') || !user.chars().all(good) {
        return Err(invalid("expected a user name before the `@`"));
    }
    Ok(user)
}

/// The far shell reads it, so nothing that a shell would take for more than a path.
fn remote_path(path: &str) -> Result<&str, Why> {
    let good = |c: char| c.is_ascii_alphanumeric() || "/._-+=:@,".contains(c);
    if path.chars().all(good) {
        return socket_path(path);
    }
    Err(invalid(format!("`{path}`, expected a socket's path of letters, digits and /._-+=:@,")))
}

fn by_agent(url: &str, wanted: &str, agents: &Agents) -> Result<Host, Why> {
    let wanted = wanted.strip_suffix('/').unwrap_or(wanted);
    let Some(agent) = agents.by_addr(wanted).or_else(|| agents.by_name(wanted)) else {
        return Err(unknown_agent(wanted, agents));
    };
    let (host, port) = place(&agent.addr)?;
    let port = port.unwrap_or(agent::PORT);
    let server_name = agent.tls.server_name.clone();
    let authority = server_name.unwrap_or_else(|| authority(&host, port));
    let route = Route::Tls { host: host.clone(), port, tls: agent.tls.clone() };
    let named = Named { name: agent.name.clone(), addr: agent.addr.clone() };
    Ok(Host { agent: Some(named), ..at(url, authority, route, host) })
}

fn unknown_agent(wanted: &str, agents: &Agents) -> Why {
    let shown = redacted(wanted);
    let known = agents.iter().flat_map(|agent| [agent.name.as_str(), agent.addr.as_str()]);
    Why::NotFound(match nearest(wanted, known) {
        Some(near) => format!("unknown agent `{shown}`, did you mean `{near}`?"),
        None => format!("unknown agent `{shown}`, expected one of `providers.agents`"),
    })
}

fn at(url: &str, authority: String, route: Route, host: String) -> Host {
    let local = is_loopback(&host);
    let endpoint = Endpoint { url: url.to_owned(), authority, route };
    Host { endpoint, agent: None, local, public_name: host }
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

/// What the Host header says of a place: `host:port`, an IPv6 address in brackets.
pub fn authority(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

fn name(text: &str) -> Result<String, Why> {
    let good = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    let fits = !text.is_empty() && text.len() <= NAME_LIMIT_BYTES && !text.starts_with('-');
    if fits && text.chars().all(good) {
        return Ok(text.to_owned());
    }
    Err(invalid(format!("host `{text}`, expected a name or an address")))
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn invalid(what: impl Into<String>) -> Why {
    Why::Invalid(what.into())
}
