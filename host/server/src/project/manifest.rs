//! `tidemill-plugin.toml`: what a build has to know that the language's own files do not say.
//!
//! A tool chain makes a component of the world that it is given, with all imports of that world, used or not;
//! so both are said here. Rust needs no such file: its SDK's macros choose the world, its compiler leaves out
//! what is not used. Go and C leave out what is not used as well, but have no file that names a plugin.

use std::path::Path;

use serde::Deserialize;

use super::error::{ProjectError, file_error};
use super::{ProjectName, World};

pub const MANIFEST: &str = "tidemill-plugin.toml";

/// What the file says.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    pub world: World,
    /// Of languages whose own files say neither.
    pub name: Option<String>,
    pub version: Option<String>,
    /// What the plugin may call, where the pipeline grants it.
    #[serde(default)]
    pub grants: Vec<Grant>,
    /// Whether a reducer reads accumulators that an older version wrote.
    #[serde(default)]
    pub migrates: bool,
}

/// An interface that a pipeline can grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grant {
    Logging,
    Metrics,
}

impl Grant {
    pub const ALL: [Grant; 2] = [Grant::Logging, Grant::Metrics];

    /// The interface's name in the contract.
    pub fn interface(self) -> &'static str {
        match self {
            Grant::Logging => "logging",
            Grant::Metrics => "metrics",
        }
    }
}

impl Manifest {
    /// Name and version of the plugin, for languages whose own files say neither. Both go into commands and paths
    /// as they are.
    pub fn identity(&self, dir: &Path) -> Result<(String, String), ProjectError> {
        let path = dir.join(MANIFEST);
        let no_field = |field| ProjectError::NoField { path: path.clone(), field };
        let name = self.name.clone().ok_or_else(|| no_field("name"))?;
        let version = self.version.clone().ok_or_else(|| no_field("version"))?;
        name.parse::<ProjectName>()
            .map_err(|error| ProjectError::Name { path: path.clone(), source: error })?;
        semver::Version::parse(&version).map_err(|error| ProjectError::Version {
            path: path.clone(),
            version: version.clone(),
            source: error,
        })?;
        Ok((name, version))
    }

    /// Reads that of the project in `dir`.
    pub fn read(dir: &Path) -> Result<Manifest, ProjectError> {
        let path = dir.join(MANIFEST);
        let text = match std::fs::read_to_string(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(ProjectError::NoManifest { path });
            }
            read => read.map_err(file_error("read", &path))?,
        };
        let manifest: Manifest = match toml::from_str(&text) {
            Err(error) => return Err(ProjectError::Manifest { path, source: Box::new(error) }),
            Ok(manifest) => manifest,
        };
        if manifest.migrates && manifest.world != World::Reducer {
            return Err(ProjectError::NoState { path, world: manifest.world });
        }
        Ok(manifest)
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
        assert_eq!((manifest.world, &manifest.grants[..]), (World::Filter, &[Grant::Logging][..]));
        assert_eq!(read("world = \"reducer\"").unwrap().grants, []);
        assert!(read("world = \"reducer\"\nmigrates = true").unwrap().migrates);
        let error = read("world = \"filter\"\nmigrates = true").unwrap_err();
        assert!(error.to_string().contains("only a reducer"), "{error}");
        for (text, told) in [
            ("world = \"map\"", "`transform`, `filter`, `reducer`"),
            ("world = \"filter\"\ngrants = [\"network\"]", "line 2"),
            ("world = \"filter\"\nsummary = \"x\"", "unknown field"),
            ("", "missing field `world`"),
        ] {
            let Err(ProjectError::Manifest { source, .. }) = read(text) else { panic!("{text}") };
            assert!(source.to_string().contains(told), "{source}");
        }
    }
    #[test]
    fn a_name_and_a_version_that_others_rely_on_are_checked() {
        let identity = |text: &str| {
            let manifest: Manifest =
                toml::from_str(&format!("world = \"filter\"\n{text}")).unwrap();
            manifest.identity(Path::new("p")).map_err(|error| error.to_string())
        };
        let good = identity("name = \"a-b\"\nversion = \"1.2.3\"");
        assert_eq!(good, Ok(("a-b".to_owned(), "1.2.3".to_owned())));
        for (text, told) in [
            ("version = \"1.0.0\"", "has no `name`"),
            ("name = \"a\"", "has no `version`"),
            ("name = \"../a\"\nversion = \"1.0.0\"", "is not valid"),
            ("name = \"a\"\nversion = \"1 \\\"\"", "is no version"),
        ] {
            let error = identity(text).unwrap_err();
            assert!(error.contains(told), "{error}");
        }
    }
}
