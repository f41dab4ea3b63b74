//! The Kafka wire protocol in front of the log.
//!
//! Unmodified Kafka clients connect, produce and consume. `kafka-protocol` lays out requests
//! and responses; the record batches in them are the log's own business.
//!
//! **Nothing is advertised that is not implemented.**
//! **Memory is bounded by [`Limits`], whatever clients do.**
//!
//! The modules are listed in the order in which a request passes through them.

mod config;
mod limits;

mod server;

mod connection;

mod budget;
mod request;

mod versions;

mod api;
mod broker;

pub mod coordinator;
pub mod group;

mod response;

mod metrics;

#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
#[cfg(test)]
mod hostile;

pub use config::{Advertised, AutoCreate, Config, Listener, ListenerError};
pub use limits::Limits;
pub use metrics::{MetricsSnapshot, Refusal};
pub use server::{BindError, Bound, Server};
