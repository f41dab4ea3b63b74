//! The plugins of a pipeline: found, checked against their places, configured.

use std::sync::Arc;

use tidemill_plugin::{
    ConfigureError, Grants, Limits, Operator, Plugin, SettingValue, Settings, SettingsError, World,
};

use super::Graph;
use crate::causes::causes_of;
use crate::spec::{OperatorSpec, ParamValue, PipelineSpec, Place, SpecError};
use crate::upgrade::{Canary, CanaryPin, Pin, Versions};

/// Where plugins come from.
pub trait PluginSource: Send + Sync + 'static {
    /// Finds, validates and compiles the plugin that `reference` names (`name`, `name@version`
    /// or `sha256:…`).
    ///
    /// # Errors
    /// There is none, or it must not run.
    fn load(&self, reference: &str, grants: &Grants) -> Result<Arc<Plugin>, PluginSourceError>;
}

/// A plugin that cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct PluginSourceError {
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// An operator's plugin, the operator that it was configured as, and what it is compared with.
pub(super) struct Loaded {
    pub plugin: Arc<Plugin>,
    pub operator: Arc<Operator>,
    pub canary: Option<Arc<Canary>>,
}

/// Compiling a plugin may take seconds: it must not hold up the threads that batches run on.
/// Operators of `running` that stay what they are, are taken over with their instances and counts.
pub(super) async fn load_plugins(
    spec: &Arc<PipelineSpec>,
    versions: &Versions,
    running: Option<&Arc<Graph>>,
    plugins: &Arc<dyn PluginSource>,
) -> Result<Vec<Loaded>, SpecError> {
    let (spec, versions) = (Arc::clone(spec), versions.clone());
    let (running, plugins) = (running.cloned(), Arc::clone(plugins));
    let loading = tokio::task::spawn_blocking(move || {
        let loader = Loader { spec: &spec, running: running.as_deref(), plugins: &*plugins };
        let all = spec.operators.iter().enumerate();
        all.map(|(index, node)| loader.load(index, node, &versions)).collect()
    });
    loading.await.unwrap_or_else(|lost| std::panic::resume_unwind(lost.into_panic()))
}

struct Loader<'a> {
    spec: &'a PipelineSpec,
    running: Option<&'a Graph>,
    plugins: &'a dyn PluginSource,
}

impl Loader<'_> {
    fn load(
        &self,
        index: usize,
        node: &OperatorSpec,
        versions: &Versions,
    ) -> Result<Loaded, SpecError> {
        let running = self.running.and_then(|graph| graph.operator(&node.name));
        let operator = self.operator(index, node, versions.pins.get(&node.name), running)?;
        let plugin = Arc::clone(operator.plugin());
        let canary = match versions.canaries.get(&node.name) {
            None => None,
            Some(CanaryPin { pin, stop_on_difference }) => {
                let before = self.running.and_then(|graph| graph.canary(&node.name));
                let known = before.map(|canary| canary.operator());
                let tried = self.operator(index, node, Some(pin), known)?;
                self.check_successor(index, &plugin, tried.plugin())?;
                let is_same = |canary: &&Arc<Canary>| {
                    Arc::ptr_eq(canary.operator(), &tried)
                        && running.is_some_and(|running| Arc::ptr_eq(running, &operator))
                };
                let form = plugin.description().state_version;
                let anew = || Arc::new(Canary::new(tried.clone(), form, *stop_on_difference));
                Some(before.filter(is_same).cloned().unwrap_or_else(anew))
            }
        };
        if let Some(running) = running
            && !versions.restores.contains_key(&node.name)
        {
            self.check_successor(index, running.plugin(), &plugin)?;
        }
        Ok(Loaded { plugin, operator, canary })
    }

    fn operator(
        &self,
        index: usize,
        node: &OperatorSpec,
        pin: Option<&Pin>,
        running: Option<&Arc<Operator>>,
    ) -> Result<Arc<Operator>, SpecError> {
        let grants = grants(self.spec, index, node)?;
        let reference = pin.map_or(node.plugin.as_str(), |pin| pin.plugin.as_str());
        let is_same = |running: &&Arc<Operator>| {
            let plugin = running.plugin();
            plugin.digest().to_string() == reference && plugin.grants() == grants
        };
        let same = running.filter(is_same);
        let plugin = match same {
            Some(running) => Arc::clone(running.plugin()),
            None => self.plugins.load(reference, &grants).map_err(|error| {
                SpecError::at(self.spec, &Place::Plugin(index), error.message, error.hint)
            })?,
        };
        check_world(self.spec, index, node, &plugin)?;
        let (settings, limits) = (settings(node, pin), limits(node));
        match same.filter(|running| running.runs_with(&settings, &limits)) {
            Some(running) => Ok(Arc::clone(running)),
            None => configure(self.spec, index, node, &plugin, &settings, limits).map(Arc::new),
        }
    }

    /// A version that takes over, or may do so later, must be of the same kind and read the same state.
    fn check_successor(&self, index: usize, old: &Plugin, new: &Plugin) -> Result<(), SpecError> {
        let refuse = |message, hint: &str| {
            Err(SpecError::at(self.spec, &Place::Plugin(index), message, Some(hint.to_owned())))
        };
        let (was, is) = (old.description(), new.description());
        if old.world() != new.world() {
            return refuse(
                format!("`{}@{}` is a {}, not a {}", is.name, is.version, new.world(), old.world()),
                "an operator stays of its kind: apply a changed pipeline file instead",
            );
        }
        if was.state_version != is.state_version && !new.migrates() {
            return refuse(
                format!(
                    "`{}@{}` reads state of version {}, but the operator has state of version {}",
                    is.name, is.version, is.state_version, was.state_version
                ),
                "give the plugin a `migrate` that reads it, or apply the pipeline under a new name",
            );
        }
        Ok(())
    }
}

fn grants(spec: &PipelineSpec, index: usize, node: &OperatorSpec) -> Result<Grants, SpecError> {
    let mut grants = Grants::none();
    for (place, name) in node.grants.iter().enumerate() {
        match name.as_str() {
            "logging" => grants.logging = true,
            "metrics" => grants.metrics = true,
            unknown => {
                let hint = Some("grants are `logging` and `metrics`".to_owned());
                return Err(SpecError::at(
                    spec,
                    &Place::Grant(index, place),
                    format!("there is no grant `{unknown}`"),
                    hint,
                ));
            }
        }
    }
    Ok(grants)
}

fn check_world(
    spec: &PipelineSpec,
    index: usize,
    node: &OperatorSpec,
    plugin: &Plugin,
) -> Result<(), SpecError> {
    let refuse = |place, message: String, hint: &str| {
        Err(SpecError::at(spec, &place, message, Some(hint.to_owned())))
    };
    match plugin.world() {
        World::Transform | World::Filter if node.window.is_some() => refuse(
            Place::Window(index),
            format!("`{}` is a {} and cannot have a window", node.plugin, plugin.world()),
            "put the window on a reducer, such as `count` or `stats`",
        ),
        World::Transform | World::Filter | World::Reducer => Ok(()),
        world => refuse(
            Place::Plugin(index),
            format!("`{}` is a {world}, which pipelines cannot run yet", node.plugin),
            "use a transform, a filter or a reducer",
        ),
    }
}

fn settings(node: &OperatorSpec, pin: Option<&Pin>) -> Settings {
    match pin.and_then(|pin| pin.params.as_ref()) {
        Some(own) => own.clone(),
        None => node.params.iter().map(|(name, value)| (name.clone(), setting(value))).collect(),
    }
}

fn limits(node: &OperatorSpec) -> Limits {
    let bytes = |limit: u64| usize::try_from(limit).unwrap_or(usize::MAX);
    Limits {
        memory_bytes_max: bytes(node.limits.memory),
        call_time_max: node.limits.call,
        output_bytes_max: bytes(node.limits.output_bytes),
        instances_max: node.limits.instances.map_or(usize::MAX, |instances| instances as usize),
        log_lines_per_second_max: node.limits.log_lines_per_second,
        ..Limits::default()
    }
}

fn configure(
    spec: &PipelineSpec,
    index: usize,
    node: &OperatorSpec,
    plugin: &Arc<Plugin>,
    settings: &Settings,
    limits: Limits,
) -> Result<Operator, SpecError> {
    plugin.operator(&node.name, settings, limits).map_err(|error| {
        let hint = error.hint();
        let (place, message) = match &error {
            ConfigureError::Settings { cause, .. } => (place_of(index, cause), cause.to_string()),
            ConfigureError::Start { .. } => (Place::Operator(index), causes_of(&error)),
            _ => (Place::Operator(index), error.to_string()),
        };
        SpecError::at(spec, &place, message, hint)
    })
}

fn place_of(index: usize, error: &SettingsError) -> Place {
    match error {
        SettingsError::Unknown { name, .. } | SettingsError::WrongKind { name, .. } => {
            Place::Param(index, name.clone())
        }
        _ => Place::Operator(index),
    }
}

fn setting(value: &ParamValue) -> SettingValue {
    match value {
        ParamValue::Text(text) => SettingValue::Text(text.clone()),
        ParamValue::Integer(number) => SettingValue::Integer(*number),
        ParamValue::Number(number) => SettingValue::Number(*number),
        ParamValue::Boolean(flag) => SettingValue::Boolean(*flag),
    }
}
