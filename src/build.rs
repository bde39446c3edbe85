//! Leaves out of the release binary what it can do without: the unwind tables, which nothing reads
//! as it aborts on a panic, and the long form of its relocations. A seventh of it. Builds nothing.

use std::path::PathBuf;
use std::process::Command;
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
    if libc_packs_relocations() {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}

/// glibc starts such programs from 2.36 on; it is asked, as the program will run here.
fn libc_packs_relocations() -> bool {
    let said = Command::new("getconf").arg("GNU_LIBC_VERSION").output();
    let said = said.map(|output| output.stdout).unwrap_or_default();
    let version = str::from_utf8(&said).ok().and_then(|text| text.trim().strip_prefix("glibc 2."));
    let is_new = version.and_then(|minor| minor.parse().ok()).is_some_and(|minor: u32| minor >= 36);
    is_new && env::var("HOST") == env::var("TARGET")
}
