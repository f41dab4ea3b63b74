//! Rust: cargo does it all.

use std::path::{Path, PathBuf};

use super::super::error::ProjectError;
use super::tool::Tool;

const TARGET: &str = "wasm32-wasip2";

/// What a component is built with, whatever profile the project has.
const ENVIRONMENT: [(&str, &str); 5] = [
    ("CARGO_TARGET_WASM32_WASIP2_RUSTFLAGS", "-C target-feature=+simd128"),
    ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "3"),
    ("CARGO_PROFILE_RELEASE_LTO", "true"),
    ("CARGO_PROFILE_RELEASE_PANIC", "abort"),
    // The names of functions stay, for the backtraces of traps.
    ("CARGO_PROFILE_RELEASE_STRIP", "debuginfo"),
];

pub fn build(dir: &Path) -> Result<PathBuf, ProjectError> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let install = "curl --proto '=https' -sSf https://sh.rustup.rs | sh";
    let messages = Tool::new(cargo, dir, install)
        .hint(format!("if the target is missing: rustup target add {TARGET}"))
        .with(|cargo| {
            cargo
                .args(["build", "--release", "--target", TARGET])
                .args(["--message-format", "json-render-diagnostics"])
                .envs(ENVIRONMENT)
                // Flags meant for the machine itself would win over those of the target.
                .env_remove("RUSTFLAGS")
                .env_remove("CARGO_ENCODED_RUSTFLAGS");
        })
        .output()?;
    component_of(&String::from_utf8_lossy(&messages)).ok_or(ProjectError::NoComponent {
        tool: "cargo",
        hint: "the plugin's Cargo.toml needs [lib] crate-type = [\"cdylib\", \"rlib\"]",
    })
}

/// The last `.wasm` file that cargo says it made: the packages that a plugin depends on come before it.
fn component_of(messages: &str) -> Option<PathBuf> {
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
