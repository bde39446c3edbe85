//! `drowse check` from outside: what it found, what it misses, and its exit code. No real engine.

use tempfile::tempdir;

use crate::binary::drowse;
use crate::servers::{self, Manner};

/// The exit code, stdout and stderr of `check` of an engine with these manners, as table or JSON.
fn check(manner: Manner, format: &str) -> (Option<i32>, String, String) {
    let dir = tempdir().unwrap();
    let url = servers::unix(dir.path(), "engine.sock", manner);
    let args = ["check", "--host", &url, "--timeout", "1s", "--format", format];
    let outcome = drowse(&args).outcome();
    (outcome.status, outcome.stdout.replace(&url, "URL"), outcome.stderr.replace(&url, "URL"))
}

#[test]
fn a_good_engine_has_a_row_for_itself_and_each_container_with_labels() {
    let table = "\
        KIND       NAME         FOUND                             PROBLEMS\n\
        engine     default      an engine, API 1.41, 1 container\n\
        container  default/web  stop after 30m\n";
    assert_eq!(check(servers::engine, "table"), (Some(0), table.into(), String::new()));
}

#[test]
fn each_call_that_a_proxy_forbids_is_named_by_method_and_path() {
    let refused = "a proxy in front of the engine does not allow it (403 Forbidden Request \
                   forbidden by administrative rules.): allow it there";
    let line = |what: &str| format!("drowse: engine default: {what} on URL: {refused}\n");
    let expected: String = [
        "follow events (GET /events)",
        "start container {id} (POST /containers/{id}/start)",
        "stop container {id} (POST /containers/{id}/stop)",
        "kill container {id} (POST /containers/{id}/kill)",
        "pause container {id} (POST /containers/{id}/pause)",
        "unpause container {id} (POST /containers/{id}/unpause)",
    ]
    .map(line)
    .concat();
    let table = "\
        KIND       NAME         FOUND                             PROBLEMS\n\
        engine     default      an engine, API 1.41, 1 container  6\n\
        container  default/web  stop after 30m\n";
    assert_eq!(check(servers::reading_proxy, "table"), (Some(1), table.into(), expected));

    let list = line("list containers (GET /containers/json)");
    let (status, stdout, stderr) = check(servers::socket_proxy, "table");
    assert_eq!(status, Some(1));
    assert!(stdout.contains("engine  default  an engine, API 1.41  3\n"), "{stdout}");
    assert!(stderr.starts_with(&list), "{stderr}");
}

#[test]
fn an_engine_that_falls_silent_is_told_once() {
    let told = "list containers on URL: no answer within 1 s: is it stuck? --timeout allows more";
    let row = format!(
        "[{{\"found\":\"an engine, API 1.41\",\"kind\":\"engine\",\"name\":\"default\",\
         \"problems\":[\"{told}\"]}}]\n"
    );
    let line = format!("drowse: engine default: {told}\n");
    assert_eq!(check(servers::falls_silent, "json"), (Some(1), row, line));
}
