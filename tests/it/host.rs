//! Engine URLs and what they mean.

use drowse::agent::{Agent, Agents};
use drowse::error::Why;
use drowse::host::{self, Host, Named};
use drowse::net::{Endpoint, Identity, Route, Tls, Trust};

#[test]
fn a_socket_is_named_by_url_or_by_its_path() {
    let expected = Ok(Host {
        endpoint: Endpoint {
            url: "unix:///run/my docker.sock".into(),
            authority: "localhost".into(),
            route: Route::Unix("/run/my docker.sock".into()),
        },
        agent: None,
        local: true,
        public_name: "localhost".into(),
    });
    assert_eq!(plain("unix:///run/my docker.sock"), expected);
    assert_eq!(plain("/run/my docker.sock"), expected);
}

#[test]
fn tcp_and_http_are_the_same_and_only_loopback_is_local() {
    for (url, name, port, authority, local) in [
        ("tcp://box", "box", 2375, "box:2375", false),
        ("http://box:1/", "box", 1, "box:1", false),
        ("TCP://127.0.0.1", "127.0.0.1", 2375, "127.0.0.1:2375", true),
        ("tcp://127.9.9.9:80", "127.9.9.9", 80, "127.9.9.9:80", true),
        ("tcp://LocalHost:80", "LocalHost", 80, "LocalHost:80", true),
        ("tcp://[::1]", "::1", 2375, "[::1]:2375", true),
        ("tcp://[::ffff:127.0.0.1]:80", "::ffff:127.0.0.1", 80, "[::ffff:127.0.0.1]:80", true),
        ("tcp://[2001:DB8::1]:80", "2001:db8::1", 80, "[2001:db8::1]:80", false),
        ("tcp://10.0.0.5:65535", "10.0.0.5", 65535, "10.0.0.5:65535", false),
    ] {
        let expected = Host {
            endpoint: Endpoint {
                url: url.into(),
                authority: authority.into(),
                route: Route::Tcp { host: name.into(), port },
            },
            agent: None,
            local,
            public_name: name.into(),
        };
        assert_eq!(plain(url), Ok(expected), "{url}");
    }
}

#[test]
fn certificates_make_it_tls_with_its_own_port() {
    for (url, port) in
        [("tcp://box", 2376), ("http://box", 2376), ("https://box", 2376), ("tls://box:8443", 8443)]
    {
        let expected = Host {
            endpoint: Endpoint {
                url: url.into(),
                authority: format!("box:{port}"),
                route: Route::Tls { host: "box".into(), port, tls: tls(None) },
            },
            agent: None,
            local: false,
            public_name: "box".into(),
        };
        assert_eq!(host::parse(url, Some(tls(None)), &Agents::new()), Ok(expected), "{url}");
    }
}

#[test]
fn ssh_runs_dial_stdio_at_the_other_end() {
    for (url, command, local) in [
        ("ssh://box", "-- box docker system dial-stdio", false),
        ("ssh://me@box:2222/", "-l me -p 2222 -- box docker system dial-stdio", false),
        (
            "ssh://me@[::1]/run/user/1000/podman.sock",
            "-l me -- ::1 docker --host unix:///run/user/1000/podman.sock system dial-stdio",
            true,
        ),
    ] {
        let words = format!("ssh -T -o ConnectTimeout=30 {command}");
        let words = words.split(' ').map(str::to_owned).collect();
        let expected = Endpoint {
            url: url.into(),
            authority: "localhost".into(),
            route: Route::Command(words),
        };
        let host = plain(url).map(|host| (host.endpoint, host.local));
        assert_eq!(host, Ok((expected, local)), "{url}");
    }
}

#[test]
fn an_agent_is_found_by_address_and_by_name() {
    for url in ["agent://attic.example:8443", "agent://attic"] {
        let expected = Host {
            endpoint: Endpoint {
                url: url.into(),
                authority: "godoxy.agent".into(),
                route: Route::Tls {
                    host: "attic.example".into(),
                    port: 8443,
                    tls: tls(Some("godoxy.agent")),
                },
            },
            agent: Some(Named { name: "attic".into(), addr: "attic.example:8443".into() }),
            local: false,
            public_name: "attic.example".into(),
        };
        assert_eq!(host::parse(url, None, &agents()), Ok(expected), "{url}");
    }
    for (url, expected) in [
        ("agent://atic", "unknown agent `atic`, did you mean `attic`?"),
        ("agent://cellar", "unknown agent `cellar`, expected one of `providers.agents`"),
        ("agent://me:pw@cellar", "unknown agent `…@cellar`, expected one of `providers.agents`"),
    ] {
        let found = host::parse(url, None, &agents());
        assert_eq!(found, Err(Why::NotFound(expected.into())), "{url}");
    }
}

#[test]
fn what_is_no_engine_url_says_what_was_expected() {
    let long = format!("/{}", "x".repeat(107));
    let a_url = "expected a URL such as unix:///var/run/docker.sock or tcp://host:2375";
    for (url, expected) in [
        ("", &*format!("``, {a_url}")),
        ("box:2375", &format!("`box:2375`, {a_url}")),
        ("me:secret@box:2375", &format!("`…@box:2375`, {a_url}")),
        ("me:secret@tcp://box", &format!("`…@tcp://box`, {a_url}")),
        ("unix://run/docker.sock", "`run/docker.sock`, expected an absolute path"),
        (&long, "a socket's path of 108 bytes, expected at most 107"),
        ("tcp://", "host ``, expected a name or an address"),
        ("tcp://a b", "host `a b`, expected a name or an address"),
        ("tcp://-box", "host `-box`, expected a name or an address"),
        ("tcp://box:0", "port `0`, expected 1 to 65535"),
        ("tcp://box:", "port ``, expected 1 to 65535"),
        ("tcp://box:+80", "port `+80`, expected 1 to 65535"),
        ("tcp://box:65536", "port `65536`, expected 1 to 65535"),
        ("tcp://box/v1.41", "a path behind the host, expected only HOST:PORT"),
        ("tcp://box?x", "a path behind the host, expected only HOST:PORT"),
        ("tcp://::1:80", "`::1:80`, expected an IPv6 address in brackets"),
        ("tcp://[::1", "expected a `]`"),
        ("tcp://[::1]80", "expected a `:` after the `]`"),
        ("tcp://[box]:80", "`[box]`, expected an IPv6 address"),
        ("tcp://me:secret@box", "a user in the URL, expected one only in ssh://"),
        ("https://me@box", "TLS without certificates, expected `tls: {ca_file: …}` beside the URL"),
        ("tls://box", "TLS without certificates, expected `tls: {ca_file: …}` beside the URL"),
        ("ssh://me:secret@box", "a password in the URL, expected a key that ssh knows"),
        ("ssh://@box", "expected a user name before the `@`"),
        ("ssh://-oX@box", "expected a user name before the `@`"),
        ("ssh://-oProxyCommand=x", "host `-oProxyCommand=x`, expected a name or an address"),
        ("ssh://me@-x", "host `-x`, expected a name or an address"),
        (
            "ssh://box/run/$(x).sock",
            "`/run/$(x).sock`, expected a socket's path of letters, digits and /._-+=:@,",
        ),
        ("htps://box", "unknown scheme `htps`, expected `https`"),
        (
            "npipe://box",
            "unknown scheme `npipe`, expected one of unix, tcp, http, https, tls, ssh, agent",
        ),
        ("tcp://box\n", "a control character in the URL"),
    ] {
        assert_eq!(plain(url), Err(Why::Invalid(expected.into())), "{url}");
    }
    let found = host::parse("ssh://box", Some(tls(None)), &Agents::new());
    let expected = "certificates given, expected them only with tcp, http, https or tls";
    assert_eq!(found, Err(Why::Invalid(expected.into())));
}

#[test]
fn a_url_in_a_message_keeps_no_password() {
    for (url, expected) in [
        ("tcp://box:1", "tcp://box:1"),
        ("tcp://me@box:1", "tcp://…@box:1"),
        ("tcp://me:a@b@box", "tcp://…@box"),
        ("ssh://me@box", "ssh://me@box"),
        ("ssh://me:pw@box", "ssh://…@box"),
        ("unix:///run/@x", "unix:///run/@x"),
        ("/run/a:b@x", "/run/a:b@x"),
        ("me:pw@box", "…@box"),
    ] {
        assert_eq!(host::redacted(url), expected, "{url}");
    }
}

fn plain(url: &str) -> Result<Host, Why> {
    host::parse(url, None, &Agents::new())
}

fn agents() -> Agents {
    let mut agents = Agents::new();
    agents.add(Agent {
        addr: "attic.example:8443".into(),
        name: "attic".into(),
        tls: tls(Some("godoxy.agent")),
    });
    agents
}

fn tls(server_name: Option<&str>) -> Tls {
    Tls {
        trust: Trust::Ca("ca.pem".into()),
        identity: Some(Identity { cert: "cert.pem".into(), key: "key.pem".into() }),
        server_name: server_name.map(str::to_owned),
    }
}
