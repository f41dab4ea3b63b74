//! A list that stays in the guest's memory.

use std::marker::PhantomData;

use wasmtime::component::__internal::wasmtime_environ::component::StringEncoding;
use wasmtime::component::__internal::{
    CanonicalAbiInfo, InstanceType, InterfaceType, LiftContext, bad_type_info,
};
use wasmtime::component::{ComponentType, Lift};
use wasmtime::{Result, ValRaw, bail};
use zerocopy::{FromBytes, Immutable, KnownLayout};

/// The guest's whole linear memory, as it is between its return and its `post-return`.
#[derive(Clone, Copy)]
pub(crate) struct Memory<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) encoding: StringEncoding,
}

impl<'a> Memory<'a> {
    pub(super) fn of(cx: &LiftContext<'a>) -> Self {
        Self { bytes: cx.memory(), encoding: cx.options().string_encoding }
    }
}

/// Where a list of `T` lies in the guest's memory. Inside its bounds when it was lifted; a memory
/// never shrinks, so it stays inside.
pub(crate) struct Span<T> {
    start: usize,
    items: usize,
    of: PhantomData<fn() -> T>,
}

/// What a list in memory consists of: its component type and its size there.
pub(crate) trait Element: ComponentType {}
impl<T: ComponentType> Element for T {}

impl<T: Element> Span<T> {
    pub(super) fn bytes<'a>(&self, memory: Memory<'a>) -> &'a [u8] {
        let end = self.start + self.items * T::SIZE32;
        memory.bytes.get(self.start..end).unwrap_or_default()
    }

    fn within(memory: &[u8], start: u32, items: u32) -> Result<Self> {
        let (start, items) = (start as usize, items as usize);
        if items == 0 {
            return Ok(Self { start: 0, items, of: PhantomData });
        }
        let end = items.checked_mul(T::SIZE32).and_then(|bytes| start.checked_add(bytes));
        if end.is_none_or(|end| end > memory.len()) {
            bail!("a list of {items} items at {start} lies outside of the guest's memory");
        }
        if !start.is_multiple_of(T::ALIGN32 as usize) {
            bail!("a list at {start} is not aligned");
        }
        Ok(Self { start, items, of: PhantomData })
    }
}

impl<T: Element + FromBytes + Immutable + KnownLayout> Span<T> {
    /// The list as a slice of the guest's memory.
    pub(crate) fn view<'a>(&self, memory: Memory<'a>) -> &'a [T] {
        // Length and alignment were checked when the span was made: memory is page-aligned.
        <[T]>::ref_from_bytes(self.bytes(memory)).unwrap_or_default()
    }
}

// SAFETY: `Lower`, the ABI and the type check are those of wasmtime's own `[T]`, whose flat form
// (pointer, length) is exactly what the lifting below reads.
unsafe impl<T: Element> ComponentType for Span<T> {
    type Lower = <[T] as ComponentType>::Lower;
    const ABI: CanonicalAbiInfo = <[T] as ComponentType>::ABI;

    fn typecheck(ty: &InterfaceType, types: &InstanceType<'_>) -> Result<()> {
        <[T] as ComponentType>::typecheck(ty, types)
    }
}

// SAFETY: reads two 32-bit integers of a list's form and checks them against the memory; no value
// of `T` is ever made without `zerocopy`'s proof that any bytes are one.
unsafe impl<T: Element> Lift for Span<T> {
    fn linear_lift_from_flat(
        cx: &mut LiftContext<'_>,
        _ty: InterfaceType,
        [start, items]: &Self::Lower,
    ) -> Result<Self> {
        Self::within(cx.memory(), start.get_u32(), items.get_u32())
    }

    fn linear_lift_from_memory(
        cx: &mut LiftContext<'_>,
        _ty: InterfaceType,
        bytes: &[u8],
    ) -> Result<Self> {
        let (start, items) = pointer_pair(bytes);
        Self::within(cx.memory(), start, items)
    }
}

/// The pointer and the length of a list or string, as they lie in memory.
pub(super) fn pointer_pair(bytes: &[u8]) -> (u32, u32) {
    match bytes.as_chunks::<4>() {
        ([start, length, ..], _) => (u32::from_le_bytes(*start), u32::from_le_bytes(*length)),
        // Eight bytes are the form of every list: wasmtime hands over nothing else.
        _ => bad_type_info(),
    }
}

/// The flat form of a pointer pair.
pub(super) type FlatPair = [ValRaw; 2];
