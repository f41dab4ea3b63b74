//! The pipelines that a host is to run, as files: what was applied, and whether it is to run.
//!
//! **A file is old or new, never half**: it is written beside its place, synced, and renamed; then the folder is
//! synced. A file of an unknown version is refused by name.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tidemill_engine::upgrade::{CanaryPin, Pin, Restore, Versions};

/// Says what the file is, to whoever finds it.
const FORMAT: &str = "tidemill-pipeline";
const VERSION: u32 = 2;
/// Pipelines without upgrades; plugins were digests.
const VERSION_BEFORE: u32 = 1;
const EXTENSION: &str = "json";

/// What a person wants of a pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Wanted {
    Running,
    Stopped,
}

/// A pipeline as it was applied.
#[derive(Debug, Clone, PartialEq)]
pub struct Saved {
    /// The TOML file.
    pub text: String,
    pub wanted: Wanted,
    /// What each operator runs. A restart runs the same, whatever was pushed meanwhile.
    pub plugins: BTreeMap<String, Pin>,
    /// By operator: what is tried beside it.
    pub canaries: BTreeMap<String, SavedCanary>,
    /// By operator: what ran before, for a rollback.
    pub before: BTreeMap<String, Before>,
    /// By operator: the earlier state that it goes back to.
    pub restores: BTreeMap<String, Restore>,
}

/// A version that is tried, and for how long.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedCanary {
    pub tried: CanaryPin,
    pub until: Until,
}

/// When a trial ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Until {
    /// After this batch.
    Batch(u64),
    /// Milliseconds since 1970-01-01 UTC.
    TimeMs(i64),
}

/// What an operator ran before its last upgrade.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Before {
    pub pin: Pin,
    /// The pointer to its last checkpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<String>,
}

impl Saved {
    /// A pipeline as it is applied: nothing was upgraded yet.
    pub fn applied(text: String, wanted: Wanted, plugins: BTreeMap<String, Pin>) -> Saved {
        Saved {
            text,
            wanted,
            plugins,
            canaries: BTreeMap::new(),
            before: BTreeMap::new(),
            restores: BTreeMap::new(),
        }
    }

    /// What the engine is to run.
    pub fn versions(&self) -> Versions {
        let tried = self.canaries.iter().map(|(name, canary)| (name.clone(), canary.tried.clone()));
        let kept = self.before.values().filter_map(|before| before.checkpoint.clone());
        let restored = self.restores.values().map(|restore| restore.checkpoint.clone());
        Versions {
            pins: self.plugins.clone(),
            canaries: tried.collect(),
            kept: kept.chain(restored).collect(),
            restores: self.restores.clone(),
        }
    }

    /// Every digest that may run again.
    pub fn digests(&self) -> impl Iterator<Item = &str> {
        let tried = self.canaries.values().map(|canary| &canary.tried.pin);
        let before = self.before.values().map(|before| &before.pin);
        self.plugins.values().chain(tried).chain(before).map(|pin| pin.plugin.as_str())
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    format: String,
    version: u32,
    wanted: Wanted,
    plugins: BTreeMap<String, Pin>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    canaries: BTreeMap<String, SavedCanary>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    before: BTreeMap<String, Before>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    restores: BTreeMap<String, Restore>,
    text: String,
}

/// [`VERSION_BEFORE`].
#[derive(Deserialize)]
struct ContentBefore {
    wanted: Wanted,
    plugins: BTreeMap<String, String>,
    text: String,
}

/// Why pipelines could not be saved or read.
#[derive(Debug, thiserror::Error)]
pub enum PipelineFileError {
    #[error("{action} `{path}`", path = path.display())]
    Io { action: &'static str, path: PathBuf, source: std::io::Error },
    #[error("`{path}` is no saved pipeline", path = path.display())]
    Damaged { path: PathBuf, source: serde_json::Error },
    #[error("`{path}` is {format} version {version}; this host knows {FORMAT} version {VERSION}", path = path.display())]
    Unknown { path: PathBuf, format: String, version: u32 },
}

impl PipelineFileError {
    pub fn hint(&self) -> Option<String> {
        match self {
            PipelineFileError::Io { .. } => None,
            PipelineFileError::Damaged { .. } => Some(
                "move the file away and apply the pipeline again; it goes on where it was"
                    .to_owned(),
            ),
            PipelineFileError::Unknown { .. } => {
                Some("a newer tidemill wrote it; start that one".to_owned())
            }
        }
    }
}

/// A folder of saved pipelines.
pub struct PipelineFiles {
    folder: PathBuf,
}

impl PipelineFiles {
    /// Opens the folder, and makes it if it is not there.
    pub fn open(folder: PathBuf) -> Result<PipelineFiles, PipelineFileError> {
        fs::create_dir_all(&folder).map_err(io("make the folder", &folder))?;
        Ok(PipelineFiles { folder })
    }

    /// All pipelines, by name.
    pub fn load(&self) -> Result<Vec<(String, Saved)>, PipelineFileError> {
        let entries = fs::read_dir(&self.folder).map_err(io("list", &self.folder))?;
        let mut paths = Vec::new();
        for entry in entries {
            let path = entry.map_err(io("list", &self.folder))?.path();
            if path.extension().is_some_and(|extension| extension == EXTENSION) {
                paths.push(path);
            }
        }
        paths.sort();
        let name =
            |path: &Path| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        paths.iter().map(|path| Ok((name(path), read(path)?))).collect()
    }

    /// One pipeline, if it is there.
    pub fn get(&self, name: &str) -> Result<Option<Saved>, PipelineFileError> {
        let path = self.path(name);
        if path.exists() { read(&path).map(Some) } else { Ok(None) }
    }

    /// Durable on return.
    pub fn save(&self, name: &str, saved: &Saved) -> Result<(), PipelineFileError> {
        let content = Content {
            format: FORMAT.to_owned(),
            version: VERSION,
            wanted: saved.wanted,
            plugins: saved.plugins.clone(),
            canaries: saved.canaries.clone(),
            before: saved.before.clone(),
            restores: saved.restores.clone(),
            text: saved.text.clone(),
        };
        let path = self.path(name);
        let encoded = serde_json::to_vec_pretty(&content)
            .map_err(|source| PipelineFileError::Damaged { path: path.clone(), source })?;
        let beside = path.with_extension("new");
        let mut file = File::create(&beside).map_err(io("create", &beside))?;
        file.write_all(&encoded).and_then(|()| file.sync_all()).map_err(io("write", &beside))?;
        fs::rename(&beside, &path).map_err(io("rename into", &path))?;
        self.sync_folder()
    }

    /// Durable on return. Removing what is not there is fine.
    pub fn remove(&self, name: &str) -> Result<(), PipelineFileError> {
        let path = self.path(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(io("remove", &path)(error))
            }
            _ => self.sync_folder(),
        }
    }

    /// Names come from valid pipelines (letters, digits, `-` and `_`) or from this folder: they stay in it.
    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.{EXTENSION}"))
    }

    fn sync_folder(&self) -> Result<(), PipelineFileError> {
        File::open(&self.folder)
            .and_then(|folder| folder.sync_all())
            .map_err(io("sync", &self.folder))
    }
}

fn read(path: &Path) -> Result<Saved, PipelineFileError> {
    let bytes = fs::read(path).map_err(io("read", path))?;
    let damaged = |source| PipelineFileError::Damaged { path: path.to_owned(), source };
    // The version first: a newer one may have other keys.
    let any: serde_json::Value = serde_json::from_slice(&bytes).map_err(damaged)?;
    let format = any["format"].as_str().unwrap_or_default();
    let version =
        any["version"].as_u64().and_then(|version| u32::try_from(version).ok()).unwrap_or(0);
    if (format, version) == (FORMAT, VERSION_BEFORE) {
        let ContentBefore { wanted, plugins, text } =
            serde_json::from_value(any).map_err(damaged)?;
        let pins = plugins.into_iter().map(|(name, digest)| (name, Pin::of(digest)));
        return Ok(Saved::applied(text, wanted, pins.collect()));
    }
    if (format, version) != (FORMAT, VERSION) {
        return Err(PipelineFileError::Unknown {
            path: path.to_owned(),
            format: format.to_owned(),
            version,
        });
    }
    let content: Content = serde_json::from_value(any).map_err(damaged)?;
    let Content { wanted, plugins, canaries, before, restores, text, .. } = content;
    Ok(Saved { text, wanted, plugins, canaries, before, restores })
}

fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> PipelineFileError {
    let path = path.to_owned();
    move |source| PipelineFileError::Io { action, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "name = \"p\"";

    #[test]
    fn what_is_saved_is_loaded_until_it_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let files = PipelineFiles::open(folder.path().join("pipelines")).unwrap();
        assert_eq!(files.get("p").unwrap(), None);
        for wanted in [Wanted::Running, Wanted::Stopped] {
            let pin = |digest: &str| Pin {
                plugin: digest.to_owned(),
                params: Some([("n", 3)].into_iter().collect()),
            };
            let of = |content| BTreeMap::from([("o".to_owned(), content)]);
            let tried = CanaryPin { pin: pin("sha256:2"), stop_on_difference: true };
            let saved = Saved {
                canaries: BTreeMap::from([(
                    "o".to_owned(),
                    SavedCanary { tried, until: Until::Batch(7) },
                )]),
                before: BTreeMap::from([(
                    "o".to_owned(),
                    Before {
                        pin: Pin::of("sha256:0"), checkpoint: Some("tidemill1:…".to_owned())
                    },
                )]),
                ..Saved::applied(TEXT.to_owned(), wanted, of(pin("sha256:1")))
            };
            files.save("p", &saved).unwrap();
            assert_eq!(files.load().unwrap(), [("p".to_owned(), saved)]);
        }
        files.remove("p").unwrap();
        files.remove("p").unwrap();
        assert!(files.load().unwrap().is_empty());
    }

    #[test]
    fn files_from_before_upgrades_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let files = PipelineFiles::open(folder.path().to_owned()).unwrap();
        let before = r#"{"format":"tidemill-pipeline","version":1,"wanted":"running","plugins":{"o":"sha256:1"},"text":"name = 'p'"}"#;
        fs::write(folder.path().join("p.json"), before).unwrap();
        let saved = files.get("p").unwrap().unwrap();
        assert_eq!(saved.plugins, BTreeMap::from([("o".to_owned(), Pin::of("sha256:1"))]));
        assert_eq!((saved.text.as_str(), saved.wanted), ("name = 'p'", Wanted::Running));
    }

    #[test]
    fn a_half_written_file_beside_its_place_is_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let files = PipelineFiles::open(folder.path().to_owned()).unwrap();
        fs::write(folder.path().join("p.new"), "{").unwrap();
        assert!(files.load().unwrap().is_empty());
    }

    #[test]
    fn damage_and_newer_versions_are_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let files = PipelineFiles::open(folder.path().to_owned()).unwrap();
        let path = folder.path().join("p.json");
        for (content, expected) in [
            ("{", "is no saved pipeline"),
            (r#"{"format":"tidemill-pipeline","version":3,"new":1}"#, "version 3"),
            (r#"{"format":"other","version":1}"#, "is other version 1"),
        ] {
            fs::write(&path, content).unwrap();
            let error = files.load().unwrap_err();
            assert!(
                error.to_string().contains("p.json") && error.to_string().contains(expected),
                "{error}"
            );
            assert!(error.hint().is_some());
        }
    }
}
