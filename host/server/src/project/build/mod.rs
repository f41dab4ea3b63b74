//! From a project to a component, by the language's own tools.
//!
//! **Tools write to stderr as they run, whatever they print; stdout is for the result alone.** Nothing is
//! installed into the system: what is missing is named with the command that installs it.

mod tool;
mod rust;
mod javascript;
mod python;
mod go;
mod c;
mod component;

use std::path::{Path, PathBuf};

use serde::Serialize;
use tidemill_plugin::Digest;

use super::Language;
use super::error::{ProjectError, file_error};

/// A component that was built.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Built {
    pub component: PathBuf,
    pub language: &'static str,
    pub bytes: u64,
    pub digest: Digest,
}

/// Builds the project in `dir`.
pub fn build(dir: &Path) -> Result<Built, ProjectError> {
    let language =
        Language::detect(dir).ok_or_else(|| ProjectError::NoProject { path: dir.to_owned() })?;
    // Tools run in the project's folder: what is found below it has to be found from there as well.
    let dir = &std::path::absolute(dir).map_err(file_error("find", dir))?;
    let component = match language {
        Language::Rust => rust::build(dir),
        Language::Js | Language::Ts => javascript::build(dir, language),
        Language::Python => python::build(dir),
        Language::Go => go::build(dir),
        Language::C => c::build(dir),
    }?;
    let bytes = std::fs::read(&component).map_err(file_error("read", &component))?;
    Ok(Built {
        component,
        language: language.name(),
        bytes: bytes.len() as u64,
        digest: Digest::of(&bytes),
    })
}

/// A project's folder for what is made, and its files in it.
struct BuildFolder(PathBuf);

impl BuildFolder {
    fn make(dir: &Path) -> Result<BuildFolder, ProjectError> {
        let path = dir.join("build");
        std::fs::create_dir_all(&path).map_err(file_error("make the folder", &path))?;
        Ok(BuildFolder(path))
    }

    fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn write(&self, name: &str, content: &str) -> Result<PathBuf, ProjectError> {
        let path = self.join(name);
        std::fs::write(&path, content).map_err(file_error("write", &path))?;
        Ok(path)
    }
}
