//! Every recorded reply of the engines and of PVE, cut in two at every byte: the same reply comes
//! out. Runs where the recordings are.

use std::fs;
use std::path::{Path, PathBuf};

use drowse::error::Why;
use drowse::http::exchange::Exchange;
use drowse::http::{Method, Reply, Request};
use serde_json::Value;

/// curl wrote this one down: the head says chunked, the body is not.
const NOT_AS_SENT: &str = "events-2s.http";

fn shared(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared").join(folder)
}

/// The reply in these pieces, and what its end gave.
fn receive(method: Method, pieces: [&[u8]; 2]) -> (Reply, Result<(), Why>) {
    let path = "/".to_string();
    let request = Request { method, path, headers: Vec::new(), body: Vec::new() };
    let mut exchange = Exchange::new(&request, "docker", "").unwrap();
    let mut body = Vec::new();
    for piece in pieces {
        exchange.feed(piece, &mut body).unwrap();
    }
    let end = exchange.end();
    (Reply { body, ..exchange.take_head().unwrap() }, end)
}

/// The same for every way to cut `wire` in two.
fn receive_in_all_ways(name: &str, method: Method, wire: &[u8]) -> (Reply, Result<(), Why>) {
    let whole = receive(method, [wire, b""]);
    for at in 0..wire.len() {
        let (before, after) = wire.split_at(at);
        assert!(receive(method, [before, after]) == whole, "{name} cut at {at}");
    }
    whole
}

fn recordings(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            found.extend(recordings(&path));
        } else if path.extension().is_some_and(|extension| extension == "http") {
            found.push(path);
        }
    }
    found
}

/// Checks status, end and, where the decoded body was recorded too, the body.
fn check_recording(file: &Path) {
    let name = file.file_stem().unwrap().to_string_lossy().into_owned();
    let wire = fs::read(file).unwrap();
    let is_head = name.ends_with("-head") || name.starts_with("head-");
    let method = if is_head { Method::Head } else { Method::Get };
    let (reply, end) = receive_in_all_ways(&file.display().to_string(), method, &wire);
    assert_eq!(reply.status.to_string().as_bytes(), &wire[9..12], "{}", file.display());
    // A stream that the recorder cut, or a dying engine.
    let cut = Err(Why::Broken("the reply ended early: its last chunk is missing".to_string()));
    let is_stream = reply.header("transfer-encoding").is_some();
    assert!(end == Ok(()) || (is_stream && end == cut), "{}: {end:?}", file.display());
    if let Ok(decoded) = fs::read(file.with_extension("json")) {
        let decoded: Value = serde_json::from_slice(&decoded).unwrap();
        let body: Value = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!(body, decoded, "{}", file.display());
    }
}

fn check_engine(engine: &str) {
    let folder = shared("docker/replies").join(engine);
    if !folder.exists() {
        return;
    }
    let files = recordings(&folder);
    assert!(files.len() > 10, "{}", folder.display());
    for file in files.iter().filter(|file| !file.ends_with(NOT_AS_SENT)) {
        check_recording(file);
    }
}

#[test]
fn every_reply_of_docker_20_10() {
    check_engine("docker-20.10");
}

#[test]
fn every_reply_of_docker_29_7() {
    check_engine("docker-29.7");
}

#[test]
fn every_reply_of_podman_4_3() {
    check_engine("podman-4.3");
}

#[test]
fn every_reply_of_podman_5_8() {
    check_engine("podman-5.8");
}

#[test]
fn every_reply_of_a_socket_proxy() {
    check_engine("socket-proxy");
}

/// The bytes of an exchange that was recorded as JSON, with the length of the body as it is here;
/// `None`: there was no reply.
fn wire_of(response: &Value, body: &[u8]) -> Option<Vec<u8>> {
    let reason = response["reason"].as_str().unwrap_or_default();
    let mut text = format!("HTTP/1.1 {} {reason}\r\n", response["status"].as_u64()?);
    for header in response["headers"].as_array()? {
        let (name, value) = (header[0].as_str()?, header[1].as_str()?);
        let length = body.len().to_string();
        let is_length = name.eq_ignore_ascii_case("content-length");
        let value = if is_length { length.as_str() } else { value };
        text.extend([name, ": ", value, "\r\n"]);
    }
    text.push_str("\r\n");
    Some([text.as_bytes(), body].concat())
}

#[test]
fn every_reply_of_pve() {
    let Ok(files) = fs::read_dir(shared("proxmox/replies")) else { return };
    let mut count = 0;
    for file in files.map(|entry| entry.unwrap().path()) {
        let recorded: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        for exchange in recorded["exchanges"].as_array().unwrap() {
            let response = &exchange["response"];
            let body = match &response["body"] {
                Value::Null => Vec::new(),
                body => serde_json::to_vec(body).unwrap(),
            };
            let Some(wire) = wire_of(response, &body) else { continue };
            let name = format!("{} {}", file.display(), exchange["name"]);
            let (reply, end) = receive_in_all_ways(&name, Method::Get, &wire);
            assert_eq!((reply.body, end), (body, Ok(())), "{name}");
            assert_eq!(u64::from(reply.status), response["status"], "{name}");
            count += 1;
        }
    }
    assert!(count > 400, "{count}");
}
