//! The engine that all plugins of a host share.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use thiserror::Error;
use wasmtime::{
    Config, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig,
    WasmBacktraceDetails, WasmFeatures,
};

use crate::code_cache::{CodeCache, CodeCacheError};
use crate::compiler::Compiler;
use crate::digest::Digest;
use crate::fault;
use crate::grants::Grants;
use crate::instances::Instances;
use crate::load::{self, LoadError};
use crate::plugin::Plugin;
use crate::ticker::Ticker;

/// Stack of a guest. Threads that call plugins need this and some more: Rust's default of 2 MiB is
/// enough.
const GUEST_STACK_BYTES: usize = 512 << 10;

/// Tables and core instances for each component instance, on average: a Rust component has two of
/// each, one of CPython up to 64.
const PARTS_PER_INSTANCE: u32 = 8;

/// Host-side bookkeeping of one instance; large components of interpreters need megabytes.
const INSTANCE_BYTES_MAX: usize = 4 << 20;

/// How a runtime is set up.
#[derive(Debug, Clone)]
pub struct RuntimeConfig {
    /// Folder for compiled code, made if missing with mode 0700. None: compile at every start.
    pub code_cache: Option<PathBuf>,
    /// Larger components are refused before they are looked at.
    pub component_bytes_max: usize,
    /// Component instances of all operators together.
    pub instances_max: u32,
    /// The most that an operator's `memory_bytes_max` may be.
    pub memory_bytes_max: usize,
    /// The most that an operator's `table_elements_max` may be.
    pub table_elements_max: usize,
}

impl Default for RuntimeConfig {
    fn default() -> Self {
        Self {
            code_cache: None,
            component_bytes_max: 64 << 20,
            instances_max: 512,
            memory_bytes_max: 1 << 30,
            table_elements_max: 100_000,
        }
    }
}

/// A runtime that cannot be set up.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RuntimeError {
    /// The engine refuses its settings on this machine.
    #[error("start the WebAssembly engine: {reason}")]
    Engine {
        /// What it says.
        reason: String,
    },
    /// The cache of compiled code cannot be used.
    #[error(transparent)]
    CodeCache(#[from] CodeCacheError),
    /// The thread that interrupts guests cannot be started.
    #[error("start the ticker thread")]
    Ticker(#[source] std::io::Error),
    /// The threads that compile cannot be started.
    #[error("start the threads that compile")]
    Compiler(#[source] rayon::ThreadPoolBuildError),
}

impl RuntimeError {
    /// What the person can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Engine { .. } => Some(
                "address space may be limited (`ulimit -v`): the engine reserves some, without using it"
                    .to_owned(),
            ),
            Self::CodeCache(error) => Some(error.hint()),
            Self::Ticker(_) | Self::Compiler(_) => None,
        }
    }
}

/// The engine, its code cache and its ticker. One for each host process.
pub struct Runtime {
    pub(crate) engine: Engine,
    pub(crate) config: RuntimeConfig,
    pub(crate) code_cache: Option<CodeCache>,
    pub(crate) compiler: Compiler,
    pub(crate) ticker: Ticker,
    loaded: Mutex<HashMap<(Digest, Grants), Weak<Plugin>>>,
    /// Idle instances of every operator, so that a full pool can be relieved.
    idle: Mutex<Vec<Weak<Instances>>>,
}

impl std::fmt::Debug for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runtime").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Runtime {
    /// Sets the engine up. Takes milliseconds and reserves address space, not memory.
    ///
    /// # Errors
    /// The engine's, the cache's or the ticker's.
    pub fn new(config: RuntimeConfig) -> Result<Arc<Self>, RuntimeError> {
        let engine = Engine::new(&engine_config(&config))
            .map_err(|error| RuntimeError::Engine { reason: fault::chain(&error) })?;
        let code_cache = match &config.code_cache {
            Some(folder) => Some(CodeCache::open(folder, &engine)?),
            None => None,
        };
        let ticker = Ticker::start(&engine).map_err(RuntimeError::Ticker)?;
        Ok(Arc::new(Self {
            engine,
            config,
            code_cache,
            compiler: Compiler::start().map_err(RuntimeError::Compiler)?,
            ticker,
            loaded: Mutex::default(),
            idle: Mutex::default(),
        }))
    }

    /// Validates and compiles `component`, or takes its compiled code from the cache, and asks it
    /// what it is. A component that is loaded already with the same grants is not loaded again.
    ///
    /// Blocks while it compiles, in the time that guests leave where some run: seconds for a
    /// component of tens of megabytes.
    ///
    /// # Errors
    /// Why it is no plugin that may run here.
    pub fn load(
        self: &Arc<Self>,
        component: &[u8],
        grants: &Grants,
    ) -> Result<Arc<Plugin>, LoadError> {
        crate::component::check_file(component, self.config.component_bytes_max)?;
        let digest = Digest::of(component);
        let key = (digest, *grants);
        if let Some(plugin) = self.loaded.lock().get(&key).and_then(Weak::upgrade) {
            return Ok(plugin);
        }
        let plugin = Arc::new(load::load(self, component, digest, grants)?);
        let mut loaded = self.loaded.lock();
        loaded.retain(|_, plugin| plugin.strong_count() > 0);
        loaded.insert(key, Arc::downgrade(&plugin));
        Ok(plugin)
    }

    pub(crate) fn register(&self, instances: &Arc<Instances>) {
        let mut idle = self.idle.lock();
        idle.retain(|instances| instances.strong_count() > 0);
        idle.push(Arc::downgrade(instances));
    }

    /// Drops one idle instance of every operator. True if there was one.
    pub(crate) fn relieve(&self) -> bool {
        let idle: Vec<_> = self.idle.lock().iter().filter_map(Weak::upgrade).collect();
        idle.iter().fold(false, |dropped, instances| instances.drop_idle() | dropped)
    }
}

fn engine_config(config: &RuntimeConfig) -> Config {
    let mut engine = Config::new();
    engine.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(config)));
    engine.memory_init_cow(true);
    engine.epoch_interruption(true);
    engine.max_wasm_stack(GUEST_STACK_BYTES);
    engine.cranelift_opt_level(OptLevel::Speed);
    // The same batch gives the same bytes, on every machine.
    engine.cranelift_nan_canonicalization(true);
    // Several memories stay on: wasmtime's own adapters between the parts of a composed component, such as those that
    // the tools of JavaScript make, see two. The pool refuses a module that defines more than one.
    for feature in [
        WasmFeatures::RELAXED_SIMD,
        WasmFeatures::THREADS,
        WasmFeatures::SHARED_EVERYTHING_THREADS,
        WasmFeatures::MEMORY64,
        WasmFeatures::TAIL_CALL,
        WasmFeatures::EXCEPTIONS,
        WasmFeatures::GC,
        WasmFeatures::FUNCTION_REFERENCES,
        WasmFeatures::STACK_SWITCHING,
        WasmFeatures::WIDE_ARITHMETIC,
        WasmFeatures::CUSTOM_PAGE_SIZES,
        WasmFeatures::CM_ASYNC,
        WasmFeatures::CM_THREADING,
    ] {
        engine.wasm_features(feature, false);
    }
    // Source lines of guests are not read: DWARF from outside is another parser to attack.
    engine.wasm_backtrace_details(WasmBacktraceDetails::Disable);
    engine
}

fn pool(config: &RuntimeConfig) -> PoolingAllocationConfig {
    let instances = config.instances_max;
    let parts = instances.saturating_mul(PARTS_PER_INSTANCE);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances)
        .total_core_instances(parts)
        .total_tables(parts)
        .total_memories(instances)
        .total_stacks(0)
        .max_component_instance_size(INSTANCE_BYTES_MAX)
        .max_core_instance_size(INSTANCE_BYTES_MAX)
        .max_memory_size(config.memory_bytes_max)
        .table_elements(config.table_elements_max)
        .max_tables_per_module(4);
    pool
}
