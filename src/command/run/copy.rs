//! What `--copy` names, read before anything is made. Writes nothing.

use std::fs;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::UNIX_EPOCH;

use crate::net::access::plain;
use crate::run::archive::{self, Copied, Entry, Kind};
use crate::sorted;

use super::options::Copy;

/// All that is copied in is held in memory until then.
const COPY_LIMIT_BYTES: u64 = 64 << 20;
/// Files and folders; more are no configuration.
const COPY_LIMIT_ENTRIES: usize = 10_000;

/// Reads what is copied, in the order it was named.
///
/// # Errors
/// What can't be read, or is too much.
pub(super) fn read(copies: &[Copy]) -> Result<Vec<Copied>, String> {
    let mut budget = Budget { bytes: COPY_LIMIT_BYTES, entries: COPY_LIMIT_ENTRIES };
    copies.iter().map(|copy| one(copy, &mut budget)).collect()
}

struct Budget {
    bytes: u64,
    entries: usize,
}

fn one(copy: &Copy, budget: &mut Budget) -> Result<Copied, String> {
    let failed = |what: String| format!("--copy {}: {what}", copy.source.display());
    let mut place = archive::place(&copy.target).map_err(failed)?;
    if copy.target.ends_with('/') {
        let name = copy.source.canonicalize().map_err(|e| failed(plain(&e)))?;
        let name = name.file_name().map(|name| name.to_string_lossy().into_owned());
        place.extend(name);
    }
    let mut entries = Vec::new();
    // A link that is named means what it points to.
    let about = fs::metadata(&copy.source).map_err(|error| failed(plain(&error)))?;
    if place.is_empty() && !about.is_dir() {
        return Err(failed(format!("`{}`: expected a file's path", copy.target)));
    }
    take(&copy.source, "", (about, copy.mode), (&mut entries, budget))?;
    Ok(Copied { place, entries })
}

fn take(
    source: &Path,
    path: &str,
    (about, mode): (fs::Metadata, Option<u32>),
    (entries, budget): (&mut Vec<Entry>, &mut Budget),
) -> Result<(), String> {
    let failed = |what: String| format!("--copy {}: {what}", source.display());
    if entries.len() >= budget.entries {
        return Err(failed(format!("expected {COPY_LIMIT_ENTRIES} files at most: use --volume")));
    }
    let changed = about.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let own_mode = about.permissions().mode() & 0o7777;
    let entry = |kind, mode| Entry {
        path: path.to_owned(),
        kind,
        mode,
        changed_seconds: changed.map(|since| since.as_secs()).unwrap_or_default(),
    };
    if about.is_symlink() {
        let target = fs::read_link(source).map_err(|error| failed(plain(&error)))?;
        let target = target.to_string_lossy().into_owned();
        entries.push(entry(Kind::Link(target), 0o777));
    } else if about.is_dir() {
        entries.push(entry(Kind::Folder, own_mode));
        let listed = fs::read_dir(source).map_err(|error| failed(plain(&error)))?;
        let names: Result<Vec<_>, _> = listed.map(|one| one.map(|one| one.file_name())).collect();
        let mut names = names.map_err(|error| failed(plain(&error)))?;
        sorted::sort(&mut names);
        for name in names {
            let Some(text) = name.to_str() else {
                return Err(failed(format!("{}: its name is not UTF-8", name.to_string_lossy())));
            };
            let inner = source.join(text);
            let below = if path.is_empty() { text.to_owned() } else { format!("{path}/{text}") };
            let about = fs::symlink_metadata(&inner)
                .map_err(|error| format!("--copy {}: {}", inner.display(), plain(&error)))?;
            take(&inner, &below, (about, mode), (entries, budget))?;
        }
    } else if about.is_file() {
        let content = content(source, about.size(), budget).map_err(failed)?;
        entries.push(entry(Kind::File(content), mode.unwrap_or(own_mode)));
    } else {
        return Err(failed("expected a file or a folder".into()));
    }
    Ok(())
}

fn content(source: &Path, size: u64, budget: &mut Budget) -> Result<Vec<u8>, String> {
    let too_much = || format!("more than {} MiB in all: use --volume", COPY_LIMIT_BYTES >> 20);
    if size > budget.bytes {
        return Err(too_much());
    }
    let mut content = Vec::new();
    let file = fs::File::open(source).map_err(|error| plain(&error))?;
    // It may grow while it is read.
    let read = file.take(budget.bytes + 1).read_to_end(&mut content);
    read.map_err(|error| plain(&error))?;
    let left = budget.bytes.checked_sub(content.len() as u64);
    budget.bytes = left.ok_or_else(too_much)?;
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copy(source: &Path, target: &str, mode: Option<u32>) -> Result<Copied, String> {
        let copy = Copy { source: source.to_owned(), target: target.into(), mode };
        read(&[copy]).map(|mut all| all.remove(0))
    }

    fn shown(copied: &Copied) -> Vec<String> {
        let entry = |entry: &Entry| {
            let kind = match &entry.kind {
                Kind::File(content) => String::from_utf8_lossy(content).into_owned(),
                Kind::Folder => "/".into(),
                Kind::Link(target) => format!("-> {target}"),
            };
            format!("{} {:o} {kind}", entry.path, entry.mode)
        };
        copied.entries.iter().map(entry).collect()
    }

    #[test]
    fn a_file_or_a_folder_with_all_that_is_in_it_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
        fs::create_dir(dir.path().join("sub")).unwrap();
        file("b", "two");
        file("sub/c", "three");
        std::os::unix::fs::symlink("b", dir.path().join("a")).unwrap();
        for (name, mode) in [("", 0o750), ("sub", 0o700), ("b", 0o604), ("sub/c", 0o644)] {
            let path = dir.path().join(name);
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        }
        let all = copy(dir.path(), "/etc/app", Some(0o600)).unwrap();
        assert_eq!(all.place, ["etc", "app"]);
        let expected = [" 750 /", "a 777 -> b", "b 600 two", "sub 700 /", "sub/c 600 three"];
        assert_eq!(shown(&all), expected);
        let link = copy(&dir.path().join("a"), "/etc/", None).unwrap();
        assert_eq!((link.place, link.entries.len()), (vec!["etc".into(), "b".into()], 1));
        let missing = copy(&dir.path().join("none"), "/x", None).unwrap_err();
        assert!(missing.contains("none: "), "{missing}");
        assert!(
            copy(Path::new("/dev/null"), "/x", None).unwrap_err().contains("a file or a folder")
        );
        assert!(copy(&dir.path().join("b"), "/", None).is_ok());
        assert!(copy(&dir.path().join("b"), "b", None).unwrap_err().contains("absolute"));
    }

    #[test]
    fn what_is_too_much_is_refused_before_it_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("big");
        fs::File::create(&path).unwrap().set_len(COPY_LIMIT_BYTES + 1).unwrap();
        let error = copy(&path, "/x", None).unwrap_err();
        assert!(error.ends_with("more than 64 MiB in all: use --volume"), "{error}");
    }
}
