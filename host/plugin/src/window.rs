//! A span of event time.

use wasmtime::component::{ComponentType, Lower};

/// Half open: `start` is inside, `end` is not. Milliseconds since 1970-01-01 UTC.
#[derive(ComponentType, Lower, Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[component(record)]
pub struct Window {
    /// The first millisecond inside.
    pub start: i64,
    /// The first millisecond after it.
    pub end: i64,
}
