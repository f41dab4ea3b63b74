//! The files that the binary carries.

/// `FOLDER/PATH` and bytes, in the order of the names; `build.rs` says what there is.
static FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// The files below a folder: their paths from there, and their bytes.
pub fn below(folder: &str) -> impl Iterator<Item = (&'static str, &'static [u8])> {
    let prefix = format!("{folder}/");
    FILES.iter().filter_map(move |(path, bytes)| Some((path.strip_prefix(&prefix)?, *bytes)))
}

#[cfg(test)]
mod tests {
    use super::below;

    #[test]
    fn the_contract_and_the_sdks_are_there() {
        assert!(below("wit").any(|(path, _)| path == "types.wit"));
        let manifest = below("rust/sdk").find(|(path, _)| *path == "Cargo.toml").unwrap().1;
        let manifest = std::str::from_utf8(manifest).unwrap();
        assert!(!manifest.contains("workspace"), "{manifest}");
        assert!(manifest.contains("path = \"macros\""), "{manifest}");
        assert!(below("rust/sdk").any(|(path, _)| path == "macros/wit/types.wit"));
    }
}
