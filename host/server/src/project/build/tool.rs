//! Runs a tool of a language.

use std::ffi::OsStr;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::super::error::ProjectError;

/// A run of a tool, and what the person is told where it is missing or fails.
pub struct Tool {
    name: String,
    command: Command,
    install: String,
    hint: Option<String>,
}

impl Tool {
    /// `program` is a path, or a name that is looked for on `PATH`. `install` is the command that brings it.
    pub fn new(program: impl AsRef<OsStr>, dir: &Path, install: impl Into<String>) -> Tool {
        let program = program.as_ref();
        let name = Path::new(program).file_name().unwrap_or(program);
        let mut command = Command::new(program);
        command.current_dir(dir).stdin(Stdio::null());
        Tool {
            name: name.to_string_lossy().into_owned(),
            command,
            install: install.into(),
            hint: None,
        }
    }

    /// What may have gone wrong where it fails.
    pub fn hint(mut self, hint: impl Into<String>) -> Tool {
        self.hint = Some(hint.into());
        self
    }

    /// For arguments and environment.
    pub fn with(mut self, change: impl FnOnce(&mut Command)) -> Tool {
        change(&mut self.command);
        self
    }

    /// Runs it to its end; what it prints goes to stderr.
    pub fn run(mut self) -> Result<(), ProjectError> {
        // A tool's stdout is no result of ours. Where stderr cannot be shared, its words are lost, not its work.
        let stderr = std::io::stderr().as_fd().try_clone_to_owned();
        self.command.stdout(stderr.map_or_else(|_| Stdio::null(), Stdio::from));
        self.finish().map(drop)
    }

    /// Runs it to its end and gives what it prints to stdout.
    pub fn output(mut self) -> Result<Vec<u8>, ProjectError> {
        self.command.stdout(Stdio::piped());
        self.finish()
    }

    fn finish(mut self) -> Result<Vec<u8>, ProjectError> {
        let child = self.command.stderr(Stdio::inherit()).spawn();
        let ran = child.and_then(std::process::Child::wait_with_output);
        let ran = ran.map_err(|source| self.not_started(source))?;
        if ran.status.success() {
            return Ok(ran.stdout);
        }
        Err(ProjectError::ToolFailed { tool: self.name, status: ran.status, hint: self.hint })
    }

    fn not_started(&self, source: std::io::Error) -> ProjectError {
        let tool = self.name.clone();
        if source.kind() == std::io::ErrorKind::NotFound {
            return ProjectError::ToolMissing { tool, install: self.install.clone() };
        }
        ProjectError::ToolStart { tool, source }
    }
}

/// The path of an executable, first of all in `folder`, then where `PATH` has it.
pub fn find(name: &str, folder: &Path) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::iter::once(folder.to_owned())
        .chain(std::env::split_paths(&path))
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_told_with_its_remedy() {
        let error = Tool::new("no-such-compiler", Path::new("."), "get it").run().unwrap_err();
        assert_eq!(error.to_string(), "`no-such-compiler` is missing");
        assert_eq!(error.hint().unwrap(), "install it: get it");
    }

    #[test]
    fn a_failure_has_the_status_and_the_hint() {
        let error = Tool::new("false", Path::new("."), "").hint("try again").run().unwrap_err();
        assert!(error.to_string().contains("exit status: 1"), "{error}");
        assert_eq!(error.hint().unwrap(), "try again");
        let echoed = Tool::new("echo", Path::new("."), "")
            .with(|echo| _ = echo.arg("hello"))
            .output()
            .unwrap();
        assert_eq!(echoed, b"hello\n");
    }
}
