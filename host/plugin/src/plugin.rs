//! A loaded plugin version.

use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use wasmtime::component::InstancePre;

use crate::description::Description;
use crate::digest::Digest;
use crate::grants::Grants;
use crate::instance::{FunctionIndexes, StartError};
use crate::limits::Limits;
use crate::operator::Operator;
use crate::runtime::Runtime;
use crate::sandbox::GuestState;
use crate::settings::{Settings, SettingsError};
use crate::world::World;

/// A plugin version: compiled, checked and described. Cheap to share; its operators keep it alive.
pub struct Plugin {
    pub(crate) runtime: Arc<Runtime>,
    pub(crate) template: InstancePre<GuestState>,
    pub(crate) indexes: FunctionIndexes,
    pub(crate) digest: Digest,
    pub(crate) description: Description,
    pub(crate) imports: Vec<String>,
    pub(crate) exports: Vec<String>,
    pub(crate) grants: Grants,
    pub(crate) compile_time: Duration,
    pub(crate) component_bytes: usize,
}

impl std::fmt::Debug for Plugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plugin")
            .field("name", &self.description.name)
            .field("version", &self.description.version)
            .field("digest", &self.digest)
            .finish_non_exhaustive()
    }
}

/// An operator that cannot be made of a plugin.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConfigureError {
    /// The settings do not fit the plugin's parameters.
    #[error("the settings do not fit the plugin `{plugin}`")]
    Settings {
        /// The plugin's name.
        plugin: String,
        /// Which one, and why.
        #[source]
        cause: SettingsError,
    },
    /// A limit is above what the host allows.
    #[error("the limit `{limit}` is {value}, above the host's {max}")]
    Limit {
        /// The limit.
        limit: &'static str,
        /// What was asked for.
        value: usize,
        /// What the host allows.
        max: usize,
    },
    /// The plugin could not be started or refused its settings.
    #[error("configure the plugin `{plugin}`")]
    Start {
        /// The plugin's name.
        plugin: String,
        /// What happened.
        #[source]
        cause: StartError,
    },
}

impl ConfigureError {
    /// True where trying again later may help.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Start { cause, .. } if cause.is_retryable())
    }

    /// What the person can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Settings { cause, .. } => cause.hint(),
            Self::Limit { .. } => Some("lower it, or raise the host's own limit".to_owned()),
            Self::Start { cause, .. } => cause.hint(),
        }
    }
}

impl Plugin {
    /// The identity of this version.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Its kind.
    #[must_use]
    pub fn world(&self) -> World {
        self.indexes.world
    }

    /// What it says about itself.
    #[must_use]
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// Whether it reads state of older versions.
    #[must_use]
    pub fn migrates(&self) -> bool {
        self.indexes.migrates()
    }

    /// The names of all that it imports.
    #[must_use]
    pub fn imports(&self) -> &[String] {
        &self.imports
    }

    /// The names of all that it exports.
    #[must_use]
    pub fn exports(&self) -> &[String] {
        &self.exports
    }

    /// The grants without which it does not load.
    #[must_use]
    pub fn grants_needed(&self) -> Grants {
        crate::sandbox::grants_needed(self.imports.iter().map(String::as_str))
    }

    /// What it was granted.
    #[must_use]
    pub fn grants(&self) -> Grants {
        self.grants
    }

    /// How long it took to compile, or to take its code from the cache.
    #[must_use]
    pub fn compile_time(&self) -> Duration {
        self.compile_time
    }

    /// The size of the component.
    #[must_use]
    pub fn component_bytes(&self) -> usize {
        self.component_bytes
    }

    /// Makes an operator called `name`: checks `settings`, and starts and configures one instance
    /// at once, so that a mistake shows before any record.
    ///
    /// # Errors
    /// Settings that do not fit, limits above the host's, or a plugin that fails or refuses.
    pub fn operator(
        self: &Arc<Self>,
        name: &str,
        settings: &Settings,
        limits: Limits,
    ) -> Result<Operator, ConfigureError> {
        self.check_limits(&limits)?;
        let plugin = || self.description.name.clone();
        let settings = settings
            .resolve(&self.description.parameters)
            .map_err(|cause| ConfigureError::Settings { plugin: plugin(), cause })?
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        Operator::start(Arc::clone(self), name, settings, limits)
            .map_err(|cause| ConfigureError::Start { plugin: plugin(), cause })
    }

    fn check_limits(&self, limits: &Limits) -> Result<(), ConfigureError> {
        let host = &self.runtime.config;
        let bounds = [
            ("memory", limits.memory_bytes_max, host.memory_bytes_max),
            ("table-elements", limits.table_elements_max, host.table_elements_max),
        ];
        match bounds.into_iter().find(|(_, value, max)| value > max) {
            Some((limit, value, max)) => Err(ConfigureError::Limit { limit, value, max }),
            None => Ok(()),
        }
    }
}
