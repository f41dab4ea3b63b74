//! JavaScript and TypeScript: QuickJS inside a component, made by `componentize-qjs` of the project's own
//! `node_modules`.

use std::path::{Path, PathBuf};

use super::super::Language;
use super::super::contract;
use super::super::error::{ProjectError, file_error};
use super::super::manifest::Manifest;
use super::BuildFolder;
use super::tool::Tool;

const NODE: &str = "Node.js 20 or newer, from https://nodejs.org or your system's packages: apt-get install nodejs npm";
const TOOLS: &str = "npm install";

pub fn build(dir: &Path, language: Language) -> Result<PathBuf, ProjectError> {
    let manifest = Manifest::read(dir)?;
    let package = Package::read(dir)?;
    if !dir.join("node_modules").is_dir() {
        Tool::new("npm", dir, NODE)
            .with(|npm| _ = npm.args(["install", "--no-audit", "--no-fund"]))
            .run()?;
    }
    let build = BuildFolder::make(dir)?;
    contract::write(&build.join("wit"), &manifest)?;
    let module = if language == Language::Ts {
        let hint = "the compiler's messages are above; tsconfig.json has to write src/plugin.ts to build/js/src/plugin.js";
        Tool::new(of_project(dir, "tsc"), dir, TOOLS).hint(hint).run()?;
        "./js/src/plugin.js"
    } else {
        "../src/plugin.js"
    };
    build.write("entry.js", &entry(module, &package, &manifest))?;
    let component = build.join(&format!("{}.wasm", package.name));
    Tool::new(of_project(dir, "componentize-qjs"), dir, TOOLS)
        .with(|tool| {
            tool.args(["--sync", "--stub-wasi", "--wit", "build/wit", "--world", contract::WORLD])
                .args(["--module-root", ".", "--js", "build/entry.js", "--output"])
                .arg(Path::new("build").join(format!("{}.wasm", package.name)));
        })
        .run()?;
    Ok(component)
}

fn of_project(dir: &Path, tool: &str) -> PathBuf {
    dir.join("node_modules/.bin").join(tool)
}

/// What a plugin takes from its package.
struct Package {
    name: String,
    version: String,
}

impl Package {
    fn read(dir: &Path) -> Result<Package, ProjectError> {
        let path = dir.join("package.json");
        let text = std::fs::read_to_string(&path).map_err(file_error("read", &path))?;
        let json: serde_json::Value =
            serde_json::from_str(&text).map_err(|error| file_error("read", &path)(error.into()))?;
        let field = |field: &'static str| match json[field].as_str() {
            Some(text) => Ok(text.to_owned()),
            None => Err(ProjectError::NoField { path: path.clone(), field }),
        };
        // `@scope/name` is a plugin called `name`.
        let name = field("name")?;
        let name = name.rsplit('/').next().unwrap_or(&name).to_owned();
        Ok(Package { name, version: field("version")? })
    }
}

/// The module that exports what the contract asks for.
fn entry(module: &str, package: &Package, manifest: &Manifest) -> String {
    let (name, version) = (serde_json::json!(package.name), serde_json::json!(package.version));
    let mut entry = String::new();
    let mut granted = Vec::new();
    for grant in &manifest.grants {
        let interface = grant.interface();
        entry += &format!("import {interface} from \"tidemill:plugin/{interface}@0.1.0\";\n");
        granted.push(interface);
    }
    let world = manifest.world.name();
    entry += &format!(
        "import plugin from \"{module}\";\n\
         import {{ bindGrants, {world} as bind }} from \"@tidemill/sdk/component\";\n\
         bindGrants({{ {} }});\n\
         const bound = bind(plugin, {{ name: {name}, version: {version}, migrates: {migrates} }});\n\
         export const definition = bound.definition;\n",
        granted.join(", "),
        migrates = manifest.migrates,
    );
    let mut interfaces = vec![manifest.world.interface()];
    interfaces.extend(manifest.migrates.then_some("migration"));
    let export = |interface| format!("export const {interface} = bound.{interface};\n");
    entry + &interfaces.into_iter().map(export).collect::<String>()
}
