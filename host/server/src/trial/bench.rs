//! Where plugins are tried: a runtime, one plugin, and the terms of the trial.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tidemill_plugin::{
    ConfigureError, Grants, Limits, Plugin, Runtime, RuntimeConfig, SettingValue, Settings,
};

use super::error::TrialError;
use super::subject::Subject;

/// A trial is about right and wrong; a slow machine is not the plugin's fault.
const CALL_TIME_MAX: Duration = Duration::from_secs(20);

/// What the person who asks for a trial says.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    pub params: Settings,
    pub memory_bytes_max: usize,
}

impl Terms {
    pub fn new(params: &[(String, SettingValue)], memory_bytes_max: u64) -> Terms {
        Terms {
            params: params.iter().cloned().collect(),
            memory_bytes_max: usize::try_from(memory_bytes_max).unwrap_or(usize::MAX),
        }
    }

    /// The same with `params` beneath those that were said.
    pub fn with_defaults(&self, params: Option<&Settings>) -> Terms {
        let below = params.cloned().unwrap_or_default();
        Terms { params: below.with_all(&self.params), ..self.clone() }
    }
}

/// A plugin, and what it is tried with.
pub struct Bench {
    pub plugin: Arc<Plugin>,
    pub params: Settings,
    limits: Limits,
}

impl Bench {
    pub fn new(component: &Path, terms: &Terms) -> Result<Bench, TrialError> {
        let path = || component.to_owned();
        let bytes =
            std::fs::read(component).map_err(|source| TrialError::Read { path: path(), source })?;
        let runtime = Runtime::new(RuntimeConfig::default())?;
        let plugin = runtime
            .load(&bytes, &Grants::all())
            .map_err(|source| TrialError::Load { path: path(), source: Box::new(source) })?;
        let limits = Limits {
            memory_bytes_max: terms.memory_bytes_max,
            call_time_max: CALL_TIME_MAX,
            ..Limits::default()
        };
        Ok(Bench { plugin, params: terms.params.clone(), limits })
    }

    /// The plugin with the trial's own parameters, in a new instance.
    pub fn subject(&self) -> Result<Subject, ConfigureError> {
        self.subject_with(&self.params)
    }

    /// The plugin with these parameters, in a new instance.
    pub fn subject_with(&self, params: &Settings) -> Result<Subject, ConfigureError> {
        Ok(Subject { operator: self.plugin.operator("test", params, self.limits)? })
    }
}
