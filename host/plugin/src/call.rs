//! One call: into the guest, over its result, and out again.
//! **The deadline and the costs count the guest's time only**, not that of whoever takes the result;
//! lowering and checking have a count of their own.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use wasmtime::component::{ComponentNamedList, Lift, Lower, TypedFunc};

use crate::abi::reading::Read;
use crate::abi::{FailureText, Lowered, Memory};
use crate::clock::Stopwatch;
use crate::context::CallContext;
use crate::costs::{CostMeter, Volume, nanos};
use crate::error::CallFault;
use crate::instance::Instance;
use crate::limits::Limits;
use crate::ticker::Running;

/// A call that is under way on one instance.
pub(crate) struct Call<'c> {
    pub(crate) instance: &'c mut Instance,
    cx: &'c CallContext<'c>,
    returning: Returning<'c>,
}

/// What is done with a result before the guest may go on.
pub(crate) struct Returning<'c> {
    limits: &'c Limits,
    meter: &'c CostMeter,
    running: &'c Running<'c>,
    ticks_outside: Arc<AtomicU64>,
    time_outside: Cell<Duration>,
    boundary_ns: &'c AtomicU64,
    /// Runs while the result is checked.
    checking: Cell<Option<Stopwatch>>,
}

/// How a call's time was spent, but for the time in the guest.
#[derive(Debug, Default)]
pub(crate) struct Beside {
    boundary_ns: AtomicU64,
}

impl Beside {
    pub(crate) fn boundary(&self) -> Duration {
        Duration::from_nanos(self.boundary_ns.load(Relaxed))
    }
}

impl<'c> Call<'c> {
    pub(crate) fn new(
        instance: &'c mut Instance,
        limits: &'c Limits,
        meter: &'c CostMeter,
        cx: &'c CallContext<'c>,
        running: &'c Running<'c>,
        beside: &'c Beside,
    ) -> Self {
        let returning = Returning {
            limits,
            meter,
            running,
            ticks_outside: instance.ticks_outside(),
            time_outside: Cell::default(),
            boundary_ns: &beside.boundary_ns,
            checking: Cell::default(),
        };
        Self { instance, cx, returning }
    }

    /// A parameter whose way into the guest is measured.
    pub(crate) fn lowered<T>(&self, value: T) -> Lowered<'c, T> {
        Lowered { value, spent_ns: self.returning.boundary_ns }
    }

    /// Calls `function`; `read` checks what it returned and hands it on.
    pub(crate) fn enter<P, T, R>(
        &mut self,
        function: TypedFunc<P, (Read<Result<T, FailureText>>,)>,
        params: P,
        read: impl FnOnce(&T, Memory<'_>, &Returning<'_>) -> Result<R, CallFault>,
    ) -> Result<R, CallFault>
    where
        P: ComponentNamedList + Lower,
        T: Lift + 'static,
    {
        let returning = &self.returning;
        self.instance.call(function, params, self.cx, returning.limits, |returned, memory| {
            returning.checking.set(Some(Stopwatch::start()));
            let read = read(returned, memory, returning);
            returning.checked();
            read
        })
    }

    pub(crate) fn time_outside(&self) -> Duration {
        self.returning.time_outside.get()
    }
}

impl Returning<'_> {
    /// Ends the time of checking, if it has not ended yet.
    fn checked(&self) {
        if let Some(checking) = self.checking.take() {
            self.boundary_ns.fetch_add(nanos(checking.elapsed()), Relaxed);
        }
    }

    /// Notes rejections.
    pub(crate) fn rejected(&self, records: usize) {
        if records > 0 {
            self.meter.rejected(records);
        }
    }

    /// Notes what was returned.
    ///
    /// # Errors
    /// It is more than a call may return.
    pub(crate) fn returned(&self, records: usize, bytes: u64) -> Result<(), CallFault> {
        let limit = self.limits.output_bytes_max;
        if bytes > limit as u64 {
            return Err(CallFault::OutputTooLarge { bytes, limit });
        }
        self.meter.call_returned(Volume { records, bytes: bytes as usize });
        Ok(())
    }

    /// Runs `take` while the call's deadline stands still.
    pub(crate) fn outside<R>(&self, take: impl FnOnce() -> R) -> R {
        self.checked();
        let (ticks, stopwatch) = (self.running.ticks(), Stopwatch::start());
        let taken = take();
        self.time_outside.set(stopwatch.elapsed());
        self.ticks_outside.store(self.running.ticks() - ticks, Relaxed);
        taken
    }
}
