//! Python: CPython inside a component, made by `componentize-py` of the project's own `.venv`, or of `PATH`.

use std::path::{Path, PathBuf};

use super::super::World;
use super::super::contract;
use super::super::error::{ProjectError, file_error};
use super::super::manifest::Manifest;
use super::BuildFolder;
use super::tool::{Tool, find};

const TOOLS: &str = "python3 -m venv .venv && .venv/bin/pip install -r requirements-dev.txt";
/// Where a project's own tools and packages are.
const VENV: &str = ".venv";

pub fn build(dir: &Path) -> Result<PathBuf, ProjectError> {
    let manifest = Manifest::read(dir)?;
    let project = Project::read(dir)?;
    let build = BuildFolder::make(dir)?;
    contract::write(&build.join("wit"), &manifest)?;
    let glue = build.join("glue");
    std::fs::create_dir_all(&glue).map_err(file_error("make the folder", &glue))?;
    build.write("glue/tidemill_entry.py", &entry(&project, &manifest))?;
    let tool = find("componentize-py", &dir.join(VENV).join("bin")).ok_or_else(|| {
        ProjectError::ToolMissing { tool: "componentize-py".to_owned(), install: TOOLS.to_owned() }
    })?;
    let component = format!("{}.wasm", project.name);
    Tool::new(tool, dir, TOOLS)
        .with(|tool| {
            tool.args(["--wit-path", "build/wit", "--world", contract::WORLD, "componentize"])
                .args(["--stub-wasi", "tidemill_entry", "--output"])
                .arg(Path::new("build").join(&component));
            for path in ["build/glue", "src", "sdk/src"] {
                tool.args(["--python-path", path]);
            }
            // Its packages are part of the component.
            tool.env("VIRTUAL_ENV", dir.join(VENV));
        })
        .run()?;
    Ok(build.join(&component))
}

/// What a plugin takes from its project.
struct Project {
    name: String,
    version: String,
}

impl Project {
    fn read(dir: &Path) -> Result<Project, ProjectError> {
        let path = dir.join("pyproject.toml");
        let text = std::fs::read_to_string(&path).map_err(file_error("read", &path))?;
        let file: toml::Table = text
            .parse()
            .map_err(|error| ProjectError::Toml { path: path.clone(), source: Box::new(error) })?;
        let field = |name: &'static str| {
            let value = file.get("project").and_then(|project| project.get(name)?.as_str());
            value
                .map(str::to_owned)
                .ok_or(ProjectError::NoField { path: path.clone(), field: name })
        };
        Ok(Project { name: field("name")?, version: field("version")? })
    }
}

/// The module whose classes are what the contract asks for.
fn entry(project: &Project, manifest: &Manifest) -> String {
    let (name, version) = (&project.name, &project.version);
    let world = manifest.world.name();
    let mut entry = String::from("import tidemill_sdk.component as component\n");
    for grant in &manifest.grants {
        let interface = grant.interface();
        entry +=
            &format!("from wit_world.imports import {interface}\ncomponent.grant({interface})\n");
    }
    let migrates = match (manifest.world, manifest.migrates) {
        (World::Reducer, true) => ", migrates=True",
        (World::Reducer, false) => ", migrates=False",
        _ => "",
    };
    entry += &format!(
        "from plugin import plugin\nbound = component.{world}(plugin, name={name:?}, version={version:?}{migrates})\n\
         Definition = bound.Definition\n"
    );
    if manifest.migrates {
        entry += "Migration = bound.Migration\n";
    }
    let class = manifest.world.interface();
    let class = class[..1].to_ascii_uppercase() + &class[1..];
    entry + &format!("{class} = bound.{class}\n")
}
