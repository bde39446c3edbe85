//! What is said of wrong arguments and of settings that can't be used: whole lines. No engine.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

use crate::binary::{DROWSE, Run, drowse};

/// The exit code, and stderr without the program's name; nothing was printed.
fn said(run: Run) -> (Option<i32>, String) {
    let outcome = run.outcome();
    assert_eq!(outcome.stdout, "");
    let line = outcome.stderr.strip_prefix("drowse: ").unwrap_or(&outcome.stderr);
    (outcome.status, line.trim_end_matches('\n').to_owned())
}

fn told(line: &str, code: i32) -> (Option<i32>, String) {
    (Some(code), line.to_owned())
}

#[test]
fn a_wrong_option_is_told_in_one_line() {
    for (args, line) in [
        ("pss", "`pss`: unknown verb; did you mean `ps`? (drowse --help lists them)"),
        ("foo", "`foo`: unknown verb (drowse --help lists them)"),
        ("help foo", "`foo`: unknown verb (drowse --help lists them)"),
        ("--format json ps", "`--format`: expected after the verb, as in `drowse ps --format …`"),
        ("--frobnicate", "`--frobnicate`: unknown option (see drowse --help)"),
        ("ps --hots x", "`--hots`: unknown option; did you mean `--host`?"),
        ("ps -a", "`-a`: unknown option (drowse ps --help lists them)"),
        ("ps --config a --config b", "`--config`: given twice"),
        ("ps --running=yes", "`--running`: takes no value"),
        ("parse --timeout=5s", "`--timeout`: an option of ps, not of parse"),
        ("parse file --hots", "`--hots`: unknown option; did you mean `--host`?"),
        ("ps extra", "`extra`: unexpected argument"),
        ("help ps extra", "`extra`: unexpected argument"),
    ] {
        let args: Vec<_> = args.split(' ').collect();
        assert_eq!(said(drowse(&args)), told(line, 2), "{args:?}");
    }
}

#[test]
fn a_wrong_value_is_told_with_what_was_expected() {
    for (option, line) in [
        ("--format=xml", "--format: `xml`: expected table, json or jsonl"),
        ("--timeout=0", "--timeout: `0`: expected more than that, such as 5s"),
        (
            "--timeout=abc",
            "--timeout: `abc`: not a number: expected a duration such as 90s, 1h30m or 250ms",
        ),
        ("--timeout", "--timeout: expected a value"),
        ("--log=loud", "--log: `loud`: expected off, error, warn, info, debug or trace"),
        ("--filter=running", "--filter: `running`: expected KEY=VALUE, such as state=running"),
        (
            "--filter=stat=running",
            "--filter: `stat`: expected one of alias, engine, health, image, label, name, project, \
             service, state; did you mean `state`?",
        ),
        (
            "--filter=state=exitd",
            "--filter: `exitd`: expected one of created, dead, exited, paused, removing, \
             restarting, running; did you mean `exited`?",
        ),
        (
            "--filter=health=well",
            "--filter: `well`: expected one of healthy, none, starting, unhealthy",
        ),
        (
            "--host=box",
            "--host: `box`, expected a URL such as unix:///var/run/docker.sock or tcp://host:2375",
        ),
        (
            "--host=foo://box",
            "--host: unknown scheme `foo`, expected one of unix, tcp, http, https, tls, ssh, agent",
        ),
    ] {
        assert_eq!(said(drowse(&["ps", option])), told(line, 2), "{option}");
    }
}

#[test]
fn an_argument_that_is_no_text_is_told() {
    let bad = OsStr::from_bytes(b"\xff");
    for (args, line) in [
        (&[bad][..], "drowse: an argument is not UTF-8\n"),
        (
            &[OsStr::new("ps"), OsStr::new("--host"), bad],
            "drowse: --host: an argument is not UTF-8\n",
        ),
    ] {
        let output = Command::new(DROWSE).args(args).output().unwrap();
        assert_eq!(
            (output.status.code(), String::from_utf8_lossy(&output.stderr)),
            (Some(2), line.into())
        );
    }
}

#[test]
fn help_and_version_need_nothing_else() {
    for (args, begins) in [
        (&["--help"][..], "drowse: containers that sleep"),
        (&["help"], "drowse: containers that sleep"),
        (&["ps", "-h"], "usage: drowse ps"),
        (&["help", "check"], "usage: drowse check"),
        (&["--version"], concat!("drowse ", env!("CARGO_PKG_VERSION"), "\n")),
        (&["ps", "-V"], concat!("drowse ", env!("CARGO_PKG_VERSION"), "\n")),
    ] {
        let outcome = drowse(args).outcome();
        assert_eq!((outcome.status, outcome.stderr.as_str()), (Some(0), ""), "{args:?}");
        assert!(outcome.stdout.starts_with(begins), "{args:?}: {}", outcome.stdout);
    }
}

#[test]
fn a_setting_that_cannot_be_used_is_named() {
    let unknown =
        "`nonsense`, expected a URL such as unix:///var/run/docker.sock or tcp://host:2375";
    let context = "unknown docker context `foo`, expected it in /nonexistent/contexts/meta";
    let certs = "no ca.pem in /nonexistent, expected DOCKER_CERT_PATH to name its folder";
    for verb in [&["ps"][..], &["ps", "--watch"]] {
        let ps = || drowse(verb);
        let host = ps().env("DOCKER_HOST", "nonsense");
        assert_eq!(said(host), told(&format!("DOCKER_HOST: {unknown}"), 1));
        let named = ps().env("DOCKER_CONTEXT", "foo");
        assert_eq!(said(named), told(&format!("docker context foo: {context}"), 1));
        let tls = ps().env("DOCKER_HOST", "tcp://box").env("DOCKER_TLS_VERIFY", "1");
        assert_eq!(said(tls), told(&format!("DOCKER_HOST: {certs}"), 1));
        let version = ps().env("DOCKER_API_VERSION", "new");
        let line = "DOCKER_API_VERSION: API version \"new\": expected one like 1.41";
        assert_eq!(said(version), told(line, 1));
    }
    let agent = ["ps", "--watch", "--host", "agent://attic"];
    let line = "agent://attic: unknown agent `attic`, expected one of `providers.agents`";
    assert_eq!(said(drowse(&agent)), told(line, 1));
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    for (args, line) in [
        ("parse /none", "/none: no such file or directory"),
        ("parse /", "/: is a directory"),
        ("parse", "standard input: no JSON at all: the input is empty"),
        ("ps --config /none", "/none: no such file or directory"),
        ("ps --config /", "/: is a directory"),
    ] {
        let args: Vec<_> = args.split(' ').collect();
        assert_eq!(said(drowse(&args)), told(line, 1), "{args:?}");
    }
}

#[test]
fn a_full_disk_is_told_and_no_reason_to_panic() {
    for args in [&["--help"][..], &["parse", "testdata/sample.json"]] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = Command::new(DROWSE).args(args).stdout(full).output().unwrap();
        let line = "drowse: write to standard output: no space left on device\n";
        assert_eq!(
            (output.status.code(), String::from_utf8_lossy(&output.stderr)),
            (Some(1), line.into())
        );
    }
}
