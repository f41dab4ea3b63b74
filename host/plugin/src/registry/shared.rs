//! The part of a registry in an object store, which several hosts have in common.
//!
//! ```text
//! <prefix>/components/<64 hex digits>.wasm
//! <prefix>/names/<name>@<version>.plugin
//! ```
//! The files are those of a folder. **Every object is created, never changed**: who creates a name first decides
//! what it means, for all hosts. The component is there before its name.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions};
use parking_lot::Mutex;
use tokio::runtime::Handle;

use super::entry::RegistryEntry;
use super::{COMPONENT_SUFFIX, COMPONENTS, NAME_SUFFIX, NAMES, RegistryError};
use crate::digest::Digest;

/// Entries that are asked for at once.
const REQUESTS_MAX: usize = 16;

/// A place in an object store for the names and components of several hosts.
///
/// Its calls block on the runtime that it was made in: they must not come from that runtime's own threads.
#[derive(Debug)]
pub struct Shared {
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    /// As a person knows it.
    location: String,
    runtime: Handle,
    /// The entries that were read, and what the store said of each then.
    read: Mutex<HashMap<Path, (ObjectMeta, RegistryEntry)>>,
}

impl Shared {
    /// Uses `prefix` of `store`, which people know as `location`. Nothing is asked of it yet.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    #[must_use]
    pub fn new(store: Arc<dyn ObjectStore>, prefix: Path, location: String) -> Self {
        Self { store, prefix, location, runtime: Handle::current(), read: Mutex::default() }
    }

    /// Puts the component there, then the entry, unless the name and version are there; returns the entry that
    /// is there now. Durable on return.
    pub(super) fn push(
        &self,
        component: &[u8],
        entry: RegistryEntry,
    ) -> Result<RegistryEntry, RegistryError> {
        self.runtime.block_on(async {
            self.create(&self.component_path(&entry.digest), component.to_vec()).await?;
            let path = self.entry_path(&entry);
            match self.create(&path, entry.encode()).await? {
                true => Ok(entry),
                false => self.entry(&path).await,
            }
        })
    }

    /// All entries, in no order.
    pub(super) fn list(&self) -> Result<Vec<RegistryEntry>, RegistryError> {
        self.runtime.block_on(async {
            let names = self.prefix.clone().join(NAMES);
            let listed = self.store.list(Some(&names)).try_collect::<Vec<_>>().await;
            let listed = listed.map_err(|source| self.failed("list", &names, source))?;
            let known = std::mem::take(&mut *self.read.lock());
            let read = futures::stream::iter(listed)
                .filter(|meta| std::future::ready(meta.location.as_ref().ends_with(NAME_SUFFIX)))
                .map(async |meta| {
                    let entry = match known.get(&meta.location) {
                        Some((before, entry)) if *before == meta => entry.clone(),
                        _ => self.entry(&meta.location).await?,
                    };
                    Ok((meta.location.clone(), (meta, entry)))
                })
                .buffer_unordered(REQUESTS_MAX)
                .try_collect::<HashMap<_, _>>()
                .await?;
            let entries = read.values().map(|(_, entry)| entry.clone()).collect();
            *self.read.lock() = read;
            Ok(entries)
        })
    }

    /// Forgets a name and version, if they are there. The component stays: another host may run it.
    pub(super) fn remove(&self, entry: &RegistryEntry) -> Result<(), RegistryError> {
        let path = self.entry_path(entry);
        match self.runtime.block_on(self.store.delete(&path)) {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(source) => Err(self.failed("remove", &path, source)),
        }
    }

    /// Whether the component is there.
    pub(super) fn has(&self, digest: &Digest) -> Result<bool, RegistryError> {
        let path = self.component_path(digest);
        match self.runtime.block_on(self.store.head(&path)) {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(source) => Err(self.failed("look for", &path, source)),
        }
    }

    /// The component, checked against its digest.
    pub(super) fn component(&self, digest: &Digest) -> Result<Vec<u8>, RegistryError> {
        let path = self.component_path(digest);
        let component = self.runtime.block_on(self.get(&path))?;
        let actual = Digest::of(&component);
        if actual != *digest {
            return Err(RegistryError::DamagedComponent { path: self.shown(&path), actual });
        }
        Ok(component)
    }

    async fn entry(&self, path: &Path) -> Result<RegistryEntry, RegistryError> {
        let bytes = self.get(path).await?;
        RegistryEntry::decode(&bytes)
            .map_err(|fault| RegistryError::DamagedEntry { path: self.shown(path), fault })
    }

    async fn get(&self, path: &Path) -> Result<Vec<u8>, RegistryError> {
        let read = async { self.store.get(path).await?.bytes().await };
        let bytes = read.await.map_err(|source| self.failed("read", path, source))?;
        Ok(bytes.into())
    }

    /// Whether it was this call that made the object.
    async fn create(&self, path: &Path, content: Vec<u8>) -> Result<bool, RegistryError> {
        let options = PutOptions::from(PutMode::Create);
        match self.store.put_opts(path, content.into(), options).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::AlreadyExists { .. }) => Ok(false),
            Err(source) => Err(self.failed("write", path, source)),
        }
    }

    fn component_path(&self, digest: &Digest) -> Path {
        self.prefix.clone().join(COMPONENTS).join(format!("{}{COMPONENT_SUFFIX}", digest.to_hex()))
    }

    fn entry_path(&self, entry: &RegistryEntry) -> Path {
        self.prefix.clone().join(NAMES).join(entry.file_name())
    }

    fn shown(&self, path: &Path) -> PathBuf {
        let below = path.as_ref().strip_prefix(self.prefix.as_ref()).unwrap_or(path.as_ref());
        PathBuf::from(format!(
            "{}/{}",
            self.location.trim_end_matches('/'),
            below.trim_start_matches('/')
        ))
    }

    fn failed(
        &self,
        action: &'static str,
        path: &Path,
        cause: object_store::Error,
    ) -> RegistryError {
        RegistryError::Store { action, path: self.shown(path), cause: Box::new(cause) }
    }
}
