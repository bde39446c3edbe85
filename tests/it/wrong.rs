//! Wrong on purpose: one clear line for each fault, exit 1, and the other engines still printed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;

use tempfile::{TempDir, tempdir};

use crate::binary::{DROWSE, Outcome, Run, drowse, program};
use crate::{servers, world};

/// A config of a faulty engine between two good ones, and the folder it lives in.
struct Faulty {
    dir: TempDir,
    agents: String,
}

impl Faulty {
    fn new() -> Faulty {
        Faulty { dir: tempdir().unwrap(), agents: String::new() }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Where a socket of that name would be.
    fn socket(&self, name: &str) -> String {
        format!("unix://{}", self.path().join(name).display())
    }

    /// Writes the config, `bad` being a URL or a map, and the arguments that use it.
    fn args(&self, bad: &str) -> [String; 5] {
        let first = servers::unix(self.path(), "first.sock", servers::engine);
        let last = servers::unix(self.path(), "last.sock", servers::engine);
        let docker = format!("    a: {first}\n    bad: {bad}\n    z: {last}\n");
        let file = self.path().join("drowse.yml");
        fs::write(&file, format!("providers:\n  docker:\n{docker}{}", self.agents)).unwrap();
        ["ps", "--config", file.to_str().unwrap(), "--timeout", "1s"].map(str::to_owned)
    }

    /// Runs `ps` on it.
    fn ps(&self, bad: &str) -> Outcome {
        let args = self.args(bad);
        drowse(&args.each_ref().map(String::as_str)).outcome()
    }
}

/// The good engines were printed; one line tells of the bad one, with the texts in it.
#[track_caller]
fn told(outcome: &Outcome, texts: &[&str]) {
    let mut printed: Vec<_> = outcome.objects().iter().map(whose).collect();
    printed.retain(|name| !name.starts_with("attic/")); // a known agent is an engine too
    printed.sort();
    assert_eq!(printed, ["a/web", "z/web"], "{outcome:?}");
    assert_eq!(outcome.status, Some(1), "{outcome:?}");
    one_line(outcome, texts);
}

#[track_caller]
fn one_line(outcome: &Outcome, texts: &[&str]) {
    assert_eq!(outcome.stderr.lines().count(), 1, "one line, not: {}", outcome.stderr);
    for text in texts {
        assert!(outcome.stderr.contains(text), "no {text:?} in: {}", outcome.stderr);
    }
}

fn whose(object: &serde_json::Value) -> String {
    let text = |key: &str| object[key].as_str().unwrap_or("?").to_owned();
    format!("{}/{}", text("engine"), text("container_name"))
}

/// A server of these manners behind a unix socket and a port: the same line for both.
#[track_caller]
fn misbehaving(manner: servers::Manner, texts: &[&str]) {
    let faulty = Faulty::new();
    let url = servers::unix(faulty.path(), "bad.sock", manner);
    told(&faulty.ps(&url), &[&[url.as_str()], texts].concat());
    let url = servers::tcp(manner);
    told(&Faulty::new().ps(&url), &[&[url.as_str()], texts].concat());
}

#[test]
fn no_socket() {
    let faulty = Faulty::new();
    let url = faulty.socket("none.sock");
    told(&faulty.ps(&url), &[&url, "no such socket", "is the engine running?"]);
}

#[test]
fn a_socket_that_nobody_listens_on() {
    let faulty = Faulty::new();
    drop(UnixListener::bind(faulty.path().join("left.sock")).unwrap());
    let url = faulty.socket("left.sock");
    told(&faulty.ps(&url), &[&url, "is the engine running?"]);
}

#[test]
fn a_port_that_nobody_listens_on() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("tcp://{}", listener.local_addr().unwrap());
    drop(listener);
    told(&Faulty::new().ps(&url), &[&url, "refused", "does the engine listen there?"]);
}

#[test]
fn no_permission() {
    let faulty = Faulty::new();
    let path = faulty.path().join("locked.sock");
    let _listener = UnixListener::bind(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    let url = faulty.socket("locked.sock");
    let args = faulty.args(&url);
    let outcome = without_root_s_rights(&args.each_ref().map(String::as_str)).outcome();
    told(&outcome, &[&url, "permission denied", "run as root"]);
}

/// Root may write to any socket, but not without the capability to.
fn without_root_s_rights(args: &[&str]) -> Run {
    if !rustix::process::geteuid().is_root() {
        return drowse(args);
    }
    let drop = "--bounding-set=-dac_override,-dac_read_search";
    program("setpriv", &[&[drop, DROWSE], args].concat())
}

#[test]
fn a_web_server_instead_of_an_engine() {
    misbehaving(servers::web_server, &["web server", "It works!", "check the URL"]);
    misbehaving(servers::empty_web_server, &["web server", "404 Not Found", "check the URL"]);
}

#[test]
fn a_socket_proxy_that_says_no() {
    let words = ["list containers", "proxy", "403 Forbidden", "allow it there"];
    misbehaving(servers::socket_proxy, &words);
}

#[test]
fn an_engine_that_accepts_and_never_answers() {
    misbehaving(servers::silent, &["no answer within 1 s"]);
}

#[test]
fn an_engine_that_answers_a_byte_a_second() {
    misbehaving(servers::drips, &["list containers", "no answer within 1 s"]);
}

#[test]
fn an_engine_that_dies_in_the_middle_of_the_list() {
    misbehaving(servers::dies_short, &["list containers", "ended early"]);
    misbehaving(servers::dies_between_chunks, &["list containers", "ended early"]);
}

#[test]
fn broken_json() {
    misbehaving(servers::broken_json, &["list containers", "can't be read", "column"]);
}

#[test]
fn a_head_of_100_mb() {
    misbehaving(servers::endless_head, &["list containers", "head", "64 KiB"]);
}

#[test]
fn a_minimum_api_version_above_ours() {
    misbehaving(servers::future_engine, &["1.99", "newer drowse"]);
}

#[test]
fn certificates() {
    let Some(engine) = world::engine() else { return };
    let own = engine.tls_section("");
    let (agent, wrong, late) = ("agent", "wrong", "expired");
    let ca = |folder: &str| engine.certs.join(folder).join("ca.pem").display().to_string();
    let tls = |tls: &str| Faulty::new().ps(&engine.with_tls(&engine.tls, tls));

    let no_client = format!("{{ca_file: {}}}", ca(""));
    told(&tls(&no_client), &[&engine.tls, "client certificate", "none is configured"]);
    let wrong_ca = own.replace(&ca(""), &ca(wrong));
    told(&tls(&wrong_ca), &[&engine.tls, "not signed by", &ca(wrong)]);
    let wrong_client = engine.tls_section(wrong).replace(&ca(wrong), &ca(""));
    told(&tls(&wrong_client), &[&engine.tls, "refuses the client certificate", "wrong/cert.pem"]);
    told(&tls(&engine.tls_section(late)), &[&engine.tls, "expired/cert.pem"]);
    let expired = Faulty::new().ps(&engine.with_tls(&engine.expired, &own));
    told(&expired, &[&engine.expired, "certificate", "expired 2 days ago"]);
    let other_name = Faulty::new()
        .ps(&engine
            .with_tls(&engine.agent.replace("agent://", "https://"), &engine.tls_section(agent)));
    told(&other_name, &["is for godoxy.agent", "not for 127.0.0.1"]);
}

#[test]
fn the_wrong_one_of_http_and_tls() {
    let Some(engine) = world::engine() else { return };
    let plain = engine.tls.replace("https://", "tcp://");
    told(&Faulty::new().ps(&plain), &[&plain, "TLS"]);
    let tls = engine.tcp.replace("tcp://", "https://");
    let outcome = Faulty::new().ps(&engine.with_tls(&tls, &engine.tls_section("")));
    told(&outcome, &[&tls, "does not speak TLS"]);
}

#[test]
fn an_unknown_agent() {
    let url = "agent://cellar";
    told(&Faulty::new().ps(url), &[url, "unknown agent"]);
    let Some(engine) = world::engine() else { return };
    let known = Faulty { agents: engine.agents_section(), ..Faulty::new() };
    told(&known.ps("agent://attik"), &["agent://attik", "attic"]);
}

/// Runs `check` and `ps` on this config: both name the place, and exit 1.
#[track_caller]
fn misconfigured(text: &str, texts: &[&str]) {
    let dir = tempdir().unwrap();
    let file = dir.path().join("drowse.yml");
    fs::write(&file, text).unwrap();
    for verb in ["check", "ps"] {
        let outcome = drowse(&[verb, "--config", file.to_str().unwrap()]).outcome();
        assert_eq!(outcome.status, Some(1), "{outcome:?}");
        one_line(&outcome, texts);
    }
}

#[test]
fn a_missing_key_file() {
    let tls = "{ca_file: /none/ca.pem, cert_file: /none/cert.pem, key_file: /none/key.pem}";
    let config = format!("providers:\n  docker:\n    b: {{url: \"tls://box\", tls: {tls}}}\n");
    let dir = tempdir().unwrap();
    for name in ["ca.pem", "cert.pem"] {
        fs::write(dir.path().join(name), "").unwrap();
    }
    let config = config.replace("/none", dir.path().to_str().unwrap());
    misconfigured(&config, &["drowse.yml:3:", "key.pem", "no such file"]);
}

#[test]
fn broken_yaml() {
    misconfigured("providers:\n  docker:\n    a: [unix:///run/a\n", &["drowse.yml:"]);
    misconfigured("providers:\n\tdocker: {}\n", &["drowse.yml:2:", "tab"]);
}

#[test]
fn a_misspelt_key() {
    let config = "providers:\n  docker: {a: unix:///run/a}\nidel: {poll: 5s}\n";
    misconfigured(config, &["drowse.yml:3:1", "`idel`", "`idle`"]);
}

#[test]
fn a_config_that_is_not_there() {
    let outcome = drowse(&["ps", "--config", "/none/drowse.yml"]).outcome();
    assert_eq!((outcome.status, outcome.stdout.as_str()), (Some(1), ""));
    one_line(&outcome, &["/none/drowse.yml", "no such file"]);
}

#[test]
fn wrong_usage_is_2() {
    for args in [&["pss"][..], &["ps", "--hots", "x"], &["ps", "--timeout", "soon"], &[]] {
        let outcome = drowse(args).outcome();
        assert_eq!((outcome.status, outcome.stdout.as_str()), (Some(2), ""), "{args:?}");
        assert!(!outcome.stderr.is_empty(), "{args:?}");
    }
}
