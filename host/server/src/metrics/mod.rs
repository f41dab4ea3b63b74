//! Metrics in the form that Prometheus reads.
//!
//! Names are `<noun>_<unit>[_total]`. **Labels are bounded**: by what a person named (pipelines, operators), never
//! by what is in records. Everything is read from counters that the parts of the host keep per batch or call, at
//! the moment of a request; nothing here is touched while records flow.

mod batch_times;
mod custom;
mod encode;

pub use batch_times::BatchTimes;
pub use custom::OfOperator;
pub use encode::{Counted, encode};
