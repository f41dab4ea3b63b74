//! The ready plugins as WebAssembly components, embedded.
//!
//! The build script compiles them; see `build.rs`. They are ordinary plugins: the same bytes could be pushed.

/// A plugin that comes with Tidemill.
#[derive(Clone, Copy, Debug)]
pub struct ReadyPlugin {
    /// Its name, as it describes itself.
    pub name: &'static str,
    /// Its version, as it describes itself.
    pub version: &'static str,
    /// The component.
    pub component: &'static [u8],
}

/// The ready plugins.
#[must_use]
pub fn ready() -> &'static [ReadyPlugin] {
    READY
}

const READY: &[ReadyPlugin] = include!(concat!(env!("OUT_DIR"), "/ready.rs"));
