//! The systemd unit as systemd's own tools judge it, where they are.

use std::fs;
use std::path::Path;

use tempfile::tempdir;

use crate::binary::{DROWSE, Outcome, drowse, program};

/// The highest exposure that the unit may have, times ten.
const EXPOSURE_LIMIT: &str = "--threshold=30";

/// What systemd-analyze says; `None`: it is not installed.
fn analyze(args: &[&str], unit: &Path) -> Option<Outcome> {
    if !Path::new("/usr/bin/systemd-analyze").exists() {
        eprintln!("left out: no systemd-analyze");
        return None;
    }
    let args = [args, &[unit.to_str().unwrap()]].concat();
    Some(program("systemd-analyze", &args).outcome())
}

#[test]
fn the_unit_runs_this_binary_and_systemd_has_nothing_against_it() {
    let dir = tempdir().unwrap();
    let config = dir.path().join("my drowse.yml");
    let outcome = drowse(&["unit", "--config", config.to_str().unwrap()]).outcome();
    assert_eq!((outcome.status, outcome.stderr.as_str()), (Some(0), ""));
    let exec = format!("ExecStart={DROWSE} daemon --config \"{}\"", config.display());
    assert_eq!(outcome.stdout.lines().filter(|line| *line == exec).count(), 1);
    let unit = dir.path().join("drowse.service");
    fs::write(&unit, outcome.stdout).unwrap();
    let Some(verified) = analyze(&["verify"], &unit) else { return };
    assert_eq!((verified.status, verified.stderr.as_str()), (Some(0), ""));
    let judged = analyze(&["security", "--offline=true", EXPOSURE_LIMIT], &unit).unwrap();
    assert_eq!(judged.status, Some(0), "{}", judged.stdout.lines().last().unwrap_or_default());
}
