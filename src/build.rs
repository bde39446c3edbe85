//! Leaves the unwind tables out of the release binary: it aborts on a panic, so nothing reads them,
//! and they are a tenth of its size. Builds nothing else.

use std::path::PathBuf;
use std::{env, fs};

/// Read by GNU ld and lld alike, beside their own script.
const DISCARD: &str = "SECTIONS { /DISCARD/ : {
    *(.eh_frame) *(.gcc_except_table) *(.gcc_except_table.*)
} } INSERT BEFORE .text;
";

fn main() {
    println!("cargo::rerun-if-changed=src/build.rs");
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|found| found == value);
    // Not for tests and debug builds, which unwind; not for linkers that nobody tried.
    let aborts = is("PROFILE", "release");
    if !aborts || !is("CARGO_CFG_TARGET_OS", "linux") || !is("CARGO_CFG_TARGET_ENV", "gnu") {
        return;
    }
    let Some(folder) = env::var_os("OUT_DIR") else { return };
    let script = PathBuf::from(folder).join("discard.ld");
    if fs::write(&script, DISCARD).is_ok() {
        println!("cargo::rustc-link-arg-bins=-Wl,-T,{}", script.display());
        println!("cargo::rustc-link-arg-bins=-Wl,--no-eh-frame-hdr");
    }
}
