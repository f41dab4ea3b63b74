//! Compiled code on disk is used when it is whole and ours, and made again in every other case.

mod guests;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use guests::{CX, Col, Guest, Outcome};
use tidemill_plugin::{
    BatchRef, ColumnRef, Grants, Limits, Runtime, RuntimeConfig, RuntimeError, Settings,
};

fn config(folder: &Path) -> RuntimeConfig {
    RuntimeConfig {
        code_cache: Some(folder.to_owned()),
        instances_max: 4,
        ..RuntimeConfig::default()
    }
}

fn component() -> Vec<u8> {
    Guest::giving(&Outcome { values: Col::of(&["fine"]), ..Outcome::default() }).build()
}

/// Loads and calls the plugin in a runtime of its own, as after a start of the host.
fn runs(folder: &Path) {
    let runtime = Runtime::new(config(folder)).unwrap();
    let plugin = runtime.load(&component(), &Grants::none()).unwrap();
    let operator = plugin.operator("o", &Settings::new(), Limits::default()).unwrap();
    let input = BatchRef::new(ColumnRef::EMPTY, ColumnRef::EMPTY, ColumnRef::EMPTY, &[1]).unwrap();
    let value = operator
        .transform(&CX, input, |out| out.emitted().values().get(0) == Some(b"fine".as_slice()));
    assert!(value.unwrap());
}

fn only_file(folder: &Path) -> PathBuf {
    let mut files: Vec<_> =
        fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files.remove(0)
}

#[test]
fn code_is_compiled_once_and_private() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("data/code");
    runs(&folder);
    assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
    let file = only_file(&folder);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let written = fs::metadata(&file).unwrap().modified().unwrap();
    runs(&folder);
    assert_eq!(fs::metadata(only_file(&folder)).unwrap().modified().unwrap(), written);
}

#[test]
fn damaged_truncated_and_foreign_code_is_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("code");
    runs(&folder);
    let file = only_file(&folder);
    let good = fs::read(&file).unwrap();
    let flipped = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        bytes
    };
    let mut cases = vec![Vec::new(), good[..50].to_vec(), good[..good.len() - 1].to_vec()];
    // Each field of the header, then the code: magic, version, CRC, length, digest, fingerprint.
    cases.extend([0, 8, 12, 16, 24, 60, 88, 500, good.len() - 1].map(flipped));
    cases.push([good.as_slice(), b"more"].concat());
    for (number, bad) in cases.into_iter().enumerate() {
        fs::write(&file, bad).unwrap();
        runs(&folder);
        let mended = fs::read(&file).unwrap();
        // Compilation is not promised to give the same bytes, only the same header.
        assert_eq!(mended[..12], good[..12], "case {number}");
        assert!(mended.len() > 1_000, "case {number}");
    }
}

#[test]
fn what_cannot_be_read_is_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("code");
    runs(&folder);
    let file = only_file(&folder);
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    runs(&folder);
    fs::remove_dir(&file).unwrap();
    fs::write(folder.join(".1-1.tmp"), "left by a crash").unwrap();
    fs::write(folder.join("00-00000000.code"), "of another engine").unwrap();
    runs(&folder);
    assert_eq!(only_file(&folder), file);
}

#[test]
fn a_folder_that_others_may_write_to_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o770)).unwrap();
    let error = Runtime::new(config(folder.path())).unwrap_err();
    assert!(matches!(error, RuntimeError::CodeCache(_)), "{error:?}");
    assert!(error.to_string().contains("mode 770"), "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("chmod 700")));
}
