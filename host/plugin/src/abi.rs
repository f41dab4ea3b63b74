//! How values cross the boundary, written down once for every call.
//!
//! Parameters borrow: the host's slices are copied once, straight into the guest's memory.
//! Results are **read where they lie**: [`reading::call`] hands the caller views into the guest's
//! memory after the guest has returned and before its `post-return` frees them. wasmtime's own
//! `WasmList` cannot do that since `post-return` became part of `TypedFunc::call`: a list that is
//! looked at after the call has been freed already. This is why `Span`, `Text` and `Read`
//! implement wasmtime's lifting trait by hand.
//!
//! **No view outlives the call**: the compiler sees it as borrowed from the closure's argument.

mod lists;
mod lowering;
pub(crate) mod reading;
mod span;
mod text;

pub(crate) use lists::{
    BatchLists, BatchParam, ColumnLists, ColumnParam, FailureText, ItemsParam, OutcomeLists,
};
pub(crate) use lowering::Lowered;
pub(crate) use span::{Memory, Span};
pub(crate) use text::{REASON_BYTES_MAX, Text};

#[cfg(target_endian = "big")]
compile_error!(
    "guest memory is little endian and is read in place: big-endian hosts are not supported"
);
