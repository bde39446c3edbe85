//! Plain words for why a socket file, or a socket, can't be used. Connects nothing.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use crate::error::Why;

/// Why connecting to the Unix socket `path` failed with `error`, and the way out.
pub fn socket_file(path: &Path, error: &io::Error) -> Why {
    let shown = path.display();
    Why::Unreachable(match error.kind() {
        io::ErrorKind::NotFound => format!("no such socket {shown}: is the engine running?"),
        io::ErrorKind::ConnectionRefused if is_other_file(path) => {
            format!("{shown} is not a socket")
        }
        io::ErrorKind::ConnectionRefused => {
            format!("nobody listens on {shown}: is the engine running?")
        }
        io::ErrorKind::PermissionDenied => no_permission(path),
        io::ErrorKind::NotADirectory => format!("no such socket {shown}: a part of it is a file"),
        io::ErrorKind::InvalidFilename => {
            return Why::Invalid(format!("{shown} is too long for a socket: 107 bytes at most"));
        }
        _ => format!("{shown}: {}", plain(error)),
    })
}

/// An error in the words of people, without its number.
pub fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_lowercase().chain(letters).collect(),
        None => "unknown error".into(),
    }
}

fn is_other_file(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|meta| !meta.file_type().is_socket())
}

/// Why the Unix socket may not be connected to, and who may: that asks for the right to write to it
/// (unix(7)).
pub fn no_permission(path: &Path) -> String {
    const WRITE_BY_GROUP: u32 = 0o020;
    let shown = path.display();
    let Ok(meta) = fs::metadata(path) else {
        return format!("permission denied below {shown}: run as root");
    };
    let may_group = meta.mode() & WRITE_BY_GROUP != 0 && meta.gid() != 0;
    let way = if may_group {
        format!(" or as a member of group {}", name_of("/etc/group", meta.gid()))
    } else if meta.uid() != 0 {
        format!(" or as user {}", name_of("/etc/passwd", meta.uid()))
    } else {
        String::new()
    };
    format!("permission denied on {shown}: run as root{way}")
}

/// The number's name in a file like `/etc/group`, else the number itself.
fn name_of(file: &str, id: u32) -> String {
    let table = fs::read_to_string(file).unwrap_or_default();
    named(&table, id).map_or_else(|| id.to_string(), str::to_owned)
}

/// Lines are `name:x:number:…` (group(5), passwd(5)).
fn named(table: &str, id: u32) -> Option<&str> {
    table.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(id)).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixListener;

    fn why(path: &Path, kind: io::ErrorKind) -> String {
        socket_file(path, &kind.into()).to_string()
    }

    #[test]
    fn a_socket_that_can_t_be_reached_is_told_with_the_way_out() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("engine.sock");
        let shown = path.display();
        assert_eq!(
            why(&path, io::ErrorKind::NotFound),
            format!("no such socket {shown}: is the engine running?")
        );
        fs::write(&path, "").unwrap();
        assert_eq!(
            why(&path, io::ErrorKind::ConnectionRefused),
            format!("{shown} is not a socket")
        );
        fs::remove_file(&path).unwrap();
        drop(UnixListener::bind(&path).unwrap());
        assert_eq!(
            why(&path, io::ErrorKind::ConnectionRefused),
            format!("nobody listens on {shown}: is the engine running?")
        );
    }

    #[test]
    fn no_permission_names_the_group_that_may() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("engine.sock");
        let _listener = UnixListener::bind(&path).unwrap();
        let shown = path.display();
        let denied = || why(&path, io::ErrorKind::PermissionDenied);

        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let meta = fs::metadata(&path).unwrap();
        let owner = match meta.uid() {
            0 => String::new(),
            uid => format!(" or as user {}", name_of("/etc/passwd", uid)),
        };
        assert_eq!(denied(), format!("permission denied on {shown}: run as root{owner}"));

        fs::set_permissions(&path, fs::Permissions::from_mode(0o660)).unwrap();
        if std::os::unix::fs::chown(&path, None, Some(987_654)).is_ok() {
            assert_eq!(
                denied(),
                format!("permission denied on {shown}: run as root or as a member of group 987654")
            );
        }
        let hidden = dir.path().join("none/engine.sock");
        assert_eq!(
            why(&hidden, io::ErrorKind::PermissionDenied),
            format!("permission denied below {}: run as root", hidden.display())
        );
    }

    #[test]
    fn a_number_is_looked_up_among_the_names() {
        let table = "root:x:0:\n# a note\nbroken\ndocker:x:998:alice,bob\n";
        assert_eq!((named(table, 998), named(table, 99)), (Some("docker"), None));
    }

    #[test]
    fn errors_are_told_without_their_numbers() {
        let error = io::Error::from_raw_os_error(113);
        assert_eq!(plain(&error), "no route to host");
    }
}
