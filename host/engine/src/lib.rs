//! Pipelines over a partitioned log, in micro-batches.
//!
//! A pipeline is a DAG of operators from sources to sinks. Its driver runs one batch after the
//! other, in eight steps that are the modules of [`batch`]: plan, read, run, exchange, state,
//! publish, commit, and later the tidying in [`checkpoint`].
//! **A batch happens at its commit and at no other moment**: outputs, source offsets and the
//! pointer to the checkpoint are one transaction of the log.
//!
//! The engine sees the log through [`broker::Broker`] alone.

pub mod spec;
pub mod graph;
pub mod engine;
pub mod pipeline;
pub mod upgrade;
pub mod ingest;
pub mod broker;
pub mod batch;
pub mod dead_letters;
pub mod rate;
pub mod checkpoint;
pub mod sinks;
pub mod progress;
pub mod pool;
pub mod clock;
mod causes;
