//! Measures how long parameters take to get into the guest's memory: the guest allocates the room
//! for them while they are lowered, so that nothing outside can tell the two apart.

use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use wasmtime::Result;
use wasmtime::component::__internal::{
    CanonicalAbiInfo, InstanceType, InterfaceType, LowerContext,
};
use wasmtime::component::{ComponentType, Lower};

use crate::clock::Stopwatch;
use crate::costs::nanos;

/// A parameter, and where the nanoseconds are added that it takes.
#[derive(Clone, Copy)]
pub(crate) struct Lowered<'a, T> {
    pub(crate) value: T,
    pub(crate) spent_ns: &'a AtomicU64,
}

impl<T> Lowered<'_, T> {
    fn measured<R>(&self, lower: impl FnOnce(&T) -> R) -> R {
        let stopwatch = Stopwatch::start();
        let lowered = lower(&self.value);
        self.spent_ns.fetch_add(nanos(stopwatch.elapsed()), Relaxed);
        lowered
    }
}

// SAFETY: the form, the ABI and the type check are those of `T`.
unsafe impl<T: ComponentType> ComponentType for Lowered<'_, T> {
    type Lower = T::Lower;
    const ABI: CanonicalAbiInfo = T::ABI;

    fn typecheck(ty: &InterfaceType, types: &InstanceType<'_>) -> Result<()> {
        T::typecheck(ty, types)
    }
}

// SAFETY: lowers exactly a `T`, by its own implementation.
unsafe impl<T: Lower> Lower for Lowered<'_, T> {
    fn linear_lower_to_flat<U>(
        &self,
        cx: &mut LowerContext<'_, U>,
        ty: InterfaceType,
        dst: &mut MaybeUninit<Self::Lower>,
    ) -> Result<()> {
        self.measured(|value| value.linear_lower_to_flat(cx, ty, dst))
    }

    fn linear_lower_to_memory<U>(
        &self,
        cx: &mut LowerContext<'_, U>,
        ty: InterfaceType,
        offset: usize,
    ) -> Result<()> {
        self.measured(|value| value.linear_lower_to_memory(cx, ty, offset))
    }
}
