//! One contract for every store: memory, the local disk, and S3 where `AWS_ENDPOINT_URL` and
//! `TIDEMILL_TEST_BUCKET` name a server.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::StreamExt;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::spec::{PipelineName, PipelineSpec};

/// A manifest of a batch, without state.
pub(super) fn manifest(batch: u64) -> Manifest {
    Manifest {
        format: MANIFEST_FORMAT,
        pipeline: "word-count".to_owned(),
        batch,
        time_ms: 1_700_000_000_000,
        key_groups: 128,
        tasks: 2,
        watermarks: BTreeMap::new(),
        offsets: vec![SourceOffset { topic: "lines".to_owned(), partition: 0, next: 42 }],
        plugins: BTreeMap::from([("count".to_owned(), "sha256:00".to_owned())]),
        params: BTreeMap::new(),
        plan: None,
        previous: None,
        state_versions: BTreeMap::from([("count".to_owned(), 1)]),
        windows: BTreeMap::new(),
        state: Vec::new(),
    }
}

fn pipeline() -> PipelineName {
    let text = "name = \"word-count\"\n[[source]]\nname = \"a\"\ntopic = \"t\"\n[[sink]]\nname = \"b\"\ninput = \"a\"\nprint = true";
    PipelineSpec::parse(text).unwrap().name
}

fn ids() -> Ids {
    let next = AtomicU64::new(1);
    Arc::new(move || Uuid::from_u128(u128::from(next.fetch_add(1, Ordering::SeqCst))))
}

/// A store that the tests can reach behind the checkpoints' back.
struct Subject {
    raw: Arc<dyn ObjectStore>,
    prefix: Path,
    checkpoints: CheckpointStore,
    _folder: Option<tempfile::TempDir>,
}

impl Subject {
    fn memory() -> Self {
        let raw: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let prefix = Path::from("some/prefix");
        let checkpoints =
            CheckpointStore::with_store(Arc::clone(&raw), prefix.clone(), &pipeline(), ids());
        Self { raw, prefix, checkpoints, _folder: None }
    }

    fn disk() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("not/there yet");
        let checkpoints = CheckpointStore::open(None, &path, &pipeline(), ids()).unwrap();
        let raw = object_store::local::LocalFileSystem::new_with_prefix(path).unwrap();
        Self { raw: Arc::new(raw), prefix: Path::default(), checkpoints, _folder: Some(folder) }
    }

    fn bucket() -> Option<Self> {
        let (Ok(_), Ok(bucket)) =
            (std::env::var("AWS_ENDPOINT_URL"), std::env::var("TIDEMILL_TEST_BUCKET"))
        else {
            eprintln!("SKIPPED on S3: AWS_ENDPOINT_URL and TIDEMILL_TEST_BUCKET name no server");
            return None;
        };
        let prefix = format!("contract/{}", Uuid::new_v4());
        let url = format!("s3://{bucket}/{prefix}");
        let nowhere = std::path::Path::new("unused");
        let random: Ids = Arc::new(Uuid::new_v4);
        let checkpoints = CheckpointStore::open(Some(&url), nowhere, &pipeline(), random).unwrap();
        let raw = object_store::aws::AmazonS3Builder::from_env()
            .with_bucket_name(bucket)
            .with_allow_http(true)
            .build()
            .unwrap();
        Some(Self { raw: Arc::new(raw), prefix: Path::from(prefix), checkpoints, _folder: None })
    }

    fn all() -> Vec<Self> {
        [Some(Self::memory()), Some(Self::disk()), Self::bucket()].into_iter().flatten().collect()
    }

    fn path(&self, path: &str) -> Path {
        self.prefix.parts().chain(Path::from(path).parts()).collect()
    }

    async fn overwrite(&self, path: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let path = self.path(path);
        let mut bytes = self.raw.get(&path).await.unwrap().bytes().await.unwrap().to_vec();
        change(&mut bytes);
        self.raw.put(&path, bytes.into()).await.unwrap();
    }

    async fn files(&self) -> Vec<String> {
        let prefix = self.path("word-count");
        let listed = self.raw.list(Some(&prefix));
        let mut files: Vec<String> =
            listed.map(|found| found.unwrap().location.to_string()).collect().await;
        files.sort();
        files
    }

    /// One state file with the entry (0, `key`) -> `value`.
    async fn state(&self, batch: u64, key: &str, value: &str) -> StateFile {
        let mut writer = StateWriter::new();
        writer.set(0, Some(key.as_bytes()), value.as_bytes());
        let bytes = writer.finish();
        self.checkpoints.write_state("count", 0, batch, FileKind::Delta, bytes).await.unwrap()
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {}", chain(cause)),
        None => error.to_string(),
    }
}

#[tokio::test]
async fn reads_back_what_was_written() {
    for subject in Subject::all() {
        subject.checkpoints.probe().await.unwrap();
        assert!(subject.files().await.is_empty(), "a probe leaves nothing");
        assert_eq!(subject.checkpoints.newest().await.unwrap(), Newest::default());
        let file = subject.state(7, "a", "1").await;
        let bytes = subject.checkpoints.read(&file).await.unwrap();
        let expected = Entry::Set { pane: 0, key: Some(b"a"), accumulator: b"1" };
        assert_eq!(read_state(&bytes).unwrap().collect::<Vec<_>>(), [expected]);
        let mut manifest = manifest(7);
        manifest.state = vec![file.clone()];
        let pointer = subject.checkpoints.publish(&manifest).await.unwrap();
        assert_eq!(subject.checkpoints.load(&pointer).await.unwrap(), manifest);
        assert_eq!(manifest.files_of("count", 0), [file]);
        assert!(manifest.files_of("count", 1).is_empty());
        subject.checkpoints.save_plan(8, &json!({"a": 1})).await.unwrap();
        let newest = Newest { manifest: Some(7), plan: Some(8) };
        assert_eq!(subject.checkpoints.newest().await.unwrap(), newest);
        subject.checkpoints.delete_all().await.unwrap();
        assert!(subject.files().await.is_empty());
        subject.checkpoints.delete_all().await.unwrap();
    }
}

#[tokio::test]
async fn writes_a_plan_once() {
    for subject in Subject::all() {
        let plan = json!({"ranges": [["lines", 0, 1.5]], "text": "a\nb"});
        assert_eq!(subject.checkpoints.load_plan(3).await.unwrap(), None);
        subject.checkpoints.save_plan(3, &plan).await.unwrap();
        subject.checkpoints.save_plan(3, &plan).await.unwrap();
        let other = subject.checkpoints.save_plan(3, &json!({})).await.unwrap_err();
        assert!(matches!(other, CheckpointError::Exists { .. }), "{other}");
        let longer = subject.checkpoints.save_plan(3, &json!({"a": "b".repeat(99)})).await;
        assert!(matches!(longer, Err(CheckpointError::Exists { .. })));
        assert_eq!(subject.checkpoints.load_plan(3).await.unwrap(), Some(plan));
        subject
            .overwrite("word-count/plans/00000000000000000003.json", |bytes| bytes[2] ^= 1)
            .await;
        let error = subject.checkpoints.load_plan(3).await.unwrap_err();
        assert!(matches!(error, CheckpointError::Damaged { source: Damage::Crc { .. }, .. }));
        subject
            .overwrite("word-count/plans/00000000000000000003.json", |bytes| bytes.truncate(9))
            .await;
        let error = subject.checkpoints.load_plan(3).await.unwrap_err();
        assert!(matches!(error, CheckpointError::Damaged { source: Damage::Trailer, .. }));
    }
}

#[tokio::test]
async fn names_damage() {
    let mut shown = Vec::new();
    for subject in Subject::all().into_iter().take(2) {
        let file = subject.state(1, "a", "1").await;
        let pointer = subject.checkpoints.publish(&manifest(1)).await.unwrap();
        let manifest_path = format!("word-count/manifests/{:020}-{}.json", 1, pointer.id);
        let mut errors = Vec::new();
        subject.overwrite(&file.path, |bytes| bytes[12] ^= 1).await;
        errors.push(subject.checkpoints.read(&file).await.map(|_| ()).unwrap_err());
        subject.overwrite(&file.path, |bytes| bytes.truncate(9)).await;
        errors.push(subject.checkpoints.read(&file).await.map(|_| ()).unwrap_err());
        subject.raw.delete(&subject.path(&file.path)).await.unwrap();
        errors.push(subject.checkpoints.read(&file).await.map(|_| ()).unwrap_err());
        subject.overwrite(&manifest_path, |bytes| bytes[30] ^= 1).await;
        errors.push(subject.checkpoints.load(&pointer).await.map(|_| ()).unwrap_err());
        subject.overwrite(&manifest_path, |bytes| bytes.push(b' ')).await;
        errors.push(subject.checkpoints.load(&pointer).await.map(|_| ()).unwrap_err());
        let gone = Pointer { id: Uuid::from_u128(99), ..pointer };
        errors.push(subject.checkpoints.load(&gone).await.map(|_| ()).unwrap_err());
        for (what, change) in [
            ("format", Manifest { format: 2, ..manifest(2) }),
            ("pipeline", Manifest { pipeline: "other".to_owned(), ..manifest(2) }),
        ] {
            let pointer = subject.checkpoints.publish(&change).await.unwrap();
            errors.push(subject.checkpoints.load(&pointer).await.map(|_| ()).expect_err(what));
        }
        for error in errors {
            assert!(!error.is_retryable(), "{error}");
            let text = format!("{}\n  hint: {}", chain(&error), error.hint().unwrap_or_default());
            let causes = ["No data in memory found", "Object at location"];
            let text = text.replace(subject.checkpoints.location(), "LOCATION");
            let text = causes.iter().fold(text, |text, cause| match text.split_once(cause) {
                Some((before, rest)) => match rest.split_once('\n') {
                    Some((_, hint)) => format!("{before}…\n{hint}"),
                    None => text.clone(),
                },
                None => text,
            });
            shown.push(text);
        }
    }
    let (memory, disk) = shown.split_at(shown.len() / 2);
    assert_eq!(memory.join("\n").replace("…", ""), disk.join("\n").replace("…", ""));
    let shown = memory.join("\n");
    insta::assert_snapshot!("damage", shown);
}

#[tokio::test]
async fn compacts_into_a_snapshot_named_by_a_later_batch() {
    for subject in Subject::all() {
        let files = [
            subject.state(1, "a", "1").await,
            subject.state(2, "b", "2").await,
            subject.state(3, "a", "3").await,
        ];
        let snapshot = subject.checkpoints.compact(&files, 5).await.unwrap();
        assert_eq!((snapshot.batch, snapshot.kind), (3, FileKind::Snapshot));
        assert!(snapshot.path.starts_with("word-count/state/count/0/00000000000000000005-"));
        let again = [files[0].clone(), snapshot.clone(), subject.state(4, "c", "4").await];
        let snapshot = subject.checkpoints.compact(&again, 5).await.unwrap();
        let bytes = subject.checkpoints.read(&snapshot).await.unwrap();
        let found: Vec<_> = read_state(&bytes).unwrap().collect();
        let set = |key, accumulator| Entry::Set { pane: 0, key: Some(key), accumulator };
        assert_eq!(found, [set(b"a", b"3"), set(b"b", b"2"), set(b"c", b"4")]);
        subject.overwrite(&files[0].path, |bytes| bytes[12] ^= 1).await;
        let error = subject.checkpoints.compact(&files, 5).await.unwrap_err();
        assert!(matches!(error, CheckpointError::Damaged { path, .. } if path == files[0].path));
    }
}

#[tokio::test]
async fn collects_what_nothing_leads_to() {
    for subject in Subject::all() {
        let store = &subject.checkpoints;
        let mut manifests = Vec::new();
        let mut all = Vec::new();
        for batch in 0..4 {
            let orphan = subject.state(batch, "lost", "0").await;
            let file = subject.state(batch, "a", "1").await;
            store.save_plan(batch, &json!({"batch": batch})).await.unwrap();
            let named = Manifest { state: vec![file.clone()], ..manifest(batch) };
            store.publish(&named).await.unwrap();
            manifests.push((store.publish(&named).await.unwrap(), Arc::new(named)));
            all.push((orphan, file));
        }
        let nothing = Keep { manifests: &[], upgrades: &[], files: &[], committed: 3 };
        assert_eq!(store.collect_garbage(&nothing).await.unwrap(), Collected::default());
        // Batch 2 is committed, 3 in flight; of the orphans, one is a snapshot that waits.
        let waiting = [all[1].0.clone()];
        let keep =
            Keep { manifests: &manifests[1..3], upgrades: &[], files: &waiting, committed: 2 };
        let collected = store.collect_garbage(&keep).await.unwrap();
        // Batch 0: two state files, two manifests and the plan; an orphan of batch 2; an
        // unnamed manifest each of batches 1 and 2.
        assert_eq!((collected.files, collected.more), (8, false));
        for (pointer, named) in &manifests[1..] {
            assert_eq!(store.load(pointer).await.unwrap(), **named);
            for file in &named.state {
                store.read(file).await.unwrap();
            }
        }
        for (file, left) in [
            (&all[0].0, false),
            (&all[0].1, false),
            (&all[1].0, true),
            (&all[2].0, false),
            (&all[3].0, true),
        ] {
            assert_eq!(store.read(file).await.is_ok(), left, "{}", file.path);
        }
        for (batch, left) in [(0, false), (1, true), (2, true), (3, true)] {
            assert_eq!(store.load_plan(batch).await.unwrap().is_some(), left, "plan {batch}");
        }
        assert_eq!(store.collect_garbage(&keep).await.unwrap(), Collected::default());
    }
}

#[tokio::test]
async fn a_snapshot_stays_until_a_manifest_names_it() {
    let subject = Subject::memory();
    let store = &subject.checkpoints;
    let file = subject.state(1, "a", "1").await;
    let snapshot = store.compact(std::slice::from_ref(&file), 2).await.unwrap();
    let collect = async |state: &[StateFile], batch| {
        let named = Manifest { state: state.to_vec(), ..manifest(batch) };
        let manifests = [(store.publish(&named).await.unwrap(), Arc::new(named))];
        let keep = Keep { manifests: &manifests, upgrades: &[], files: &[], committed: batch };
        store.collect_garbage(&keep).await.unwrap();
        (store.read(&file).await.is_ok(), store.read(&snapshot).await.is_ok())
    };
    assert_eq!(collect(std::slice::from_ref(&file), 3).await, (true, true));
    assert_eq!(collect(std::slice::from_ref(&snapshot), 4).await, (false, true));
    assert_eq!(collect(&[], 5).await, (false, false));
}

#[tokio::test]
async fn refuses_paths_that_lead_out() {
    for subject in Subject::all() {
        let file = subject.state(1, "a", "1").await;
        for path in ["../../etc/passwd", "word-count/../x", "/word-count//x", "word-count/\0"] {
            let lie = StateFile { path: path.to_owned(), ..file.clone() };
            assert!(subject.checkpoints.read(&lie).await.is_err(), "{path}");
        }
        let long = StateFile { length: u64::MAX, ..file };
        let error = subject.checkpoints.read(&long).await.unwrap_err();
        assert!(matches!(error, CheckpointError::Damaged { source: Damage::Length { .. }, .. }));
    }
}

#[tokio::test]
async fn says_what_is_wrong_with_a_location() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let error = CheckpointStore::open(None, &file.join("below"), &pipeline(), ids()).unwrap_err();
    assert!(matches!(error, CheckpointError::Folder { .. }), "{error}");
    assert_eq!(error.hint().as_deref(), Some("a part of the path is a file, not a folder"));
    assert!(!error.is_retryable());
    let url = Some("ftp://host/x");
    let error = CheckpointStore::open(url, &file, &pipeline(), ids()).unwrap_err();
    assert!(error.hint().is_some_and(|hint| hint.contains("file:///")));
    // A file where the pipeline's folder should be: found by the probe, not by the first batch.
    let error = {
        let store = CheckpointStore::open(None, folder.path(), &pipeline(), ids()).unwrap();
        std::fs::write(folder.path().join("word-count"), "x").unwrap();
        store.probe().await.unwrap_err()
    };
    assert!(error.to_string().starts_with("write `word-count/probe-"), "{error}");
    assert!(!error.is_retryable(), "{}", chain(&error));
}
