//! Builds the ready plugins as WebAssembly components and writes a Rust table of them.
//!
//! Each plugin is built by cargo with its own target folder and a clean environment, so that neither the
//! flags nor the locks of the outer build reach it. **It runs only when a plugin, the SDK or the contract
//! changes.**

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::{env, fs, io};

/// The packages, in the order in which people meet them.
const PLUGINS: [&str; 6] =
    ["split-words", "upper-case", "parse-access-log", "contains", "count", "stats"];
const TARGET: &str = "wasm32-wasip2";

/// What the components are built with, whatever the host's own profile is.
const PROFILE: [(&str, &str); 6] = [
    ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "3"),
    ("CARGO_PROFILE_RELEASE_LTO", "fat"),
    ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1"),
    ("CARGO_PROFILE_RELEASE_PANIC", "abort"),
    ("CARGO_PROFILE_RELEASE_DEBUG", "none"),
    // The names of functions stay, for the backtraces of traps.
    ("CARGO_PROFILE_RELEASE_STRIP", "debuginfo"),
];
/// Static, for a component is never moved: no address goes through a table.
const RUSTFLAGS: &str = "-C target-feature=+simd128 -C relocation-model=static";

#[derive(Debug, thiserror::Error)]
enum BuildError {
    #[error("{0} is not set; cargo sets it for build scripts")]
    Unset(&'static str),
    #[error("{what} `{}`", path.display())]
    File { what: &'static str, path: PathBuf, source: io::Error },
    #[error("the target {TARGET} is not installed\n\n  hint: rustup target add {TARGET}\n")]
    NoTarget,
    #[error(
        "cargo could not build the plugin `{plugin}` for {TARGET} ({status}); its messages are above"
    )]
    Plugin { plugin: &'static str, status: ExitStatus },
}

fn main() {
    if let Err(error) = build() {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
        eprintln!("error: {error}{}", cause.unwrap_or_default());
        std::process::exit(1);
    }
}

fn build() -> Result<(), BuildError> {
    let bundle = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    let root = bundle.join("../..");
    let out = PathBuf::from(variable("OUT_DIR")?);
    watch(&root)?;
    if !target_is_installed() {
        add_target()?;
    }
    let mut table = String::from("&[\n");
    for plugin in PLUGINS {
        let component = compile(plugin, &root, &out.join("target"))?;
        // A copy, so that a later build of the target folder cannot change what is embedded here.
        let embedded = out.join(format!("{plugin}.wasm"));
        fs::copy(&component, &embedded).map_err(|source| BuildError::File {
            what: "copy",
            path: component,
            source,
        })?;
        let version = variable("CARGO_PKG_VERSION")?;
        let _ = writeln!(
            table,
            "ReadyPlugin {{ name: {plugin:?}, version: {version:?}, component: include_bytes!({embedded:?}) }},"
        );
    }
    table.push(']');
    let path = out.join("ready.rs");
    fs::write(&path, table).map_err(|source| BuildError::File { what: "write", path, source })
}

/// Names every file that the components depend on.
fn watch(root: &Path) -> Result<(), BuildError> {
    let mut watched =
        vec!["plugins/bundle/build.rs".to_owned(), "wit".to_owned(), "Cargo.lock".to_owned()];
    watched.extend(
        ["Cargo.toml", "src", "macros/Cargo.toml", "macros/src"]
            .map(|path| format!("plugin-sdk/rust/{path}")),
    );
    for plugin in PLUGINS {
        watched.extend(["Cargo.toml", "src"].map(|path| format!("plugins/{plugin}/{path}")));
    }
    for path in watched {
        let path = root.join(path);
        let path = path.canonicalize().map_err(|source| BuildError::File {
            what: "find",
            path,
            source,
        })?;
        println!("cargo:rerun-if-changed={}", path.display());
    }
    Ok(())
}

/// Whether rustc has the target's standard library.
fn target_is_installed() -> bool {
    let mut rustc = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    let sysroot = rustc.args(["--print", "target-libdir", "--target", TARGET]).output();
    sysroot.is_ok_and(|output| Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir())
}

/// rustup adds the targets of `rust-toolchain.toml` with the toolchain, but not to one that is there already.
fn add_target() -> Result<(), BuildError> {
    println!("cargo:warning=adding the target {TARGET} to this toolchain, by rustup");
    let added = Command::new("rustup").args(["target", "add", TARGET]).status();
    if added.is_ok_and(|status| status.success()) { Ok(()) } else { Err(BuildError::NoTarget) }
}

/// Builds one plugin and returns where its component is.
fn compile(plugin: &'static str, root: &Path, target: &Path) -> Result<PathBuf, BuildError> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(reaches_the_inner_build) {
            command.env_remove(name);
        }
    }
    // `rustc` instead of `build`: link-time optimization wants a crate that is a component and no library.
    command
        .args([
            "rustc",
            "--release",
            "--lib",
            "--crate-type",
            "cdylib",
            "--locked",
            "--target",
            TARGET,
        ])
        .args(["--package", plugin, "--target-dir"])
        .arg(target)
        .current_dir(root)
        .envs(PROFILE)
        .env("RUSTFLAGS", RUSTFLAGS);
    let status = command.status().map_err(|source| BuildError::File {
        what: "run cargo in",
        path: root.to_owned(),
        source,
    })?;
    if !status.success() {
        return Err(BuildError::Plugin { plugin, status });
    }
    let file = format!("{}.wasm", plugin.replace('-', "_"));
    Ok(target.join(TARGET).join("release").join(file))
}

/// Settings of the outer build that would change the inner one.
fn reaches_the_inner_build(name: &str) -> bool {
    const PREFIXES: [&str; 6] = [
        "CARGO_BUILD_",
        "CARGO_PROFILE_",
        "CARGO_TARGET_",
        "CARGO_ENCODED_",
        "CARGO_FEATURE_",
        "CARGO_CFG_",
    ];
    const NAMES: [&str; 9] = [
        "RUSTFLAGS",
        "RUSTC",
        "RUSTC_WRAPPER",
        "RUSTC_WORKSPACE_WRAPPER",
        "RUSTC_LINKER",
        "RUSTDOC",
        "TARGET",
        "PROFILE",
        "CARGO_MAKEFLAGS",
    ];
    NAMES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

fn variable(name: &'static str) -> Result<String, BuildError> {
    env::var(name).map_err(|_| BuildError::Unset(name))
}
