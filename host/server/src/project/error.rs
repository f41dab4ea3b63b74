//! Why a project could not be made or built.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use super::manifest::MANIFEST;
use super::name::NameError;
use super::{Language, World, worlds_of};

/// Why a project could not be made or built. Nothing of it is retryable without a person.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    #[error("{what} `{}`", path.display())]
    File { what: &'static str, path: PathBuf, source: io::Error },
    #[error("`{}` is not empty", path.display())]
    NotEmpty { path: PathBuf },
    #[error("a {} cannot be written in {}", world.name(), language.name())]
    NoTemplate { language: Language, world: World },
    #[error("`{}` holds no project of a language that can be built", path.display())]
    NoProject { path: PathBuf },
    #[error("there is no `{}`", path.display())]
    NoManifest { path: PathBuf },
    #[error("`{}` is not valid", path.display())]
    Manifest { path: PathBuf, source: Box<toml::de::Error> },
    #[error("read `{}`", path.display())]
    Toml { path: PathBuf, source: Box<toml::de::Error> },
    #[error("`{}` has no `{field}`", path.display())]
    NoField { path: PathBuf, field: &'static str },
    #[error("the name in `{}` is not valid", path.display())]
    Name { path: PathBuf, source: NameError },
    #[error("`{version}` in `{}` is no version", path.display())]
    Version { path: PathBuf, version: String, source: semver::Error },
    #[error("`{}` says `migrates = true` of a {}, but only a reducer has a state", path.display(), world.name())]
    NoState { path: PathBuf, world: World },
    #[error("`{tool}` is missing")]
    ToolMissing { tool: String, install: String },
    #[error("start `{tool}`")]
    ToolStart { tool: String, source: io::Error },
    #[error("`{tool}` ended with {status}; its messages are above")]
    ToolFailed { tool: String, status: ExitStatus, hint: Option<String> },
    #[error("`{tool}` made no component")]
    NoComponent { tool: &'static str, hint: &'static str },
    #[error("what the compiler made cannot be a component: {reason}")]
    NotEncoded { reason: String },
}

impl ProjectError {
    /// What the person can do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            ProjectError::NotEmpty { .. } => {
                "name an empty folder with `--path`, or one that is not there yet".to_owned()
            }
            ProjectError::NoTemplate { language, .. } => {
                let worlds: Vec<&str> =
                    worlds_of(*language).iter().map(|world| world.name()).collect();
                format!(
                    "what can be is: {}; `tidemill plugin new --list` shows every language",
                    worlds.join(", ")
                )
            }
            ProjectError::NoProject { .. } => {
                "name the plugin's own folder, with its Cargo.toml, package.json or the like; \
                 `tidemill plugin new` makes one"
                    .to_owned()
            }
            ProjectError::NoManifest { .. } | ProjectError::Manifest { .. } => {
                format!(
                    "{MANIFEST} says `world = \"transform\"` (or filter, reducer), and `grants = [\"logging\"]` where the plugin logs"
                )
            }
            ProjectError::NoState { .. } => "leave it out".to_owned(),
            ProjectError::ToolMissing { install, .. } => format!("install it: {install}"),
            ProjectError::ToolFailed { hint, .. } => return hint.clone(),
            ProjectError::NoComponent { hint, .. } => (*hint).to_owned(),
            ProjectError::NoField { field, .. } => {
                format!("a plugin is called as its package is: set `{field}`")
            }
            ProjectError::Version { .. } => "a version has three numbers: `0.1.0`".to_owned(),
            ProjectError::NotEncoded { .. } => {
                "build it with the SDK that came with this `tidemill`: `tidemill plugin new` writes it".to_owned()
            }
            ProjectError::Name { .. }
            | ProjectError::File { .. }
            | ProjectError::Toml { .. }
            | ProjectError::ToolStart { .. } => return None,
        };
        Some(hint)
    }
}

/// For `map_err`: what was tried on which path.
pub fn file_error<'a>(
    what: &'static str,
    path: &'a Path,
) -> impl Fn(io::Error) -> ProjectError + 'a {
    move |source| ProjectError::File { what, path: path.to_owned(), source }
}
