//! Messages into the plugin's log, which the host shows with the pipeline's and operator's names.
//!
//! A plugin that logs imports `logging` and needs that grant; one that never does imports nothing.

use core::fmt;

/// How important a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Every step.
    Trace,
    /// For finding mistakes.
    Debug,
    /// Worth knowing.
    Info,
    /// Perhaps wrong.
    Warn,
    /// Wrong.
    Error,
}

/// Logs a message. Natively, in tests, it goes nowhere. Use [`log!`](crate::log).
pub fn log(level: Level, message: fmt::Arguments<'_>) {
    #[cfg(target_family = "wasm")]
    crate::bindings::log(level, message);
    #[cfg(not(target_family = "wasm"))]
    let _ = (level, message);
}

/// Logs a message: `log!(Info, "{} words", words)`.
#[macro_export]
macro_rules! log {
    ($level:ident, $($message:tt)+) => {
        $crate::logging::log($crate::logging::Level::$level, ::core::format_args!($($message)+))
    };
}
