//! The plugins of a host: components by digest, and names that point to them.
//!
//! ```text
//! components/<64 hex digits>.wasm     the component as it was pushed
//! names/<name>@<version>.plugin       magic, version, CRC-32, then JSON: which digest that is
//! ```
//!
//! **A name and version never change what they mean**, and an entry never points to a component
//! that is not there: the component is durable before the entry is linked in, in one step. A crash
//! leaves at most a component without a name and temporary files, which the next open removes.
//!
//! A registry may have a [`Shared`] part in an object store. What is pushed then goes there, and the
//! folder keeps a copy of each component that this host has used: a pipeline starts without the store.

mod entry;
mod files;
mod shared;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use semver::{Version, VersionReq};
use thiserror::Error;

use crate::digest::Digest;
use crate::plugin::Plugin;
pub use entry::{EntryFault, PluginName, RegistryEntry};
use files::Linked;
pub use shared::Shared;

const COMPONENTS: &str = "components";
const NAMES: &str = "names";
const COMPONENT_SUFFIX: &str = ".wasm";
const NAME_SUFFIX: &str = ".plugin";

/// What is wrong with the registry, or with what it was asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// A file or folder cannot be used.
    #[error("{action} `{}`", path.display())]
    Io {
        /// What was done.
        action: &'static str,
        /// With which file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// The object store failed.
    #[error("{action} `{}`", path.display())]
    Store {
        /// What was done.
        action: &'static str,
        /// With which object.
        path: PathBuf,
        /// What the store said.
        #[source]
        cause: Box<object_store::Error>,
    },
    /// The bytes to be pushed are not those of the loaded plugin.
    #[error("the component to push is {given}, but the plugin that was loaded is {loaded}")]
    OtherComponent {
        /// Digest of the bytes.
        given: Digest,
        /// Digest of the plugin.
        loaded: Digest,
    },
    /// A name and version are taken.
    #[error("`{name}@{version}` is {existing} already")]
    Taken {
        /// The name.
        name: String,
        /// The version.
        version: Version,
        /// What it points to, and always will.
        existing: Digest,
    },
    /// No such plugin.
    #[error("there is no plugin `{reference}`")]
    NotFound {
        /// What was asked for.
        reference: String,
        /// Names or versions that exist and are close to it.
        near: Vec<String>,
    },
    /// An entry is damaged.
    #[error("the entry `{}` is damaged", path.display())]
    DamagedEntry {
        /// The file.
        path: PathBuf,
        /// How.
        #[source]
        fault: EntryFault,
    },
    /// A component is not what its name says.
    #[error("the component `{}` is damaged: its digest is {actual}", path.display())]
    DamagedComponent {
        /// The file.
        path: PathBuf,
        /// Digest of what is there.
        actual: Digest,
    },
}

impl RegistryError {
    /// True where trying again may help.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Io { cause, .. } => cause.kind() == io::ErrorKind::Interrupted,
            Self::Store { cause, .. } => !matches!(**cause, object_store::Error::NotFound { .. }),
            _ => false,
        }
    }

    /// What the person can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Taken { .. } => Some(
                "give the changed plugin a new version: pipelines rely on what a version is"
                    .to_owned(),
            ),
            Self::NotFound { near, .. } if near.is_empty() => {
                Some("`tidemill plugin list` shows what there is".to_owned())
            }
            Self::NotFound { near, .. } => Some(format!("there is {}", near.join(", "))),
            Self::DamagedEntry { path, .. } => {
                Some(format!("remove `{}` and push the plugin again", path.display()))
            }
            Self::DamagedComponent { path, .. } => {
                Some(format!("remove `{}` and push the same component again", path.display()))
            }
            Self::Store { .. } => Some(
                "see that `[registry] location` is right and can be reached; plugins that were used here before are found by their `sha256:…`"
                    .to_owned(),
            ),
            Self::Io { .. } | Self::OtherComponent { .. } => None,
        }
    }
}

/// The plugins of a host.
#[derive(Debug)]
pub struct Registry {
    components: PathBuf,
    names: PathBuf,
    shared: Option<Shared>,
    /// A component is written before its name is: it must not be collected in between.
    changing: Mutex<()>,
}

impl Registry {
    /// Opens the registry in `folder`, or makes it. Removes what a crash left behind.
    ///
    /// # Errors
    /// The folder cannot be used.
    pub fn open(folder: &Path) -> Result<Self, RegistryError> {
        let registry = Self {
            components: folder.join(COMPONENTS),
            names: folder.join(NAMES),
            shared: None,
            changing: Mutex::default(),
        };
        for folder in [&registry.components, &registry.names] {
            files::make_folder(folder).map_err(io_error("make", folder))?;
            files::remove_temporary(folder).map_err(io_error("clean up", folder))?;
        }
        Ok(registry)
    }

    /// The same registry with a part in an object store. What the folder has stays known; where both have a name
    /// and version, the store's counts.
    #[must_use]
    pub fn sharing(self, shared: Shared) -> Self {
        Self { shared: Some(shared), ..self }
    }

    /// Keeps `component`, which was loaded as `plugin`, under the plugin's own name and version.
    /// Pushing the same again changes nothing. Durable on return.
    ///
    /// # Errors
    /// [`RegistryError::Taken`] if the name and version point to another component.
    pub fn push(&self, component: &[u8], plugin: &Plugin) -> Result<RegistryEntry, RegistryError> {
        self.push_as(component, plugin, &PluginName::of(plugin))
    }

    /// The same under another name or version than the plugin's own.
    ///
    /// # Errors
    /// As [`Registry::push`].
    pub fn push_as(
        &self,
        component: &[u8],
        plugin: &Plugin,
        name: &PluginName,
    ) -> Result<RegistryEntry, RegistryError> {
        let given = Digest::of(component);
        if given != plugin.digest() {
            return Err(RegistryError::OtherComponent { given, loaded: plugin.digest() });
        }
        let _changing = self.changing.lock();
        let entry = RegistryEntry::of(plugin, name);
        let path = self.entry_path(&entry);
        let kept = match &self.shared {
            Some(shared) => shared.push(component, entry)?,
            None if path.exists() => read_entry(&path)?,
            None => {
                self.write_component(component, &given)?;
                match files::create(&path, &entry.encode()).map_err(io_error("write", &path))? {
                    Linked::New => return Ok(entry),
                    // Somebody was faster.
                    Linked::Existed => read_entry(&path)?,
                }
            }
        };
        if kept.digest != given {
            let RegistryEntry { name, version, digest: existing, .. } = kept;
            return Err(RegistryError::Taken { name, version, existing });
        }
        // The store's copy in the folder; also mends a component that was removed for being damaged.
        self.write_component(component, &given)?;
        Ok(kept)
    }

    fn write_component(&self, component: &[u8], digest: &Digest) -> Result<(), RegistryError> {
        let path = self.component_path(digest);
        let linked = files::create(&path, component).map_err(io_error("write", &path))?;
        match linked {
            Linked::New => Ok(()),
            // What is there must be sound before anything points to it.
            Linked::Existed => self.read(digest).map(drop),
        }
    }

    /// All entries, by name, the newest version of each first.
    ///
    /// # Errors
    /// An entry cannot be read.
    pub fn list(&self) -> Result<Vec<RegistryEntry>, RegistryError> {
        let mut entries = files::names_with_suffix(&self.names, NAME_SUFFIX)
            .map_err(io_error("list", &self.names))?
            .iter()
            .map(|name| read_entry(&self.names.join(name)))
            .collect::<Result<Vec<_>, _>>()?;
        if let Some(shared) = &self.shared {
            let theirs = shared.list()?;
            entries.retain(|own| !theirs.iter().any(|their| their.is_called_like(own)));
            entries.extend(theirs);
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name).then_with(|| b.version.cmp(&a.version)));
        Ok(entries)
    }

    /// The entry that `reference` means: `name` (its newest release, or where there is none its
    /// newest version), `name@version` (of which the end may be left out: the newest `name@2`), or `sha256:…`.
    ///
    /// # Errors
    /// [`RegistryError::NotFound`], with what is close to it.
    pub fn resolve(&self, reference: &str) -> Result<RegistryEntry, RegistryError> {
        let entries = self.list()?;
        find(&entries, reference).cloned().ok_or_else(|| RegistryError::NotFound {
            reference: reference.chars().take(200).collect(),
            near: near(&entries, reference),
        })
    }

    /// The digest that `reference` means. Unlike an entry, a component is also found by its digest when
    /// its name was removed.
    ///
    /// # Errors
    /// As [`Registry::resolve`].
    pub fn digest_of(&self, reference: &str) -> Result<Digest, RegistryError> {
        match reference.parse::<Digest>() {
            Ok(digest) if self.has(&digest)? => Ok(digest),
            _ => self.resolve(reference).map(|entry| entry.digest),
        }
    }

    fn has(&self, digest: &Digest) -> Result<bool, RegistryError> {
        match &self.shared {
            _ if self.component_path(digest).exists() => Ok(true),
            Some(shared) => shared.has(digest),
            None => Ok(false),
        }
    }

    /// Forgets the name and version that `reference` means, for all hosts that share it. The component stays until
    /// it is [collected](Registry::collect); in an object store it stays for good. Durable on return.
    ///
    /// # Errors
    /// There is none, or the folder cannot be written.
    pub fn remove(&self, reference: &str) -> Result<RegistryEntry, RegistryError> {
        let entry = self.resolve(reference)?;
        if let Some(shared) = &self.shared {
            shared.remove(&entry)?;
        }
        let path = self.entry_path(&entry);
        files::remove(&path).map_err(io_error("remove", &path))?;
        Ok(entry)
    }

    /// Deletes every component of the folder that no name points to and `keep` does not want; gives back their
    /// digests.
    ///
    /// # Errors
    /// A folder or an entry cannot be read. A crash at any point leaves components for the next time.
    pub fn collect(&self, keep: impl Fn(&Digest) -> bool) -> Result<Vec<Digest>, RegistryError> {
        let _changing = self.changing.lock();
        let named: Vec<Digest> = self.list()?.into_iter().map(|entry| entry.digest).collect();
        let mut gone = Vec::new();
        let components = files::names_with_suffix(&self.components, COMPONENT_SUFFIX)
            .map_err(io_error("list", &self.components))?;
        for name in components {
            let hex = name.trim_end_matches(COMPONENT_SUFFIX);
            // A file of another name is none of ours.
            let Ok(digest) = format!("sha256:{hex}").parse::<Digest>() else { continue };
            if !named.contains(&digest) && !keep(&digest) {
                let path = self.component_path(&digest);
                files::remove(&path).map_err(io_error("remove", &path))?;
                gone.push(digest);
            }
        }
        Ok(gone)
    }

    /// The component of `digest`, checked against it.
    ///
    /// # Errors
    /// It is not there, or damaged.
    pub fn read(&self, digest: &Digest) -> Result<Vec<u8>, RegistryError> {
        let path = self.component_path(digest);
        let component = match (std::fs::read(&path), &self.shared) {
            (Err(error), Some(shared)) if error.kind() == io::ErrorKind::NotFound => {
                let component = shared.component(digest)?;
                self.write_component(&component, digest)?;
                return Ok(component);
            }
            (read, _) => read.map_err(io_error("read", &path))?,
        };
        let actual = Digest::of(&component);
        if actual != *digest {
            return Err(RegistryError::DamagedComponent { path, actual });
        }
        Ok(component)
    }

    fn component_path(&self, digest: &Digest) -> PathBuf {
        self.components.join(format!("{}{COMPONENT_SUFFIX}", digest.to_hex()))
    }

    fn entry_path(&self, entry: &RegistryEntry) -> PathBuf {
        self.names.join(entry.file_name())
    }
}

fn read_entry(path: &Path) -> Result<RegistryEntry, RegistryError> {
    let file = std::fs::read(path).map_err(io_error("read", path))?;
    RegistryEntry::decode(&file)
        .map_err(|fault| RegistryError::DamagedEntry { path: path.to_owned(), fault })
}

fn find<'e>(entries: &'e [RegistryEntry], reference: &str) -> Option<&'e RegistryEntry> {
    if let Ok(digest) = reference.parse::<Digest>() {
        return entries.iter().find(|entry| entry.digest == digest);
    }
    if let Some((name, version)) = reference.split_once('@') {
        let of_name = entries.iter().filter(|entry| entry.name == name);
        if let Ok(version) = Version::parse(version) {
            return of_name.into_iter().find(|entry| entry.version == version);
        }
        // `2` and `2.1` mean the newest of those.
        let wanted = VersionReq::parse(&format!("~{version}")).ok()?;
        return of_name
            .filter(|entry| wanted.matches(&entry.version))
            .max_by(|a, b| a.version.cmp(&b.version));
    }
    let of_name = entries.iter().filter(|entry| entry.name == reference);
    of_name.max_by_key(|entry| (entry.version.pre.is_empty(), &entry.version))
}

/// Versions of the same name, or else names that look like it.
fn near(entries: &[RegistryEntry], reference: &str) -> Vec<String> {
    const SIMILARITY_MIN: f64 = 0.6;
    const NEAR_MAX: usize = 5;
    let name = reference.split_once('@').map_or(reference, |(name, _)| name);
    let of_name = entries.iter().filter(|entry| entry.name == name);
    let versions: Vec<_> =
        of_name.map(|entry| format!("`{}@{}`", entry.name, entry.version)).take(NEAR_MAX).collect();
    if !versions.is_empty() {
        return versions;
    }
    let names: BTreeMap<&str, ()> = entries.iter().map(|e| (e.name.as_str(), ())).collect();
    let similar = names
        .into_keys()
        .filter(|n| strsim::normalized_damerau_levenshtein(n, name) >= SIMILARITY_MIN);
    similar.take(NEAR_MAX).map(|name| format!("`{name}`")).collect()
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> RegistryError {
    let path = path.to_owned();
    move |cause| RegistryError::Io { action, path, cause }
}
