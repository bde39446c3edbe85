//! Recorded replies as values: the committed ones, and all of them where they lie beside the crate.

use std::fs;
use std::path::{Path, PathBuf};

use drowse::http::Reply;

/// The engines whose replies were recorded; also the folders' names.
pub const ENGINES: [&str; 4] = ["docker-20.10", "docker-29.7", "podman-4.3", "podman-5.8"];

/// A recorded reply and the request it answers.
pub struct Recorded {
    /// `docker-20.10/errors/start-304`
    pub name: String,
    pub method: String,
    /// Without the version prefix.
    pub path: String,
    pub reply: Reply,
    /// The body ended as its head said it would; not so where a stream was cut.
    pub ended: bool,
    /// As it came, without the chunks' borders.
    pub pieces: Vec<Vec<u8>>,
}

/// The committed reply of that name: `docker-20.10/list-all`.
pub fn load(name: &str) -> Reply {
    read(&folder(), name, "GET").reply
}

/// All committed replies of `engine`, in the order of their names.
pub fn recorded(engine: &str) -> Vec<Recorded> {
    listed(&folder(), engine)
}

/// All replies that were ever recorded of `engine`; none where they don't lie beside the crate.
pub fn shared(engine: &str) -> Vec<Recorded> {
    let folder = beside("docker/replies");
    if folder.is_dir() { listed(&folder, engine) } else { Vec::new() }
}

/// A path beside the crate's own, which need not exist.
pub fn beside(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared").join(path)
}

/// Where the committed replies are.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/replies")
}

fn listed(folder: &Path, engine: &str) -> Vec<Recorded> {
    let Ok(index) = fs::read_to_string(folder.join(engine).join("INDEX.tsv")) else {
        return Vec::new();
    };
    let mut all: Vec<Recorded> = Vec::new();
    for line in index.lines().skip(1) {
        let fields: Vec<&str> = line.split('\t').collect();
        let [name, method, path, ..] = fields[..] else { panic!("{engine}: {line}") };
        let name = format!("{engine}/{name}");
        if folder.join(format!("{name}.http")).exists() {
            let path = unversioned(path).to_owned();
            all.push(Recorded { path, ..read(folder, &name, method) });
        }
    }
    all
}

/// `/v1.41/info` → `/info`
fn unversioned(path: &str) -> &str {
    let rest = path.strip_prefix("/v1.").and_then(|rest| rest.find('/').map(|at| &rest[at..]));
    rest.unwrap_or(path)
}

fn read(folder: &Path, name: &str, method: &str) -> Recorded {
    let file = folder.join(format!("{name}.http"));
    let bytes = fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let head_end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8_lossy(&bytes[..head_end]).into_owned();
    let body = &bytes[head_end + 4..];
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).expect("a status line");
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let status = status.parse().expect("a number");
    let mut reply = Reply { status, headers, ..Reply::default() };
    let chunked = reply.header("transfer-encoding") == Some("chunked");
    // The socket proxy's replies were written down without their chunks.
    let kept = chunked && !name.starts_with("socket-proxy/");
    let (pieces, ended) = match (kept, method) {
        (_, "HEAD") => (Vec::new(), true),
        (true, _) => chunks(body),
        (false, _) => (vec![body.to_vec()], !chunked),
    };
    reply.body = pieces.concat();
    let (method, path) = (method.to_owned(), String::new());
    Recorded { name: name.to_owned(), method, path, reply, ended, pieces }
}

/// The chunks, and whether the last one came.
fn chunks(mut body: &[u8]) -> (Vec<Vec<u8>>, bool) {
    let mut pieces = Vec::new();
    while let Some(line_end) = body.windows(2).position(|two| two == b"\r\n") {
        let size = std::str::from_utf8(&body[..line_end]).expect("a chunk's size");
        let size = usize::from_str_radix(size, 16).expect("a chunk's size");
        let rest = &body[line_end + 2..];
        if size == 0 {
            return (pieces, true);
        }
        pieces.push(rest[..size.min(rest.len())].to_vec());
        body = rest.get(size + 2..).unwrap_or_default();
    }
    (pieces, false)
}
