//! The interfaces that a pipeline grants: logging and metrics.

use wasmtime::component::{ComponentType, Lift, LinkerInstance};
use wasmtime::{Result, StoreContextMut};

use super::output;
use super::state::GuestState;
use crate::abi::Text;

#[derive(ComponentType, Lift, Clone, Copy)]
#[component(enum)]
#[repr(u8)]
#[allow(dead_code, reason = "only ever made by lifting")]
enum Level {
    #[component(name = "trace")]
    Trace,
    #[component(name = "debug")]
    Debug,
    #[component(name = "info")]
    Info,
    #[component(name = "warn")]
    Warn,
    #[component(name = "error")]
    Error,
}

impl From<Level> for output::Level {
    fn from(level: Level) -> Self {
        match level {
            Level::Trace => Self::Trace,
            Level::Debug => Self::Debug,
            Level::Info => Self::Info,
            Level::Warn => Self::Warn,
            Level::Error => Self::Error,
        }
    }
}

pub(super) fn define_logging(instance: &mut LinkerInstance<'_, GuestState>) -> Result<()> {
    instance.func_wrap(
        "log",
        |mut cx: StoreContextMut<'_, GuestState>, (level, message): (Level, Text)| {
            cx.data_mut().output.message(level.into(), &message.0);
            Ok(())
        },
    )
}

#[derive(ComponentType, Lift)]
#[component(record)]
struct Label {
    name: Text,
    value: Text,
}

fn pairs(labels: Vec<Label>) -> Vec<(String, String)> {
    labels.into_iter().map(|label| (label.name.0, label.value.0)).collect()
}

pub(super) fn define_metrics(instance: &mut LinkerInstance<'_, GuestState>) -> Result<()> {
    instance.func_wrap(
        "count",
        |cx: StoreContextMut<'_, GuestState>, (name, labels, by): (Text, Vec<Label>, u64)| {
            cx.data().metrics().count(name.0, pairs(labels), by);
            Ok(())
        },
    )?;
    instance.func_wrap(
        "gauge",
        |cx: StoreContextMut<'_, GuestState>, (name, labels, value): (Text, Vec<Label>, f64)| {
            cx.data().metrics().gauge(name.0, pairs(labels), value);
            Ok(())
        },
    )
}
