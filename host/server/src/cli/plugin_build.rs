//! Runs cargo for a plugin, and finds what it made.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cli::Failure;

const TARGET: &str = "wasm32-wasip2";

/// Builds the plugin in `dir`; cargo's own messages go to stderr as it runs.
pub fn build(dir: &Path) -> Result<PathBuf, Failure> {
    let failed = |problem: String, hint: &str| Failure::Build {
        path: dir.to_owned(),
        problem,
        hint: hint.to_owned(),
    };
    if !dir.join("Cargo.toml").is_file() {
        return Err(failed(
            "there is no Cargo.toml".to_owned(),
            "name the plugin's own folder; other languages build with their own tools",
        ));
    }
    let run = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args([
            "build",
            "--release",
            "--target",
            TARGET,
            "--message-format",
            "json-render-diagnostics",
        ])
        .current_dir(dir)
        .env("CARGO_TARGET_WASM32_WASIP2_RUSTFLAGS", "-C target-feature=+simd128")
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "3")
        .env("CARGO_PROFILE_RELEASE_LTO", "true")
        .env("CARGO_PROFILE_RELEASE_PANIC", "abort")
        .env("CARGO_PROFILE_RELEASE_STRIP", "debuginfo")
        // Flags meant for the machine itself would win over those of the target.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output();
    let run = run.map_err(|error| {
        failed(format!("start cargo: {error}"), "Rust's tools come from https://rustup.rs")
    })?;
    if !run.status.success() {
        return Err(failed(
            format!("cargo ended with {}", run.status),
            "if the target is missing: rustup target add wasm32-wasip2",
        ));
    }
    component_of(&String::from_utf8_lossy(&run.stdout)).ok_or_else(|| {
        failed(
            "cargo made no component".to_owned(),
            "the plugin's Cargo.toml needs [lib] crate-type = [\"cdylib\", \"rlib\"]",
        )
    })
}

/// The last `.wasm` file that cargo says it made: the packages that a plugin depends on come before it.
pub fn component_of(messages: &str) -> Option<PathBuf> {
    let artifacts = messages
        .lines()
        .rev()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    artifacts.filter(|message| message["reason"] == "compiler-artifact").find_map(|message| {
        let files = message["filenames"].as_array()?;
        files
            .iter()
            .filter_map(|file| file.as_str())
            .find(|file| file.ends_with(".wasm"))
            .map(PathBuf::from)
    })
}

#[cfg(test)]
mod tests {
    use super::component_of;

    #[test]
    fn the_component_is_found_among_cargos_messages() {
        let messages = concat!(
            r#"{"reason":"compiler-artifact","filenames":["/t/libsdk.rlib"]}"#,
            "\n",
            r#"{"reason":"compiler-artifact","filenames":["/t/libmine.rlib","/t/mine.wasm"]}"#,
            "\nnot json\n",
            r#"{"reason":"build-finished","success":true}"#
        );
        assert_eq!(component_of(messages).unwrap().to_str(), Some("/t/mine.wasm"));
        assert_eq!(component_of(""), None);
    }
}
