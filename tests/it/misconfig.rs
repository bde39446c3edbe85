//! Everything that can be wrong in a config file, with the lines the user gets.

use std::fs;
use std::os::unix::fs::symlink;

use drowse::config;
use proptest::prelude::*;

use crate::home::Home;

#[test]
fn all_problems_are_told_at_once_in_the_order_of_the_file() {
    let text = r#"
provider: {}
idel: {}
idle: {poll: 10, stop_method: freeze, wakeTimeout: 1m, max_waking: -1}
metrics: 9420
doors: {port: 70000, redirect: of}
lxc:
  99: {}
  101: {idle_timeout: soon, prot: 80, stop_method: pausee, depends_on: [a]}
  0101: {stop_timeout: 10}
  102: {healthcheck: {paht: /}, healthcheck.path: /, aliases: }
control: [x]
"#;
    let duration = "expected a duration such as 90s, 1h30m or 250ms";
    assert_eq!(
        problems(text),
        [
            "drowse.yml:2:1: unknown key `provider`, expected `providers`",
            "drowse.yml:3:1: unknown key `idel`, expected `idle`",
            &format!("drowse.yml:4:14: poll: `10`, a number without a unit: {duration}"),
            "drowse.yml:4:31: stop_method: `freeze`, expected stop or pause or kill",
            "drowse.yml:4:39: unknown key `wakeTimeout`, expected `wake_timeout`",
            "drowse.yml:4:68: max_waking: `-1`, expected a number from 1 to 1000",
            "drowse.yml:5:10: metrics: `9420`, expected ADDRESS:PORT such as 127.0.0.1:9420",
            "drowse.yml:6:15: port: `70000`, expected a number from 1 to 65535",
            "drowse.yml:6:32: redirect: `of`, expected `off`",
            "drowse.yml:8:3: vmid `99`, expected a number from 100 to 999999999",
            &format!("drowse.yml:9:23: idle_timeout: `soon`, not a number: {duration}"),
            "drowse.yml:9:29: unknown key `prot`, expected `port`",
            "drowse.yml:9:52: stop_method: `pausee`, expected `pause`",
            "drowse.yml:9:72: a list, expected a text",
            "drowse.yml:10:3: the guest 101 a second time",
            "drowse.yml:11:23: unknown key `healthcheck.paht`, expected `healthcheck.path`",
            "drowse.yml:11:61: nothing, expected a text",
            "drowse.yml:12:10: a list, expected a text",
        ]
    );
}

#[test]
fn engines() {
    let text = r#"
providers:
  docker:
    none:
    list: [tcp://box]
    path: tcp://box/x
    user: tcp://me:hunter2@box
    word: box:2375
    bare: tls://box
    sshd: {url: ssh://box, tls: {insecure: true}}
    both: {url: tcp://box, scheme: tcp, host: box}
    port: {scheme: tcp, host: box, port: http}
    part: {host: box}
    prot: {shceme: tcp, host: box}
    a/b: /run/a.sock
    "!": /run/a.sock
    twin: /run/a.sock
    twin!: /run/b.sock
    var: tcp://${HOST}:80
    open: tcp://${HOST
"#;
    let a_url = "expected a URL such as unix:///var/run/docker.sock or tcp://host:2375";
    let tls = "expected `tls: {ca_file: …}` beside the URL";
    assert_eq!(
        problems(text),
        [
            "drowse.yml:4:9: nothing, expected a URL or a map",
            "drowse.yml:5:11: a list, expected a URL or a map",
            "drowse.yml:6:11: a path behind the host, expected only HOST:PORT",
            "drowse.yml:7:11: a user in the URL, expected one only in ssh://",
            &format!("drowse.yml:8:11: `box:2375`, {a_url}"),
            &format!("drowse.yml:9:11: TLS without certificates, {tls}"),
            "drowse.yml:10:11: certificates given, expected them only with tcp, http, https or tls",
            "drowse.yml:11:28: `scheme` beside `url`, expected one or the other",
            "drowse.yml:11:41: `host` beside `url`, expected one or the other",
            "drowse.yml:12:42: port: `http`, expected a number from 1 to 65535",
            "drowse.yml:13:11: expected `scheme`",
            "drowse.yml:14:11: expected `scheme`",
            "drowse.yml:14:12: unknown key `shceme`, expected `scheme`",
            "drowse.yml:15:5: `a/b`, expected a name without `/`",
            "drowse.yml:16:5: ``, expected a name without `/`",
            "drowse.yml:18:5: a second engine named `twin`, see line 17",
            "drowse.yml:19:10: ${HOST} is not set, expected it in the environment",
            "drowse.yml:20:11: a `${` without its `}`",
        ]
    );
}

#[test]
fn agents_and_their_certificates() {
    let text = r#"
providers:
  docker: {attic: /run/x.sock}
  agents:
  - {addr: a, tls: {ca_file: ca.pem, cert_file: cert.pem}}
  - {addr: b}
  - {addr: "tcp://c", tls: {insecure: true}}
  - {name: d, tls: {ca_file: nowhere.pem, cert_file: cert.pem, key_file: folder}}
  - {addr: e, tls: {ca_file: ca.pem, insecure: true, cert_file: cert.pem, key_file: key.pem}}
  - {addr: f, name: a/b, tls: {insecure: false, cert_file: cert.pem, key_file: loop.pem}}
  - &g {addr: g, name: attic, tls: {ca_file: ca.pem, cert_file: cert.pem, key_file: key.pem}}
  - *g
  - word
"#;
    let tls = "expected `tls: {ca_file: …, cert_file: …, key_file: …}`";
    let trust = "expected one of `ca_file`, `fingerprint` and `insecure: true`";
    assert_eq!(
        problems(text),
        [
            "drowse.yml:3:3: an engine and another agent named `attic`",
            "drowse.yml:5:20: `cert_file` alone, expected `key_file` too",
            &format!("drowse.yml:6:5: {tls}"),
            "drowse.yml:7:12: addr: a path behind the host, expected only HOST:PORT",
            "drowse.yml:7:28: expected `cert_file` and `key_file`",
            "drowse.yml:8:5: expected `addr`",
            "drowse.yml:8:30: ca_file: nowhere.pem: no such file",
            "drowse.yml:8:74: key_file: folder: expected a file",
            &format!("drowse.yml:9:20: two ways to trust, {trust}"),
            "drowse.yml:10:21: name: `a/b`, expected a name without `/`",
            &format!("drowse.yml:10:31: {trust}"),
            "drowse.yml:10:80: key_file: loop.pem: too many levels of symbolic links",
            "drowse.yml:11:5: a second agent named `attic`",
            "drowse.yml:11:5: a second agent at `g`",
            "drowse.yml:13:5: a text, expected a map",
        ]
    );
}

#[test]
fn proxmox() {
    let text = r#"
providers:
  proxmox:
  - {url: "http://me:hunter2@pve", token_id: root@pam, secret: "hunter 2", tls: {insecure: yes}}
  - {url: https://pve/x, token_id: a@b!c, tls: {fingerprint: "AA:BB"}}
  - {url: https://pve, token_id: a@b!c, secret: x, secret_file: empty}
  - {url: https://pve, token_id: a@b!c, secret_file: empty, tls: {ca_file: ca.pem}}
  - {url: https://pve, token_id: a@b!c, secret_credential: ../x, tls: {ca_file: ca.pem}}
  - {tls: }
  - &twin {url: https://pve, token_id: a@b!c, secret: x, tls: {insecure: true}}
  - *twin
"#;
    let one_line = "expected one line of letters, digits and signs";
    let secrets = "expected one of `secret`, `secret_file` and `secret_credential`";
    let tls = "expected `tls:` with `ca_file`, `fingerprint` or `insecure: true`";
    assert_eq!(
        problems(text),
        [
            "drowse.yml:4:11: url: `http://…@pve`, expected https://HOST:8006",
            "drowse.yml:4:46: token_id: `root@pam`, expected user@realm!name",
            &format!("drowse.yml:4:64: secret: {one_line}"),
            "drowse.yml:4:92: insecure: `yes`, expected true or false",
            &format!("drowse.yml:5:5: no secret, {secrets}"),
            "drowse.yml:5:11: url: a path behind the host, expected only HOST:PORT",
            "drowse.yml:5:62: fingerprint: expected a SHA-256, 32 bytes in hex such as `AA:BB:…`",
            &format!("drowse.yml:6:5: more than one secret, {secrets}"),
            &format!("drowse.yml:6:5: {tls}"),
            &format!("drowse.yml:7:54: secret_file: empty: {one_line}"),
            "drowse.yml:8:60: secret_credential: `../x`, expected a credential's name",
            "drowse.yml:9:5: expected `url`",
            "drowse.yml:9:5: expected `token_id`",
            &format!("drowse.yml:9:5: no secret, {secrets}"),
            &format!("drowse.yml:9:5: {tls}"),
            "drowse.yml:10:5: a second section for `pve:8006`",
        ]
    );
}

#[test]
fn fingerprints_and_tokens() {
    let bytes: [u8; 32] = std::array::from_fn(|n| 0xa0 + n as u8);
    let pairs = bytes.map(|byte| format!("{byte:02X}"));
    let text = |fingerprint: &str, token: &str| {
        format!(
            "providers: {{proxmox: [{{url: https://pve, token_id: '{token}', secret: x, \
             tls: {{fingerprint: '{fingerprint}'}}}}]}}"
        )
    };
    let home = Home::new();
    for (fingerprint, token) in [
        (pairs.join(":"), "root@pam!a1"),
        (pairs.concat().to_lowercase(), "me@firm.example@ldap!a.b_c-d"),
    ] {
        let config = home.load(&text(&fingerprint, token)).unwrap();
        let drowse::net::Route::Tls { tls, .. } = &config.proxmox[0].endpoint.route else {
            panic!("{config:?}")
        };
        assert_eq!(tls.trust, drowse::net::Trust::Fingerprint(bytes));
        assert_eq!(config.proxmox[0].token_id, token);
    }
    for (fingerprint, token) in [
        (pairs[1..].join(":"), "root@pam!a1"),
        (pairs.join("::"), "root@pam!a1"),
        (pairs.join(":").replace('A', "G"), "root@pam!a1"),
        (pairs.concat(), "root@pam!"),
        (pairs.concat(), "root@pam!a b"),
        (pairs.concat(), "@pam!a1"),
        (pairs.concat(), "root!a1"),
        (pairs.concat(), "root@pam!a1=x"),
    ] {
        let count = home.load(&text(&fingerprint, token)).map_err(|problems| problems.len());
        assert_eq!(count.map(drop), Err(1), "{fingerprint} {token}");
    }
}

#[test]
fn a_control_socket_needs_a_path_that_fits() {
    let long = format!("control: /{}", "x".repeat(107));
    let expected = "drowse.yml:1:10: control: a path of 108 bytes, expected at most 107";
    assert_eq!(problems(&long), [expected]);
    let expected = "drowse.yml:1:10: control: nothing, expected a socket's path";
    assert_eq!(problems("control: ''"), [expected]);
}

#[test]
fn files_that_are_no_config() {
    for (text, expected) in [
        (&b"a: [1\n"[..], "drowse.yml:2:1: while parsing a flow sequence, expected ',' or ']'"),
        (b"doors: {}\ndoors: {}\n", "drowse.yml:2:1: the key `doors` a second time"),
        (b"- a\n", "drowse.yml:1:1: a list, expected a map"),
        (b"idle: \xff", "drowse.yml: not UTF-8 after 6 bytes"),
        (&[b'#'; (1 << 20) + 1], "drowse.yml: longer than 1048576 bytes"),
    ] {
        let home = Home::new();
        fs::write(home.path("drowse.yml"), text).unwrap();
        assert_eq!(told(&home), [expected]);
    }
    let home = Home::new();
    assert_eq!(told(&home), ["drowse.yml: no such file or directory"]);
    fs::create_dir(home.path("drowse.yml")).unwrap();
    assert_eq!(told(&home), ["drowse.yml: is a directory"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// Any value in any place is told or taken, never a panic.
    #[test]
    fn no_config_makes_it_panic(
        key in "providers|idle|lxc|metrics|control|doors|x",
        inner in "docker|agents|proxmox|port|101|poll|\\$\\{A:-",
        value in "[a-z0-9:/@!$\\{\\}\\[\\], ~'.-]{0,24}",
    ) {
        let home = Home::new();
        let _ = home.load(&format!("{key}: {value}"));
        let _ = home.load(&format!("{key}: {{{inner}: {value}}}"));
        let _ = home.load(&format!("{key}: {{{inner}: [{value}]}}"));
        let _ = home.load(&format!("{key}: {{{inner}: {{a: {value}}}}}"));
    }
}

/// The printed problems of this text, beside good and bad files.
fn problems(text: &str) -> Vec<String> {
    let home = Home::new();
    home.pems("");
    home.write("empty", "\n");
    fs::create_dir(home.path("folder")).unwrap();
    symlink("loop.pem", home.path("loop.pem")).unwrap();
    home.write("drowse.yml", text);
    told(&home)
}

fn told(home: &Home) -> Vec<String> {
    let problems = config::load(Some(&home.path("drowse.yml")), &home.env(&[])).unwrap_err();
    let folder = format!("{}/", home.path("").display().to_string().trim_end_matches('/'));
    problems.iter().map(|problem| problem.to_string().replace(&folder, "")).collect()
}
