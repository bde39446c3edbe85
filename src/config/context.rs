//! The engine that Docker's own tools would take: `DOCKER_HOST`, the docker context, the default
//! socket. Reads Docker's files, connects to nothing.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Engine, Env, read, tls};
use crate::agent::Agents;
use crate::error::Why;
use crate::host::{self, Host, Scheme};
use crate::nearest::nearest;
use crate::net::{Tls, Trust};
use crate::sorted::{self, Map};

const SOCKET: &str = "unix:///var/run/docker.sock";
/// The engine's name where nothing else names it; also docker's name for having no context.
const DEFAULT: &str = "default";
/// Nobody has more; a folder that does is not Docker's.
const CONTEXT_LIMIT: usize = 1000;

/// What a URL on the command line or in `DOCKER_HOST` means. `https://` and `tls://` take their
/// certificates from `DOCKER_CERT_PATH`, `tcp://` does so if `DOCKER_TLS_VERIFY` is not empty
/// (docker/cli).
pub fn host(url: &str, env: &Env, agents: &Agents) -> Result<Host, Why> {
    let tls = match host::scheme(url)? {
        Scheme::Tls => Some(tls_of(env)?),
        Scheme::Tcp if env.var("DOCKER_TLS_VERIFY").is_some() => Some(tls_of(env)?),
        Scheme::Unix | Scheme::Tcp | Scheme::Ssh | Scheme::Agent => None,
    };
    host::parse(url, tls, agents).map(|host| as_local(host, url, env))
}

/// The engine of the environment, in docker/cli's order.
pub(super) fn default_engine(env: &Env, agents: &Agents) -> Engine {
    if let Some(url) = env.var("DOCKER_HOST") {
        let host = host(url, env, agents);
        let shown = if host.is_ok() { url } else { "DOCKER_HOST" };
        return engine(DEFAULT, shown, host);
    }
    match context_name(env) {
        Ok(None) => engine(DEFAULT, SOCKET, host::parse(SOCKET, None, agents)),
        Ok(Some(name)) => match context(&name, env) {
            Ok((url, tls)) => engine(&name, &url, host::parse(&url, tls, agents)),
            Err(why) => engine(&name, &format!("docker context {name}"), Err(why)),
        },
        Err(why) => engine(DEFAULT, "the current docker context", Err(why)),
    }
}

/// The host, local if it is the engine of `$DOCKER_HOST`: what that engine publishes counts as
/// published here.
pub(super) fn as_local(host: Host, url: &str, env: &Env) -> Host {
    let local = host.local || env.var("DOCKER_HOST") == Some(url);
    Host { local, ..host }
}

/// An engine with a URL that may be shown.
pub(super) fn engine(name: &str, url: &str, host: Result<Host, Why>) -> Engine {
    let shown = match &host {
        Ok(host) => host.endpoint.url.clone(),
        Err(_) => host::redacted(url),
    };
    Engine { name: name.into(), only_explicit: false, url: shown, host }
}

/// The certificates of `DOCKER_CERT_PATH`, else of Docker's folder.
fn tls_of(env: &Env) -> Result<Tls, Why> {
    let Some(folder) = env.var("DOCKER_CERT_PATH").map(PathBuf::from).or_else(|| folder(env))
    else {
        return Err(invalid(
            "TLS without certificates, expected DOCKER_CERT_PATH to name a folder",
        ));
    };
    let lacking = || {
        let folder = folder.display();
        invalid(format!("no ca.pem in {folder}, expected DOCKER_CERT_PATH to name its folder"))
    };
    tls::folder(&folder, None)?.ok_or_else(lacking)
}

/// Where Docker's tools keep their settings.
fn folder(env: &Env) -> Option<PathBuf> {
    let named = env.var("DOCKER_CONFIG").map(PathBuf::from);
    named.or_else(|| Some(Path::new(env.var("HOME")?).join(".docker")))
}

#[derive(Deserialize)]
struct Settings {
    #[serde(rename = "currentContext", default)]
    current_context: Option<String>,
}

/// The context in use, unless it is the default one.
fn context_name(env: &Env) -> Result<Option<String>, Why> {
    let name = match env.var("DOCKER_CONTEXT") {
        Some(name) => Some(name.to_owned()),
        None => current_context(env)?,
    };
    Ok(name.filter(|name| !name.is_empty() && name != DEFAULT))
}

fn current_context(env: &Env) -> Result<Option<String>, Why> {
    let Some(path) = folder(env).map(|folder| folder.join("config.json")) else { return Ok(None) };
    match read::is_readable(&path) {
        Ok(true) => {}
        Ok(false) => return Ok(None),
        Err(what) => {
            // Most likely another user's folder; docker/cli goes on too.
            log::warn!("{what}: the current docker context is not known");
            return Ok(None);
        }
    }
    Ok(json::<Settings>(&path).map_err(Why::Invalid)?.current_context)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Meta {
    name: String,
    #[serde(default)]
    endpoints: Map<String, Target>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Target {
    host: String,
    #[serde(rename = "SkipTLSVerify")]
    skip_tls_verify: bool,
}

/// The URL and the certificates of a context.
fn context(name: &str, env: &Env) -> Result<(String, Option<Tls>), Why> {
    let Some(folder) = folder(env) else {
        return Err(invalid(format!(
            "unknown docker context `{name}`, expected DOCKER_CONFIG or HOME to be set"
        )));
    };
    let (id, target) = find(name, &folder.join("contexts/meta"))?;
    let url = if target.host.is_empty() { SOCKET.to_owned() } else { target.host };
    let pems = folder.join("contexts/tls").join(id).join("docker");
    let trust = target.skip_tls_verify.then_some(Trust::Insecure);
    let tls = match host::scheme(&url)? {
        Scheme::Unix | Scheme::Ssh | Scheme::Agent => None,
        Scheme::Tcp => tls::folder(&pems, trust)?,
        Scheme::Tls => {
            let found = tls::folder(&pems, trust)?;
            Some(found.ok_or_else(|| tls::missing(&pems, "ca.pem"))?)
        }
    };
    Ok((url, tls))
}

/// The folder's name (the SHA-256 of the context's) and the docker endpoint. Looking into each
/// saves the hash.
fn find(name: &str, metas: &Path) -> Result<(String, Target), Why> {
    let mut known = Vec::new();
    let mut unreadable = None;
    for id in ids(metas) {
        let path = metas.join(&id).join("meta.json");
        match json::<Meta>(&path) {
            Ok(mut meta) if meta.name == name => {
                let target = meta.endpoints.remove("docker");
                let path = path.display();
                return target
                    .map(|target| (id, target))
                    .ok_or_else(|| invalid(format!("{path}: expected an endpoint `docker`")));
            }
            Ok(meta) => known.push(meta.name),
            Err(what) => unreadable = Some(what),
        }
    }
    sorted::sort(&mut known);
    let way_out = match (nearest(name, known.iter().map(String::as_str)), unreadable) {
        (Some(near), _) => format!("did you mean `{near}`?"),
        (None, Some(what)) => what,
        (None, None) => format!("expected it in {}", metas.display()),
    };
    Err(invalid(format!("unknown docker context `{name}`, {way_out}")))
}

fn ids(metas: &Path) -> Vec<String> {
    let Ok(entries) = metas.read_dir() else { return Vec::new() };
    let name =
        |entry: std::io::Result<std::fs::DirEntry>| entry.ok()?.file_name().into_string().ok();
    let mut ids: Vec<String> = entries.take(CONTEXT_LIMIT).filter_map(name).collect();
    sorted::sort(&mut ids);
    ids
}

/// A file of Docker's. The error names it and says where in it.
fn json<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<T, String> {
    let named = |what: String| format!("{}: {what}", path.display());
    let text = read::whole_text(path).map_err(named)?;
    serde_json::from_str(&text).map_err(|e| named(e.to_string()))
}

fn invalid(what: impl Into<String>) -> Why {
    Why::Invalid(what.into())
}
