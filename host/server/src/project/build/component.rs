//! From a core module to a component, for tool chains that end at the module: Go's and C's.
//!
//! Their SDKs export the contract's functions by the names of the canonical ABI. **Such a component imports what
//! its code uses, and never WASI**: what a tool chain asks of preview 1 is answered inside it (`null_wasi.wat`).

use std::path::Path;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use super::super::contract;
use super::super::error::{ProjectError, file_error};
use super::super::manifest::{Grant, Manifest};

const NULL_WASI: &str = include_str!("null_wasi.wat");
const PREVIEW_1: &str = "wasi_snapshot_preview1";

/// Makes a component of the module in `core`, writes it to `component`, and the contract's files to `wit`.
pub fn write(
    core: &Path,
    wit: &Path,
    component: &Path,
    manifest: &Manifest,
) -> Result<(), ProjectError> {
    // What is not imported by the module is left out of the component.
    contract::write(wit, &Manifest { grants: Grant::ALL.to_vec(), ..manifest.clone() })?;
    let module = std::fs::read(core).map_err(file_error("read", core))?;
    let made = encode(module, wit).map_err(|reason| ProjectError::NotEncoded { reason })?;
    std::fs::write(component, made).map_err(file_error("write", component))
}

fn encode(mut module: Vec<u8>, wit: &Path) -> Result<Vec<u8>, String> {
    let adapter = wat::parse_str(NULL_WASI).map_err(|error| error.to_string())?;
    let mut resolve = Resolve::default();
    let encoded = resolve
        .push_dir(wit)
        .and_then(|(package, _)| resolve.select_world(&[package], Some(contract::WORLD)))
        .and_then(|world| {
            embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false)
        })
        .and_then(|()| {
            let mut encoder = ComponentEncoder::default();
            encoder.validate(true).module(&module)?;
            encoder.adapter(PREVIEW_1, &adapter)?;
            encoder.encode()
        });
    encoded.map_err(|error| format!("{error:#}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::World;

    /// A filter that asks WASI for the time, as a tool chain's runtime would.
    const FILTER: &str = r#"(module
        (import "wasi_snapshot_preview1" "clock_time_get" (func $time (param i32 i64 i32) (result i32)))
        (memory (export "memory") 1)
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
        (func (export "tidemill:plugin/definition@0.1.0#describe") (result i32) (i32.const 64))
        (func (export "tidemill:plugin/definition@0.1.0#configure") (param i32 i32) (result i32)
            (drop (call $time (i32.const 0) (i64.const 0) (i32.const 128))) (i32.const 64))
        (func (export "tidemill:plugin/predicate@0.1.0#keep") (param i32) (result i32) (i32.const 64)))"#;

    fn made(world: World, module: &str) -> Result<Vec<u8>, ProjectError> {
        let dir = tempfile::tempdir().unwrap();
        let (core, component) = (dir.path().join("core.wasm"), dir.path().join("out.wasm"));
        std::fs::write(&core, wat::parse_str(module).unwrap()).unwrap();
        let manifest =
            Manifest { world, grants: Vec::new(), name: None, version: None, migrates: false };
        write(&core, &dir.path().join("wit"), &component, &manifest)?;
        Ok(std::fs::read(component).unwrap())
    }

    #[test]
    fn what_a_runtime_asks_of_wasi_is_answered_inside() {
        let component = made(World::Filter, FILTER).unwrap();
        let decoded = wit_component::decode(&component).unwrap();
        let world = decoded.resolve().worlds.iter().next_back().unwrap().1;
        let imports: Vec<String> =
            world.imports.keys().map(|key| decoded.resolve().name_world_key(key)).collect();
        assert_eq!(imports, ["tidemill:plugin/types@0.1.0"]);
    }

    #[test]
    fn a_module_of_another_world_is_refused_with_what_is_missing() {
        let error = made(World::Transform, FILTER).unwrap_err();
        let ProjectError::NotEncoded { reason } = error else { panic!("{error}") };
        assert!(reason.contains("transformer"), "{reason}");
    }
}
