//! Arguments in, exit code out. What happens between is the library's.

use std::process::ExitCode;

fn main() -> ExitCode {
    drowse::cli::main(std::env::args_os().skip(1).collect())
}
