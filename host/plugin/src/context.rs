//! Which call this is: all that a guest's clock and randomness may depend on.

/// The place of a call in a pipeline's history.
/// **The same context and the same input give the same bytes.**
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallContext<'a> {
    /// The pipeline's name.
    pub pipeline: &'a str,
    /// The batch.
    pub batch: u64,
    /// The task within the batch.
    pub task: u32,
    /// The batch's time, milliseconds since 1970-01-01 UTC: the guest's wall clock.
    pub time_ms: i64,
}
