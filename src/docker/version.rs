//! Which API version to speak, and with whom: from the answer to a ping. Asks nothing itself.

use std::fmt;
use std::str::FromStr;

use crate::docker::answer;
use crate::error::Why;
use crate::http::Reply;

/// The newest version drowse speaks: from 1.52 events and inspect lose fields it reads.
pub const OURS: Version = Version { major: 1, minor: 51 };

/// The oldest one it speaks: Docker 20.10, Podman 4.
pub const OLDEST: Version = Version { major: 1, minor: 41 };

/// From here on `stop` heeds its `signal` (Docker API 1.42).
const STOPS_WITH_SIGNAL: Version = Version { major: 1, minor: 42 };

/// An API version, ordered by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// The `1` of `1.41`.
    pub major: u16,
    /// The `41` of `1.41`.
    pub minor: u16,
}

/// Who made the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Docker, or what passes for it.
    Docker,
    /// Podman.
    Podman,
}

/// What an engine says about itself when pinged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ping {
    /// The newest version it speaks; `None`: it does not say.
    pub newest: Option<Version>,
    /// Who made it.
    pub kind: Kind,
    /// Its `Server` header, as one harmless line: `Docker/29.7.2 (linux)`.
    pub server: String,
}

/// What was agreed on, until the connection breaks: then ask again, the engine may be another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Negotiated {
    /// The version every path carries.
    pub version: Version,
    /// Who made the engine.
    pub kind: Kind,
    /// Its `Server` header.
    pub server: String,
}

impl Negotiated {
    /// With an engine of which nothing is known.
    pub fn oldest() -> Negotiated {
        Negotiated { version: OLDEST, kind: Kind::Docker, server: String::new() }
    }

    /// What paths begin with: `/v1.41`.
    pub fn prefix(&self) -> String {
        format!("/v{}", self.version)
    }

    /// Whether `stop` may carry a signal. Below 1.42 and on Podman it is ignored: kill, wait, kill.
    pub fn stops_with_signal(&self) -> bool {
        self.kind == Kind::Docker && self.version >= STOPS_WITH_SIGNAL
    }
}

/// The version to speak: the newer end of what both know, or `forced` (`DOCKER_API_VERSION`) as it
/// is. An engine that names none, as some proxies make it, is taken for the oldest.
///
/// # Errors
/// `TooOld` where the engine's newest is below [`OLDEST`].
pub fn negotiate(ping: &Ping, forced: Option<Version>) -> Result<Negotiated, Why> {
    let newest = ping.newest.unwrap_or(OLDEST);
    if forced.is_none() && newest < OLDEST {
        let text = format!("the engine speaks API {newest}, drowse needs {OLDEST} (Docker 20.10)");
        return Err(Why::TooOld(text));
    }
    let version = forced.unwrap_or(newest.min(OURS));
    Ok(Negotiated { version, kind: ping.kind, server: ping.server.clone() })
}

/// Reads the answer to `HEAD /_ping`. `None`: it tells nothing, ask with `GET` (Docker's own client
/// does; a HEAD's error has no body, and some proxies don't let a HEAD pass).
pub(crate) fn read_head(reply: Reply) -> Result<Option<Ping>, Why> {
    Ok(spoken(&reply).filter(|_| reply.status == 200))
}

/// Reads the answer to `GET /_ping`: the last word.
pub(crate) fn read_get(reply: Reply) -> Result<Ping, Why> {
    let spoken = spoken(&reply);
    match (reply.status, spoken) {
        (200, Some(ping)) => Ok(ping),
        (200, None) if reply.body.trim_ascii() == b"OK" => {
            Ok(Ping { newest: None, kind: kind(&reply), server: server(&reply) })
        }
        // A proxy's no, an engine's own trouble, or a gateway that finds no engine behind it.
        (401 | 403 | 500.., _) | (_, Some(_)) if reply.status != 200 => Err(answer::why(&reply)),
        _ => Err(answer::not_an_engine(&reply)),
    }
}

/// What an answer's headers tell; `None`: no version.
fn spoken(reply: &Reply) -> Option<Ping> {
    let newest = reply.header("api-version")?.parse().ok()?;
    Some(Ping { newest: Some(newest), kind: kind(reply), server: server(reply) })
}

fn kind(reply: &Reply) -> Kind {
    let podman = reply.header("libpod-api-version").is_some()
        || reply.header("server").is_some_and(|server| server.starts_with("Libpod/"));
    if podman { Kind::Podman } else { Kind::Docker }
}

fn server(reply: &Reply) -> String {
    answer::one_line(reply.header("server").unwrap_or_default())
}

impl FromStr for Version {
    type Err = Why;

    /// `1.41` or `v1.41`; digits only.
    fn from_str(text: &str) -> Result<Version, Why> {
        let number = |part: &str| -> Option<u16> {
            let digits = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
            digits.then(|| part.parse().ok()).flatten()
        };
        let (major, minor) = text.strip_prefix('v').unwrap_or(text).split_once('.').unzip();
        match (major.and_then(number), minor.and_then(number)) {
            (Some(major), Some(minor)) => Ok(Version { major, minor }),
            _ => {
                let text = answer::one_line(text);
                Err(Why::Invalid(format!("API version \"{text}\": expected one like {OLDEST}")))
            }
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, headers: &[(&str, &str)], body: &str) -> Reply {
        let headers = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        Reply { status, headers, body: body.into(), ..Reply::default() }
    }

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }

    #[test]
    fn versions_are_numbers_not_text() {
        assert!(version("1.9") < version("1.41") && version("v2.0") > version("1.100"));
        assert_eq!(version("1.41").to_string(), "1.41");
        for bad in ["", "1", "1.", ".41", "1.+5", "-1.4", "1.4.1", " 1.41", "1.99999", "a.b"] {
            assert_eq!(
                bad.parse::<Version>(),
                Err(Why::Invalid(format!(
                    "API version \"{}\": expected one like 1.41",
                    bad.trim_start()
                )))
            );
        }
    }

    #[test]
    fn the_older_of_both_ends_is_spoken() {
        let at = |newest: Option<&str>, forced: Option<&str>| {
            let newest = newest.map(version);
            let ping = Ping { newest, kind: Kind::Docker, server: "s".into() };
            negotiate(&ping, forced.map(version)).map(|n| n.prefix())
        };
        assert_eq!(at(Some("1.41"), None).unwrap(), "/v1.41");
        assert_eq!(at(Some("1.55"), None).unwrap(), "/v1.51");
        assert_eq!(at(None, None).unwrap(), "/v1.41");
        assert_eq!(at(Some("1.55"), Some("1.44")).unwrap(), "/v1.44");
        assert_eq!(at(Some("1.40"), Some("1.40")).unwrap(), "/v1.40");
        let text = "the engine speaks API 1.40, drowse needs 1.41 (Docker 20.10)";
        assert_eq!(at(Some("1.40"), None), Err(Why::TooOld(text.into())));
    }

    #[test]
    fn only_docker_from_1_42_on_stops_with_a_signal() {
        let with = |version: &str, kind| {
            Negotiated { version: version.parse().unwrap(), kind, server: String::new() }
                .stops_with_signal()
        };
        assert!(!with("1.41", Kind::Docker));
        assert!(with("1.42", Kind::Docker));
        assert!(!with("1.44", Kind::Podman));
    }

    #[test]
    fn a_head_that_tells_nothing_is_asked_again_with_get() {
        for told in [
            reply(200, &[], ""),
            reply(400, &[("api-version", "1.55")], ""),
            reply(405, &[], ""),
            reply(200, &[("api-version", "soon")], ""),
        ] {
            assert_eq!(read_head(told), Ok(None));
        }
        let ping = reply(200, &[("api-version", "1.44"), ("libpod-api-version", "5.8.2")], "");
        let newest = Some(Version { major: 1, minor: 44 });
        let said = Ping { newest, kind: Kind::Podman, server: String::new() };
        assert_eq!(read_head(ping), Ok(Some(said)));
    }

    #[test]
    fn a_get_is_the_last_word() {
        let ok = read_get(reply(200, &[("server", "proxy\n1")], "OK\n"));
        let server = "proxy 1".to_owned();
        assert_eq!(ok, Ok(Ping { newest: None, kind: Kind::Docker, server }));
        let page = "<html><head><title>Welcome to nginx!</title></head></html>";
        let text = "a web server answers there (nginx/1.22.1: Welcome to nginx!), not a container \
                    engine: check the URL";
        for status in [200, 302, 404, 405] {
            let page = reply(status, &[("server", "nginx/1.22.1")], page);
            assert_eq!(read_get(page), Err(Why::NotAnEngine(text.into())));
        }
        let down = reply(502, &[("content-type", "text/html")], "<h1>502 Bad Gateway</h1>");
        let message = "502 Bad Gateway".to_owned();
        assert_eq!(read_get(down), Err(Why::Refused { status: 502, message }));
        let plain = reply(200, &[], "hello");
        assert!(matches!(read_get(plain), Err(Why::NotAnEngine(_))));
    }
}
