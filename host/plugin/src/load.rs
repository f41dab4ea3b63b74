//! From a file to a plugin: validate → compile → check imports and world → ask what it is.
//! **No code of a component runs before its imports were checked**, and the first that runs does so
//! within the default limits.

use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use wasmtime::component::{Component, ComponentType, Lift};

use crate::abi::Text;
use crate::clock::Stopwatch;
use crate::component::FileError;
use crate::description::{self, Description, DescriptionError, Parameter, Parts};
use crate::digest::Digest;
use crate::fault;
use crate::grants::Grants;
use crate::instance::{FunctionIndexes, StartError, Starter};
use crate::limits::Limits;
use crate::plugin::Plugin;
use crate::runtime::Runtime;
use crate::sandbox::{self, ImportFault, Voice};
use crate::settings::{ParameterKind, SettingValue};
use crate::world::{self, Exports, WorldError};

/// Time for `describe`: interpreters need a moment to start.
const DESCRIBE_TIME_MAX: Duration = Duration::from_secs(2);

/// Memory for `describe`, where the host allows that much.
const DESCRIBE_MEMORY_BYTES_MAX: usize = 256 << 20;

/// Why a file is no plugin that may run here.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LoadError {
    /// It is no whole component.
    #[error("the file is no component")]
    File(#[from] FileError),
    /// It does not validate, or needs what this engine does not have.
    #[error("the component is not valid here: {reason}")]
    Invalid {
        /// What the engine says.
        reason: String,
    },
    /// It is not of a world of the contract.
    #[error("the component is no plugin")]
    World(#[from] WorldError),
    /// It imports what it may not.
    #[error("the component asks for too much")]
    Import(#[from] ImportFault),
    /// An import has another type than here.
    #[error("the component's imports do not fit: {reason}")]
    Link {
        /// What the engine says.
        reason: String,
    },
    /// It cannot be started, or `describe` fails, or a function has another type.
    #[error("the component cannot be asked what it is")]
    Describe(#[from] StartError),
    /// What it says about itself breaks a rule.
    #[error("the component's description is not valid")]
    Description(#[from] DescriptionError),
}

impl LoadError {
    /// What the person can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::File(error) => Some(error.hint()),
            Self::World(error) => Some(error.hint()),
            Self::Import(error) => Some(error.hint()),
            Self::Describe(error) => error.hint(),
            Self::Invalid { .. } => Some(
                "`wasm-tools validate FILE` says more; threads, relaxed SIMD, garbage collection and \
                 exceptions are off here"
                    .to_owned(),
            ),
            Self::Link { .. } => Some("build it against WASI 0.2 and tidemill:plugin 0.1".to_owned()),
            Self::Description(_) => Some("correct what `describe` returns".to_owned()),
        }
    }

    /// True where trying again later may help.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Describe(error) if error.is_retryable())
    }
}

pub(crate) fn load(
    runtime: &Arc<Runtime>,
    bytes: &[u8],
    digest: Digest,
    grants: &Grants,
) -> Result<Plugin, LoadError> {
    let stopwatch = Stopwatch::start();
    let (component, was_cached) = compile(runtime, bytes, &digest)?;
    let compile_time = stopwatch.elapsed();
    let ty = component.component_type();
    let imports: Vec<String> =
        ty.imports(&runtime.engine).map(|(name, _)| name.to_owned()).collect();
    sandbox::check_imports(imports.iter().map(String::as_str), grants)?;
    let exported: Vec<String> =
        ty.exports(&runtime.engine).map(|(name, _)| name.to_owned()).collect();
    let exports = world::find_world(exported.iter().map(String::as_str))?;
    let template = sandbox::linker(&runtime.engine, &component)
        .and_then(|linker| linker.instantiate_pre(&component))
        .map_err(|error| LoadError::Link { reason: fault::chain(&error) })?;
    let indexes = find_functions(&component, &exports)?;
    if !was_cached && let Some(cache) = &runtime.code_cache {
        cache.store(&digest, &component);
    }
    let limits = Limits {
        memory_bytes_max: DESCRIBE_MEMORY_BYTES_MAX.min(runtime.config.memory_bytes_max),
        call_time_max: DESCRIBE_TIME_MAX,
        ..Limits::default()
    };
    let starter = Starter {
        template: &template,
        indexes: &indexes,
        ticker: &runtime.ticker,
        limits: &limits,
        instances_max: runtime.config.instances_max,
    };
    let description = describe(runtime, &starter, &digest)?;
    Ok(Plugin {
        runtime: Arc::clone(runtime),
        template,
        indexes,
        digest,
        description,
        imports,
        exports: exported,
        grants: *grants,
        compile_time,
        component_bytes: bytes.len(),
    })
}

/// The compiled component, and whether it came from the cache.
fn compile(
    runtime: &Runtime,
    bytes: &[u8],
    digest: &Digest,
) -> Result<(Component, bool), LoadError> {
    let cached = runtime.code_cache.as_ref().and_then(|cache| cache.load(&runtime.engine, digest));
    if let Some(component) = cached {
        return Ok((component, true));
    }
    let component = runtime
        .compiler
        .compile(&runtime.engine, bytes, runtime.ticker.is_awake())
        .map_err(|error| LoadError::Invalid { reason: fault::chain(&error) })?;
    Ok((component, false))
}

fn find_functions(component: &Component, exports: &Exports) -> Result<FunctionIndexes, WorldError> {
    let find = |interface: &'static str, function: &'static str| {
        let instance = component.get_export_index(None, exports.full_name(interface)?)?;
        component.get_export_index(Some(&instance), function)
    };
    FunctionIndexes::find(exports.world, find).map_err(|missing| WorldError::Incomplete {
        exports: Vec::new(),
        missing: missing.to_owned(),
    })
}

fn describe(
    runtime: &Runtime,
    starter: &Starter<'_>,
    digest: &Digest,
) -> Result<Description, LoadError> {
    let voice = Voice::new(&digest.to_string(), "describe", starter.limits);
    let mut instance = match starter.start(voice.clone()) {
        Err(error) if error.is_retryable() && runtime.relieve() => starter.start(voice)?,
        started => started?,
    };
    let form: DescriptionForm = starter.describe(&mut instance)?;
    Ok(Description::try_from(form)?.checked()?)
}

wasmtime::component::flags! {
    PartsForm {
        #[component(name = "keys")]
        const KEYS;
        #[component(name = "values")]
        const VALUES;
        #[component(name = "headers")]
        const HEADERS;
        #[component(name = "timestamps")]
        const TIMESTAMPS;
    }
}

#[derive(ComponentType, Lift)]
#[component(record)]
struct DescriptionForm {
    name: Text,
    version: Text,
    summary: Text,
    parameters: Vec<ParameterForm>,
    reads: PartsForm,
    ports: Vec<Text>,
    #[component(name = "state-version")]
    state_version: u32,
}

#[derive(ComponentType, Lift)]
#[component(record)]
struct ParameterForm {
    name: Text,
    kind: KindForm,
    default: Option<ValueForm>,
    doc: Text,
}

#[derive(ComponentType, Lift, Clone, Copy)]
#[component(enum)]
#[repr(u8)]
#[allow(dead_code, reason = "only ever made by lifting")]
enum KindForm {
    #[component(name = "text")]
    Text,
    #[component(name = "integer")]
    Integer,
    #[component(name = "number")]
    Number,
    #[component(name = "boolean")]
    Boolean,
}

#[derive(ComponentType, Lift)]
#[component(variant)]
enum ValueForm {
    #[component(name = "text")]
    Text(Text),
    #[component(name = "integer")]
    Integer(i64),
    #[component(name = "number")]
    Number(f64),
    #[component(name = "boolean")]
    Boolean(bool),
}

impl TryFrom<DescriptionForm> for Description {
    type Error = DescriptionError;

    fn try_from(form: DescriptionForm) -> Result<Self, DescriptionError> {
        let has = |part| form.reads & part == part;
        Ok(Self {
            reads: Parts {
                keys: has(PartsForm::KEYS),
                values: has(PartsForm::VALUES),
                headers: has(PartsForm::HEADERS),
                timestamps: has(PartsForm::TIMESTAMPS),
            },
            name: form.name.0,
            version: description::parse_version(&form.version.0)?,
            summary: form.summary.0,
            parameters: form.parameters.into_iter().map(Parameter::from).collect(),
            ports: form.ports.into_iter().map(|port| port.0).collect(),
            state_version: form.state_version,
        })
    }
}

impl From<ParameterForm> for Parameter {
    fn from(form: ParameterForm) -> Self {
        Self {
            name: form.name.0,
            kind: match form.kind {
                KindForm::Text => ParameterKind::Text,
                KindForm::Integer => ParameterKind::Integer,
                KindForm::Number => ParameterKind::Number,
                KindForm::Boolean => ParameterKind::Boolean,
            },
            default: form.default.map(|value| match value {
                ValueForm::Text(text) => SettingValue::Text(text.0),
                ValueForm::Integer(value) => SettingValue::Integer(value),
                ValueForm::Number(value) => SettingValue::Number(value),
                ValueForm::Boolean(value) => SettingValue::Boolean(value),
            }),
            doc: form.doc.0,
        }
    }
}
