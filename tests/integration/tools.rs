//! Tool chains that a machine may not have. **A test that needs a missing one says so loudly and does nothing.**

use std::path::{Path, PathBuf};
use std::process::Command;

/// Where `.ci/tools` puts what it installs.
fn tools_folder() -> PathBuf {
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default());
    std::env::var_os("TIDEMILL_TOOLS")
        .map_or_else(|| home().join(".cache/tidemill/tools"), PathBuf::from)
}

/// `PATH` with the binary under test first, then what `.ci/tools` has installed.
pub fn path() -> std::ffi::OsString {
    let binary = Path::new(env!("CARGO_BIN_EXE_tidemill")).parent().unwrap().to_owned();
    let inherited = std::env::var_os("PATH").unwrap_or_default();
    let folders = [binary, tools_folder().join("bin")];
    std::env::join_paths(folders.into_iter().chain(std::env::split_paths(&inherited))).unwrap()
}

/// True where all of them run; says what is missing.
pub fn are_there(what: &str, tools: &[&str]) -> bool {
    let missing: Vec<&&str> = tools.iter().filter(|tool| !runs(tool)).collect();
    if missing.is_empty() {
        return true;
    }
    // Not captured by the test runner: whoever reads the run's end should see it.
    use std::io::Write;
    let _ = writeln!(
        std::io::stderr(),
        "SKIPPED {what}: {missing:?} missing; `.ci/tools` installs them"
    );
    false
}

/// A name is an executable on `PATH`; `rust:TARGET` is a target of Rust, `wasi-clang` a clang of any version with
/// wasi-libc.
fn runs(tool: &str) -> bool {
    if tool == "wasi-clang" {
        let has_sdk = std::env::var_os("WASI_SDK_PATH").is_some();
        let has_library = Path::new("/usr/include/wasm32-wasi/stdlib.h").is_file();
        return has_sdk
            || (has_library && (15..30).any(|version| runs(&format!("clang-{version}"))));
    }
    if let Some(target) = tool.strip_prefix("rust:") {
        let output =
            Command::new("rustc").args(["--print", "target-libdir", "--target", target]).output();
        return output.is_ok_and(|output| {
            let folder = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            output.status.success() && Path::new(&folder).is_dir()
        });
    }
    std::env::split_paths(&path()).any(|folder| folder.join(tool).is_file())
}
