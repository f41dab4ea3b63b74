//! Columns of texts, and the call that the tests make.

use tidemill_plugin::{CallContext, Column, ColumnRef};

pub const CX: CallContext<'static> =
    CallContext { pipeline: "p", batch: 1, task: 0, time_ms: 1_700_000_000_000 };

pub fn column(items: &[&str]) -> Column {
    items.iter().map(|item| Some(item.as_bytes())).collect()
}

pub fn texts(column: ColumnRef<'_>) -> Vec<String> {
    let text = |item: Option<&[u8]>| String::from_utf8_lossy(item.unwrap_or(b"-")).into_owned();
    column.iter().map(text).collect()
}
