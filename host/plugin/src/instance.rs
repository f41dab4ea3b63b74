//! One running instance of a plugin: start it, configure it, call it.
//! **After any error but the plugin's own `failure` an instance is unusable**: whoever holds it drops it.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use thiserror::Error;
use wasmtime::component::{ComponentExportIndex, Instance as Linked, InstancePre, TypedFunc};
use wasmtime::component::{ComponentNamedList, ComponentType, Lift, Lower};
use wasmtime::{PoolConcurrencyLimitError, Store, UpdateDeadline};

use crate::abi::reading::{self, Read};
use crate::abi::{
    BatchLists, BatchParam, ColumnLists, ColumnParam, FailureText, ItemsParam, Lowered, Memory,
    OutcomeLists, Span, Text,
};
use crate::context::CallContext;
use crate::error::CallFault;
use crate::fault;
use crate::limits::Limits;
use crate::sandbox::{GuestState, TimedOut, Voice};
use crate::settings::SettingValue;
use crate::ticker::Ticker;
use crate::window::Window;
use crate::world::World;

/// What a guest may hand to one host function: messages, metrics, bytes for its output.
const HOST_CALL_BYTES_MAX: usize = 1 << 20;

/// Streams, pollables and the like that a guest may hold; each takes some of the host's memory.
const HANDLES_MAX: usize = 10_000;

type Returned<T> = Read<Result<T, FailureText>>;
type Param<T> = Lowered<'static, T>;
pub(crate) type Process = TypedFunc<(Param<BatchParam<'static>>,), (Returned<OutcomeLists>,)>;
pub(crate) type Keep = TypedFunc<(Param<BatchParam<'static>>,), (Returned<Span<u8>>,)>;
pub(crate) type Fold =
    TypedFunc<(Param<ItemsParam<'static>>, Param<ColumnParam<'static>>), (Returned<ColumnLists>,)>;
pub(crate) type Merge =
    TypedFunc<(Param<ColumnParam<'static>>, Param<ColumnParam<'static>>), (Returned<ColumnLists>,)>;
pub(crate) type Finish = TypedFunc<
    (Param<ColumnParam<'static>>, Param<&'static [Window]>, Param<ColumnParam<'static>>),
    (Returned<BatchLists>,),
>;
pub(crate) type Migrate = TypedFunc<(u32, Param<ColumnParam<'static>>), (Returned<ColumnLists>,)>;
type Configure = TypedFunc<(&'static [SettingParam<'static>],), (Result<(), Text>,)>;

/// The functions of a plugin's world, ready to be called.
#[derive(Clone, Copy)]
pub(crate) enum Functions {
    Transform { process: Process },
    Filter { keep: Keep },
    Reducer { fold: Fold, merge: Merge, finish: Finish },
}

/// Why no instance could be started.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// All instances that the host may have are in use.
    #[error("all {instances_max} plugin instances of this host are in use")]
    NoRoom {
        /// The host's limit.
        instances_max: u32,
    },
    /// The guest failed while it started or was configured.
    #[error("the plugin failed in `{during}`")]
    Guest {
        /// `start` or `configure`.
        during: &'static str,
        /// What it did.
        #[source]
        fault: Box<CallFault>,
    },
    /// The plugin refused its settings.
    #[error("the plugin refused its settings: {message}")]
    Refused {
        /// The plugin's message, bounded.
        message: String,
    },
    /// A function of the world has another type than in the contract.
    #[error("`{function}` has another type than in the contract: {reason}")]
    Signature {
        /// The function.
        function: &'static str,
        /// How it differs.
        reason: String,
    },
}

impl StartError {
    /// True where trying again later may help.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::NoRoom { .. })
    }

    /// What the person can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoRoom { .. } => Some("run fewer pipelines at once on this host".to_owned()),
            Self::Guest { fault, .. } => fault.hint(),
            Self::Refused { .. } => Some("change the operator's `params`".to_owned()),
            Self::Signature { .. } => {
                Some("build the plugin with an SDK for tidemill:plugin 0.1".to_owned())
            }
        }
    }
}

/// Where the contract's functions are in a component.
pub(crate) struct FunctionIndexes {
    pub(crate) world: World,
    describe: ComponentExportIndex,
    configure: ComponentExportIndex,
    of_world: Vec<(&'static str, ComponentExportIndex)>,
    /// Plugins that read older state have it, whatever their world.
    migrate: Option<ComponentExportIndex>,
}

impl FunctionIndexes {
    /// Looks every function of `world` up by `find(interface, function)`.
    ///
    /// # Errors
    /// The first function that is not there.
    pub(crate) fn find(
        world: World,
        find: impl Fn(&'static str, &'static str) -> Option<ComponentExportIndex>,
    ) -> Result<Self, &'static str> {
        let lookup = |interface, function| find(interface, function).ok_or(function);
        let names: &[(&str, &str)] = match world {
            World::Transform => &[("transformer", "process")],
            World::Filter => &[("predicate", "keep")],
            World::Reducer | World::InvertibleReducer => {
                &[("reduction", "fold"), ("reduction", "merge"), ("reduction", "finish")]
            }
            World::Processor | World::Joiner | World::Partitioner => &[],
        };
        let of_world = names
            .iter()
            .map(|&(interface, function)| Ok((function, lookup(interface, function)?)))
            .collect::<Result<_, &str>>()?;
        Ok(Self {
            world,
            describe: lookup("definition", "describe")?,
            configure: lookup("definition", "configure")?,
            of_world,
            migrate: find("migration", "migrate"),
        })
    }

    fn function<P, R>(
        &self,
        name: &'static str,
        linked: &Linked,
        store: &mut Store<GuestState>,
    ) -> Result<TypedFunc<P, R>, StartError>
    where
        P: ComponentNamedList + Lower,
        R: ComponentNamedList + Lift,
    {
        let signature = |reason| StartError::Signature { function: name, reason };
        let index = match name {
            "describe" => Some(&self.describe),
            "configure" => Some(&self.configure),
            "migrate" => self.migrate.as_ref(),
            _ => self.of_world.iter().find(|(of, _)| *of == name).map(|(_, index)| index),
        };
        let index = index.ok_or_else(|| signature("it is not exported".to_owned()))?;
        linked.get_typed_func(store, index).map_err(|error| signature(fault::chain(&error)))
    }

    /// Whether the plugin reads state of older versions.
    pub(crate) fn migrates(&self) -> bool {
        self.migrate.is_some()
    }

    fn migrate(
        &self,
        linked: &Linked,
        store: &mut Store<GuestState>,
    ) -> Result<Option<Migrate>, StartError> {
        self.migrates().then(|| self.function("migrate", linked, store)).transpose()
    }

    fn functions(
        &self,
        linked: &Linked,
        store: &mut Store<GuestState>,
    ) -> Result<Functions, StartError> {
        match self.world {
            World::Filter => Ok(Functions::Filter { keep: self.function("keep", linked, store)? }),
            World::Reducer | World::InvertibleReducer => Ok(Functions::Reducer {
                fold: self.function("fold", linked, store)?,
                merge: self.function("merge", linked, store)?,
                finish: self.function("finish", linked, store)?,
            }),
            // Worlds that are not run are refused at load, before there is an instance.
            _ => Ok(Functions::Transform { process: self.function("process", linked, store)? }),
        }
    }
}

/// All that is needed to start instances of a plugin for one operator.
pub(crate) struct Starter<'a> {
    pub(crate) template: &'a InstancePre<GuestState>,
    pub(crate) indexes: &'a FunctionIndexes,
    pub(crate) ticker: &'a Ticker,
    pub(crate) limits: &'a Limits,
    pub(crate) instances_max: u32,
}

impl Starter<'_> {
    /// Starts an instance. It is neither described nor configured.
    pub(crate) fn start(&self, voice: Voice) -> Result<Instance, StartError> {
        let state = GuestState::new(self.limits, voice);
        let mut store = Store::new(self.template.engine(), state);
        store.limiter(|state| &mut state.limiter);
        store.set_hostcall_fuel(HOST_CALL_BYTES_MAX);
        store.set_max_component_handles(HANDLES_MAX);
        store.epoch_deadline_callback(|cx| match cx.data().take_ticks_outside() {
            0 => Err(TimedOut.into()),
            ticks => Ok(UpdateDeadline::Continue(ticks)),
        });
        let _running = self.ticker.running();
        store.set_epoch_deadline(Ticker::ticks_in(self.limits.call_time_max));
        let linked = self.template.instantiate(&mut store).map_err(|error| {
            if error.is::<PoolConcurrencyLimitError>() {
                return StartError::NoRoom { instances_max: self.instances_max };
            }
            let fault = Box::new(fault::of(error, &mut store, self.limits));
            StartError::Guest { during: "start", fault }
        })?;
        let functions = self.indexes.functions(&linked, &mut store)?;
        let migrate = self.indexes.migrate(&linked, &mut store)?;
        let memory_at_start = store.data().limiter.memory_bytes();
        Ok(Instance { store, linked, functions, migrate, memory_at_start })
    }

    /// Calls `describe`, whose result has the form `D`.
    pub(crate) fn describe<D>(&self, instance: &mut Instance) -> Result<D, StartError>
    where
        D: ComponentType + Lift + 'static,
    {
        let Instance { store, linked, .. } = instance;
        let describe = self.indexes.function::<(), (D,)>("describe", linked, store)?;
        let _running = self.ticker.running();
        store.set_epoch_deadline(Ticker::ticks_in(self.limits.call_time_max));
        let described = describe.call(&mut *store, ()).map_err(|error| {
            let fault = Box::new(fault::of(error, store, self.limits));
            StartError::Guest { during: "describe", fault }
        })?;
        Ok(described.0)
    }

    /// Calls `configure`.
    pub(crate) fn configure(
        &self,
        instance: &mut Instance,
        settings: &[(String, SettingValue)],
    ) -> Result<(), StartError> {
        let params: Vec<SettingParam<'_>> = settings.iter().map(SettingParam::from).collect();
        let Instance { store, linked, .. } = instance;
        let configure: Configure = self.indexes.function("configure", linked, store)?;
        let _running = self.ticker.running();
        store.set_epoch_deadline(Ticker::ticks_in(self.limits.call_time_max));
        let (configured,) = configure.call(&mut *store, (&params,)).map_err(|error| {
            let fault = Box::new(fault::of(error, store, self.limits));
            StartError::Guest { during: "configure", fault }
        })?;
        store.data_mut().output.end_call();
        configured.map_err(|message| StartError::Refused { message: fault::shown(&message.0) })
    }
}

/// An instance of a plugin.
pub(crate) struct Instance {
    store: Store<GuestState>,
    linked: Linked,
    functions: Functions,
    migrate: Option<Migrate>,
    memory_at_start: usize,
}

impl Instance {
    pub(crate) fn functions(&self) -> Functions {
        self.functions
    }

    pub(crate) fn migrate(&self) -> Option<Migrate> {
        self.migrate
    }

    /// Bytes of all its memories; they never shrink.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.store.data().limiter.memory_bytes()
    }

    /// True where it has grown so far that the next call may not have room: a guest that leaks is
    /// replaced before it fails.
    pub(crate) fn is_worn(&self, limits: &Limits) -> bool {
        let high = limits.memory_bytes_max / 4 * 3;
        self.memory_bytes() > high.max(self.memory_at_start)
    }

    /// Where ticks spent outside of the guest are counted; its deadline moves by them.
    pub(crate) fn ticks_outside(&self) -> Arc<AtomicU64> {
        self.store.data().ticks_outside()
    }

    /// Calls `function` and hands what it returned, unchecked, to `read`.
    pub(crate) fn call<P, T, R>(
        &mut self,
        function: TypedFunc<P, (Returned<T>,)>,
        params: P,
        cx: &CallContext<'_>,
        limits: &Limits,
        read: impl FnOnce(&T, Memory<'_>) -> Result<R, CallFault>,
    ) -> Result<R, CallFault>
    where
        P: ComponentNamedList + Lower,
        T: Lift + 'static,
    {
        self.store.data_mut().begin_call(cx);
        self.store.set_epoch_deadline(Ticker::ticks_in(limits.call_time_max));
        let reader = |returned: &Result<T, FailureText>, memory: Memory<'_>| {
            Ok(match returned {
                Ok(returned) => Ok(read(returned, memory)?),
                Err(failure) => Err(failed(failure)),
            })
        };
        let called = reading::call(function, &mut self.store, params, reader);
        self.store.data_mut().output.end_call();
        match called {
            Ok(read) => read,
            Err(error) => Err(fault::of(error, &mut self.store, limits)),
        }
    }
}

fn failed(failure: &FailureText) -> CallFault {
    let (retryable, message) = match failure {
        FailureText::Retryable(message) => (true, message),
        FailureText::Fatal(message) => (false, message),
    };
    CallFault::Failed { retryable, message: fault::shown(&message.0) }
}

/// `definition.setting`.
#[derive(ComponentType, Lower, Clone, Copy)]
#[component(record)]
pub(crate) struct SettingParam<'a> {
    name: &'a str,
    value: ValueParam<'a>,
}

/// `definition.parameter-value`.
#[derive(ComponentType, Lower, Clone, Copy)]
#[component(variant)]
pub(crate) enum ValueParam<'a> {
    #[component(name = "text")]
    Text(&'a str),
    #[component(name = "integer")]
    Integer(i64),
    #[component(name = "number")]
    Number(f64),
    #[component(name = "boolean")]
    Boolean(bool),
}

impl<'a> From<&'a (String, SettingValue)> for SettingParam<'a> {
    fn from((name, value): &'a (String, SettingValue)) -> Self {
        let value = match value {
            SettingValue::Text(text) => ValueParam::Text(text),
            SettingValue::Integer(value) => ValueParam::Integer(*value),
            SettingValue::Number(value) => ValueParam::Number(*value),
            SettingValue::Boolean(value) => ValueParam::Boolean(*value),
        };
        Self { name, value }
    }
}
