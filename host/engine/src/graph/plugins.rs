//! The plugins of a pipeline: found, checked against their places, configured.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidemill_plugin::{
    ConfigureError, Grants, Limits, Operator, Plugin, SettingValue, Settings, SettingsError, World,
};

use crate::causes::causes_of;
use crate::spec::{OperatorSpec, ParamValue, PipelineSpec, Place, SpecError};

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

/// An operator's plugin, and the operator that it was configured as.
pub(super) struct Loaded {
    pub plugin: Arc<Plugin>,
    pub operator: Operator,
}

/// Compiling a plugin may take seconds: it must not hold up the threads that batches run on.
pub(super) async fn load_plugins(
    spec: &Arc<PipelineSpec>,
    pins: &BTreeMap<String, String>,
    plugins: &Arc<dyn PluginSource>,
) -> Result<Vec<Loaded>, SpecError> {
    let (spec, pins, plugins) = (Arc::clone(spec), pins.clone(), Arc::clone(plugins));
    let loading = tokio::task::spawn_blocking(move || {
        let all = spec.operators.iter().enumerate();
        all.map(|(index, node)| load_plugin(&spec, index, node, &pins, &*plugins)).collect()
    });
    loading.await.unwrap_or_else(|lost| std::panic::resume_unwind(lost.into_panic()))
}

fn load_plugin(
    spec: &PipelineSpec,
    index: usize,
    node: &OperatorSpec,
    pins: &BTreeMap<String, String>,
    plugins: &dyn PluginSource,
) -> Result<Loaded, SpecError> {
    let grants = grants(spec, index, node)?;
    let reference = pins.get(&node.name).map_or(node.plugin.as_str(), String::as_str);
    let plugin = plugins
        .load(reference, &grants)
        .map_err(|error| SpecError::at(spec, &Place::Plugin(index), error.message, error.hint))?;
    check_world(spec, index, node, &plugin)?;
    let operator = configure(spec, index, node, &plugin)?;
    Ok(Loaded { plugin, operator })
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

fn configure(
    spec: &PipelineSpec,
    index: usize,
    node: &OperatorSpec,
    plugin: &Arc<Plugin>,
) -> Result<Operator, SpecError> {
    let settings: Settings =
        node.params.iter().map(|(name, value)| (name.clone(), setting(value))).collect();
    let bytes = |limit: u64| usize::try_from(limit).unwrap_or(usize::MAX);
    let limits = Limits {
        memory_bytes_max: bytes(node.limits.memory),
        call_time_max: node.limits.call,
        output_bytes_max: bytes(node.limits.output_bytes),
        instances_max: node.limits.instances.map_or(usize::MAX, |instances| instances as usize),
        log_lines_per_second_max: node.limits.log_lines_per_second,
        ..Limits::default()
    };
    plugin.operator(&node.name, &settings, limits).map_err(|error| {
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
