//! The records of `tidemill:plugin/types`: `…Param` as the host lowers them, `…Lists` as they are
//! read in the guest's memory.

use wasmtime::component::{ComponentType, Lift, Lower};

use super::span::{Memory, Span};
use super::text::TextSpan;
use crate::batch::BatchRef;
use crate::column::ColumnRef;

#[derive(ComponentType, Lower, Clone, Copy)]
#[component(record)]
pub(crate) struct ColumnParam<'a> {
    data: &'a [u8],
    offsets: &'a [u32],
    validity: &'a [u8],
}

impl<'a> From<ColumnRef<'a>> for ColumnParam<'a> {
    fn from(column: ColumnRef<'a>) -> Self {
        let data = column.data().get(..column.item_bytes()).unwrap_or_default();
        Self { data, offsets: column.offsets(), validity: column.validity() }
    }
}

#[derive(ComponentType, Lower, Clone, Copy)]
#[component(record)]
pub(crate) struct BatchParam<'a> {
    keys: ColumnParam<'a>,
    values: ColumnParam<'a>,
    headers: ColumnParam<'a>,
    timestamps: &'a [i64],
}

impl<'a> From<BatchRef<'a>> for BatchParam<'a> {
    fn from(batch: BatchRef<'a>) -> Self {
        Self {
            keys: batch.keys().into(),
            values: batch.values().into(),
            headers: batch.headers().into(),
            timestamps: batch.timestamps(),
        }
    }
}

/// `reduction.items`.
#[derive(ComponentType, Lower, Clone, Copy)]
#[component(record)]
pub(crate) struct ItemsParam<'a> {
    pub(crate) groups: &'a [u32],
    pub(crate) values: ColumnParam<'a>,
    pub(crate) timestamps: &'a [i64],
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct ColumnLists {
    pub(crate) data: Span<u8>,
    pub(crate) offsets: Span<u32>,
    pub(crate) validity: Span<u8>,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct BatchLists {
    pub(crate) keys: ColumnLists,
    pub(crate) values: ColumnLists,
    pub(crate) headers: ColumnLists,
    pub(crate) timestamps: Span<i64>,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct OutcomeLists {
    pub(crate) emitted: BatchLists,
    pub(crate) counts: Span<u32>,
    pub(crate) ports: Span<u16>,
    pub(crate) rejected: Span<RejectionForm>,
}

/// `types.rejection`; never lifted as a whole, for there may be millions.
#[derive(ComponentType)]
#[component(record)]
#[allow(dead_code, reason = "only its form is used")]
pub(crate) struct RejectionForm {
    index: u32,
    reason: TextSpan,
}

const REJECTION_BYTES: usize = 12;
const _: () = assert!(RejectionForm::SIZE32 == REJECTION_BYTES);

impl Span<RejectionForm> {
    /// Index and reason of each rejection, not checked.
    pub(crate) fn iter<'a>(
        &self,
        memory: Memory<'a>,
    ) -> impl ExactSizeIterator<Item = (u32, TextSpan)> + use<'a> {
        let entries = self.bytes(memory).as_chunks::<REJECTION_BYTES>().0;
        entries.iter().map(|&[a, b, c, d, e, f, g, h, i, j, k, l]| {
            let index = u32::from_le_bytes([a, b, c, d]);
            let start = u32::from_le_bytes([e, f, g, h]);
            let length = u32::from_le_bytes([i, j, k, l]);
            (index, TextSpan::new(start, length))
        })
    }
}

/// `types.failure`.
#[derive(ComponentType, Lift)]
#[component(variant)]
pub(crate) enum FailureText {
    #[component(name = "retryable")]
    Retryable(super::text::Text),
    #[component(name = "fatal")]
    Fatal(super::text::Text),
}
