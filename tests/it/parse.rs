//! `drowse parse` from outside: any input, each format, where it is said to come from. Not the
//! rules of one container.

use serde_json::{Value, json};
use tempfile::tempdir;

use crate::binary::{Outcome, drowse};

/// A good line, a cut one, a good one, and an array that breaks off.
const BROKEN: &str = r#"{"Id":"a","Names":["/a"]}
{"Id":
{"Id":"b","Names":["/b"]}
[{"Id":"c","Names":["/c"]},"#;

const RUNNING: &str = r#"{"Id":"a","Names":["/a"],"State":"running",
    "NetworkSettings":{"Networks":{"bridge":{"IPAddress":"172.17.0.2"}}}}"#;

fn parse(args: &[&str], input: &str) -> Outcome {
    drowse(&[&["parse"], args].concat()).input(input.as_bytes()).outcome()
}

fn names(containers: &[Value]) -> Vec<&str> {
    containers.iter().filter_map(|one| one["container_name"].as_str()).collect()
}

#[test]
fn every_format_is_whole_even_where_the_input_is_not() {
    for (input, expected, status) in [
        (BROKEN, &["a", "b", "c"][..], 1),
        ("[]", &[], 0),
        ("", &[], 1),
        ("\u{feff}[{\"Id\":\"a\"}]\r\n", &["a"], 0),
        ("\u{0}\u{1}PNG", &[], 1),
        (r#"[{"Id":"a"},null,{"Id":"b"}]"#, &["a", "b"], 1),
        (r#"{"message":"client is newer than server"}"#, &[], 1),
    ] {
        let json = parse(&["--format", "json"], input);
        let array: Vec<Value> = serde_json::from_str(&json.stdout).unwrap();
        let lines = parse(&["--format", "jsonl"], input);
        let table = parse(&["--format", "table"], input);
        assert_eq!((names(&array), &array), (expected.to_vec(), &lines.objects()), "{input}");
        let rows: Vec<&str> = table.stdout.lines().filter_map(|line| line.get(..1)).collect();
        let heading = if expected.is_empty() { &[][..] } else { &["N"] };
        assert_eq!(rows, [heading, expected].concat(), "{input}");
        for outcome in [json, lines, table] {
            assert_eq!(outcome.status, Some(status), "{input}");
            assert_eq!(outcome.stderr.lines().count(), status as usize, "{outcome:?}");
        }
    }
}

#[test]
fn what_could_not_be_read_is_told_with_its_place() {
    let outcome = parse(&[], BROKEN);
    let told = "drowse: standard input: line 4, column 1: expected `,` or `}`, \
                and 1 more\n";
    assert_eq!((outcome.status, outcome.stderr.as_str()), (Some(1), told));
    let outcome = parse(&["/none/list.json"], "");
    assert_eq!(outcome.status, Some(1));
    assert!(outcome.stderr.contains("/none/list.json: no such file"), "{}", outcome.stderr);
    for args in [&["--format", "xml"][..], &["--formt", "json"], &["a", "b"]] {
        assert_eq!(parse(args, "[]").status, Some(2), "{args:?}");
    }
}

/// Name of the URL, agent, network, private and public host name, errors.
fn place(args: &[&str]) -> Value {
    let outcome = parse(args, RUNNING);
    assert_eq!((outcome.status, outcome.stderr.as_str()), (Some(0), ""));
    let [one] = &outcome.objects()[..] else { panic!("{outcome:?}") };
    let keys = ["docker_cfg", "agent", "network", "private_hostname", "public_hostname", "errors"];
    keys.iter().map(|key| one[key].clone()).collect()
}

#[test]
fn the_engine_it_is_said_to_come_from_decides_where_it_is_reached() {
    let here = "unix:///var/run/docker.sock";
    assert_eq!(place(&[]), json!([here, null, "bridge", "172.17.0.2", "127.0.0.1", []]));
    for url in ["tcp://box:2375", "https://box:2376", "tls://box", "ssh://me@box"] {
        assert_eq!(place(&["--host", url]), json!([url, null, "", "", "box", []]));
    }
    let errors = |url: &str| place(&["--host", url])[5].clone();
    let nowhere = "network: no network: expected one, or a known host name of the engine";
    let unknown = "agent: unknown agent `nobody`: expected one of `providers.agents`";
    assert_eq!(errors("agent://nobody"), json!([unknown, nowhere]));
    let user = "docker_cfg: a user in the URL: expected one only in ssh://";
    assert_eq!(errors("https://me:secret@box"), json!([user, nowhere]));
}

#[test]
fn the_config_tells_its_agents_and_idle_defaults() {
    let dir = tempdir().unwrap();
    for name in ["ca.pem", "cert.pem", "key.pem"] {
        std::fs::write(dir.path().join(name), "").unwrap();
    }
    let tls = "{ca_file: ca.pem, cert_file: cert.pem, key_file: key.pem}";
    let agents = format!("[{{addr: \"attic.example:443\", name: attic, tls: {tls}}}]");
    let file = dir.path().join("drowse.yml");
    let text = format!("providers: {{agents: {agents}}}\nidle: {{wake_timeout: 9s}}\n");
    std::fs::write(&file, text).unwrap();
    let config = ["--config", file.to_str().unwrap(), "--host"];
    let place = |url: &str| place(&[&config[..], &[url]].concat());
    let agent = json!({"addr": "attic.example:443", "name": "attic"});
    for url in ["agent://attic", "agent://attic.example:443"] {
        let expected = json!([url, agent, "bridge", "172.17.0.2", "attic.example", []]);
        assert_eq!(place(url), expected);
    }
    let near = "agent: unknown agent `atic`, did you mean `attic`?";
    assert_eq!(place("agent://atic")[5][0], near);
    let sleeper = r#"{"Id":"a","Labels":{"proxy.idle_timeout":"5m"}}"#;
    let plan = &parse(&config[..2], sleeper).objects()[0]["idlewatcher_config"];
    assert_eq!(plan["wake_timeout_ms"], 9000);
}
