//! Plugins of a host: the ready ones, those that are pushed, and what they are.

use std::collections::BTreeSet;
use std::sync::Arc;

use tidemill_engine::checkpoint::{Opened, open_location};
use tidemill_engine::graph::{PluginSource, PluginSourceError};
use tidemill_engine::pipeline::ReplayError;
use tidemill_plugin::{
    DescriptionError, Digest, Grants, LoadError, ParameterKind, Plugin, PluginName, Registry,
    RegistryEntry, RegistryError, Runtime, RuntimeConfig, RuntimeError, SettingValue,
    SharedRegistry,
};

use super::pipeline_files::PipelineFileError;
use super::{Host, Layout, OpenError};
use crate::api::wire::{ParameterDescription, PluginDescription, PluginRemoved, PluginSummary};
use crate::cli::chain;
use crate::config::Config;

/// Why a component could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    #[error(transparent)]
    Load(#[from] LoadError),
}

impl InspectError {
    pub fn hint(&self) -> Option<String> {
        match self {
            InspectError::Runtime(error) => error.hint(),
            InspectError::Load(error) => error.hint(),
        }
    }
}

/// Loads a component without a host, every capability granted, and describes it.
pub fn inspect(component: &[u8]) -> Result<PluginDescription, InspectError> {
    let runtime = Runtime::new(RuntimeConfig::default())?;
    let plugin = runtime.load(component, &Grants::all())?;
    Ok(description(&plugin))
}

/// Opens the registry, in the data folder and where else the configuration says. The ready plugins are in the
/// folder: each host has its own.
pub fn open_registry(
    runtime: &Arc<Runtime>,
    layout: &Layout,
    config: &Config,
) -> Result<Registry, OpenError> {
    let registry = Registry::open(&layout.plugins)?;
    push_ready(runtime, &registry)?;
    Ok(match &config.registry {
        None => registry,
        Some(location) => {
            let Opened { store, prefix, location } = open_location(location)?;
            registry.sharing(SharedRegistry::new(store, prefix, location))
        }
    })
}

/// Loads every ready plugin, so that its code is compiled once and a pipeline starts at once, and makes it known.
///
/// Where the folder has other bytes under the same name and version, from another build of this binary, those
/// stay: pipelines rely on what a version is.
fn push_ready(runtime: &Arc<Runtime>, registry: &Registry) -> Result<(), OpenError> {
    for ready in tidemill_plugins::ready() {
        let plugin = runtime
            .load(ready.component, &Grants::none())
            .map_err(|source| OpenError::Ready { name: ready.name, source })?;
        match registry.push(ready.component, &plugin) {
            Err(RegistryError::Taken { existing, .. }) => {
                tracing::warn!(plugin = ready.name, version = ready.version, %existing, "the data folder's own build of this plugin is used");
            }
            pushed => drop(pushed?),
        }
    }
    Ok(())
}

/// What a plugin says about itself, in the API's words.
pub fn description(plugin: &Plugin) -> PluginDescription {
    let described = plugin.description();
    let reads = &described.reads;
    let parts = [
        (reads.keys, "keys"),
        (reads.values, "values"),
        (reads.headers, "headers"),
        (reads.timestamps, "timestamps"),
    ];
    PluginDescription {
        plugin: summary(plugin),
        parameters: described
            .parameters
            .iter()
            .map(|parameter| ParameterDescription {
                name: parameter.name.clone(),
                kind: kind_name(parameter.kind).to_owned(),
                default: parameter.default.as_ref().map(json_of),
                doc: parameter.doc.clone(),
            })
            .collect(),
        reads: parts.iter().filter(|(read, _)| *read).map(|(_, name)| (*name).to_owned()).collect(),
        ports: described.ports.clone(),
        state_version: described.state_version,
        imports: plugin.imports().to_vec(),
        exports: plugin.exports().to_vec(),
        grants_needed: plugin.grants_needed().names().into_iter().map(str::to_owned).collect(),
        compile_ms: plugin.compile_time().as_secs_f64() * 1000.0,
    }
}

pub fn summary(plugin: &Plugin) -> PluginSummary {
    let described = plugin.description();
    PluginSummary {
        name: described.name.clone(),
        version: described.version.to_string(),
        digest: plugin.digest().to_string(),
        world: plugin.world().name().to_owned(),
        summary: described.summary.clone(),
        bytes: plugin.component_bytes() as u64,
    }
}

fn kind_name(kind: ParameterKind) -> &'static str {
    match kind {
        ParameterKind::Text => "text",
        ParameterKind::Integer => "integer",
        ParameterKind::Number => "number",
        ParameterKind::Boolean => "boolean",
    }
}

fn json_of(value: &SettingValue) -> serde_json::Value {
    match value {
        SettingValue::Text(text) => text.clone().into(),
        SettingValue::Integer(integer) => (*integer).into(),
        SettingValue::Number(number) => (*number).into(),
        SettingValue::Boolean(boolean) => (*boolean).into(),
    }
}

/// Why a host's plugins could not be asked or added to.
#[derive(Debug, thiserror::Error)]
pub enum PluginError {
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error("the name for the plugin")]
    Name(#[from] DescriptionError),
    #[error("`{plugin}` is in use by pipeline {}", pipelines.join(", "))]
    InUse { plugin: String, pipelines: Vec<String> },
    #[error(transparent)]
    Files(#[from] PipelineFileError),
    #[error("look up what checkpoints need")]
    Kept(#[from] Box<ReplayError>),
    #[error("the work on the plugin ended early")]
    Ended(#[from] tokio::task::JoinError),
}

impl PluginError {
    pub fn hint(&self) -> Option<String> {
        match self {
            PluginError::Load(error) => error.hint(),
            PluginError::Registry(error) => error.hint(),
            PluginError::InUse { .. } => {
                Some("upgrade the pipelines to another version first, or delete them".to_owned())
            }
            PluginError::Files(error) => error.hint(),
            PluginError::Kept(error) => error.hint(),
            PluginError::Name(_) | PluginError::Ended(_) => None,
        }
    }
}

/// The registry, as the engine asks it.
pub struct RegistrySource {
    runtime: Arc<Runtime>,
    registry: Arc<Registry>,
}

impl RegistrySource {
    pub fn new(runtime: Arc<Runtime>, registry: Arc<Registry>) -> RegistrySource {
        RegistrySource { runtime, registry }
    }

    fn find(&self, reference: &str, grants: &Grants) -> Result<Arc<Plugin>, PluginError> {
        let digest = self.registry.digest_of(reference)?;
        Ok(self.runtime.load(&self.registry.read(&digest)?, grants)?)
    }
}

impl PluginSource for RegistrySource {
    fn load(&self, reference: &str, grants: &Grants) -> Result<Arc<Plugin>, PluginSourceError> {
        self.find(reference, grants)
            .map_err(|error| PluginSourceError { message: chain(&error), hint: error.hint() })
    }
}

impl Host {
    /// All plugins, by name, the newest version of each first.
    pub async fn plugins(&self) -> Result<Vec<PluginSummary>, PluginError> {
        let entries = self.in_registry(|registry| Ok(registry.list()?)).await?;
        Ok(entries.into_iter().map(entry_summary).collect())
    }

    /// Asks the registry, which may be far away.
    pub(super) async fn in_registry<R: Send + 'static>(
        &self,
        ask: impl FnOnce(&Registry) -> Result<R, PluginError> + Send + 'static,
    ) -> Result<R, PluginError> {
        let registry = Arc::clone(&self.registry);
        tokio::task::spawn_blocking(move || ask(&registry)).await?
    }

    /// Checks a component as a pipeline would, with every capability granted, and keeps it, under its own name
    /// and version or others.
    pub async fn push_plugin(
        &self,
        component: Vec<u8>,
        name: Option<String>,
        version: Option<String>,
    ) -> Result<PluginSummary, PluginError> {
        let runtime = Arc::clone(&self.runtime);
        let pushed = self.in_registry(move |registry| {
            // Takes seconds for large components.
            let plugin = runtime.load(&component, &Grants::all())?;
            let called = PluginName::of(&plugin).with(name.as_deref(), version.as_deref())?;
            Ok(registry.push_as(&component, &plugin, &called)?)
        });
        pushed.await.map(entry_summary)
    }

    /// The bytes of a component.
    pub async fn component(&self, reference: String) -> Result<Vec<u8>, PluginError> {
        self.in_registry(move |registry| Ok(registry.read(&registry.digest_of(&reference)?)?)).await
    }

    /// Which component a reference means now.
    pub(super) async fn digest_of(&self, reference: String) -> Result<Digest, PluginError> {
        self.in_registry(move |registry| Ok(registry.digest_of(&reference)?)).await
    }

    /// Forgets a name and version, and deletes the components that nothing needs any more. One that a
    /// pipeline runs, tries, or may go back to, keeps its name; one that only a kept checkpoint names, keeps
    /// its component.
    pub async fn remove_plugin(&self, reference: String) -> Result<PluginRemoved, PluginError> {
        // No pipeline may change meanwhile.
        let _one = self.changes.lock().await;
        let entry = self.in_registry(move |registry| Ok(registry.resolve(&reference)?)).await?;
        let digest = entry.digest.to_string();
        let mut needed = BTreeSet::new();
        let mut pipelines = Vec::new();
        for (name, saved) in self.files.load()? {
            if saved.digests().any(|of| of == digest) {
                pipelines.push(format!("`{name}`"));
            }
            needed.extend(saved.digests().map(str::to_owned));
            needed.extend(self.engine.digests_kept(&name).await.map_err(Box::new)?);
        }
        if !pipelines.is_empty() {
            let plugin = format!("{}@{}", entry.name, entry.version);
            return Err(PluginError::InUse { plugin, pipelines });
        }
        self.in_registry(move |registry| {
            let entry = registry.remove(&format!("{}@{}", entry.name, entry.version))?;
            let gone = registry.collect(|digest| needed.contains(&digest.to_string()))?;
            Ok(PluginRemoved {
                name: entry.name,
                version: entry.version.to_string(),
                digest: entry.digest.to_string(),
                deleted: gone.iter().map(ToString::to_string).collect(),
            })
        })
        .await
    }

    /// What a plugin is, and what it can be told.
    pub async fn describe_plugin(
        &self,
        reference: String,
    ) -> Result<PluginDescription, PluginError> {
        let source = RegistrySource::new(Arc::clone(&self.runtime), Arc::clone(&self.registry));
        let described = tokio::task::spawn_blocking(move || {
            source.find(&reference, &Grants::all()).map(|plugin| description(&plugin))
        });
        described.await?
    }
}

fn entry_summary(entry: RegistryEntry) -> PluginSummary {
    PluginSummary {
        name: entry.name,
        version: entry.version.to_string(),
        digest: entry.digest.to_string(),
        world: entry.world,
        summary: entry.summary,
        bytes: entry.component_bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_build_of_a_ready_plugin_stays_what_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let runtime = Runtime::new(RuntimeConfig::default()).unwrap();
        let registry = Registry::open(folder.path()).unwrap();
        let ready = tidemill_plugins::ready().iter().find(|ready| ready.name == "count").unwrap();
        // An empty custom section called `x`: the same plugin, other bytes.
        let other = [ready.component, &[0, 2, 1, b'x']].concat();
        let plugin = runtime.load(&other, &Grants::none()).unwrap();
        registry.push(&other, &plugin).unwrap();
        push_ready(&runtime, &registry).unwrap();
        assert_eq!(registry.resolve("count").unwrap().digest, plugin.digest());
        assert_eq!(registry.list().unwrap().len(), tidemill_plugins::ready().len());
    }
}
