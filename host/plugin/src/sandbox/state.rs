//! What one instance's store holds.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use thiserror::Error;
use wasmtime::component::ResourceTable;

use super::entropy::Entropy;
use super::limiter::Limiter;
use super::metrics::Metrics;
use super::output::Output;
use super::time::VirtualTime;
use super::voice::Voice;
use crate::context::CallContext;
use crate::limits::Limits;

/// Resources (streams, pollables) that a guest may hold at once.
const RESOURCES_MAX: usize = 1_000;

/// The guest called `exit`.
#[derive(Debug, Error)]
#[error("the guest called exit with status {0}")]
pub(crate) struct Exited(pub(crate) u8);

/// The guest's deadline passed.
#[derive(Debug, Error)]
#[error("the deadline passed")]
pub(crate) struct TimedOut;

/// The host's side of one guest instance.
pub(crate) struct GuestState {
    pub(crate) limiter: Limiter,
    pub(crate) time: VirtualTime,
    pub(crate) entropy: Entropy,
    pub(crate) output: Output,
    voice: Voice,
    pub(crate) resources: ResourceTable,
    /// Ticks of the current call that were spent outside of the guest: its deadline moves by them.
    ticks_outside: Arc<AtomicU64>,
}

impl GuestState {
    pub(crate) fn new(limits: &Limits, voice: Voice) -> Self {
        let mut resources = ResourceTable::new();
        resources.set_max_capacity(RESOURCES_MAX);
        Self {
            limiter: Limiter::new(limits),
            time: VirtualTime::at(0),
            entropy: Entropy::of_start(&voice.operator),
            output: Output::new(voice.clone()),
            voice,
            resources,
            ticks_outside: Arc::default(),
        }
    }

    /// Clock and randomness of a new call; nothing of the one before is left.
    pub(crate) fn begin_call(&mut self, cx: &CallContext<'_>) {
        self.time = VirtualTime::at(cx.time_ms);
        self.entropy = Entropy::of_call(&self.voice.operator, cx);
        self.ticks_outside.store(0, Relaxed);
    }

    /// The metrics of the guest's operator.
    pub(crate) fn metrics(&self) -> &Metrics {
        &self.voice.metrics
    }

    /// Where the ticks spent outside of the guest are counted.
    pub(crate) fn ticks_outside(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.ticks_outside)
    }

    /// The ticks spent outside since this was asked last.
    pub(crate) fn take_ticks_outside(&self) -> u64 {
        self.ticks_outside.swap(0, Relaxed)
    }
}
