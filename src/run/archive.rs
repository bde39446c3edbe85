//! Files as a tar archive (POSIX ustar, long names in pax headers), for a container to unpack.
//! Reads no file: what it packs is handed in.

use std::fmt::Write;

/// Tar's unit.
const BLOCK: usize = 512;
/// An archive ends with so many blocks of zeros.
const END_BLOCKS: usize = 2;
/// The name field of a ustar header; longer names stand in a pax header before it.
const NAME_LIMIT_BYTES: usize = 100;
/// The same for the target of a link.
const LINK_LIMIT_BYTES: usize = 100;

/// The mode of folders that are brought along because they are not there.
pub const FOLDER_MODE: u32 = 0o755;

/// One file, folder or link to be copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Below the place that is copied to; empty: that place itself.
    pub path: String,
    /// What it is.
    pub kind: Kind,
    /// Permissions, the lower twelve bits.
    pub mode: u32,
    /// When it was changed, seconds since 1970.
    pub changed_seconds: u64,
}

/// What is copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A file with its content.
    File(Vec<u8>),
    /// A folder, without what is in it.
    Folder,
    /// A symbolic link to this.
    Link(String),
}

/// What one `--copy` brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Its place in the container, name by name from the root.
    pub place: Vec<String>,
    /// What lies there and below, folders before what is in them.
    pub entries: Vec<Entry>,
}

impl Copied {
    /// How many folders lie above its place.
    pub fn folders_above(&self) -> usize {
        self.place.len().saturating_sub(1)
    }

    /// Where it is unpacked, and the archive, which brings so many of the folders above along.
    pub fn archive(&self, folders: usize) -> (String, Vec<u8>) {
        let (above, last) = self.place.split_at(self.folders_above());
        let (there, brought) = above.split_at(above.len().saturating_sub(folders));
        let mut tar = Vec::new();
        let mut path = String::new();
        let changed_seconds = self.entries.first().map_or(0, |entry| entry.changed_seconds);
        for folder in brought {
            path = join(&path, folder);
            let folder = Entry {
                path: path.clone(),
                kind: Kind::Folder,
                mode: FOLDER_MODE,
                changed_seconds,
            };
            append(&mut tar, &folder);
        }
        let base = last.first().map(|last| join(&path, last)).unwrap_or_default();
        for entry in &self.entries {
            // The root itself is there.
            let path = join(&base, &entry.path);
            if !path.is_empty() {
                append_as(&mut tar, &path, entry);
            }
        }
        tar.resize(tar.len() + END_BLOCKS * BLOCK, 0);
        (format!("/{}", there.join("/")), tar)
    }
}

/// The names of an absolute path in a container; `..` stays within.
///
/// # Errors
/// What was expected.
pub fn place(path: &str) -> Result<Vec<String>, String> {
    if !path.starts_with('/') {
        return Err(format!("`{path}`: expected an absolute path in the container"));
    }
    let mut names: Vec<String> = Vec::new();
    for name in path.split('/') {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()),
            name => names.push(name.to_owned()),
        }
    }
    Ok(names)
}

fn join(above: &str, name: &str) -> String {
    match (above.is_empty(), name.is_empty()) {
        (true, _) => name.to_owned(),
        (_, true) => above.to_owned(),
        _ => format!("{above}/{name}"),
    }
}

fn append(tar: &mut Vec<u8>, entry: &Entry) {
    append_as(tar, &entry.path, entry);
}

fn append_as(tar: &mut Vec<u8>, path: &str, entry: &Entry) {
    let (flag, content, link) = match &entry.kind {
        Kind::File(content) => (b'0', content.as_slice(), ""),
        Kind::Folder => (b'5', [].as_slice(), ""),
        Kind::Link(target) => (b'2', [].as_slice(), target.as_str()),
    };
    let path = if flag == b'5' { format!("{path}/") } else { path.to_owned() };
    let mut long = String::new();
    if path.len() > NAME_LIMIT_BYTES || !path.is_ascii() {
        record(&mut long, "path", &path);
    }
    if link.len() > LINK_LIMIT_BYTES || !link.is_ascii() {
        record(&mut long, "linkpath", link);
    }
    if !long.is_empty() {
        let size = long.len();
        header(tar, ("pax", ""), (b'x', 0o644, 0), size);
        padded(tar, long.as_bytes());
    }
    let about = (flag, entry.mode & 0o7777, entry.changed_seconds);
    header(tar, (&path, link), about, content.len());
    padded(tar, content);
}

/// `LENGTH KEY=VALUE\n`; the length counts itself (POSIX pax, "Extended Header").
fn record(records: &mut String, key: &str, value: &str) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    let _ = writeln!(records, "{length} {key}={value}");
}

/// POSIX ustar; owner and group are root.
fn header(
    tar: &mut Vec<u8>,
    (path, link): (&str, &str),
    (flag, mode, changed_seconds): (u8, u32, u64),
    size: usize,
) {
    let mut block = Vec::with_capacity(BLOCK);
    text(&mut block, path, NAME_LIMIT_BYTES);
    octal(&mut block, mode.into(), 8);
    octal(&mut block, 0, 8);
    octal(&mut block, 0, 8);
    octal(&mut block, size as u64, 12);
    octal(&mut block, changed_seconds, 12);
    let checksum_at = block.len();
    block.extend_from_slice(b"        ");
    block.push(flag);
    text(&mut block, link, LINK_LIMIT_BYTES);
    block.extend_from_slice(b"ustar\x0000");
    block.resize(BLOCK, 0);
    let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
    let checksum = format!("{sum:06o}\0 ");
    block.splice(checksum_at..checksum_at + checksum.len(), checksum.bytes());
    tar.extend_from_slice(&block);
}

/// As much of it as fits: the whole stands in the pax header where it does not.
fn text(block: &mut Vec<u8>, text: &str, width: usize) {
    let end = block.len() + width;
    block.extend(text.bytes().take(width));
    block.resize(end, 0);
}

fn octal(block: &mut Vec<u8>, number: u64, width: usize) {
    let digits = format!("{number:0>width$o}\0", width = width - 1);
    block.extend(digits.bytes());
}

fn padded(tar: &mut Vec<u8>, content: &[u8]) {
    tar.extend_from_slice(content);
    tar.resize(tar.len().next_multiple_of(BLOCK), 0);
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use super::*;

    fn file(path: &str, content: &str, mode: u32) -> Entry {
        Entry { path: path.into(), kind: Kind::File(content.into()), mode, changed_seconds: 86_400 }
    }

    /// What the system's tar makes of it.
    fn listed(tar: &[u8]) -> Vec<String> {
        let mut child = Command::new("tar")
            .env("LC_ALL", "C")
            .args(["--utc", "--numeric-owner", "--full-time", "-tvf", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(tar).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        String::from_utf8(output.stdout).unwrap().lines().map(words).collect()
    }

    #[test]
    fn the_systems_tar_reads_what_is_written() {
        let long = format!("{}/ä", "x".repeat(120));
        let folder = |path: &str| Entry { kind: Kind::Folder, ..file(path, "", 0o750) };
        let copied = Copied {
            place: vec!["etc".into(), "app".into()],
            entries: vec![
                folder(""),
                file("a.conf", "hello\n", 0o4640),
                Entry { kind: Kind::Link("a.conf".into()), ..file("b", "", 0o777) },
                file(&long, &"y".repeat(600), 0o644),
            ],
        };
        let (to, tar) = copied.archive(0);
        assert_eq!((to.as_str(), tar.len() % BLOCK), ("/etc", 0));
        let quoted = long.replace('ä', "\\303\\244");
        let expected = [
            "drwxr-x--- 0/0 0 1970-01-02 00:00:00 app/".to_owned(),
            "-rwSr----- 0/0 6 1970-01-02 00:00:00 app/a.conf".to_owned(),
            "lrwxrwxrwx 0/0 0 1970-01-02 00:00:00 app/b -> a.conf".to_owned(),
            format!("-rw-r--r-- 0/0 600 1970-01-02 00:00:00 app/{quoted}"),
        ];
        assert_eq!(listed(&tar), expected);
        let (to, tar) = copied.archive(1);
        assert_eq!(to, "/");
        let listed = listed(&tar);
        assert_eq!(listed[0], "drwxr-xr-x 0/0 0 1970-01-02 00:00:00 etc/");
        assert!(listed[1].ends_with(" etc/app/"), "{listed:?}");
    }

    #[test]
    fn a_record_counts_its_own_length() {
        for (letters, text) in [(1, "9 path=x\n"), (2, "11 path=xx\n")] {
            let mut found = String::new();
            record(&mut found, "path", &"x".repeat(letters));
            assert_eq!(found, text);
        }
        // No record has 100: with its third digit it has 101.
        for (letters, length) in [(90, 99), (91, 101)] {
            let mut found = String::new();
            record(&mut found, "path", &"x".repeat(letters));
            assert!(found.starts_with(&format!("{length} path=")), "{found}");
            assert_eq!(found.len(), length);
        }
    }

    #[test]
    fn a_place_is_absolute_and_stays_within() {
        assert_eq!(place("/a//b/./../c/"), Ok(vec!["a".into(), "c".into()]));
        assert_eq!(place("/../.."), Ok(vec![]));
        assert!(place("a/b").is_err());
    }
}
