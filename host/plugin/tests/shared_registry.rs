//! Several hosts have their plugins in common, through an object store.

mod guests;

use std::fs;
use std::sync::Arc;

use guests::{Guest, runtime};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use tidemill_plugin::{
    Digest, Grants, PluginName, Registry, RegistryEntry, RegistryError, Runtime, SharedRegistry,
};

const PREFIX: &str = "a/prefix";

fn component(version: &'static str, body: &str) -> Vec<u8> {
    let guest = Guest::transform(body);
    guest.described(|image| image.description("split", version, 0, &[])).build()
}

/// A store, and the folders of hosts around it.
struct Site {
    store: Arc<InMemory>,
    tokio: tokio::runtime::Runtime,
    runtime: Arc<Runtime>,
    folder: tempfile::TempDir,
}

impl Site {
    fn new() -> Self {
        Self {
            store: Arc::default(),
            tokio: tokio::runtime::Runtime::new().unwrap(),
            runtime: runtime(),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn host(&self, name: &str) -> Registry {
        self.host_at(name, Arc::clone(&self.store) as _)
    }

    fn host_at(&self, name: &str, store: Arc<dyn ObjectStore>) -> Registry {
        let _runtime = self.tokio.enter();
        let shared = SharedRegistry::new(store, Path::from(PREFIX), "s3://bucket/a/prefix".into());
        Registry::open(&self.folder.path().join(name)).unwrap().sharing(shared)
    }

    fn push(&self, host: &Registry, component: &[u8]) -> Result<RegistryEntry, RegistryError> {
        let plugin = self.runtime.load(component, &Grants::none()).unwrap();
        host.push(component, &plugin)
    }

    fn objects(&self) -> Vec<String> {
        use futures::TryStreamExt;
        let listed = self.tokio.block_on(self.store.list(None).try_collect::<Vec<_>>()).unwrap();
        let mut paths: Vec<_> = listed.iter().map(|meta| meta.location.to_string()).collect();
        paths.sort();
        paths
    }

    fn replace(&self, path: &str, content: &[u8]) {
        let path = Path::from(path);
        self.tokio.block_on(self.store.put(&path, content.to_vec().into())).unwrap();
    }
}

#[test]
fn what_one_host_pushes_another_runs() {
    let site = Site::new();
    let (first, second) = (site.host("first"), site.host("second"));
    let old = component("1.0.0", "unreachable");
    let new = component("1.1.0", "unreachable");
    let digest = site.push(&first, &old).unwrap().digest;
    assert_eq!(second.resolve("split").unwrap().digest, digest);
    assert_eq!(second.read(&digest).unwrap(), old);
    let newer = site.push(&second, &new).unwrap();
    assert_eq!(first.resolve("split@1").unwrap(), newer);
    assert_eq!(first.list().unwrap().len(), 2);
    assert_eq!(site.push(&first, &new).unwrap(), newer, "the same again is no error");
    let expected = |name: &str| format!("{PREFIX}/names/{name}.plugin");
    assert!(site.objects().ends_with(&[expected("split@1.0.0"), expected("split@1.1.0")]));
}

#[test]
fn a_version_means_the_same_to_all() {
    let site = Site::new();
    let (first, second) = (site.host("first"), site.host("second"));
    let digest = site.push(&first, &component("1.0.0", "unreachable")).unwrap().digest;
    let error = site.push(&second, &component("1.0.0", "i32.const 8")).unwrap_err();
    assert!(matches!(&error, RegistryError::Taken { existing, .. } if *existing == digest));
    assert_eq!(second.resolve("split").unwrap().digest, digest);
}

#[test]
fn a_hosts_own_plugins_stay_its_own_until_the_store_says_otherwise() {
    let site = Site::new();
    let own = component("1.0.0", "unreachable");
    let alone = Registry::open(&site.folder.path().join("first")).unwrap();
    let own_digest = site.push(&alone, &own).unwrap().digest;
    let (first, second) = (site.host("first"), site.host("second"));
    assert_eq!(first.resolve("split").unwrap().digest, own_digest);
    assert!(matches!(second.resolve("split"), Err(RegistryError::NotFound { .. })));
    let theirs = site.push(&second, &component("1.0.0", "i32.const 8")).unwrap();
    assert_eq!(first.list().unwrap(), [theirs]);
    assert_eq!(first.read(&own_digest).unwrap(), own, "a pipeline may run it");
}

#[test]
fn a_name_that_is_removed_is_gone_for_all_and_its_component_stays() {
    let site = Site::new();
    let (first, second) = (site.host("first"), site.host("second"));
    let component = component("1.0.0", "unreachable");
    let digest = site.push(&first, &component).unwrap().digest;
    assert_eq!(second.remove("split@1.0.0").unwrap().digest, digest);
    assert!(first.list().unwrap().is_empty());
    assert_eq!(first.collect(|_| false).unwrap(), [digest], "its copy");
    assert_eq!(first.digest_of(&digest.to_string()).unwrap(), digest);
    assert_eq!(second.read(&digest).unwrap(), component);
    site.push(&first, &component).unwrap();
    assert_eq!(second.resolve("split").unwrap().digest, digest);
}

#[test]
fn a_crash_between_the_two_objects_leaves_nothing_that_counts() {
    let site = Site::new();
    let first = site.host("first");
    let component = component("1.0.0", "unreachable");
    let hex = Digest::of(&component).to_hex();
    site.replace(&format!("{PREFIX}/components/{hex}.wasm"), &component);
    assert!(first.list().unwrap().is_empty());
    site.push(&first, &component).unwrap();
    assert_eq!(site.objects().len(), 2);
}

#[test]
fn damage_is_named_with_its_place() {
    let site = Site::new();
    let first = site.host("first");
    let component = component("1.0.0", "unreachable");
    let digest = site.push(&first, &component).unwrap().digest;
    let path = format!("{PREFIX}/components/{}.wasm", digest.to_hex());
    site.replace(&path, b"\0asm");
    let error = site.host("second").read(&digest).unwrap_err();
    let text = error.to_string();
    assert!(text.contains(&format!("s3://bucket/{path}")), "{text}");
    assert_eq!(first.read(&digest).unwrap(), component, "its copy is sound");
    site.replace(&format!("{PREFIX}/names/split@1.0.0.plugin"), b"what");
    let error = first.list().unwrap_err();
    assert!(matches!(&error, RegistryError::DamagedEntry { .. }), "{error:?}");
}

#[test]
fn without_the_store_a_host_has_what_it_used() {
    let site = Site::new();
    let component = component("1.0.0", "unreachable");
    let digest = site.push(&site.host("first"), &component).unwrap().digest;
    let gone = site.folder.path().join("gone");
    fs::create_dir(&gone).unwrap();
    let store = object_store::local::LocalFileSystem::new_with_prefix(&gone).unwrap();
    let first = site.host_at("first", Arc::new(store));
    // A file where the folder was: nothing can be listed or made there.
    fs::remove_dir(&gone).unwrap();
    fs::write(&gone, "").unwrap();
    assert_eq!(first.read(&first.digest_of(&digest.to_string()).unwrap()).unwrap(), component);
    let plugin = site.runtime.load(&component, &Grants::none()).unwrap();
    let error = first.push_as(&component, &plugin, &PluginName::of(&plugin)).unwrap_err();
    assert!(matches!(error, RegistryError::Store { .. }), "{error:?}");
    assert!(error.hint().unwrap().contains("[registry] location"));
    assert!(error.is_retryable());
}
