//! `drowse unit`: the systemd unit with this program's path in it. Installs nothing.

use std::env;
use std::io;
use std::path::{Path, PathBuf};

use crate::net::access::plain;

use super::Outcome;
use super::output::{complain, print};

/// The unit, as it is for `make install`.
const UNIT: &str = include_str!("../drowse.service");

/// The line of it that says what to run.
const EXEC: &str = "ExecStart=/usr/local/bin/drowse daemon";

/// The options of `unit`.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// `--config FILE`, for the daemon.
    pub config: Option<PathBuf>,
}

/// Prints the unit.
pub fn run(options: &Options) -> io::Result<Outcome> {
    let config = options.config.as_deref().map(std::path::absolute).transpose();
    match env::current_exe().and_then(|program| Ok((program, config?))) {
        Ok((program, config)) => match unit(&program, config.as_deref()) {
            Ok(unit) => return print(&unit),
            Err(why) => complain(&why),
        },
        Err(error) => complain(&format!("where this program is: {}", plain(&error))),
    }
    Ok(Outcome::Failed)
}

fn unit(program: &Path, config: Option<&Path>) -> Result<String, String> {
    let mut exec = format!("ExecStart={} daemon", word(program)?);
    if let Some(config) = config {
        exec += &format!(" --config {}", word(config)?);
    }
    Ok(UNIT.replacen(EXEC, &exec, 1))
}

/// A path as a word of a unit's command line: systemd.service(5), "Command lines", and
/// systemd.unit(5), "Specifiers".
fn word(path: &Path) -> Result<String, String> {
    let refused = |what: &str| format!("{}: {what} can't stand in a unit", path.display());
    let text = path.to_str().ok_or_else(|| refused("a name that is not UTF-8"))?;
    if text.contains(char::is_control) {
        return Err(refused("a control character"));
    }
    let plain = text.replace('%', "%%").replace('$', "$$");
    let quoted = plain.contains([' ', '"', '\'', '\\', ';']);
    let escaped = plain.replace('\\', "\\\\").replace('"', "\\\"");
    Ok(if quoted { format!("\"{escaped}\"") } else { plain })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exec(program: &str, config: Option<&str>) -> String {
        let unit = unit(Path::new(program), config.map(Path::new)).unwrap();
        let mut lines = unit.lines().filter(|line| line.starts_with("ExecStart="));
        lines.next().unwrap().into()
    }

    #[test]
    fn it_runs_this_program() {
        assert_eq!(exec("/usr/local/bin/drowse", None), EXEC);
        assert_eq!(
            exec("/opt/d/drowse", Some("/etc/my.yml")),
            "ExecStart=/opt/d/drowse daemon --config /etc/my.yml"
        );
        assert_eq!(
            exec("/opt/my \"own\"/100%/$HOME", None),
            r#"ExecStart="/opt/my \"own\"/100%%/$$HOME" daemon"#
        );
        assert!(unit(Path::new("/opt/a\nb"), None).is_err());
    }

    #[test]
    fn the_rest_is_the_file_s() {
        let changed = unit(Path::new("/opt/drowse"), None).unwrap();
        assert_eq!(changed.replace("/opt/drowse", "/usr/local/bin/drowse"), UNIT);
        assert_eq!(UNIT.matches("ExecStart=").count(), 1);
    }
}
