//! The contract as a tool chain wants it: a folder of WIT files with the project's own world in it.

use std::fs;
use std::path::Path;

use super::embedded::below;
use super::error::{ProjectError, file_error};
use super::manifest::Manifest;

/// The world that tool chains are given.
pub const WORLD: &str = "plugin";

/// Writes the contract and the project's world into `dir`, in place of what was there.
pub fn write(dir: &Path, manifest: &Manifest) -> Result<(), ProjectError> {
    // Files of another version of the contract must not stay beside this one's.
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(file_error("empty the folder", dir)(error));
        }
        _ => {}
    }
    fs::create_dir_all(dir).map_err(file_error("make the folder", dir))?;
    let write = |name: &str, content: &[u8]| {
        let path = dir.join(name);
        fs::write(&path, content).map_err(file_error("write", &path))
    };
    for (name, content) in below("wit") {
        write(name, content)?;
    }
    write("plugin.wit", world(manifest).as_bytes())
}

fn world(manifest: &Manifest) -> String {
    let imports = manifest.grants.iter().map(|grant| format!("  import {};\n", grant.interface()));
    let migration = if manifest.migrates { "  export migration;\n" } else { "" };
    format!(
        "/// This project's world.\nworld {WORLD} {{\n  include {};\n{}{migration}}}\n",
        manifest.world.name(),
        imports.collect::<String>()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_world_imports_what_may_be_granted_alone() {
        let manifest: Manifest =
            toml::from_str("world = \"filter\"\ngrants = [\"metrics\"]").unwrap();
        let dir = tempfile::tempdir().unwrap();
        let wit = dir.path().join("wit");
        fs::create_dir(&wit).unwrap();
        fs::write(wit.join("old.wit"), "package old:old;").unwrap();
        write(&wit, &manifest).unwrap();
        assert!(!wit.join("old.wit").exists() && wit.join("types.wit").exists());
        let world = fs::read_to_string(wit.join("plugin.wit")).unwrap();
        assert!(world.contains("include filter;") && world.contains("import metrics;"), "{world}");
        assert!(!world.contains("logging") && !world.contains("migration"), "{world}");
    }
}
