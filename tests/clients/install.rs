//! What `install.sh` has put where. **What is missing is told on the terminal, past libtest's capture.**

use std::io::Write;
use std::path::{Path, PathBuf};

/// The folder of `install.sh`.
pub fn folder() -> PathBuf {
    let tools = std::env::var_os("TIDEMILL_TOOLS").map(PathBuf::from).unwrap_or_else(|| {
        let home = std::env::var_os("HOME").unwrap_or_default();
        PathBuf::from(home).join(".cache/tidemill/tools")
    });
    tools.join("clients")
}

/// The folder of the client programs' sources.
pub fn sources() -> PathBuf {
    Path::new("../../tests/clients").canonicalize().unwrap()
}

/// The classpath of Kafka's broker and tools, and of the programs of ours that need them.
pub fn kafka_classpath() -> Option<String> {
    let java = folder().join("java/tools");
    let classpath = format!("{0}/classes:{0}/*", java.display());
    found("Kafka's own tools", "java", java.join("classes").is_dir()).then_some(classpath)
}

/// `kcat`, which comes with the operating system.
pub fn kcat() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let program =
        std::env::split_paths(&path).map(|folder| folder.join("kcat")).find(|p| p.is_file());
    let _ = found("kcat", "kcat", program.is_some());
    program
}

/// Whether it is there; says so loudly where it is not.
pub fn found(what: &str, part: &str, is_there: bool) -> bool {
    if !is_there {
        tell(&format!("SKIPPED: {what} is not installed: tests/clients/install.sh {part}"));
    }
    is_there
}

/// A line on the terminal, also from a test that passes.
pub fn tell(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
