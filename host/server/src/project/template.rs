//! From a template to a project's files.
//!
//! A language's templates are `all/`, which every project gets, and one folder for each world, whose files
//! replace those of `all/`. In names and contents `{{name}}`, `{{snake}}`, `{{pascal}}` and `{{world}}` are
//! filled in. A name that begins with `dot-` begins with a dot in the project, so that a template's own dot
//! files do nothing in this repository.

use std::collections::BTreeMap;

use super::embedded::below;
use super::{Language, ProjectName, World};

/// The worlds that there are templates for.
pub fn worlds_of(language: Language) -> Vec<World> {
    let has = |world: &World| below(&folder(language, world.name())).next().is_some();
    World::ALL.into_iter().filter(has).collect()
}

/// Paths and contents of a new project, its SDK included.
pub fn project(language: Language, world: World, name: &ProjectName) -> BTreeMap<String, Vec<u8>> {
    let fill = |text: &str| {
        text.replace("{{name}}", name.as_str())
            .replace("{{snake}}", &name.snake())
            .replace("{{pascal}}", &name.pascal())
            .replace("{{world}}", world.name())
    };
    let mut files = BTreeMap::new();
    for (path, bytes) in below(&format!("{}/sdk", language.sdk())) {
        files.insert(format!("sdk/{path}"), bytes.to_vec());
    }
    for of in ["all", world.name()] {
        for (path, bytes) in below(&folder(language, of)) {
            // What is no text has nothing to fill in.
            let filled = std::str::from_utf8(bytes)
                .map_or_else(|_| bytes.to_vec(), |text| fill(text).into_bytes());
            files.insert(fill(&with_dots(path)), filled);
        }
    }
    files
}

fn folder(language: Language, world: &str) -> String {
    format!("{}/templates/{world}", language.name())
}

fn with_dots(path: &str) -> String {
    let dotted = |part: &str| match part.strip_prefix("dot-") {
        Some(rest) => format!(".{rest}"),
        None => part.to_owned(),
    };
    path.split('/').map(dotted).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_is_filled_in_and_explains_itself() {
        let name: ProjectName = "long-words".parse().unwrap();
        for &language in Language::ALL {
            assert!(!worlds_of(language).is_empty(), "{language:?}");
            for world in worlds_of(language) {
                let files = project(language, world, &name);
                let what = format!("{language:?} {world:?}");
                assert!(files.contains_key("README.md"), "{what}");
                assert!(files.contains_key(".gitignore"), "{what}");
                assert!(files.keys().any(|path| path.starts_with("sdk/")), "{what}");
                for (path, content) in files.iter().filter(|(path, _)| !path.starts_with("sdk/")) {
                    let text = String::from_utf8_lossy(content);
                    let left = ["{{name", "{{snake", "{{pascal", "{{world"];
                    assert!(!left.iter().any(|left| text.contains(left)), "{what}: {path}");
                    assert!(!path.contains("dot-"), "{what}: {path}");
                }
            }
        }
    }
}
