//! What one operator's plugin may use.

use std::time::Duration;

/// Limits of one operator; each instance of its plugin has those of memory and time for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Linear memory of an instance, all its memories together.
    pub memory_bytes_max: usize,
    /// Elements of each table.
    pub table_elements_max: usize,
    /// Time in the guest for one call; also for `configure`.
    pub call_time_max: Duration,
    /// What one call may return, with what emitted records inherit.
    pub output_bytes_max: usize,
    /// Calls of the operator that run at a time, each on an instance; further ones wait. Above zero.
    pub instances_max: usize,
    /// Configured instances that are kept while no call needs them.
    pub idle_instances_max: usize,
    /// Lines that all instances together may write to the host's log in a second.
    pub log_lines_per_second_max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes_max: 64 << 20,
            table_elements_max: 30_000,
            call_time_max: Duration::from_millis(500),
            output_bytes_max: 64 << 20,
            instances_max: usize::MAX,
            idle_instances_max: std::thread::available_parallelism().map_or(1, usize::from),
            log_lines_per_second_max: 100,
        }
    }
}
