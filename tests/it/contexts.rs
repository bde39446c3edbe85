//! Docker's own settings, and the engine they lead to.

use drowse::config::{self, Engine};
use drowse::error::Why;
use drowse::net::Trust;

use crate::home::{Home, route_tls, show};

#[test]
fn docker_host_comes_before_a_context_and_a_context_before_the_socket() {
    let home = Home::new();
    home.write(".docker/config.json", r#"{"auths": {}, "currentContext": "far"}"#);
    context(&home, "far", r#"{"Host": "ssh://me@far"}"#);
    context(&home, "near", r#"{"Host": "tcp://127.0.0.1:1"}"#);
    let far = "far = ssh://me@far, far: localhost by Command([\"ssh\", \"-T\", \"-o\", \
               \"ConnectTimeout=30\", \"-l\", \"me\", \"--\", \"far\", \"docker\", \"system\", \
               \"dial-stdio\"])";
    let near = "near = tcp://127.0.0.1:1, local 127.0.0.1: 127.0.0.1:1 by \
                Tcp { host: \"127.0.0.1\", port: 1 }";
    let socket = "default = unix:///var/run/docker.sock, local localhost: localhost by \
                  Unix(\"/var/run/docker.sock\")";
    let url = "default = tcp://box:1, local box: box:1 by Tcp { host: \"box\", port: 1 }";
    for (vars, expected) in [
        (&[][..], far),
        (&[("DOCKER_CONTEXT", "near")], near),
        (&[("DOCKER_CONTEXT", "default")], socket),
        (&[("DOCKER_CONTEXT", "near"), ("DOCKER_HOST", "tcp://box:1")], url),
        (&[("DOCKER_CONFIG", "/nowhere")], socket),
        (&[("HOME", "")], socket),
    ] {
        assert_eq!(show(&engine(&home, vars)), expected, "{vars:?}");
    }
}

#[test]
fn a_context_brings_its_certificates() {
    let home = Home::new();
    let near = [("DOCKER_CONTEXT", "near")];
    context(&home, "near", r#"{"Host": "tcp://box:1", "SkipTLSVerify": false}"#);
    assert!(show(&engine(&home, &near)).ends_with("by Tcp { host: \"box\", port: 1 }"));
    let pems = ".docker/contexts/tls/id-of-near/docker";
    home.pems(pems);
    assert_eq!(route_tls(&engine(&home, &near)), home.tls(pems, None));
    context(&home, "near", r#"{"Host": "https://box", "SkipTLSVerify": true}"#);
    let tls = route_tls(&engine(&home, &near));
    assert_eq!((tls.trust, tls.identity), (Trust::Insecure, home.tls(pems, None).identity));
}

#[test]
fn a_context_that_cannot_be_read_is_an_error_of_its_engine() {
    let home = Home::new();
    let metas = home.path(".docker/contexts/meta");
    let metas = metas.display();
    let config = home.path(".docker/config.json");
    let context_error = |name: &str| {
        let engine = engine(&home, &[("DOCKER_CONTEXT", name)]);
        (engine.name, engine.url, engine.host)
    };
    let error = |name: &str, why: String| {
        (name.into(), format!("docker context {name}"), Err(Why::Invalid(why)))
    };
    let why = format!("unknown docker context `attic`, expected it in {metas}");
    assert_eq!(context_error("attic"), error("attic", why));

    context(&home, "attic", r#"{"Host": "https://box"}"#);
    let why = "unknown docker context `atic`, did you mean `attic`?";
    assert_eq!(context_error("atic"), error("atic", why.into()));
    let ca = home.path(".docker/contexts/tls/id-of-attic/docker/ca.pem");
    let why = format!("{}: no such file", ca.display());
    assert_eq!(context_error("attic"), error("attic", why));

    home.write(".docker/contexts/meta/x/meta.json", "{\n  \"Name\": }");
    let why = format!(
        "unknown docker context `cellar`, {metas}/x/meta.json: expected value at line 2 column 11"
    );
    assert_eq!(context_error("cellar"), error("cellar", why));

    home.write(".docker/contexts/meta/x/meta.json", r#"{"Name": "kube", "Endpoints": {}}"#);
    let why = format!("{metas}/x/meta.json: expected an endpoint `docker`");
    assert_eq!(context_error("kube"), error("kube", why));

    home.write(".docker/config.json", "{");
    let engine = engine(&home, &[]);
    let why = format!("{}: EOF while parsing an object at line 1 column 1", config.display());
    assert_eq!(engine.host, Err(Why::Invalid(why)));
    assert_eq!(engine.url, "the current docker context");
}

fn context(home: &Home, name: &str, endpoint: &str) {
    let path = format!(".docker/contexts/meta/id-of-{name}/meta.json");
    let meta =
        format!(r#"{{"Name":"{name}","Metadata":{{}},"Endpoints":{{"docker":{endpoint}}}}}"#);
    home.write(&path, &meta);
}

fn engine(home: &Home, vars: &[(&str, &str)]) -> Engine {
    let [engine] = config::load(None, &home.env(vars)).unwrap().engines.try_into().unwrap();
    engine
}
