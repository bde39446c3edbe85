//! `status`, `wake`, `sleep` and `keep` against a control socket that a test plays. No engine.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, SystemTime};
use std::{fs, thread};

use drowse::docker::time;
use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};

use crate::binary::{DROWSE, Outcome, drowse, program};

/// A daemon that gives everybody the same answer.
struct Daemon {
    dir: TempDir,
    asked: Receiver<String>,
}

impl Daemon {
    /// Answers every request with these bytes, and closes.
    fn saying(answer: impl Into<Vec<u8>>) -> Daemon {
        Daemon::with(answer.into(), Duration::ZERO)
    }

    /// The same, after a while.
    fn with(answer: Vec<u8>, after: Duration) -> Daemon {
        let dir = tempdir().unwrap();
        let listener = UnixListener::bind(dir.path().join("control.sock")).unwrap();
        let (tell, asked) = channel();
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut line = String::new();
                BufReader::new(&stream).read_line(&mut line).unwrap();
                let _ = tell.send(line);
                thread::sleep(after);
                let _ = stream.write_all(&answer);
            }
        });
        Daemon { dir, asked }
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("control.sock")
    }

    /// Runs a verb against it; what it was asked, and what came of it.
    fn run(&self, line: &str) -> (String, Outcome) {
        let outcome = at(&self.socket(), line);
        let asked = self.asked.try_iter().last().unwrap_or_default();
        (asked.trim_end().to_owned(), outcome)
    }
}

/// Runs a verb at this socket.
fn at(socket: &Path, line: &str) -> Outcome {
    let args: Vec<_> = line.split(' ').collect();
    drowse(&[&args[..], &["--control", socket.to_str().unwrap()]].concat()).outcome()
}

fn web() -> Value {
    json!({
        "backend": "docker", "container_id": "ab12", "engine": "pi",
        "doors": [{"at": "0.0.0.0:8080", "kind": "redirect", "state": "shut", "target": 80,
            "transport": "tcp", "why": null}],
        "kept_for_ms": null, "last_wake_at": "2026-11-21T09:05:35.5Z", "last_wake_ms": 812,
        "name": "web", "problems": ["proxy.x: unknown"], "sleeps_in_ms": 61_500,
        "state": "awake", "usual_wake_ms": 900, "why": "bytes",
    })
}

fn db() -> Value {
    json!({
        "backend": "docker", "container_id": "cd34", "doors": [], "engine": "attic",
        "kept_for_ms": 3_600_000, "last_wake_at": null, "last_wake_ms": null, "name": "db",
        "problems": [], "sleeps_in_ms": 3_600_000, "state": "going_to_sleep",
        "usual_wake_ms": null, "why": null,
    })
}

fn done(name: &str, state: &str, took_ms: Option<u64>) -> Value {
    json!({"engine": "pi", "error": null, "name": name, "state": state, "took_ms": took_ms})
}

fn lines(values: &[Value]) -> String {
    values.iter().map(|value| format!("{value}\n")).collect()
}

#[test]
fn status_prints_what_the_daemon_says() {
    let daemon = Daemon::saying(lines(&[web(), db()]));
    let (asked, outcome) = daemon.run("status");
    assert_eq!(asked, r#"{"do":"status"}"#);
    assert_eq!((outcome.status, outcome.stderr.as_str()), (Some(0), ""));
    assert_eq!(outcome.stdout, lines(&[web(), db()]), "every key, in order");
    assert_eq!(outcome.threads, 1);
    let array: Value = serde_json::from_str(&daemon.run("status --format json").1.stdout).unwrap();
    assert_eq!(array, json!([web(), db()]));
}

#[test]
fn status_is_a_table_that_fits_and_tells_problems_below() {
    let ago = |seconds| {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        time::rfc3339((now - Duration::from_secs(seconds)).as_nanos().try_into().unwrap())
    };
    let with = |row: Value, changes: Value| {
        let mut row = row;
        row.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        row
    };
    let web = with(web(), json!({"last_wake_at": ago(200)}));
    let why = "start: driver failed programming external connectivity";
    let broken =
        json!({"name": "broken", "state": "failed", "why": why, "problems": [why], "doors": []});
    let host = json!({"name": "host", "state": "left_alone", "why": "host network", "doors": []});
    let host = with(host, json!({"problems": [], "last_wake_at": null, "last_wake_ms": null}));
    let rows = [web.clone(), with(web.clone(), broken), with(db(), host), db()];
    let several = Daemon::saying(lines(&rows)).run("status --format table").1.stdout;
    let expected = format!(
        "\
NAME        STATE           WHY        SLEEPS IN  LAST WAKE  TOOK   DOORS
pi/web      awake           bytes      1m2s       3m ago     812ms  8080
pi/broken   failed          see below  1m2s       3m ago     812ms
attic/host  left alone      see below  kept 1h
attic/db    going to sleep             kept 1h

pi/web: proxy.x: unknown
pi/broken: {why}
attic/host: host network
"
    );
    assert_eq!(several, expected);
    let one = Daemon::saying(lines(&[web])).run("status --format table").1.stdout;
    let expected = "\
NAME  STATE  WHY    SLEEPS IN  LAST WAKE  TOOK   DOORS
web   awake  bytes  1m2s       3m ago     812ms  8080

web: proxy.x: unknown
";
    assert_eq!(one, expected);
    let none = Daemon::saying("").run("status --format table").1.stdout;
    assert_eq!(none, "nothing is watched: no container has the label proxy.idle_timeout\n");
}

#[test]
fn nothing_watched_is_an_empty_answer() {
    let daemon = Daemon::saying("");
    let printed = |line: &str| {
        let outcome = daemon.run(line).1;
        assert_eq!((outcome.status, outcome.stderr.as_str()), (Some(0), ""));
        outcome.stdout
    };
    assert_eq!((printed("status"), printed("status --format json")), ("".into(), "[]\n".into()));
}

#[test]
fn the_socket_is_that_of_the_configuration() {
    let daemon = Daemon::saying(lines(&[web()]));
    let config = daemon.dir.path().join("drowse.yml");
    fs::write(&config, "control: control.sock\n").unwrap();
    let outcome = drowse(&["status", "--config", config.to_str().unwrap()]).outcome();
    assert_eq!((outcome.status, outcome.stdout), (Some(0), lines(&[web()])));
    fs::write(&config, "controll: x\n").unwrap();
    let outcome = drowse(&["status", "--config", config.to_str().unwrap()]).outcome();
    assert_eq!(outcome.status, Some(1));
    assert!(outcome.stderr.contains("unknown key `controll`"), "{}", outcome.stderr);
}

#[test]
fn orders_ask_for_what_they_say() {
    let daemon =
        Daemon::saying(lines(&[done("web", "awake", Some(812)), done("db", "awake", None)]));
    for (line, request) in [
        ("wake web db", r#"{"do":"wake","names":["web","db"],"wait":false}"#),
        ("wake --wait web db", r#"{"do":"wake","names":["web","db"],"wait":true}"#),
        ("sleep pi/web db --wait", r#"{"do":"sleep","names":["pi/web","db"],"wait":true}"#),
        ("keep web db 1h30m", r#"{"do":"keep","names":["web","db"],"for_ms":5400000}"#),
        ("keep web db 0", r#"{"do":"keep","names":["web","db"],"for_ms":0}"#),
    ] {
        let (asked, outcome) = daemon.run(line);
        assert_eq!(asked, request);
        assert_eq!((outcome.status, outcome.stderr.as_str()), (Some(0), ""), "{line}");
        assert_eq!(outcome.objects()[0], done("web", "awake", Some(812)));
    }
    let table = daemon.run("wake web db --format table").1.stdout;
    let expected = "NAME  ENGINE  STATE  TOOK\nweb   pi      awake  812ms\ndb    pi      awake\n";
    assert_eq!(table, expected);
}

#[test]
fn a_name_that_failed_is_told_and_the_others_are_printed() {
    let failed = json!({
        "engine": "pi", "error": "start container web on unix:///x: refused", "name": "web",
        "state": "failed", "took_ms": null,
    });
    let unknown = json!({
        "engine": null, "error": "unknown container; did you mean `db`?", "name": "bd",
        "state": null, "took_ms": null,
    });
    let answer = lines(&[failed.clone(), unknown, done("db", "awake", Some(1))]);
    let outcome = Daemon::saying(answer).run("wake web bd db").1;
    let told = "drowse: wake pi/web: start container web on unix:///x: refused\n\
                drowse: wake bd: unknown container; did you mean `db`?\n";
    assert_eq!((outcome.status, outcome.stderr.as_str()), (Some(1), told));
    assert_eq!(outcome.stdout, lines(&[failed, done("db", "awake", Some(1))]));
}

#[test]
fn a_daemon_that_refuses_or_babbles_is_told() {
    let long = vec![b' '; 1 << 21];
    for (answer, told) in [
        (&b"{\"error\":\"not now\"}\n"[..], "not now"),
        (b"hello\n", "an answer that can't be read: expected value at line 1 column 1"),
        (b"{\"name\":\"web\"", "the answer ends in the middle of a line"),
        (&long, "a line of more than 1048576 bytes"),
    ] {
        let daemon = Daemon::saying(answer);
        let line = format!("drowse: control socket {}: {told}\n", daemon.socket().display());
        for verb in ["status", "keep web 1h", "wake --wait web"] {
            let outcome = daemon.run(verb).1;
            assert_eq!((outcome.status, &outcome.stderr, &*outcome.stdout), (Some(1), &line, ""));
        }
    }
    let outcome = Daemon::saying(lines(&[done("web", "awake", None)])).run("wake web db").1;
    let told = "drowse: the daemon ended before it had answered for every name\n";
    assert_eq!((outcome.status, outcome.stderr.as_str()), (Some(1), told));
}

#[test]
fn only_who_waits_waits_longer_than_the_timeout() {
    let answer = lines(&[done("web", "awake", Some(900))]);
    let daemon = Daemon::with(answer.clone().into(), Duration::from_millis(900));
    let outcome = daemon.run("wake web --timeout 200ms").1;
    let told = format!(
        "drowse: control socket {}: no answer within 200ms: is it stuck? --timeout allows more\n",
        daemon.socket().display()
    );
    assert_eq!((outcome.status, outcome.stderr), (Some(1), told));
    let outcome = daemon.run("wake --wait web --timeout 200ms").1;
    assert_eq!((outcome.status, outcome.stdout), (Some(0), answer));
}

#[test]
fn without_a_daemon_one_line_says_so() {
    let dir = tempdir().unwrap();
    let socket = dir.path().join("control.sock");
    let told = |why: &str| {
        format!(
            "drowse: control socket {}: {why}: is the daemon running? systemctl start drowse, or \
             drowse daemon\n",
            socket.display()
        )
    };
    let verbs = ["status", "keep web 1h", "wake web", "sleep --wait web"];
    for verb in verbs {
        let outcome = at(&socket, verb);
        assert_eq!((outcome.status, outcome.stderr), (Some(1), told("no such socket")), "{verb}");
    }
    drop(UnixListener::bind(&socket).unwrap());
    for verb in verbs {
        let outcome = at(&socket, verb);
        assert_eq!((outcome.status, outcome.stderr), (Some(1), told("nobody listens")), "{verb}");
    }
}

#[test]
fn who_may_not_is_told_who_may() {
    let daemon = Daemon::saying(lines(&[web()]));
    if program("id", &["-u"]).outcome().stdout != "0\n" {
        eprintln!("left out: not root, who alone can be somebody else");
        return;
    }
    let (folder, socket) = (daemon.dir.path(), daemon.socket());
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o600)).unwrap();
    let copy = folder.join("drowse"); // the build's own folder may be closed to others
    fs::copy(DROWSE, &copy).unwrap();
    for verb in ["status", "wake", "sleep", "keep"] {
        let more: &[&str] = match verb {
            "status" => &[],
            "keep" => &["web", "1h"],
            _ => &["web"],
        };
        let head = ["--reuid=65534", "--regid=65534", "--clear-groups", copy.to_str().unwrap()];
        let tail = ["--control", socket.to_str().unwrap()];
        let outcome = program("setpriv", &[&head[..], &[verb], more, &tail].concat()).outcome();
        let told = format!(
            "drowse: control socket: permission denied on {}: run as root\n",
            socket.display()
        );
        assert_eq!((outcome.status, outcome.stderr), (Some(1), told), "{verb}");
    }
}

#[test]
fn wrong_usage_is_told() {
    for (line, told) in [
        ("wake", "no names given (drowse wake --help says more)"),
        ("sleep --wait", "no names given (drowse sleep --help says more)"),
        ("keep 1h", "no names given (drowse keep --help says more)"),
        (
            "keep web",
            "`web`: not a number: expected a duration such as 90s, 1h30m or 250ms (drowse keep \
             NAME… DURATION)",
        ),
        ("keep web 10000h", "`10000h`: expected a year at most"),
        ("keep --wait web 1h", "`--wait`: an option of wake, not of keep"),
        ("wake web --frobnicate", "`--frobnicate`: unknown option (drowse wake --help lists them)"),
        ("status web", "`web`: unexpected argument"),
        (
            "wake web --host unix:///x --control /y",
            "--host goes past the daemon, --control does not: expected one of them",
        ),
        ("unit extra", "`extra`: unexpected argument"),
    ] {
        let args: Vec<_> = line.split(' ').collect();
        let outcome = drowse(&args).outcome();
        let told = format!("drowse: {told}\n");
        assert_eq!((outcome.status, outcome.stderr), (Some(2), told), "{line}");
    }
}
