//! WASI 0.2, virtual.
//!
//! Written by hand against the WIT of WASI 0.2.12. wasmtime compares every signature with what a
//! component imports when it is linked, so that a mistake here is an error at load and never a
//! misread value.

mod cli;
mod clocks;
mod io;
mod nowhere;
mod random;

use wasmtime::Result;
use wasmtime::component::LinkerInstance;

use super::state::GuestState;

type Instance<'a> = LinkerInstance<'a, GuestState>;
type Context<'a> = wasmtime::StoreContextMut<'a, GuestState>;

/// Defines what `interface` of `package` has here; the rest of it traps.
pub(super) fn define(instance: &mut Instance<'_>, package: &str, interface: &str) -> Result<()> {
    match (package, interface) {
        ("wasi:io", "error") => io::define_error(instance),
        ("wasi:io", "poll") => io::define_poll(instance),
        ("wasi:io", "streams") => io::define_streams(instance),
        ("wasi:cli", _) => cli::define(instance, interface),
        ("wasi:clocks", "monotonic-clock") => clocks::define_monotonic(instance),
        ("wasi:clocks", "wall-clock") => clocks::define_wall(instance),
        ("wasi:random", _) => random::define(instance, interface),
        ("wasi:filesystem" | "wasi:sockets", _) => nowhere::define(instance, interface),
        _ => Ok(()),
    }
}
