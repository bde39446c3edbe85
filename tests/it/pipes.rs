//! Where the output goes: a pipe that closes, `jq`, a terminal with a width. And one thread.

use std::io::{BufRead, BufReader, Read, Write};

use tempfile::tempdir;

use crate::binary::{DROWSE, Outcome, Run, drowse, program};
use crate::servers;

/// Reads one line, hangs up, and waits for the end.
fn head_1(run: Run) -> (Option<i32>, usize, String) {
    let mut child = run.start();
    let mut line = String::new();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut line).unwrap();
    drop(stdout);
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    (child.wait().unwrap().code(), line.lines().count(), said)
}

#[test]
fn a_closed_pipe_ends_it_quietly() {
    let dir = tempdir().unwrap();
    let url = servers::unix(dir.path(), "s", servers::crowded_engine);
    for format in ["jsonl", "json", "table"] {
        let run = drowse(&["ps", "--host", &url, "--format", format]);
        assert_eq!(head_1(run), (Some(0), 1, String::new()), "{format}");
    }
    let list = drowse(&["ps", "--host", &url]).outcome();
    let file = dir.path().join("list.json");
    std::fs::write(&file, crowd()).unwrap();
    let run = drowse(&["parse", file.to_str().unwrap()]);
    assert_eq!(head_1(run), (Some(0), 1, String::new()));
    assert_eq!(list.objects().len(), 5000);
}

#[test]
fn a_stdout_that_is_closed_or_full_from_the_start_is_no_panic() {
    let dir = tempdir().unwrap();
    let url = servers::unix(dir.path(), "s", servers::engine);
    let shell = |redirect: &str| {
        let line = format!("exec {DROWSE} ps --host {url} {redirect}");
        let outcome = program("sh", &["-c", &line]).outcome();
        assert!(!outcome.stderr.contains("panicked"), "{outcome:?}");
        outcome.status
    };
    assert_eq!(shell(">/dev/full"), Some(1));
    assert!([Some(0), Some(1)].contains(&shell(">&-")));
    assert!([Some(0), Some(1)].contains(&shell(">&- 2>&-")));
}

#[test]
fn jq_reads_every_format_that_says_json() {
    let dir = tempdir().unwrap();
    let url = servers::unix(dir.path(), "s", servers::crowded_engine);
    let count = |format: &str, filter: &str| {
        let ps = drowse(&["ps", "--host", &url, "--format", format]).outcome();
        assert_eq!(ps.status, Some(0), "{}", ps.stderr);
        let jq = program("jq", &["-s", filter]).input(ps.stdout.as_bytes()).outcome();
        (jq.status, jq.stdout)
    };
    if program("sh", &["-c", "command -v jq"]).outcome().status != Some(0) {
        eprintln!("left out: no jq");
        return;
    }
    assert_eq!(count("json", ".[0] | length"), (Some(0), "5000\n".to_owned()), "one array");
    assert_eq!(count("jsonl", "length"), (Some(0), "5000\n".to_owned()), "an object a line");
}

#[test]
fn a_table_fits_its_terminal() {
    let dir = tempdir().unwrap();
    let url = servers::unix(dir.path(), "s", servers::crowded_engine);
    for columns in [40, 80, 200] {
        let line = format!("stty cols {columns} rows 50 && exec {DROWSE} ps --host {url}");
        let outcome = program("script", &["-qec", &line, "/dev/null"]).outcome();
        let lines = plain_lines(&outcome);
        assert_eq!((outcome.status, lines.len()), (Some(0), 5001), "a heading and 5000 lines");
        let widest = lines.iter().map(|line| line.chars().count()).max();
        assert!(widest <= Some(columns), "{widest:?} of {columns} columns");
        assert!(columns < 80 || lines[1].contains("web-0000"), "{}", lines[1]);
    }
}

#[test]
fn a_table_in_a_pipe_has_no_colours() {
    let dir = tempdir().unwrap();
    let url = servers::unix(dir.path(), "s", servers::engine);
    let outcome = drowse(&["ps", "--host", &url, "--format", "table"]).outcome();
    assert_eq!((outcome.status, outcome.stdout.lines().count()), (Some(0), 2));
    assert!(!outcome.stdout.contains('\x1b'), "{:?}", outcome.stdout);
}

#[test]
fn parse_reads_a_file_and_a_pipe_alike() {
    let dir = tempdir().unwrap();
    let file = dir.path().join("list.json");
    std::fs::File::create(&file).unwrap().write_all(crowd().as_bytes()).unwrap();
    let from_file = drowse(&["parse", file.to_str().unwrap()]).outcome();
    let from_pipe = drowse(&["parse"]).input(crowd().as_bytes()).outcome();
    assert_eq!((from_file.status, from_file.objects().len()), (Some(0), 5000));
    assert_eq!(from_pipe.stdout, from_file.stdout);
    assert_eq!((from_file.threads, from_pipe.threads), (1, 1));
}

#[test]
fn it_has_one_thread_even_while_it_waits() {
    let dir = tempdir().unwrap();
    let unix = servers::unix(dir.path(), "s", servers::silent);
    let tcp = servers::tcp(servers::silent);
    let by_name = tcp.replace("127.0.0.1", "localhost"); // a name server must not cost a thread
    for url in [unix, tcp, by_name] {
        let outcome = drowse(&["ps", "--host", &url, "--timeout", "500ms"]).outcome();
        assert_eq!((outcome.status, outcome.threads), (Some(1), 1), "{url}: {}", outcome.stderr);
    }
}

/// What the crowded engine lists.
fn crowd() -> String {
    match servers::crowded_engine("GET /v1.41/containers/json?all=1") {
        servers::Deed::Say(reply) => {
            let reply = String::from_utf8(reply).unwrap();
            reply.split_once("\r\n\r\n").unwrap().1.to_owned()
        }
        _ => unreachable!("it says its list"),
    }
}

/// The lines without colours and the terminal's line ends.
fn plain_lines(outcome: &Outcome) -> Vec<String> {
    let plain = |line: &str| {
        let mut parts = line.trim_end().split("\x1b[");
        let first = parts.next().unwrap_or_default().to_owned();
        let tail = |part: &str| {
            part.split_once(|c: char| c.is_ascii_alphabetic())
                .map_or("", |(_, tail)| tail)
                .to_owned()
        };
        parts.fold(first, |text, part| text + &tail(part))
    };
    outcome.stdout.lines().map(plain).collect()
}
