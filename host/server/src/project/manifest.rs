//! `tidemill-plugin.toml`: what a build has to know that the language's own files do not say.
//!
//! A tool chain makes a component of the world that it is given, with all imports of that world, used or not;
//! so both are said here. Rust needs no such file: its SDK's macros choose the world, its compiler leaves out
//! what is not used.

use std::path::Path;

use serde::Deserialize;

use super::World;
use super::error::{ProjectError, file_error};

pub const MANIFEST: &str = "tidemill-plugin.toml";

/// What the file says.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    pub world: World,
    /// What the plugin may call, where the pipeline grants it.
    #[serde(default)]
    pub grants: Vec<Grant>,
}

/// An interface that a pipeline can grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grant {
    Logging,
    Metrics,
}

impl Grant {
    /// The interface's name in the contract.
    pub fn interface(self) -> &'static str {
        match self {
            Grant::Logging => "logging",
            Grant::Metrics => "metrics",
        }
    }
}

impl Manifest {
    /// Reads that of the project in `dir`.
    pub fn read(dir: &Path) -> Result<Manifest, ProjectError> {
        let path = dir.join(MANIFEST);
        let text = match std::fs::read_to_string(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(ProjectError::NoManifest { path });
            }
            read => read.map_err(file_error("read", &path))?,
        };
        toml::from_str(&text)
            .map_err(|error| ProjectError::Manifest { path, source: Box::new(error) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_is_told_with_its_line() {
        let dir = tempfile::tempdir().unwrap();
        let read = |text: &str| {
            std::fs::write(dir.path().join(MANIFEST), text).unwrap();
            Manifest::read(dir.path())
        };
        assert!(matches!(Manifest::read(dir.path()), Err(ProjectError::NoManifest { .. })));
        let manifest = read("world = \"filter\"\ngrants = [\"logging\"]").unwrap();
        assert_eq!(manifest, Manifest { world: World::Filter, grants: vec![Grant::Logging] });
        assert_eq!(read("world = \"reducer\"").unwrap().grants, []);
        for (text, told) in [
            ("world = \"map\"", "`transform`, `filter`, `reducer`"),
            ("world = \"filter\"\ngrants = [\"network\"]", "line 2"),
            ("world = \"filter\"\nname = \"x\"", "unknown field"),
            ("", "missing field `world`"),
        ] {
            let Err(ProjectError::Manifest { source, .. }) = read(text) else { panic!("{text}") };
            assert!(source.to_string().contains(told), "{source}");
        }
    }
}
