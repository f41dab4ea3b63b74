//! Reads a result while it still lies in the guest's memory.
//!
//! wasmtime lifts a result after the guest's function has returned and before it calls
//! `post-return`. [`Read`] is a result type whose lifting hands the value and the memory to the
//! reader that [`call`] has set up for this thread.
//! **A reader runs at most once, and never after its `call` has returned.**

use std::any::Any;
use std::cell::Cell;
use std::marker::PhantomData;
use std::mem;

use wasmtime::component::__internal::{CanonicalAbiInfo, InstanceType, InterfaceType, LiftContext};
use wasmtime::component::{ComponentNamedList, ComponentType, Lift, Lower, TypedFunc};
use wasmtime::{AsContextMut, Result, bail};

use super::span::Memory;

/// Reads a lifted value; an error ends the guest's call.
type Reader<'r> = dyn FnMut(&dyn Any, Memory<'_>) -> Result<()> + 'r;

thread_local! {
    /// The reader of the innermost call on this thread that has not returned a value yet.
    static READER: Cell<Option<&'static mut Reader<'static>>> = const { Cell::new(None) };
}

/// A result of type `T` that went to the reader. It carries nothing.
pub(crate) struct Read<T>(PhantomData<fn() -> T>);

/// Calls `function` and reads its result before the guest may free it.
///
/// # Errors
/// The guest's trap, a result outside of its memory, or the reader's own error. The reader may have
/// run before a trap in `post-return`.
pub(crate) fn call<P, T, R>(
    function: TypedFunc<P, (Read<T>,)>,
    store: impl AsContextMut,
    params: P,
    reader: impl FnOnce(&T, Memory<'_>) -> Result<R>,
) -> Result<R>
where
    P: ComponentNamedList + Lower,
    T: Lift + 'static,
{
    let mut reader = Some(reader);
    let mut taken = None;
    let mut read = |value: &dyn Any, memory: Memory<'_>| -> Result<()> {
        match (value.downcast_ref(), reader.take()) {
            (Some(value), Some(reader)) => taken = Some(reader(value, memory)?),
            _ => bail!("a result was lifted twice or with another type"),
        }
        Ok(())
    };
    with_reader(&mut read, || function.call(store, params))?;
    match taken {
        Some(taken) => Ok(taken),
        None => bail!("the result was never lifted"),
    }
}

fn with_reader<R>(reader: &mut Reader<'_>, call: impl FnOnce() -> R) -> R {
    // SAFETY: only the lifetimes change. `READER` is the sole place the longer reference goes to;
    // it is emptied by whoever runs it, which happens inside `call`, and in any case by `Restore`
    // before this function returns or unwinds, while `reader` is still borrowed.
    let reader: &'static mut Reader<'static> = unsafe { mem::transmute(reader) };
    let _restore = Restore(READER.replace(Some(reader)));
    call()
}

/// Puts the reader of the call around this one back.
struct Restore(Option<&'static mut Reader<'static>>);

impl Drop for Restore {
    fn drop(&mut self) {
        READER.set(self.0.take());
    }
}

impl<T: Lift + 'static> Read<T> {
    fn deliver(cx: &LiftContext<'_>, value: &T) -> Result<Self> {
        match READER.take() {
            Some(reader) => reader(value, Memory::of(cx))?,
            None => bail!("a result was lifted outside of a call"),
        }
        Ok(Self(PhantomData))
    }
}

// SAFETY: the form, the ABI and the type check are those of `T`.
unsafe impl<T: ComponentType> ComponentType for Read<T> {
    type Lower = T::Lower;
    const ABI: CanonicalAbiInfo = T::ABI;

    fn typecheck(ty: &InterfaceType, types: &InstanceType<'_>) -> Result<()> {
        T::typecheck(ty, types)
    }
}

// SAFETY: lifts exactly a `T`, and hands it to safe code.
unsafe impl<T: Lift + 'static> Lift for Read<T> {
    fn linear_lift_from_flat(
        cx: &mut LiftContext<'_>,
        ty: InterfaceType,
        src: &Self::Lower,
    ) -> Result<Self> {
        let value = T::linear_lift_from_flat(cx, ty, src)?;
        Self::deliver(cx, &value)
    }

    fn linear_lift_from_memory(
        cx: &mut LiftContext<'_>,
        ty: InterfaceType,
        bytes: &[u8],
    ) -> Result<Self> {
        let value = T::linear_lift_from_memory(cx, ty, bytes)?;
        Self::deliver(cx, &value)
    }
}
