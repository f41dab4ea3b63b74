//! Runs plugins: WebAssembly components that are functions from columns to columns.
//!
//! ```text
//! Runtime ── load ──► Plugin ── operator ──► Operator ── transform | keep | fold | merge | finish
//!  engine              a version              a place in a pipeline: settings, limits, instances
//! ```
//!
//! A call blocks, copies the batch's columns into the guest, and hands the checked result to a
//! closure **as views into the guest's memory**, before the guest may free it. What goes wrong in a
//! guest is a [`CallError`] that names the plugin and the place; the instance is thrown away, the
//! host lives. **The same batch gives the same bytes**: clock and randomness of a guest are the
//! call's own, and there is nothing else to read.
//!
//! This crate knows nothing of the log, of pipelines and of state.

#![warn(missing_docs)]

// What crosses the boundary.
mod batch;
mod column;
mod outcome;
mod window;

// From a file to a plugin.
mod compiler;
mod component;
mod description;
mod digest;
mod grants;
mod load;
mod registry;
mod world;

// What a plugin runs in.
mod code_cache;
mod limits;
mod runtime;
mod sandbox;
mod ticker;

// From a plugin to an operator.
mod operator;
mod plugin;
mod settings;

// A call, step by step: choose the parts, enter an instance, check what it returned.
mod handover;

mod call;

mod instance;

mod instances;

#[allow(unsafe_code, reason = "wasmtime's lifting traits are unsafe to implement; see the module")]
mod abi;

mod check;

// What every call carries and leaves behind.
mod clock;
mod context;
mod costs;
mod error;
mod fault;

pub use batch::{Batch, BatchFault, BatchRef};
pub use check::ResultFault;
pub use code_cache::CodeCacheError;
pub use column::{COLUMN_BYTES_MAX, Column, ColumnFault, ColumnRef, bit};
pub use component::FileError;
pub use context::CallContext;
pub use costs::Costs;
pub use description::{Description, DescriptionError, Parameter, Parts};
pub use digest::{Digest, DigestParseError};
pub use error::{CallError, CallFault, CallSite, Resource};
pub use grants::Grants;
pub use instance::StartError;
pub use limits::Limits;
pub use load::LoadError;
pub use operator::Operator;
pub use outcome::{Outcome, OutcomeRef, Rejection};
pub use plugin::{ConfigureError, Plugin};
pub use registry::{
    EntryFault, PluginName, Registry, RegistryEntry, RegistryError, Shared as SharedRegistry,
};
pub use runtime::{Runtime, RuntimeConfig, RuntimeError};
pub use sandbox::{ImportFault, Metric, MetricSample};
pub use settings::{ParameterKind, SettingValue, Settings, SettingsError};
pub use window::Window;
pub use world::{World, WorldError};
