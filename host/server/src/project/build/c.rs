//! C: clang with wasi-libc makes a module, this binary a component of it.

use std::path::{Path, PathBuf};

use super::super::error::{ProjectError, file_error};
use super::super::manifest::Manifest;
use super::BuildFolder;
use super::component;
use super::tool::{Tool, find};

const INSTALL: &str = "apt-get install clang-19 lld-19 wasi-libc libclang-rt-19-dev-wasm32, or a WASI SDK from \
                       https://github.com/WebAssembly/wasi-sdk whose folder WASI_SDK_PATH names";

/// As packages call them, the newest first. A machine's own `clang` often has neither target nor library.
const CLANGS: [&str; 9] = [
    "clang-22", "clang-21", "clang-20", "clang-19", "clang-18", "clang-17", "clang-16", "clang-15",
    "clang",
];

/// How deep calls may go; below it is nothing that a deeper one could write over.
const STACK: &str = "-Wl,-z,stack-size=1048576,--stack-first";

pub fn build(dir: &Path) -> Result<PathBuf, ProjectError> {
    let manifest = Manifest::read(dir)?;
    let (name, version) = manifest.identity(dir)?;
    let build = BuildFolder::make(dir)?;
    let clang = clang().ok_or_else(|| ProjectError::ToolMissing {
        tool: "clang".to_owned(),
        install: INSTALL.to_owned(),
    })?;
    let world = manifest.world.name();
    let mut sources = sources_in(&dir.join("src"))?;
    for folder in ["sdk/src", "sdk/src/component"] {
        sources.extend(sources_in(&dir.join(folder))?);
    }
    let worlds = dir.join("sdk/src/component/worlds");
    sources.push(worlds.join(format!("{world}.c")));
    if manifest.migrates {
        sources.push(worlds.join("migration.c"));
    }
    Tool::new(clang, dir, INSTALL)
        .hint(format!(
            "the compiler's messages are above; a {world} defines `const tidemill_{world} {world}_plugin` in src/. If \
             the library or the linker is missing: {INSTALL}"
        ))
        .with(|clang| {
            clang
                .args(["--target=wasm32-wasi", "-std=c11", "-O3", "-flto", "-msimd128", "-Wall"])
                .args(["-mexec-model=reactor", STACK, "-Wl,--strip-debug"])
                .arg(format!("-DTIDEMILL_NAME={name:?}"))
                .arg(format!("-DTIDEMILL_VERSION={version:?}"))
                .args(["-Isdk/include", "-Isdk/src", "-o", "build/core.wasm"])
                .args(sources);
        })
        .run()?;
    let file = build.join(&format!("{name}.wasm"));
    component::write(&build.join("core.wasm"), &build.join("wit"), &file, &manifest)?;
    Ok(file)
}

fn clang() -> Option<PathBuf> {
    let sdk = std::env::var_os("WASI_SDK_PATH").map(|sdk| Path::new(&sdk).join("bin/clang"));
    let nowhere = Path::new("");
    sdk.or_else(|| CLANGS.iter().find_map(|name| find(name, nowhere)))
}

/// The C files of a folder, in the order of their names.
fn sources_in(folder: &Path) -> Result<Vec<PathBuf>, ProjectError> {
    let failed = file_error("list", folder);
    let entries: Result<Vec<_>, _> = std::fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
        .map_err(failed);
    let mut sources = entries?;
    sources.retain(|path| path.extension().is_some_and(|extension| extension == "c"));
    sources.sort();
    Ok(sources)
}
