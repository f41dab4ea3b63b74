//! A simulated machine with a log, a checkpoint store, and pipelines that run on them.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use parking_lot::Mutex;
use tidemill_engine::broker::{Broker, Embedded};
use tidemill_engine::checkpoint::{CheckpointStore, Entry, Pointer, read_state};
use tidemill_engine::clock::ManualClock;
use tidemill_engine::dead_letters::{self, Query, Retried, RetryError, Selection};
use tidemill_engine::graph::{PluginSource, PluginSourceError, compile};
use tidemill_engine::pipeline::{Orders, Pipeline, Report, Surroundings, group_of};
use tidemill_engine::pool::Pool;
use tidemill_engine::progress::PipelineState;
use tidemill_engine::sinks::FileSinks;
use tidemill_engine::spec::PipelineSpec;
use tidemill_engine::upgrade::Versions;
use tidemill_log::simulation::Simulation;
use tidemill_log::{
    BatchBuilder, Blocking, Codec, Isolation, Log, LogConfig, Offset, PartitionId, RecordReader,
    TopicConfig, TopicName, TopicPartition,
};
use tidemill_plugin::{Grants, Plugin, Runtime, RuntimeConfig};
use uuid::Uuid;

use crate::guests::marked;
use crate::store::DiskStore;

/// The time on every simulated machine, milliseconds since 1970-01-01 UTC.
pub const NOW_MS: i64 = 1_700_000_000_000;

/// The location of sinks of files.
pub const FILES: &str = "file:///files";

/// One record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
    pub timestamp: i64,
    pub headers: Vec<u8>,
}

/// State by operator, task, pane and key.
pub type State = BTreeMap<(String, u32, i64, Option<Vec<u8>>), Vec<u8>>;

/// A machine that is on.
pub struct World {
    pub machine: Simulation,
    log: Arc<Log>,
    broker: Arc<Embedded>,
    store: Arc<DiskStore>,
    /// What sinks at [`FILES`] write.
    pub files: Arc<DiskStore>,
    ids: Arc<AtomicU64>,
}

struct ReadyPlugins;

static RUNTIME: LazyLock<Arc<Runtime>> =
    LazyLock::new(|| Runtime::new(RuntimeConfig::default()).expect("a runtime"));
static LOADED: LazyLock<Mutex<HashMap<String, Arc<Plugin>>>> = LazyLock::new(Mutex::default);

impl PluginSource for ReadyPlugins {
    fn load(&self, reference: &str, grants: &Grants) -> Result<Arc<Plugin>, PluginSourceError> {
        let mut loaded = LOADED.lock();
        if let Some(plugin) = loaded.get(reference) {
            return Ok(Arc::clone(plugin));
        }
        let component = component(reference).ok_or_else(|| PluginSourceError {
            message: format!("there is no plugin `{reference}`"),
            hint: None,
        })?;
        let plugin = RUNTIME.load(&component, grants).expect("a plugin of the tests loads");
        loaded.insert(reference.to_owned(), Arc::clone(&plugin));
        Ok(plugin)
    }
}

/// A ready plugin, or one that does what marks in its records say.
fn component(reference: &str) -> Option<Vec<u8>> {
    match reference {
        "marked" => Some(marked::transform().build()),
        "marked-mended" => Some(marked::mended().build()),
        "marked-filter" => Some(marked::filter().build()),
        "marked-count" => Some(marked::reducer().build()),
        name => {
            let ready = tidemill_plugins::ready().iter().find(|ready| ready.name == name);
            ready.map(|ready| ready.component.to_vec())
        }
    }
}

impl World {
    pub async fn new(seed: u64) -> Self {
        Self::on(Simulation::new(seed), 0).await
    }

    /// The machine after a power loss, switched on again.
    pub async fn recovered(&self, seed: u64) -> Self {
        Self::on(self.machine.after_crash(seed), self.ids.load(Ordering::SeqCst)).await
    }

    async fn on(machine: Simulation, ids: u64) -> Self {
        let log = Log::open(Path::new("/data"), machine.environment(), LogConfig::default()).await;
        let log = log.expect("a machine after a legal crash opens");
        let broker = Arc::new(Embedded::new(Arc::clone(&log), Blocking::Inline));
        let store = Arc::new(DiskStore::new(Arc::clone(&machine.disk), "/checkpoints"));
        let files = Arc::new(DiskStore::new(Arc::clone(&machine.disk), "/files"));
        Self { machine, log, broker, store, files, ids: Arc::new(AtomicU64::new(ids)) }
    }

    pub async fn create_topic(&self, name: &str, partitions: u32) {
        let config = TopicConfig { partitions, ..TopicConfig::default() };
        let name = TopicName::new(name).expect("a name");
        self.log.create_topic(&name, config).await.expect("a topic");
    }

    /// Appends rows to a partition, a few in each record batch.
    pub async fn produce(&self, topic: &str, partition: u32, rows: &[Row]) {
        let at = place(topic, partition);
        // Whether and how a client compresses makes no difference.
        let codecs = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];
        for (rows, codec) in rows.chunks(7).zip(codecs.into_iter().cycle()) {
            let mut batch = BatchBuilder::new();
            for row in rows {
                batch
                    .push(row.key.as_deref(), row.value.as_deref(), &row.headers, row.timestamp)
                    .expect("a small row");
            }
            let batch = batch.finish().expect("rows").compressed(codec).expect("a codec");
            self.log.append(&at, batch).await.expect("append");
        }
    }

    /// Runs a pipeline until it ends; `workers` as in a pool.
    pub async fn run(&self, file: &str, workers: usize) -> PipelineState {
        let report = self.run_reported(file, workers).await;
        report.state()
    }

    /// The same, with all that it reported.
    pub async fn run_reported(&self, file: &str, workers: usize) -> Arc<Report> {
        let spec = Arc::new(PipelineSpec::parse(file).unwrap_or_else(|error| panic!("{error}")));
        let plugins: Arc<dyn PluginSource> = Arc::new(ReadyPlugins);
        let graph = match compile(&spec, &Versions::default(), None, &plugins, &*self.broker).await
        {
            Ok(graph) => graph,
            Err(error) if self.machine.disk.is_off() => {
                let report = Report::new(spec.name.as_str());
                report.set_state(PipelineState::Failed { reason: error.to_string() });
                return Arc::new(report);
            }
            Err(error) => panic!("{error}"),
        };
        let clock = Arc::new(ManualClock::at(NOW_MS));
        let pool = Pool::start(workers, clock.clone());
        let ids = Arc::clone(&self.ids);
        let ids = Arc::new(move || Uuid::from_u128(u128::from(ids.fetch_add(1, Ordering::SeqCst))));
        let store = CheckpointStore::with_store(self.store.clone(), "".into(), &spec.name, ids);
        let report = Arc::new(Report::new(spec.name.as_str()));
        let files = FileSinks::default();
        files.provide(FILES, self.files.clone());
        let (_stop, stop) = tokio::sync::watch::channel(false);
        let (_switches, switches) = tokio::sync::mpsc::channel(1);
        let orders = Orders::new(Arc::new(graph), Versions::default(), stop, switches);
        let host = Surroundings {
            broker: self.broker.clone(),
            store: Arc::new(store),
            files: Arc::new(files),
            lane: Arc::new(pool.lane("test")),
            clock,
        };
        Pipeline { spec, host, report: Arc::clone(&report), orders }.run().await;
        report
    }

    /// Sends every dead letter of an operator through it again.
    pub async fn retry(&self, file: &str, operator: &str) -> Result<Retried, RetryError> {
        let spec = PipelineSpec::parse(file).unwrap_or_else(|error| panic!("{error}"));
        let query = Query { operator: Some(operator.to_owned()), ..Query::default() };
        dead_letters::retry(&*self.broker, &spec, &Selection::Query(query)).await
    }

    /// The committed rows of each partition of a topic.
    pub fn rows(&self, topic: &str) -> Vec<Vec<Row>> {
        let name = TopicName::new(topic).expect("a name");
        let Some(described) = self.log.describe(&name) else { return Vec::new() };
        (0..described.config.partitions).map(|partition| self.rows_of(topic, partition)).collect()
    }

    fn rows_of(&self, topic: &str, partition: u32) -> Vec<Row> {
        let at = place(topic, partition);
        let mut rows = Vec::new();
        let mut from = Offset::ZERO;
        while from < self.log.offsets(&at).expect("offsets").last_stable {
            let fetched = self.log.read(&at, from, 1 << 20, Isolation::Committed).expect("read");
            for batch in fetched.batches() {
                let batch = batch.expect("batch");
                for record in RecordReader::default().records(&batch).expect("records") {
                    let record = record.expect("record");
                    rows.push(Row {
                        key: record.key.map(<[u8]>::to_vec),
                        value: record.value.map(<[u8]>::to_vec),
                        timestamp: record.timestamp_ms,
                        headers: record.headers.to_vec(),
                    });
                }
            }
            from = fetched.next;
        }
        rows
    }

    /// The state that the last commit of a pipeline points at.
    pub async fn state(&self, file: &str) -> State {
        let spec = PipelineSpec::parse(file).unwrap_or_else(|error| panic!("{error}"));
        let committed =
            self.broker.committed(&group_of(spec.name.as_str())).await.expect("committed");
        let pointer: Pointer = committed[0].metadata.parse().expect("a pointer");
        let ids = Arc::new(Uuid::nil);
        let store = CheckpointStore::with_store(self.store.clone(), "".into(), &spec.name, ids);
        let manifest = store.load(&pointer).await.expect("a manifest");
        let mut state = State::new();
        for file in &manifest.state {
            let bytes = store.read(file).await.expect("a state file");
            for entry in read_state(&bytes).expect("entries") {
                match entry {
                    Entry::Set { pane, key, accumulator } => {
                        let key = key.map(<[u8]>::to_vec);
                        state.insert(
                            (file.operator.clone(), file.task, pane, key),
                            accumulator.to_vec(),
                        );
                    }
                    Entry::Evict { pane } => {
                        state.retain(|(operator, task, at, _), _| {
                            (operator.as_str(), *task, *at) != (&file.operator, file.task, pane)
                        });
                    }
                }
            }
        }
        state
    }
}

fn place(topic: &str, partition: u32) -> TopicPartition {
    let topic = TopicName::new(topic).expect("a name");
    TopicPartition { topic, partition: PartitionId::new(partition) }
}
