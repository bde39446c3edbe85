//! Config files and environments, and what is made of them.

use std::fs;
use std::path::Path;
use std::time::Duration;

use drowse::config::{self, Config, Doors, Env, Idle, Redirect};
use drowse::error::Why;
use drowse::net::{Route, Tls, Trust};
use drowse::plan::StopMethod;
use drowse::sorted::Map;

use crate::home::{Home, route_tls, show};

/// Every key there is.
const EXAMPLE: &str = r#"
providers:
  docker:
    local: ${DOCKER_HOST}         # or a URL: unix:// tcp:// https:// tls:// ssh:// agent://
    strict!: unix:///run/user/1000/podman/podman.sock   # "!": only containers with proxy.* labels
    remote:
      scheme: tls
      host: docker2.local
      port: 2376
      tls: {ca_file: ca.pem, cert_file: cert.pem, key_file: key.pem}
  agents:
    - addr: agent.example.com:443      # then usable as agent://agent.example.com:443 or by name
      name: attic
      tls: {ca_file: ca.pem, cert_file: cert.pem, key_file: key.pem, server_name: godoxy.agent}
  proxmox:
    - url: https://pve.example:8006
      token_id: sleeper@pve!t1
      secret_file: pve.secret                # or secret:, or a systemd credential by name
      tls: {ca_file: pve-root-ca.pem}   # or fingerprint: "AA:BB:…", or insecure: true
idle:                                   # defaults for every container; labels win
  wake_timeout: 2m
  stop_timeout: 30
  stop_method: pause
  poll: 5s
  max_waking: 2                         # at once, over all engines; the rest queue in order
lxc:                                    # idle settings for guests without labels in their notes
  101: {idle_timeout: 30m, port: 8080:80, healthcheck: {path: /up}}
metrics: 127.0.0.1:9420                 # off unless set
control: run/control.sock               # relative to the file
doors: {port: 41961, redirect: off}     # auto | off; off: stand-in doors only
"#;

#[test]
fn every_key_is_read() {
    let home = Home::new();
    home.pems("");
    home.write("pve-root-ca.pem", "");
    home.write("pve.secret", "5f4dcc3b-5aa7\n");
    let config = home.load(EXAMPLE).unwrap();

    let shown: Vec<String> = config.engines.iter().map(show).collect();
    let expected = [
        "local = unix:///var/run/docker.sock, local localhost: \
         localhost by Unix(\"/var/run/docker.sock\")",
        "strict only explicit = unix:///run/user/1000/podman/podman.sock, local localhost: \
         localhost by Unix(\"/run/user/1000/podman/podman.sock\")",
        "remote = tls://docker2.local:2376, docker2.local: docker2.local:2376 by TLS to \
         docker2.local 2376",
        "attic = agent://agent.example.com:443, agent.example.com: godoxy.agent by TLS to \
         agent.example.com 443",
    ];
    assert_eq!(shown, expected);

    let attic = config.agents.by_name("attic").unwrap();
    assert_eq!(attic.addr, "agent.example.com:443");
    assert_eq!(attic.tls, home.tls("", Some("godoxy.agent")));
    assert_eq!(route_tls(&config.engines[2]), home.tls("", None));

    let pve = &config.proxmox[0];
    assert_eq!(pve.endpoint.url, "https://pve.example:8006");
    assert_eq!(pve.token_id, "sleeper@pve!t1");
    assert_eq!(pve.secret.as_ref().map(|secret| secret.reveal()), Ok("5f4dcc3b-5aa7"));
    assert!(!format!("{config:?}").contains("5f4dcc3b"));
    let trust = Trust::Ca(home.path("pve-root-ca.pem"));
    let tls = Tls { trust, identity: None, server_name: None };
    let route = Route::Tls { host: "pve.example".into(), port: 8006, tls };
    assert_eq!(pve.endpoint.route, route);

    let guest = [("healthcheck.path", "/up"), ("idle_timeout", "30m"), ("port", "8080:80")];
    let guest = guest.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let expected = Config {
        file: Some(home.path("drowse.yml")),
        idle: Idle {
            wake_timeout: Duration::from_secs(120),
            stop_timeout: Duration::from_secs(30),
            stop_method: StopMethod::Pause,
            poll: Duration::from_secs(5),
            max_waking: 2,
        },
        lxc: Map::from([(101, Map::from(guest))]),
        metrics: Some(([127, 0, 0, 1], 9420).into()),
        control: home.path("run/control.sock"),
        doors: Doors { port: 41961, redirect: Redirect::Off },
        ..config.clone()
    };
    assert_eq!(config, expected);
}

#[test]
fn an_empty_file_is_all_defaults_and_the_engine_of_the_environment() {
    let home = Home::new();
    let empty = home.load("# nothing yet\n").unwrap();
    let without = config::load(None, &home.env(&[])).unwrap();
    assert_eq!(Config { file: None, ..empty }, without);
    let defaults = Idle {
        wake_timeout: Duration::from_secs(180),
        stop_timeout: Duration::from_secs(60),
        stop_method: StopMethod::Stop,
        poll: Duration::from_secs(10),
        max_waking: 4,
    };
    assert_eq!((without.idle, without.doors.port), (defaults, 41960));
    assert_eq!(without.control, Path::new("/run/drowse/control.sock"));
    assert_eq!(
        without.engines.iter().map(show).collect::<Vec<_>>(),
        ["default = unix:///var/run/docker.sock, local localhost: \
         localhost by Unix(\"/var/run/docker.sock\")"]
    );
}

#[test]
fn the_file_is_the_named_one_then_the_variables_then_the_default() {
    let home = Home::new();
    for name in ["named.yml", "variable.yml", "default.yml"] {
        home.write(name, "");
    }
    let file = |choice: Option<&str>, vars: &[(&str, &str)], default: &str| {
        let env = Env { default_file: home.path(default), ..home.env(vars) };
        let choice = choice.map(|name| home.path(name));
        let file = config::load(choice.as_deref(), &env).unwrap().file?;
        Some(file.file_name()?.to_str()?.to_owned())
    };
    let variable = home.path("variable.yml");
    let variable = [("DROWSE_CONFIG", variable.to_str().unwrap())];
    assert_eq!(file(Some("named.yml"), &variable, "default.yml").as_deref(), Some("named.yml"));
    assert_eq!(file(None, &variable, "default.yml").as_deref(), Some("variable.yml"));
    assert_eq!(file(None, &[("DROWSE_CONFIG", "")], "default.yml").as_deref(), Some("default.yml"));
    assert_eq!(file(None, &[], "absent.yml"), None);
}

#[test]
fn an_engine_that_cannot_be_found_hides_no_other() {
    let home = Home::new();
    let config = home.load("providers: {docker: {a: agent://attik, b: /run/b.sock}}").unwrap();
    let why = "unknown agent `attik`, expected one of `providers.agents`";
    assert_eq!(config.engines[0].host, Err(Why::NotFound(why.into())));
    assert_eq!(
        show(&config.engines[1]),
        "b = unix:///run/b.sock, local localhost: \
         localhost by Unix(\"/run/b.sock\")"
    );
}

#[test]
fn an_agent_named_by_an_engine_is_no_second_engine() {
    let home = Home::new();
    home.pems("");
    let tls = "tls: {ca_file: ca.pem, cert_file: cert.pem, key_file: key.pem}";
    let config = home.load(&format!(
        "providers:\n  docker: {{up: agent://attic}}\n  agents:\n  - {{addr: a:1, name: attic, \
         {tls}}}\n  - {{addr: b, {tls}}}\n"
    ));
    let shown: Vec<String> = config.unwrap().engines.iter().map(show).collect();
    assert_eq!(
        shown,
        [
            "up = agent://attic, a: godoxy.agent by TLS to a 1",
            "b = agent://b, b: godoxy.agent by TLS to b 443",
        ]
    );
}

#[test]
fn variables_are_replaced_and_the_engine_of_docker_host_is_local() {
    let home = Home::new();
    let vars = [("DOCKER_HOST", "tcp://box:1"), ("NAME", "near"), ("EMPTY", "")];
    home.write(
        "drowse.yml",
        "providers: {docker: {a: '${DOCKER_HOST}', b: 'tcp://box:1', \
         c: 'tcp://${NAME}:${PORT:-2}', d: 'tcp://$x${EMPTY:-}'}}"
            .replace("$x", "x")
            .as_str(),
    );
    let config = config::load(Some(&home.path("drowse.yml")), &home.env(&vars)).unwrap();
    let shown: Vec<String> = config.engines.iter().map(show).collect();
    assert_eq!(
        shown,
        [
            "a = tcp://box:1, local box: box:1 by Tcp { host: \"box\", port: 1 }",
            "b = tcp://box:1, local box: box:1 by Tcp { host: \"box\", port: 1 }",
            "c = tcp://near:2, near: near:2 by Tcp { host: \"near\", port: 2 }",
            "d = tcp://x, x: x:2375 by Tcp { host: \"x\", port: 2375 }",
        ]
    );
}

#[test]
fn a_url_on_the_command_line_takes_certificates_from_the_environment() {
    let home = Home::new();
    home.pems("certs");
    let certs = home.path("certs");
    let certs = ("DOCKER_CERT_PATH", certs.to_str().unwrap());
    let verify = ("DOCKER_TLS_VERIFY", "0");
    let agents = Default::default();
    for (url, vars, port) in [
        ("tcp://box", &[certs, verify][..], 2376),
        ("tcp://box:1", &[certs, verify], 1),
        ("https://box", &[certs], 2376),
    ] {
        let host = config::host(url, &home.env(vars), &agents).unwrap();
        let tls = home.tls("certs", None);
        let route = Route::Tls { host: "box".into(), port, tls };
        assert_eq!(host.endpoint.route, route, "{url}");
    }
    for (url, vars) in [("tcp://box", &[certs][..]), ("/run/x.sock", &[certs, verify])] {
        let host = config::host(url, &home.env(vars), &agents).unwrap();
        assert!(!matches!(host.endpoint.route, Route::Tls { .. }), "{url}");
    }
    let none = config::host("tls://box", &Env::default(), &agents);
    let why = "TLS without certificates, expected DOCKER_CERT_PATH to name a folder";
    assert_eq!(none, Err(Why::Invalid(why.into())));
    let none = config::host("tcp://box", &home.env(&[verify]), &agents);
    let docker = home.path(".docker");
    let docker = docker.display();
    let why = format!("no ca.pem in {docker}, expected DOCKER_CERT_PATH to name its folder");
    assert_eq!(none, Err(Why::Invalid(why)));
    fs::remove_file(home.path("certs/key.pem")).unwrap();
    let half = config::host("https://box", &home.env(&[certs]), &agents);
    let why = format!("{}: no such file", home.path("certs/key.pem").display());
    assert_eq!(half, Err(Why::Invalid(why)));
}

#[test]
fn a_systemd_credential_is_missed_only_when_it_is_used() {
    let home = Home::new();
    home.write("creds/pve", "s3cret\n");
    let text = "providers: {proxmox: [{url: 'https://pve', token_id: a@b!c, \
                secret_credential: pve, tls: {insecure: true}}]}";
    let secret = |vars: &[(&str, &str)]| {
        home.write("drowse.yml", text);
        let config = config::load(Some(&home.path("drowse.yml")), &home.env(vars)).unwrap();
        config.proxmox[0].secret.clone().map(|secret| secret.reveal().to_owned())
    };
    let folder = home.path("creds");
    let there = secret(&[("CREDENTIALS_DIRECTORY", folder.to_str().unwrap())]);
    assert_eq!(there, Ok("s3cret".into()));
    let why = "no systemd credential `pve`, expected to be started by a unit with \
               LoadCredential=pve:…";
    assert_eq!(secret(&[]), Err(Why::Invalid(why.into())));
}
