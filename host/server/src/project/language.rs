//! The languages that have an SDK.

use std::path::Path;

use clap::ValueEnum;

/// A language that plugins are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Language {
    Rust,
    #[value(alias = "javascript")]
    Js,
    #[value(alias = "typescript")]
    Ts,
    #[value(alias = "py")]
    Python,
    #[value(alias = "golang")]
    Go,
    C,
}

impl Language {
    pub const ALL: &[Language] =
        &[Language::Rust, Language::Js, Language::Ts, Language::Python, Language::Go, Language::C];

    /// As in `--lang`, and the folder of its templates.
    pub fn name(self) -> &'static str {
        match self {
            Language::Rust => "rust",
            Language::Js => "js",
            Language::Ts => "ts",
            Language::Python => "python",
            Language::Go => "go",
            Language::C => "c",
        }
    }

    /// The folder of its SDK: TypeScript uses JavaScript's.
    pub fn sdk(self) -> &'static str {
        match self {
            Language::Ts => "js",
            other => other.name(),
        }
    }

    /// What a machine needs for it.
    pub fn needs(self) -> &'static str {
        match self {
            Language::Rust => "cargo, and its target wasm32-wasip2",
            Language::Js | Language::Ts => "Node.js 20 or newer, with npm",
            Language::Python => "Python 3.10 or newer, with venv",
            Language::Go => "Go 1.24 or newer",
            Language::C => "clang with wasi-libc, and make for the tests",
        }
    }

    /// The language of the project in `dir`, by the files that its own tools ask for.
    pub fn detect(dir: &Path) -> Option<Language> {
        let has = |file: &str| dir.join(file).is_file();
        // A project may have tools of another language beside it; what it is written in comes first.
        [
            ("Cargo.toml", Language::Rust),
            ("tsconfig.json", Language::Ts),
            ("package.json", Language::Js),
            ("pyproject.toml", Language::Python),
            ("go.mod", Language::Go),
            // C has no file of its own.
            ("src/plugin.c", Language::C),
        ]
        .into_iter()
        .find_map(|(file, language)| has(file).then_some(language))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_is_told_by_its_own_files() {
        let table: [(&[&str], Option<Language>); 7] = [
            (&["Cargo.toml"], Some(Language::Rust)),
            (&["package.json"], Some(Language::Js)),
            (&["package.json", "tsconfig.json"], Some(Language::Ts)),
            (&["pyproject.toml", "README.md"], Some(Language::Python)),
            (&["go.mod", "plugin.go"], Some(Language::Go)),
            (&["Makefile", "src/plugin.c"], Some(Language::C)),
            (&["README.md"], None),
        ];
        for (files, language) in table {
            let dir = tempfile::tempdir().unwrap();
            std::fs::create_dir(dir.path().join("src")).unwrap();
            for file in files {
                std::fs::write(dir.path().join(file), "").unwrap();
            }
            assert_eq!(Language::detect(dir.path()), language, "{files:?}");
        }
    }

    #[test]
    fn a_name_is_that_of_the_command_line() {
        for language in Language::ALL {
            assert_eq!(Language::from_str(language.name(), false), Ok(*language));
        }
        assert_eq!(Language::ALL.len(), Language::value_variants().len());
    }
}
