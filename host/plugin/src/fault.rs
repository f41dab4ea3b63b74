//! From wasmtime's errors to ours.

use wasmtime::{Error, Store, Trap, WasmBacktrace};

use crate::description::printable;
use crate::error::CallFault;
use crate::limits::Limits;
use crate::sandbox::{Exited, GuestState, TimedOut};

/// Characters of one line in a backtrace: names in a component are as long as its author likes.
const FRAME_CHARS_MAX: usize = 200;

/// Why a guest stopped.
pub(crate) fn of(error: Error, store: &mut Store<GuestState>, limits: &Limits) -> CallFault {
    let refusal = store.data_mut().limiter.take_refusal();
    let error = match error.downcast::<CallFault>() {
        Ok(ours) => return ours,
        Err(error) => error,
    };
    if let Some(Exited(status)) = error.downcast_ref() {
        return CallFault::Exit { status: *status };
    }
    if error.is::<TimedOut>() {
        return CallFault::Timeout { limit: limits.call_time_max };
    }
    if let Some((what, limit)) = refusal {
        return CallFault::OutOfMemory { what, limit };
    }
    let backtrace = error.downcast_ref::<WasmBacktrace>().map(show_backtrace);
    let reason = shown(&error.root_cause().to_string());
    match backtrace {
        Some(backtrace) => CallFault::Trap { reason, backtrace },
        None if error.is::<Trap>() => CallFault::Trap { reason, backtrace: String::new() },
        None => CallFault::BadAbi { reason },
    }
}

/// The guest's frames, innermost first; wasmtime captures only so many.
fn show_backtrace(backtrace: &WasmBacktrace) -> String {
    let lines = backtrace.frames().iter().enumerate().map(|(depth, frame)| {
        let name = match frame.func_name() {
            Some(name) => name.chars().take(FRAME_CHARS_MAX).collect(),
            None => format!("function {}", frame.func_index()),
        };
        let place = frame.module_offset().map(|at| format!(" at {at:#x}")).unwrap_or_default();
        format!("{depth}: {}{place}\n", printable(&name))
    });
    lines.collect()
}

/// A guest's message as it may be shown.
pub(crate) fn shown(message: &str) -> String {
    printable(message)
}

/// An error of wasmtime and its causes on one line, bounded.
pub(crate) fn chain(error: &Error) -> String {
    printable(&format!("{error:#}")).replace('\n', " ")
}
