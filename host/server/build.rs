//! Embeds what `tidemill plugin new` and `tidemill plugin build` write: templates, SDKs, the contract.
//!
//! **A person who has nothing but the binary can make a plugin**, so a project carries its SDK with it. The
//! table holds `FOLDER/PATH` and the file's bytes; folders are `wit`, `LANGUAGE/sdk` and
//! `LANGUAGE/templates/WORLD`. A Rust SDK inherits from this workspace, which a project does not have: what it
//! inherits is written out.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use toml::{Table, Value};

/// Folders below `plugin-sdk`.
const LANGUAGES: [&str; 6] = ["rust", "js", "ts", "python", "go", "c"];

/// What lies in an SDK's folder and is no part of what is published of it.
const LEFT_OUT: [&str; 12] = [
    "templates",
    "examples",
    "tests",
    "test",
    "benches",
    "target",
    "node_modules",
    "build",
    "dist",
    "__pycache__",
    "package-lock.json",
    "Makefile",
];

#[derive(Debug, thiserror::Error)]
enum EmbedError {
    #[error("{0} is not set; cargo sets it for build scripts")]
    Unset(&'static str),
    #[error("{what} `{}`", path.display())]
    File { what: &'static str, path: PathBuf, source: io::Error },
    #[error("read `{}` as TOML", path.display())]
    Toml { path: PathBuf, source: Box<toml::de::Error> },
    #[error("`{}` inherits `{key}`, which the workspace does not have", path.display())]
    Inherited { path: PathBuf, key: String },
}

fn main() {
    if let Err(error) = embed() {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
        eprintln!("error: {error}{}", cause.unwrap_or_default());
        std::process::exit(1);
    }
}

fn embed() -> Result<(), EmbedError> {
    let variable = |name| env::var_os(name).map(PathBuf::from).ok_or(EmbedError::Unset(name));
    let root = variable("CARGO_MANIFEST_DIR")?.join("../..");
    let root = root.canonicalize().map_err(|source| EmbedError::File {
        what: "find",
        path: root,
        source,
    })?;
    let out = variable("OUT_DIR")?;
    let mut table = Embedded { root: root.clone(), out: out.clone(), entries: String::new() };
    table.folder("wit", &root.join("wit"), &|_| true)?;
    for language in LANGUAGES {
        let folder = root.join("plugin-sdk").join(language);
        println!("cargo:rerun-if-changed={}", folder.display());
        if folder.join("templates").is_dir() {
            table.folder(&format!("{language}/templates"), &folder.join("templates"), &|name| {
                !["target", "node_modules", "build", "__pycache__"].contains(&name)
            })?;
        }
        // Go's tests lie beside what they test.
        let is_published = |name: &str| {
            !LEFT_OUT.contains(&name) && !name.starts_with('.') && !name.ends_with("_test.go")
        };
        if folder.is_dir() {
            table.folder(&format!("{language}/sdk"), &folder, &is_published)?;
        }
    }
    let path = out.join("embedded.rs");
    fs::write(&path, format!("&[\n{}]", table.entries)).map_err(|source| EmbedError::File {
        what: "write",
        path,
        source,
    })
}

/// The table under construction.
struct Embedded {
    root: PathBuf,
    out: PathBuf,
    entries: String,
}

impl Embedded {
    /// Adds the files of a folder, in the order of their names. Links are followed.
    fn folder(
        &mut self,
        name: &str,
        path: &Path,
        takes: &dyn Fn(&str) -> bool,
    ) -> Result<(), EmbedError> {
        let failed = |source| EmbedError::File { what: "list", path: path.to_owned(), source };
        println!("cargo:rerun-if-changed={}", path.display());
        let mut entries: Vec<PathBuf> = fs::read_dir(path)
            .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
            .map_err(failed)?;
        entries.sort();
        for entry in entries {
            let Some(file) = entry.file_name().and_then(|file| file.to_str()) else { continue };
            if !takes(file) {
                continue;
            }
            let name = format!("{name}/{file}");
            if entry.is_dir() {
                self.folder(&name, &entry, takes)?;
            } else {
                self.file(&name, &entry)?;
            }
        }
        Ok(())
    }

    fn file(&mut self, name: &str, path: &Path) -> Result<(), EmbedError> {
        println!("cargo:rerun-if-changed={}", path.display());
        let mut embedded = path.to_owned();
        if name.starts_with("rust/sdk/") && name.ends_with("/Cargo.toml") {
            embedded = self.out.join(name.replace('/', "-"));
            let alone = standalone(path, &self.root)?;
            fs::write(&embedded, alone).map_err(|source| EmbedError::File {
                what: "write",
                path: embedded.clone(),
                source,
            })?;
        }
        // Writing into a string cannot fail.
        let _ = writeln!(self.entries, "    ({name:?}, include_bytes!({embedded:?})),");
        Ok(())
    }
}

/// A package's manifest with what it inherits from the workspace written out, and without what only its own
/// tests and lints need.
fn standalone(path: &Path, root: &Path) -> Result<String, EmbedError> {
    let mut manifest = read_toml(path)?;
    let workspace = read_toml(&root.join("Cargo.toml"))?;
    let of_workspace = |section: &str, key: &str| {
        workspace.get("workspace").and_then(|all| all.get(section)?.get(key)).cloned().ok_or_else(
            || EmbedError::Inherited { path: path.to_owned(), key: format!("{section}.{key}") },
        )
    };
    manifest.remove("lints");
    manifest.remove("dev-dependencies");
    for (key, value) in
        manifest.get_mut("package").and_then(Value::as_table_mut).into_iter().flatten()
    {
        if is_inherited(value) {
            *value = of_workspace("package", key)?;
        }
    }
    for dependencies in dependency_tables(&mut manifest) {
        for (name, dependency) in dependencies.iter_mut() {
            if is_inherited(dependency) {
                let mut found = of_workspace("dependencies", name)?;
                make_relative(&mut found, path, root);
                *dependency = with_own_keys(found, dependency);
            }
        }
    }
    Ok(manifest.to_string())
}

fn read_toml(path: &Path) -> Result<Table, EmbedError> {
    println!("cargo:rerun-if-changed={}", path.display());
    let text = fs::read_to_string(path).map_err(|source| EmbedError::File {
        what: "read",
        path: path.to_owned(),
        source,
    })?;
    text.parse()
        .map_err(|source| EmbedError::Toml { path: path.to_owned(), source: Box::new(source) })
}

fn is_inherited(value: &Value) -> bool {
    value.get("workspace").and_then(Value::as_bool) == Some(true)
}

/// `[dependencies]` and those of each target.
fn dependency_tables(manifest: &mut Table) -> Vec<&mut Table> {
    let mut tables = Vec::new();
    for (key, value) in manifest.iter_mut() {
        match (key.as_str(), value) {
            ("dependencies", Value::Table(dependencies)) => tables.push(dependencies),
            ("target", Value::Table(targets)) => {
                let of_targets = targets
                    .iter_mut()
                    .filter_map(|(_, target)| target.get_mut("dependencies")?.as_table_mut());
                tables.extend(of_targets);
            }
            _ => {}
        }
    }
    tables
}

/// A path below the workspace's root, as the package that is left alone sees it.
fn make_relative(dependency: &mut Value, package: &Path, root: &Path) {
    let Some(Value::String(target)) = dependency.get_mut("path") else { return };
    let package = package.parent().unwrap_or(root);
    let absolute = root.join(&*target);
    if let Some(below) = absolute.strip_prefix(package).ok().and_then(Path::to_str) {
        *target = below.to_owned();
    }
}

/// What the package itself says beside `workspace = true`, such as `optional` or more features.
fn with_own_keys(inherited: Value, own: &Value) -> Value {
    let mut merged = match inherited {
        Value::Table(table) => table,
        version => Table::from_iter([("version".to_owned(), version)]),
    };
    for (key, value) in own.as_table().into_iter().flatten().filter(|(key, _)| *key != "workspace")
    {
        merged.insert(key.clone(), value.clone());
    }
    Value::Table(merged)
}
