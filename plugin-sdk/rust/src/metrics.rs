//! The plugin's own metrics, which the host shows beside its own with the pipeline's and operator's names.
//!
//! A plugin that has some imports `metrics` and needs that grant; one that has none imports nothing. Label
//! values should be few: the host keeps so many series of a plugin, and counts what is beyond them.

/// Adds to a counter. Natively, in tests, it goes nowhere.
///
/// `count("lines", &[("kind", "short")], 1)`
pub fn count(name: &str, labels: &[(&str, &str)], by: u64) {
    #[cfg(target_family = "wasm")]
    crate::bindings::count(name, labels, by);
    #[cfg(not(target_family = "wasm"))]
    let _ = (name, labels, by);
}

/// Sets a gauge. Natively, in tests, it goes nowhere.
pub fn gauge(name: &str, labels: &[(&str, &str)], value: f64) {
    #[cfg(target_family = "wasm")]
    crate::bindings::gauge(name, labels, value);
    #[cfg(not(target_family = "wasm"))]
    let _ = (name, labels, value);
}
