//! Go: its own compiler makes a module for WASI preview 1, this binary a component of it.

use std::path::{Path, PathBuf};

use super::super::error::{ProjectError, file_error};
use super::super::manifest::Manifest;
use super::BuildFolder;
use super::component;
use super::tool::Tool;

const INSTALL: &str = "Go 1.24 or newer, from https://go.dev/dl or your system's packages";

pub fn build(dir: &Path) -> Result<PathBuf, ProjectError> {
    let manifest = Manifest::read(dir)?;
    let (name, version) = manifest.identity(dir)?;
    let build = BuildFolder::make(dir)?;
    let module = go(dir).with(|go| _ = go.args(["list", "-m"])).output()?;
    let module = String::from_utf8_lossy(&module).trim().to_owned();
    let folder = build.join("entry");
    std::fs::create_dir_all(&folder).map_err(file_error("make the folder", &folder))?;
    build.write("entry/main.go", &entry(&module, &name, &version, &manifest))?;
    let world = manifest.world.name();
    go(dir)
        .hint(format!(
            "the compiler's messages are above; a {world} has a package `plugin` in its folder, with a variable \
             `Plugin` that tidemill.{} has made, as tidemill-plugin.toml says",
            manifest.world.type_name()
        ))
        .with(|go| {
            go.args(["build", "-buildmode=c-shared", "-trimpath", "-buildvcs=false"])
                // Names of functions are a fifth of the component, and panics tell their place without them.
                .args(["-ldflags=-s -w", "-o", "build/core.wasm", "./build/entry"])
                .env("GOOS", "wasip1")
                .env("GOARCH", "wasm");
        })
        .run()?;
    let file = build.join(&format!("{name}.wasm"));
    component::write(&build.join("core.wasm"), &build.join("wit"), &file, &manifest)?;
    Ok(file)
}

fn go(dir: &Path) -> Tool {
    // A workspace around the project knows nothing of it.
    Tool::new("go", dir, INSTALL).with(|go| _ = go.env("GOWORK", "off"))
}

/// The package that exports the author's plugin from the component.
fn entry(module: &str, name: &str, version: &str, manifest: &Manifest) -> String {
    const COMPONENT: &str = "github.com/tidemill/tidemill/plugin-sdk/go/component";
    let world = manifest.world.name();
    let (import, export) = if manifest.migrates {
        (format!("\t\"{COMPONENT}/migration\"\n"), "\tmigration.Export(plugin.Plugin)\n")
    } else {
        (String::new(), "")
    };
    format!(
        "//go:build wasip1\n\n\
         // Written by `tidemill plugin build`.\n\
         package main\n\n\
         import (\n\
         \t\"{COMPONENT}/{world}\"\n\
         {import}\n\
         \tplugin {module:?}\n\
         )\n\n\
         func init() {{\n\
         \t{world}.Export(plugin.Plugin, {name:?}, {version:?})\n\
         {export}\
         }}\n\n\
         func main() {{}}\n"
    )
}
