//! The registry keeps what was pushed, through damage and crashes, and never changes a meaning.

mod guests;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use guests::{Guest, runtime};
use tidemill_plugin::{Digest, EntryFault, Grants, Plugin, Registry, RegistryError, Runtime};

fn component(name: &'static str, version: &'static str, body: &str) -> Vec<u8> {
    let guest = Guest::transform(body);
    guest.described(|image| image.description(name, version, 0, &[])).build()
}

struct Bench {
    runtime: Arc<Runtime>,
    registry: Registry,
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let registry = Registry::open(&folder.path().join("plugins")).unwrap();
        Self { runtime: runtime(), registry, folder }
    }

    fn load(&self, component: &[u8]) -> Arc<Plugin> {
        self.runtime.load(component, &Grants::none()).unwrap()
    }

    fn push(&self, component: &[u8]) -> Result<Digest, RegistryError> {
        let plugin = self.load(component);
        self.registry.push(component, &plugin).map(|entry| entry.digest)
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join("plugins").join(name)
    }

    fn reopened(&self) -> Registry {
        Registry::open(&self.folder.path().join("plugins")).unwrap()
    }
}

fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn names_versions_and_digests_resolve() {
    let bench = Bench::new();
    let pushed: Vec<_> = ["1.9.0", "1.10.0", "2.0.0-rc.1"]
        .map(|version| bench.push(&component("split", version, "unreachable")).unwrap())
        .into();
    bench.push(&component("count", "0.1.0", "unreachable")).unwrap();
    for registry in [&bench.registry, &bench.reopened()] {
        let of = |reference: &str| registry.resolve(reference).map(|entry| entry.digest);
        assert_eq!(of("split").unwrap(), pushed[1], "the newest release");
        assert_eq!(of("split@2.0.0-rc.1").unwrap(), pushed[2]);
        assert_eq!(of(&pushed[0].to_string()).unwrap(), pushed[0]);
        let listed = registry.list().unwrap();
        let listed: Vec<_> =
            listed.iter().map(|entry| format!("{}@{}", entry.name, entry.version)).collect();
        assert_eq!(listed, ["count@0.1.0", "split@2.0.0-rc.1", "split@1.10.0", "split@1.9.0"]);
        assert_eq!(Digest::of(&registry.read(&pushed[0]).unwrap()), pushed[0]);
        let missing = of("spilt").unwrap_err();
        assert_eq!(missing.to_string(), "there is no plugin `spilt`");
        assert_eq!(missing.hint().as_deref(), Some("there is `split`"));
        let missing = of("split@3.0.0").unwrap_err();
        assert!(missing.hint().unwrap().contains("`split@1.10.0`"));
        assert!(of("../../etc/passwd").is_err());
    }
}

#[test]
fn a_version_never_changes_its_meaning() {
    let bench = Bench::new();
    let first = component("split", "1.0.0", "unreachable");
    let digest = bench.push(&first).unwrap();
    assert_eq!(bench.push(&first).unwrap(), digest, "the same again is no error");
    let other = component("split", "1.0.0", "i32.const 8");
    let error = bench.push(&other).unwrap_err();
    assert!(matches!(&error, RegistryError::Taken { existing, .. } if *existing == digest));
    assert!(error.hint().unwrap().contains("new version"));
    assert_eq!(bench.registry.resolve("split").unwrap().digest, digest);
    let plugin = bench.load(&first);
    let error = bench.registry.push(&other, &plugin).unwrap_err();
    assert!(matches!(error, RegistryError::OtherComponent { .. }));
}

#[test]
fn a_crash_at_any_step_of_a_push_leaves_the_old_or_the_new() {
    let bench = Bench::new();
    let component = component("split", "1.0.0", "unreachable");
    let digest = bench.push(&component).unwrap();
    let (components, names) = (bench.path("components"), bench.path("names"));
    let component_file = components.join(&files(&components)[0]);
    let entry_file = names.join(&files(&names)[0]);
    // Before the entry was linked: the component alone, and both temporary files.
    fs::remove_file(&entry_file).unwrap();
    fs::write(components.join(".9-0.tmp"), &component[..100]).unwrap();
    fs::write(names.join(".9-1.tmp"), "half an en").unwrap();
    let registry = bench.reopened();
    assert!(registry.list().unwrap().is_empty());
    assert_eq!((files(&components).len(), files(&names).len()), (1, 0));
    assert_eq!(bench.push(&component).unwrap(), digest);
    // Before the component was linked.
    fs::remove_file(&entry_file).unwrap();
    fs::remove_file(&component_file).unwrap();
    assert_eq!(bench.push(&component).unwrap(), digest);
    assert_eq!(bench.reopened().resolve("split").unwrap().digest, digest);
}

#[test]
fn damage_is_named_and_mended_by_pushing_again() {
    let bench = Bench::new();
    let component = component("split", "1.0.0", "unreachable");
    let digest = bench.push(&component).unwrap();
    let components = bench.path("components");
    let file = components.join(&files(&components)[0]);
    fs::write(&file, b"\0asm").unwrap();
    let error = bench.registry.read(&digest).unwrap_err();
    assert!(matches!(error, RegistryError::DamagedComponent { .. }), "{error:?}");
    assert!(matches!(bench.push(&component), Err(RegistryError::DamagedComponent { .. })));
    fs::remove_file(&file).unwrap();
    bench.push(&component).unwrap();
    assert_eq!(bench.registry.read(&digest).unwrap(), component);

    let names = bench.path("names");
    let entry = names.join("split@1.0.0.plugin");
    let good = fs::read_to_string(&entry).unwrap();
    let damaged = |content: &str| {
        fs::write(&entry, content).unwrap();
        match bench.registry.resolve("split").unwrap_err() {
            RegistryError::DamagedEntry { fault, path } => {
                assert_eq!(path, entry);
                fault
            }
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(damaged(""), EntryFault::Magic);
    assert_eq!(damaged("something else\n{}"), EntryFault::Magic);
    assert_eq!(
        damaged(&good.replace("entry 1", "entry 2")),
        EntryFault::Version { version: "2".into() }
    );
    assert_eq!(damaged(&good.replace("1.0.0", "1.0.1")), EntryFault::Checksum);
    assert_eq!(damaged(&good[..good.len() - 1]), EntryFault::Checksum);
    fs::write(&entry, good).unwrap();
    assert_eq!(bench.registry.resolve("split").unwrap().digest, digest);
}

#[test]
fn many_threads_push_the_same_and_one_wins_against_another() {
    let bench = Bench::new();
    let components = ["unreachable", "i32.const 8"].map(|body| component("split", "1.0.0", body));
    let pushed: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|thread: usize| {
                let (bench, component) = (&bench, &components[thread % 2]);
                scope.spawn(move || bench.push(component).is_ok())
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let winner = bench.registry.resolve("split").unwrap().digest;
    for (thread, pushed) in pushed.into_iter().enumerate() {
        assert_eq!(pushed, Digest::of(&components[thread % 2]) == winner);
    }
    assert!(files(&bench.path("names")).iter().all(|name| !name.ends_with(".tmp")));
}
