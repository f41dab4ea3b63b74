//! All pipelines of a host: apply, start, stop, delete, watch.
//!
//! **A pipeline that fails never takes another one, or the host, with it**: each has a task of its
//! own, a lane of the worker pool and a report; nothing else is shared.

mod upgrade;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::AbortHandle;

use crate::broker::{Broker, BrokerError};
use crate::checkpoint::{CheckpointError, CheckpointStore, Ids};
use crate::clock::Clock;
use crate::dead_letters;
use crate::graph::{CompileError, Graph, PluginSource, compile};
use crate::ingest;
use crate::pipeline::{Orders, Pipeline, Report, Surroundings, group_of};
use crate::pool::Pool;
use crate::progress::{PipelineState, PipelineStatus, Progress};
use crate::sinks::{FileSinks, SinkFileError};
use crate::spec::{PipelineSpec, Place, SinkOutput, SourceInput, SpecError};
use crate::upgrade::{Pin, Switch, SwitchError, Versions};
use upgrade::resolved;

/// How an engine is set up.
pub struct EngineConfig {
    /// Worker threads for tasks. None: tasks run one after the other where they are submitted,
    /// which makes a run repeatable.
    pub workers: usize,
    /// The folder for checkpoints of pipelines that name no location.
    pub checkpoints: PathBuf,
    /// Makes the unique part of file names.
    pub ids: Ids,
}

/// What the engine asks of the host.
#[derive(Clone)]
pub struct EngineHost {
    /// The log.
    pub broker: Arc<dyn Broker>,
    /// Where plugins come from.
    pub plugins: Arc<dyn PluginSource>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// All pipelines of a host.
pub struct Engine {
    config: EngineConfig,
    host: EngineHost,
    pool: Pool,
    files: Arc<FileSinks>,
    pipelines: Mutex<BTreeMap<String, Entry>>,
    /// Held by whoever starts or stops a pipeline, so that two do not do so at a time.
    changing: Arc<tokio::sync::Mutex<()>>,
}

/// A pipeline that was applied.
struct Entry {
    spec: Arc<PipelineSpec>,
    versions: Versions,
    store: Arc<CheckpointStore>,
    report: Arc<Report>,
    graph: Arc<Graph>,
    running: Option<Running>,
}

impl Entry {
    fn status(&self) -> PipelineStatus {
        let tried = self.graph.canaries().map(|(operator, canary)| canary.status(operator));
        PipelineStatus { canaries: tried.collect(), ..self.report.status() }
    }
}

struct Running {
    stop: watch::Sender<bool>,
    switches: mpsc::Sender<Switch>,
    /// Turns true once the driver has ended.
    ended: watch::Receiver<bool>,
    driver: AbortHandle,
}

impl Running {
    fn has_ended(&self) -> bool {
        *self.ended.borrow()
    }
}

/// A pipeline that cannot be applied, or a change to one that is not there.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The pipeline file is wrong, or does not fit plugins and topics.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// The checkpoints' location cannot be used.
    #[error("{at}")]
    Checkpoints {
        /// The place in the file.
        at: SpecError,
        /// Why.
        #[source]
        source: CheckpointError,
    },
    /// A sink's location cannot be used.
    #[error("{at}")]
    Sink {
        /// The place in the file.
        at: SpecError,
        /// Why.
        #[source]
        source: SinkFileError,
    },
    /// There is no such pipeline.
    #[error("there is no pipeline `{name}`")]
    Unknown {
        /// As asked for.
        name: String,
    },
    /// The log failed.
    #[error("change pipeline `{name}`")]
    Broker {
        /// The pipeline.
        name: String,
        /// Why.
        #[source]
        source: BrokerError,
    },
    /// The pipeline goes on with the versions that it had.
    #[error("pipeline `{name}` runs on as it was")]
    Switch {
        /// The pipeline.
        name: String,
        /// Why.
        #[source]
        source: SwitchError,
    },
    /// The checkpoints cannot be deleted.
    #[error("delete the checkpoints of pipeline `{name}`")]
    Delete {
        /// The pipeline.
        name: String,
        /// Why.
        #[source]
        source: CheckpointError,
    },
}

impl Engine {
    /// An engine without pipelines.
    #[must_use]
    pub fn start(config: EngineConfig, host: EngineHost) -> Arc<Self> {
        let pool = Pool::start(config.workers, Arc::clone(&host.clock));
        Arc::new(Self {
            config,
            host,
            pool,
            files: Arc::default(),
            pipelines: Mutex::default(),
            changing: Arc::default(),
        })
    }

    /// Checks a pipeline against plugins, topics and locations, and starts it. One of the same name
    /// is stopped first and goes on from its last commit. `versions` says what is taken instead of what the
    /// file's references mean today; gives back what runs.
    ///
    /// # Errors
    /// See [`ApplyError`]; a pipeline of the same name runs on as before.
    pub async fn apply(
        &self,
        spec: PipelineSpec,
        versions: &Versions,
    ) -> Result<BTreeMap<String, Pin>, ApplyError> {
        let _changing = self.changing.lock().await;
        let name = spec.name.to_string();
        let entry = self.prepare(Arc::new(spec), versions, None).await?;
        self.halt(&name).await;
        let pins = entry.versions.pins.clone();
        self.launch(entry);
        Ok(pins)
    }

    /// Starts a pipeline that was stopped, has finished, or has failed.
    ///
    /// # Errors
    /// There is none of that name, or it can no longer be compiled.
    pub async fn start_pipeline(&self, name: &str) -> Result<(), ApplyError> {
        let _changing = self.changing.lock().await;
        let (spec, versions) = {
            let pipelines = self.pipelines.lock();
            let entry = pipelines.get(name).ok_or_else(|| unknown(name))?;
            if entry.running.as_ref().is_some_and(|running| !running.has_ended()) {
                return Ok(());
            }
            (Arc::clone(&entry.spec), entry.versions.clone())
        };
        let entry = self.prepare(spec, &versions, None).await?;
        self.launch(entry);
        Ok(())
    }

    /// Adds a pipeline without starting it.
    ///
    /// # Errors
    /// As [`Engine::apply`].
    pub async fn add_stopped(
        &self,
        spec: PipelineSpec,
        versions: &Versions,
    ) -> Result<(), ApplyError> {
        let _changing = self.changing.lock().await;
        let entry = self.prepare(Arc::new(spec), versions, None).await?;
        entry.report.set_state(PipelineState::Stopped);
        self.pipelines.lock().insert(entry.spec.name.to_string(), entry);
        Ok(())
    }

    /// Stops a pipeline after the batches under way.
    ///
    /// # Errors
    /// There is none of that name.
    pub async fn stop_pipeline(&self, name: &str) -> Result<(), ApplyError> {
        let _changing = self.changing.lock().await;
        if self.halt(name).await { Ok(()) } else { Err(unknown(name)) }
    }

    /// Stops a pipeline and forgets it: its positions, its checkpoints, and what it copied from sources
    /// outside the log. The topics that it reads and writes stay.
    ///
    /// # Errors
    /// There is none of that name, or something of it cannot be deleted; it is stopped then.
    pub async fn delete_pipeline(&self, name: &str) -> Result<(), ApplyError> {
        let _changing = self.changing.lock().await;
        if !self.halt(name).await {
            return Err(unknown(name));
        }
        let (spec, store) = {
            let pipelines = self.pipelines.lock();
            let entry = pipelines.get(name).ok_or_else(|| unknown(name))?;
            (Arc::clone(&entry.spec), Arc::clone(&entry.store))
        };
        // Positions first: without them nothing points at the checkpoints any more. A copied source
        // goes with its position, or applying the pipeline again would copy it twice.
        let broker = &self.host.broker;
        let failed = |source| ApplyError::Broker { name: name.to_owned(), source };
        broker.delete_group(&group_of(name)).await.map_err(failed)?;
        for source in &spec.sources {
            if !matches!(source.input, SourceInput::Topic(_)) {
                let topic = ingest::topic_name(&spec.name, &source.name);
                broker.delete_topic(&topic).await.map_err(failed)?;
                let group = ingest::group_name(&spec.name, &source.name);
                broker.delete_group(&group).await.map_err(failed)?;
            }
        }
        for operator in &spec.operators {
            let topic = dead_letters::retries_topic(name, &operator.name);
            broker.delete_topic(&topic).await.map_err(failed)?;
        }
        let deleted = store.delete_all().await;
        deleted.map_err(|source| ApplyError::Delete { name: name.to_owned(), source })?;
        self.pipelines.lock().remove(name);
        Ok(())
    }

    /// Every pipeline's status, by name.
    #[must_use]
    pub fn list(&self) -> Vec<PipelineStatus> {
        self.pipelines.lock().values().map(Entry::status).collect()
    }

    /// One pipeline's status.
    #[must_use]
    pub fn status(&self, name: &str) -> Option<PipelineStatus> {
        self.pipelines.lock().get(name).map(Entry::status)
    }

    /// Whether there is such a pipeline, running or not.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.pipelines.lock().contains_key(name)
    }

    /// The file of a pipeline.
    #[must_use]
    pub fn spec(&self, name: &str) -> Option<Arc<PipelineSpec>> {
        self.pipelines.lock().get(name).map(|entry| Arc::clone(&entry.spec))
    }

    /// A pipeline as it runs, for the costs of its plugins.
    #[must_use]
    pub fn graph(&self, name: &str) -> Option<Arc<Graph>> {
        self.pipelines.lock().get(name).map(|entry| Arc::clone(&entry.graph))
    }

    /// The last batches of a pipeline, oldest first.
    #[must_use]
    pub fn progress(&self, name: &str) -> Option<Vec<Arc<Progress>>> {
        self.pipelines.lock().get(name).map(|entry| entry.report.progress())
    }

    /// A pipeline's batches as they commit. A slow listener misses some.
    #[must_use]
    pub fn subscribe(&self, name: &str) -> Option<broadcast::Receiver<Arc<Progress>>> {
        self.pipelines.lock().get(name).map(|entry| entry.report.subscribe())
    }

    /// Stops every pipeline after the batches under way, or within `patience` without them.
    pub async fn shutdown(&self, patience: Duration) {
        // Told before anything is waited for, so that all of them end at the same time.
        let mut ends = Vec::new();
        let mut drivers = Vec::new();
        for running in self.pipelines.lock().values().filter_map(|entry| entry.running.as_ref()) {
            let _ = running.stop.send(true);
            ends.push(running.ended.clone());
            drivers.push(running.driver.clone());
        }
        let all = ends.into_iter().map(|ended| async move { wait_for_end(ended).await });
        if tokio::time::timeout(patience, futures::future::join_all(all)).await.is_err() {
            tracing::warn!(
                "batches were still under way at the end of the patience; they run again after the next start"
            );
            drivers.iter().for_each(AbortHandle::abort);
        }
    }

    /// Everything that can go wrong before a pipeline starts, goes wrong here. Operators of `running` that stay
    /// what they are, are taken over.
    async fn prepare(
        &self,
        spec: Arc<PipelineSpec>,
        versions: &Versions,
        running: Option<&Arc<Graph>>,
    ) -> Result<Entry, ApplyError> {
        let (plugins, broker) = (&self.host.plugins, &*self.host.broker);
        let graph = compile(&spec, versions, running, plugins, broker).await?;
        let ids = Arc::clone(&self.config.ids);
        let location = spec.checkpoints.as_deref();
        let wrong = |source: CheckpointError| {
            let at = SpecError::at(&spec, &Place::Checkpoints, source.to_string(), source.hint());
            ApplyError::Checkpoints { at, source }
        };
        let store = CheckpointStore::open(location, &self.config.checkpoints, &spec.name, ids)
            .map_err(wrong)?;
        store.probe().await.map_err(wrong)?;
        for (index, sink) in spec.sinks.iter().enumerate() {
            if let SinkOutput::Files(location) = &sink.output {
                self.files.open(location).map_err(|source| {
                    let at =
                        SpecError::at(&spec, &Place::SinkOutput(index), source.to_string(), None);
                    ApplyError::Sink { at, source }
                })?;
            }
        }
        let report = Arc::new(Report::new(spec.name.as_str()));
        Ok(Entry {
            spec,
            versions: resolved(versions, &graph),
            store: Arc::new(store),
            report,
            graph: Arc::new(graph),
            running: None,
        })
    }

    fn launch(&self, mut entry: Entry) {
        let name = entry.spec.name.to_string();
        let (stop, stopped) = watch::channel(false);
        let (switches, switched) = mpsc::channel(1);
        let pipeline = Pipeline {
            spec: Arc::clone(&entry.spec),
            host: self.surroundings(&entry.store, &name),
            report: Arc::clone(&entry.report),
            orders: Orders::new(
                Arc::clone(&entry.graph),
                entry.versions.clone(),
                stopped,
                switched,
            ),
        };
        let report = Arc::clone(&entry.report);
        let driver = tokio::spawn(pipeline.run());
        let abort = driver.abort_handle();
        let (end, ended) = watch::channel(false);
        tokio::spawn(async move {
            // A defect in a driver must not look like a pipeline that runs.
            if let Err(lost) = driver.await {
                let reason = format!("its driver ended: {lost}");
                report.set_state(PipelineState::Failed { reason });
            }
            let _ = end.send(true);
        });
        entry.running = Some(Running { stop, switches, ended, driver: abort });
        self.pipelines.lock().insert(name, entry);
    }

    /// What a pipeline's parts ask of the host; tasks take turns under the name `lane`.
    fn surroundings(&self, store: &Arc<CheckpointStore>, lane: &str) -> Surroundings {
        Surroundings {
            broker: Arc::clone(&self.host.broker),
            store: Arc::clone(store),
            files: Arc::clone(&self.files),
            lane: Arc::new(self.pool.lane(lane)),
            clock: Arc::clone(&self.host.clock),
        }
    }

    /// Stops the pipeline if it runs; false where there is none of that name. The entry keeps its
    /// driver until that has ended, so that whoever gives up waiting leaves nothing unknown behind.
    async fn halt(&self, name: &str) -> bool {
        let ended = match self.pipelines.lock().get(name) {
            None => return false,
            Some(Entry { running: None, .. }) => return true,
            Some(Entry { running: Some(running), .. }) => {
                let _ = running.stop.send(true);
                running.ended.clone()
            }
        };
        wait_for_end(ended).await;
        true
    }
}

/// A driver that is gone without a word has ended, too.
async fn wait_for_end(mut ended: watch::Receiver<bool>) {
    let _ = ended.wait_for(|ended| *ended).await;
}

fn unknown(name: &str) -> ApplyError {
    ApplyError::Unknown { name: name.to_owned() }
}
