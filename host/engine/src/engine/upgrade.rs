//! Other plugins for a pipeline, and batches that run once more.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::oneshot;

use super::{ApplyError, Engine, unknown};
use crate::checkpoint::Pointer;
use crate::graph::{CompileError, Graph};
use crate::pipeline::{Replay, ReplayError, Replayed, Surroundings, group_of, plugins_of};
use crate::progress::PipelineState;
use crate::spec::PipelineSpec;
use crate::upgrade::boundary::Held;
use crate::upgrade::{Boundary, Pin, Switch, SwitchError, Versions};

impl Engine {
    /// Brings a pipeline to the end of a batch, where `versions` can take over; see [`Boundary`]. Operators that
    /// stay what they are keep their instances. One that is not running is at such an end already; where it
    /// was to run, it starts again with them.
    ///
    /// # Errors
    /// The pipeline runs on as it was: a version that does not load, fit or start, or cannot rewrite the
    /// state.
    pub async fn upgrade(
        self: &Arc<Self>,
        name: &str,
        versions: &Versions,
    ) -> Result<Boundary, ApplyError> {
        let changing = Arc::clone(&self.changing).lock_owned().await;
        let (spec, graph, switches) = {
            let pipelines = self.pipelines.lock();
            let entry = pipelines.get(name).ok_or_else(|| unknown(name))?;
            let running = entry.running.as_ref().filter(|running| !running.has_ended());
            let runs = matches!(entry.report.state(), PipelineState::Running);
            let switches = running.filter(|_| runs).map(|running| running.switches.clone());
            (Arc::clone(&entry.spec), Arc::clone(&entry.graph), switches)
        };
        let Some(switches) = switches else {
            return self.replace(name, versions, changing).await;
        };
        let plugins = &self.host.plugins;
        let next = graph.with_versions(&spec, versions, plugins).await;
        let next = Arc::new(next.map_err(CompileError::from)?);
        let refused = |source| ApplyError::Switch { name: name.to_owned(), source };
        let (reached, held) = oneshot::channel();
        let gone = || refused(SwitchError::Gone);
        let versions = resolved(versions, &next);
        let switch = Switch { graph: Arc::clone(&next), versions: versions.clone(), reached };
        switches.send(switch).await.map_err(|_| gone())?;
        let Held { batch, checkpoint, pass } = held.await.map_err(|_| gone())?.map_err(refused)?;
        let (engine, name) = (Arc::clone(self), name.to_owned());
        let versions = versions.at(batch);
        let at_boundary = versions.clone();
        let decide = move |passes: bool| {
            if passes && let Some(entry) = engine.pipelines.lock().get_mut(&name) {
                // A driver that has ended meanwhile will begin with it.
                let _ = pass.send(());
                entry.graph = next;
                entry.versions = versions;
            }
            drop(changing);
        };
        Ok(Boundary::new(batch, checkpoint, at_boundary, decide))
    }

    /// The same for a pipeline whose driver is not between batches: it has ended, or tries to begin.
    async fn replace(
        self: &Arc<Self>,
        name: &str,
        versions: &Versions,
        changing: tokio::sync::OwnedMutexGuard<()>,
    ) -> Result<Boundary, ApplyError> {
        let (spec, graph, state) = {
            let pipelines = self.pipelines.lock();
            let entry = pipelines.get(name).ok_or_else(|| unknown(name))?;
            (Arc::clone(&entry.spec), Arc::clone(&entry.graph), entry.report.state())
        };
        let mut entry = self.prepare(spec, versions, Some(&graph)).await?;
        self.halt(name).await;
        let committed = match self.host.broker.committed(&group_of(name)).await {
            Ok(committed) => committed,
            Err(source) => {
                self.resume(name, &state);
                return Err(ApplyError::Broker { name: name.to_owned(), source });
            }
        };
        let checkpoint = committed.into_iter().map(|position| position.metadata).next();
        let pointer = checkpoint.as_ref().and_then(|text| text.parse::<Pointer>().ok());
        let (engine, name) = (Arc::clone(self), name.to_owned());
        let batch = pointer.map_or(0, |pointer| pointer.batch + 1);
        entry.versions = entry.versions.at(batch);
        let at_boundary = entry.versions.clone();
        let decide = move |passes: bool| {
            match state {
                PipelineState::Stopped | PipelineState::Finished if passes => {
                    entry.report.set_state(state);
                    engine.pipelines.lock().insert(name, entry);
                }
                _ if passes => engine.launch(entry),
                state => engine.resume(&name, &state),
            }
            drop(changing);
        };
        Ok(Boundary::new(batch, checkpoint, at_boundary, decide))
    }

    /// Lets a pipeline go on that was halted for a change that is not made.
    fn resume(&self, name: &str, state: &PipelineState) {
        use PipelineState::{Failed, Finished, Stopped};
        if matches!(state, Stopped | Finished | Failed { .. }) {
            return;
        }
        let before = self.pipelines.lock().remove(name);
        if let Some(before) = before {
            self.launch(before);
        }
    }

    /// What a pipeline runs, operator by operator.
    #[must_use]
    pub fn versions(&self, name: &str) -> Option<Versions> {
        self.pipelines.lock().get(name).map(|entry| entry.versions.clone())
    }

    /// Runs a batch that has committed once more, with `others` by operator instead of what ran then, and
    /// commits nothing.
    ///
    /// # Errors
    /// See [`ReplayError`]; `None`: there is no such pipeline.
    pub async fn replay(
        &self,
        name: &str,
        batch: u64,
        others: BTreeMap<String, Pin>,
    ) -> Option<Result<Replayed, ReplayError>> {
        let (spec, host) = self.aside(name)?;
        let replay = Replay { spec: &spec, host: &host, plugins: &self.host.plugins };
        Some(replay.run(batch, others).await)
    }

    /// The digests that a kept checkpoint of a pipeline names: batches may be replayed on them.
    ///
    /// # Errors
    /// The log does not say where the last one is.
    pub async fn digests_kept(&self, name: &str) -> Result<BTreeSet<String>, ReplayError> {
        let Some((spec, host)) = self.aside(name) else { return Ok(BTreeSet::new()) };
        let replay = Replay { spec: &spec, host: &host, plugins: &self.host.plugins };
        let chain = replay.chain(None).await?;
        Ok(chain.into_iter().flat_map(|manifest| manifest.plugins.into_values()).collect())
    }

    /// A pipeline's file and surroundings, with a turn of its own: a replay must not slow the pipeline down more than
    /// another one would.
    fn aside(&self, name: &str) -> Option<(Arc<PipelineSpec>, Surroundings)> {
        let (spec, store) = {
            let pipelines = self.pipelines.lock();
            let entry = pipelines.get(name)?;
            (Arc::clone(&entry.spec), Arc::clone(&entry.store))
        };
        let host = self.surroundings(&store, &format!("{name}.replay"));
        Some((spec, host))
    }

    /// Does not call the version that is tried at `operator` any longer.
    pub fn end_canary(&self, name: &str, operator: &str) {
        let graph = self.graph(name);
        let tried = graph.iter().flat_map(|graph| graph.canaries());
        tried.filter(|(of, _)| *of == operator).for_each(|(_, canary)| canary.end());
    }
}

/// What runs, with every digest: a later push of another version must not change it.
pub(super) fn resolved(versions: &Versions, graph: &Graph) -> Versions {
    let params = |name: &str| versions.pins.get(name).and_then(|pin| pin.params.clone());
    let pins = plugins_of(graph).into_iter().map(|(name, plugin)| {
        let params = params(&name);
        (name, Pin { plugin, params })
    });
    Versions { pins: pins.collect(), ..versions.clone() }
}
