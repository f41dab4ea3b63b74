//! Writes a new project.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::error::{ProjectError, file_error};
use super::template::{project, worlds_of};
use super::{Language, ProjectName, World};

/// A project that was written.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Created {
    pub project: PathBuf,
    pub language: &'static str,
    pub world: &'static str,
    /// Those of the SDK left out.
    pub files: Vec<String>,
}

/// Writes a project into `dir`, which must be empty or not be there. A file that is there is never replaced.
pub fn create(
    name: &ProjectName,
    language: Language,
    world: World,
    dir: &Path,
) -> Result<Created, ProjectError> {
    if !worlds_of(language).contains(&world) {
        return Err(ProjectError::NoTemplate { language, world });
    }
    refuse_used(dir)?;
    let files = project(language, world, name);
    for (path, content) in &files {
        let path = dir.join(path);
        let folder = path.parent().unwrap_or(dir);
        fs::create_dir_all(folder).map_err(file_error("make the folder", folder))?;
        fs::write(&path, content).map_err(file_error("write", &path))?;
    }
    Ok(Created {
        project: dir.to_owned(),
        language: language.name(),
        world: world.name(),
        files: files.into_keys().filter(|path| !path.starts_with("sdk/")).collect(),
    })
}

fn refuse_used(dir: &Path) -> Result<(), ProjectError> {
    match fs::read_dir(dir).map(|mut entries| entries.next().is_some()) {
        Ok(true) => Err(ProjectError::NotEmpty { path: dir.to_owned() }),
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(file_error("open the folder", dir)(error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_written_over() {
        let dir = tempfile::tempdir().unwrap();
        let mine = dir.path().join("mine");
        let name = "long-words".parse().unwrap();
        let made = create(&name, Language::Rust, World::Transform, &mine).unwrap();
        assert!(made.files.contains(&"src/lib.rs".to_owned()), "{made:?}");
        let again = create(&name, Language::Rust, World::Transform, &mine).unwrap_err();
        assert!(matches!(again, ProjectError::NotEmpty { .. }), "{again}");
        let file = dir.path().join("file");
        fs::write(&file, "kept").unwrap();
        create(&name, Language::Rust, World::Transform, &file).unwrap_err();
        assert_eq!(fs::read_to_string(file).unwrap(), "kept");
    }
}
