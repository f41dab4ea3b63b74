//! Which imports a component may have, and what stands behind them.
//! **What is not listed here is refused by name before anything is compiled into a pipeline.**

use thiserror::Error;
use wasmtime::component::types::{ComponentInstance, ComponentItem};
use wasmtime::component::{Component, Linker, LinkerInstance};
use wasmtime::{Engine, Result, bail};

use super::state::GuestState;
use super::wasi;
use crate::grants::Grants;
use crate::world::{CONTRACT, InterfaceName};

/// An import that the host does not give.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ImportFault {
    /// The interface can be granted, but was not.
    #[error("it imports `{import}`, which is not granted")]
    NotGranted {
        /// The import.
        import: String,
        /// The grant that gives it.
        grant: &'static str,
    },
    /// An interface of another version of the contract.
    #[error("it imports `{import}`, which this host does not have in that version")]
    Version {
        /// The import.
        import: String,
    },
    /// No host of Tidemill gives this.
    #[error("it imports `{import}`, which no plugin may")]
    Forbidden {
        /// The import.
        import: String,
    },
}

impl ImportFault {
    /// What the person can do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::NotGranted { grant, .. } => {
                format!("grant it: `grants = [\"{grant}\"]` in the operator")
            }
            Self::Version { .. } => {
                "build the plugin with the SDK of this host's version (tidemill:plugin 0.1, WASI 0.2)"
                    .to_owned()
            }
            Self::Forbidden { import } if import.starts_with("wasi:http") => {
                "plugins have no network; read what they need from a topic instead".to_owned()
            }
            Self::Forbidden { .. } => {
                "plugins may import virtual WASI 0.2 (io, cli, clocks, random, filesystem, sockets) and \
                 what is granted to them; leave the feature out or stub it (`--stub-wasi`, `-d http`)"
                    .to_owned()
            }
        }
    }
}

/// What an import may be.
enum Import {
    Types,
    Logging,
    Metrics,
    Wasi,
}

fn classify(import: &str) -> Result<Import, ImportFault> {
    let forbidden = || ImportFault::Forbidden { import: import.to_owned() };
    let name = InterfaceName::parse(import).ok_or_else(forbidden)?;
    let kind = match (name.package, name.interface) {
        ("tidemill:plugin", "types") => Import::Types,
        ("tidemill:plugin", "logging") => Import::Logging,
        ("tidemill:plugin", "metrics") => Import::Metrics,
        (
            "wasi:io" | "wasi:cli" | "wasi:clocks" | "wasi:random" | "wasi:filesystem"
            | "wasi:sockets",
            _,
        ) => Import::Wasi,
        _ => return Err(forbidden()),
    };
    let is_ours = match kind {
        Import::Wasi => name.is_compatible_with(0, 2),
        _ => name.is_contract(),
    };
    if is_ours { Ok(kind) } else { Err(ImportFault::Version { import: import.to_owned() }) }
}

/// Checks a component's imports against the grants.
pub(crate) fn check_imports<'a>(
    imports: impl Iterator<Item = &'a str>,
    grants: &Grants,
) -> Result<(), ImportFault> {
    for import in imports {
        let missing = match classify(import)? {
            Import::Logging if !grants.logging => "logging",
            Import::Metrics if !grants.metrics => "metrics",
            _ => continue,
        };
        return Err(ImportFault::NotGranted { import: import.to_owned(), grant: missing });
    }
    Ok(())
}

/// The grants without which a component of these imports, all of which are known, does not load.
pub(crate) fn grants_needed<'a>(imports: impl Iterator<Item = &'a str>) -> Grants {
    let mut needed = Grants::none();
    for import in imports {
        match classify(import) {
            Ok(Import::Logging) => needed.logging = true,
            Ok(Import::Metrics) => needed.metrics = true,
            Ok(Import::Types | Import::Wasi) | Err(_) => {}
        }
    }
    needed
}

/// A linker with everything that `component` imports, which [`check_imports`] has let pass.
///
/// WASI functions without a meaning here (those of files and sockets, of which a guest can never
/// have one) trap when they are called.
pub(crate) fn linker(engine: &Engine, component: &Component) -> Result<Linker<GuestState>> {
    let mut linker = Linker::new(engine);
    // What is defined after the traps replaces them.
    linker.allow_shadowing(true);
    for (import, item) in component.component_type().imports(engine) {
        let Some(name) = InterfaceName::parse(import) else { continue };
        let mut instance = linker.instance(import)?;
        if let ComponentItem::ComponentInstance(functions) = &item.ty {
            define_traps(&mut instance, import, functions, engine)?;
        }
        match name.package {
            CONTRACT => define_granted(&mut instance, name.interface)?,
            _ => wasi::define(&mut instance, name.package, name.interface)?,
        }
    }
    Ok(linker)
}

/// wasmtime's own `define_unknown_imports_as_traps` also makes resources, even where an interface
/// only uses one of another: those would not be the same type.
fn define_traps(
    instance: &mut LinkerInstance<'_, GuestState>,
    import: &str,
    functions: &ComponentInstance,
    engine: &Engine,
) -> Result<()> {
    for (function, item) in functions.exports(engine) {
        if let ComponentItem::ComponentFunc(_) = item.ty {
            let name = format!("{import}#{function}");
            instance.func_new(function, move |_, _, _, _| bail!("`{name}` is not there"))?;
        }
    }
    Ok(())
}

fn define_granted(instance: &mut LinkerInstance<'_, GuestState>, interface: &str) -> Result<()> {
    match interface {
        "logging" => super::granted::define_logging(instance),
        "metrics" => super::granted::define_metrics(instance),
        _ => Ok(()),
    }
}
