//! A user's folder for the tests: a config, certificates, Docker's settings.

use std::fs;
use std::path::PathBuf;

use drowse::config::{self, Config, Engine, Env};
use drowse::net::{Identity, Route, Tls, Trust};
use tempfile::TempDir;

/// A folder with a config, certificates and what else a user may have at home.
pub struct Home(TempDir);

impl Home {
    pub fn new() -> Home {
        Home(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Files by Docker's names; only that they are there counts.
    pub fn pems(&self, folder: &str) {
        for name in ["ca.pem", "cert.pem", "key.pem"] {
            self.write(&format!("./{folder}/{name}"), "");
        }
    }

    pub fn tls(&self, folder: &str, server_name: Option<&str>) -> Tls {
        let folder = if folder.is_empty() { self.0.path().into() } else { self.path(folder) };
        Tls {
            trust: Trust::Ca(folder.join("ca.pem")),
            identity: Some(Identity { cert: folder.join("cert.pem"), key: folder.join("key.pem") }),
            server_name: server_name.map(str::to_owned),
        }
    }

    pub fn env(&self, vars: &[(&str, &str)]) -> Env {
        let home = ("HOME", self.0.path().to_str().unwrap());
        let vars = [home].iter().chain(vars).map(|(k, v)| ((*k).into(), (*v).into())).collect();
        Env { vars, default_file: self.path("absent.yml") }
    }

    pub fn load(&self, text: &str) -> Result<Config, Vec<config::Problem>> {
        self.write("drowse.yml", text);
        config::load(Some(&self.path("drowse.yml")), &self.env(&[]))
    }
}

/// An engine in one line.
pub fn show(engine: &Engine) -> String {
    let only = if engine.only_explicit { " only explicit" } else { "" };
    let host = match &engine.host {
        Ok(host) => host,
        Err(why) => return format!("{}{only} = {}: {why}", engine.name, engine.url),
    };
    let route = match &host.endpoint.route {
        Route::Tls { host, port, .. } => format!("TLS to {host} {port}"),
        other => format!("{other:?}"),
    };
    let local = if host.local { "local " } else { "" };
    let place = format!("{local}{}: {} by {route}", host.public_name, host.endpoint.authority);
    format!("{}{only} = {}, {place}", engine.name, engine.url)
}

pub fn route_tls(engine: &Engine) -> Tls {
    match engine.host.clone().unwrap().endpoint.route {
        Route::Tls { tls, .. } => tls,
        route => panic!("no TLS: {route:?}"),
    }
}
