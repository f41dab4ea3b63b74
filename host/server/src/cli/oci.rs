//! A plugin as an OCI image layout, the folder form in which registries' tools move artifacts.
//!
//! As the WebAssembly tools have it: one layer `application/wasm`, which is the component, and a configuration
//! `application/vnd.wasm.config.v0+json` that names its imports and exports.
//! **Nothing of a layout is believed**: a blob counts only with the length and the SHA-256 that lead to it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tidemill_plugin::Digest;

use super::Failure;
use crate::api::wire::PluginDescription;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const LAYER: &str = "application/wasm";
const CONFIG: &str = "application/vnd.wasm.config.v0+json";
const LAYOUT_VERSION: &str = "1.0.0";
const SCHEMA_VERSION: u32 = 2;
const REF_NAME: &str = "org.opencontainers.image.ref.name";
const TITLE: &str = "org.opencontainers.image.title";
const VERSION: &str = "org.opencontainers.image.version";
/// Documents are small; a larger one is none of ours.
const DOCUMENT_BYTES_MAX: u64 = 4 << 20;
/// A host takes no larger component by default.
const COMPONENT_BYTES_MAX: u64 = 256 << 20;

/// Why a folder is no layout that a plugin can be taken from or added to.
#[derive(Debug, thiserror::Error)]
pub enum OciError {
    #[error("{action} `{path}`", path = path.display())]
    Io { action: &'static str, path: PathBuf, source: std::io::Error },
    #[error("read `{path}`", path = path.display())]
    Document { path: PathBuf, source: serde_json::Error },
    #[error("the layout has version {version}; {LAYOUT_VERSION} is known")]
    Version { version: String },
    #[error("the layout has no component: no layer is of the kind `{LAYER}`")]
    None,
    #[error("the layout has several components: {}", names.join(", "))]
    Several { names: Vec<String> },
    #[error("`{path}` has {found} bytes, not {expected}", path = path.display())]
    Length { path: PathBuf, expected: u64, found: u64 },
    #[error("the blob {digest} is damaged: its digest is {found}")]
    Damaged { digest: Digest, found: Digest },
}

impl OciError {
    fn hint(&self) -> Option<String> {
        match self {
            OciError::Several { .. } => {
                Some("push the blob of one of them: blobs/sha256/…".to_owned())
            }
            OciError::None => {
                Some("`wkg oci pull` and `tidemill plugin export --oci` write such".to_owned())
            }
            OciError::Damaged { .. } | OciError::Length { .. } => {
                Some("copy the layout once more".to_owned())
            }
            _ => None,
        }
    }
}

/// `oci-layout`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Layout {
    image_layout_version: String,
}

/// `index.json`. What is not looked at is kept as it is.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Index {
    schema_version: u32,
    manifests: Vec<Descriptor>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    schema_version: u32,
    #[serde(default)]
    media_type: String,
    config: Descriptor,
    layers: Vec<Descriptor>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
}

/// Leads to a blob.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: String,
    digest: Digest,
    size: u64,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

impl Descriptor {
    fn name(&self) -> &str {
        self.annotations.get(REF_NAME).map_or("without a name", String::as_str)
    }
}

/// The configuration that tools look at without the component.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WasmConfig<'a> {
    architecture: &'static str,
    os: &'static str,
    layer_digests: [String; 1],
    component: Component<'a>,
}

#[derive(Serialize)]
struct Component<'a> {
    exports: &'a [String],
    imports: &'a [String],
}

/// Writes a component into the layout in `folder`. What is there stays; one of the same name and version is
/// replaced. The index comes last, so that it never names what is not there.
pub fn write(
    folder: &Path,
    component: &[u8],
    described: &PluginDescription,
) -> Result<(), Failure> {
    write_layout(folder, component, described).map_err(|error| failure(folder, error))
}

fn write_layout(
    folder: &Path,
    component: &[u8],
    described: &PluginDescription,
) -> Result<(), OciError> {
    let blobs = blobs(folder);
    fs::create_dir_all(&blobs).map_err(io("make the folder", &blobs))?;
    let marker = folder.join("oci-layout");
    if marker.exists() {
        check_version(&marker)?;
    } else {
        let layout = Layout { image_layout_version: LAYOUT_VERSION.to_owned() };
        fs::write(&marker, json(&layout)).map_err(io("write", &marker))?;
    }
    let plugin = &described.plugin;
    let mut layer = write_blob(&blobs, LAYER, component)?;
    // Some tools write the layers that say how their files are called, and leave out the others.
    layer.annotations.insert(TITLE.to_owned(), format!("{}.wasm", plugin.name));
    let config = WasmConfig {
        architecture: "wasm",
        os: "wasip2",
        layer_digests: [layer.digest.to_string()],
        component: Component { exports: &described.exports, imports: &described.imports },
    };
    let manifest = Manifest {
        schema_version: SCHEMA_VERSION,
        media_type: MANIFEST.to_owned(),
        config: write_blob(&blobs, CONFIG, &json(&config))?,
        layers: vec![layer],
        annotations: [(TITLE, &plugin.name), (VERSION, &plugin.version)]
            .map(|(key, value)| (key.to_owned(), value.clone()))
            .into(),
    };
    let mut manifest = write_blob(&blobs, MANIFEST, &json(&manifest))?;
    let name = reference(&plugin.name, &plugin.version);
    manifest.annotations.insert(REF_NAME.to_owned(), name.clone());
    add_to_index(folder, manifest, &name)
}

/// What tools ask for behind the folder's name: as a tag, without the colon that they take for the end of the
/// folder's, and without the `+` of a version.
fn reference(name: &str, version: &str) -> String {
    format!("{name}-{version}").replace('+', "_")
}

fn add_to_index(folder: &Path, manifest: Descriptor, name: &str) -> Result<(), OciError> {
    let path = folder.join("index.json");
    let mut index = if path.exists() {
        document(&path)?
    } else {
        let rest = Map::from_iter([("mediaType".to_owned(), INDEX.into())]);
        Index { schema_version: SCHEMA_VERSION, manifests: Vec::new(), rest }
    };
    index.manifests.retain(|of| of.name() != name);
    index.manifests.push(manifest);
    let beside = path.with_extension("json.new");
    fs::write(&beside, json(&index)).map_err(io("write", &beside))?;
    fs::rename(&beside, &path).map_err(io("rename into", &path))
}

fn write_blob(blobs: &Path, kind: &str, content: &[u8]) -> Result<Descriptor, OciError> {
    let digest = Digest::of(content);
    let path = blobs.join(digest.to_hex());
    fs::write(&path, content).map_err(io("write", &path))?;
    Ok(Descriptor {
        media_type: kind.to_owned(),
        digest,
        size: content.len() as u64,
        annotations: BTreeMap::new(),
        rest: Map::new(),
    })
}

fn json(document: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec_pretty(document).expect("texts and numbers are JSON")
}

/// The only component of the layout in `folder`.
pub fn read(folder: &Path) -> Result<Vec<u8>, Failure> {
    read_layout(folder).map_err(|error| failure(folder, error))
}

fn read_layout(folder: &Path) -> Result<Vec<u8>, OciError> {
    check_version(&folder.join("oci-layout"))?;
    let index: Index = document(&folder.join("index.json"))?;
    let mut found = Vec::new();
    for descriptor in index.manifests.iter().filter(|of| of.media_type == MANIFEST) {
        let bytes = blob(folder, descriptor, DOCUMENT_BYTES_MAX)?;
        let path = blobs(folder).join(descriptor.digest.to_hex());
        let manifest: Manifest =
            serde_json::from_slice(&bytes).map_err(|source| OciError::Document { path, source })?;
        let layers = manifest.layers.into_iter().filter(|layer| layer.media_type == LAYER);
        found.extend(layers.map(|layer| (descriptor.name(), layer)));
    }
    match found.as_slice() {
        [] => Err(OciError::None),
        [(_, layer)] => blob(folder, layer, COMPONENT_BYTES_MAX),
        several => {
            let names = several.iter().map(|(name, layer)| format!("{name} ({})", layer.digest));
            Err(OciError::Several { names: names.collect() })
        }
    }
}

fn check_version(marker: &Path) -> Result<(), OciError> {
    let Layout { image_layout_version } = document(marker)?;
    if image_layout_version == LAYOUT_VERSION {
        return Ok(());
    }
    Err(OciError::Version { version: image_layout_version.chars().take(20).collect() })
}

fn document<T: DeserializeOwned>(path: &Path) -> Result<T, OciError> {
    let found = fs::metadata(path).map_err(io("read", path))?.len();
    if found > DOCUMENT_BYTES_MAX {
        let path = path.to_owned();
        return Err(OciError::Length { path, expected: DOCUMENT_BYTES_MAX, found });
    }
    let bytes = fs::read(path).map_err(io("read", path))?;
    let path = path.to_owned();
    serde_json::from_slice(&bytes).map_err(|source| OciError::Document { path, source })
}

/// A blob that is what its descriptor says.
fn blob(folder: &Path, of: &Descriptor, bytes_max: u64) -> Result<Vec<u8>, OciError> {
    let path = blobs(folder).join(of.digest.to_hex());
    let found = fs::metadata(&path).map_err(io("read", &path))?.len();
    let expected = of.size.min(bytes_max);
    if found != expected {
        return Err(OciError::Length { path, expected, found });
    }
    let bytes = fs::read(&path).map_err(io("read", &path))?;
    match Digest::of(&bytes) {
        same if same == of.digest => Ok(bytes),
        found => Err(OciError::Damaged { digest: of.digest, found }),
    }
}

fn blobs(folder: &Path) -> PathBuf {
    folder.join("blobs").join("sha256")
}

fn failure(folder: &Path, error: OciError) -> Failure {
    Failure::Layout { path: folder.to_owned(), hint: error.hint(), source: Box::new(error) }
}

fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> OciError {
    let path = path.to_owned();
    move |source| OciError::Io { action, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::plugins::inspect;

    fn exported() -> (tempfile::TempDir, &'static [u8]) {
        let folder = tempfile::tempdir().unwrap();
        let ready = tidemill_plugins::ready().iter().find(|ready| ready.name == "count").unwrap();
        write_layout(folder.path(), ready.component, &inspect(ready.component).unwrap()).unwrap();
        (folder, ready.component)
    }

    #[test]
    fn what_is_written_is_read() {
        let (folder, component) = exported();
        assert_eq!(read_layout(folder.path()).unwrap(), component);
        // The same once more is the same.
        write_layout(folder.path(), component, &inspect(component).unwrap()).unwrap();
        assert_eq!(read_layout(folder.path()).unwrap(), component);
    }

    #[test]
    fn the_forms_are_those_of_the_tools() {
        let (folder, component) = exported();
        let json = |path: &Path| -> serde_json::Value {
            serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
        };
        let index = json(&folder.path().join("index.json"));
        let blob = |descriptor: &serde_json::Value| {
            let digest = descriptor["digest"].as_str().unwrap().trim_start_matches("sha256:");
            folder.path().join("blobs/sha256").join(digest)
        };
        let manifest = json(&blob(&index["manifests"][0]));
        assert_eq!(manifest["mediaType"], "application/vnd.oci.image.manifest.v1+json");
        assert_eq!(manifest["config"]["mediaType"], CONFIG);
        assert_eq!(index["manifests"][0]["annotations"][REF_NAME], "count-0.1.0");
        assert_eq!(manifest["layers"][0]["mediaType"], LAYER);
        assert_eq!(manifest["layers"][0]["annotations"][TITLE], "count.wasm");
        assert_eq!(fs::read(blob(&manifest["layers"][0])).unwrap(), component);
        let config = json(&blob(&manifest["config"]));
        assert_eq!((&config["architecture"], &config["os"]), (&"wasm".into(), &"wasip2".into()));
        assert_eq!(config["layerDigests"][0], manifest["layers"][0]["digest"]);
        let exports = config["component"]["exports"].as_array().unwrap();
        assert!(exports.contains(&"tidemill:plugin/reduction@0.1.0".into()), "{exports:?}");
    }

    #[test]
    fn a_blob_that_is_not_what_leads_to_it_is_refused() {
        let (folder, component) = exported();
        let path = blobs(folder.path()).join(Digest::of(component).to_hex());
        let mut damaged = component.to_vec();
        damaged[100] ^= 1;
        fs::write(&path, &damaged).unwrap();
        assert!(matches!(read_layout(folder.path()), Err(OciError::Damaged { .. })));
        damaged.push(0);
        fs::write(&path, &damaged).unwrap();
        assert!(matches!(read_layout(folder.path()), Err(OciError::Length { .. })));
        fs::write(folder.path().join("oci-layout"), r#"{"imageLayoutVersion":"2.0.0"}"#).unwrap();
        assert!(matches!(read_layout(folder.path()), Err(OciError::Version { .. })));
    }
}
