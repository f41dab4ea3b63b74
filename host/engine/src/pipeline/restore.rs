//! Where a pipeline goes on: committed positions, and the checkpoint that their metadata points at.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::try_join_all;

use super::source_side::Position;
use super::surroundings::Surroundings;
use crate::batch::finish::BatchError;
use crate::batch::state::TaskState;
use crate::batch::watermark::WatermarkState;
use crate::broker::{Committed, TopicPartition};
use crate::causes::causes_of;
use crate::checkpoint::{
    Checkpoint, Manifest, Observed, Pointer, Restore, RestoreError, Seen, StateFile,
    check_positions, decide_restore, read_state,
};
use crate::graph::{Graph, Reducer, Spread};
use crate::spec::Start;
use crate::upgrade::Versions;
use crate::upgrade::migrate::{Migrated, Migration};

/// One on its way to the commit, one ahead of it.
const BATCHES_IN_FLIGHT_MAX: u64 = 2;

/// Everything that a start of a pipeline begins with.
pub struct Restored {
    /// By source and partition.
    pub positions: Vec<Position>,
    /// By operator.
    pub watermarks: BTreeMap<String, WatermarkState>,
    /// By reducer and task.
    pub state: Vec<Vec<TaskState>>,
    /// By reducer and task, oldest first.
    pub state_files: Vec<Vec<Vec<StateFile>>>,
    /// The last commit; `None` for a fresh start.
    pub last: Option<Checkpoint>,
    /// A fresh start that begins at the end of a topic: the position has to be committed before
    /// anything else, or a crash would move it.
    pub must_commit_positions: bool,
    /// Checkpoints that are kept for a rollback.
    pub kept: Vec<Checkpoint>,
}

/// Reads what `group` committed and the checkpoint behind it, and fixes how `graph` spreads its state.
///
/// # Errors
/// The log or the store fails, or what they hold does not fit together or to the pipeline.
pub async fn restore(
    graph: &Arc<Graph>,
    group: &str,
    tasks_wanted: Option<u32>,
    versions: &Versions,
    host: &Surroundings,
) -> Result<Restored, BatchError> {
    let committed = host.broker.committed(group).await?;
    let seen = committed.iter().filter(|position| counts(graph, &committed, position));
    let seen = seen.map(|position| Seen {
        topic: position.at.topic.to_string(),
        partition: position.at.partition,
        next: position.offset,
        metadata: position.metadata.clone(),
    });
    let observed = Observed {
        committed: seen.collect(),
        newest: host.store.newest().await?,
        in_flight_max: BATCHES_IN_FLIGHT_MAX,
    };
    let refused =
        |error: RestoreError| BatchError::Restore { hint: error.hint(), reason: causes_of(&error) };
    let last = match decide_restore(&observed).map_err(refused)? {
        Restore::Fresh => None,
        Restore::From(pointer) => {
            let manifest = host.store.load(&pointer).await?;
            check_positions(&manifest, &observed.committed).map_err(refused)?;
            check_fits(graph, tasks_wanted, &manifest, versions)?;
            Some((pointer, Arc::new(manifest)))
        }
    };
    let manifest = last.as_ref().map(|(_, manifest)| &**manifest);
    let watermarks = manifest.map_or_else(BTreeMap::new, watermarks_of);
    let spread = manifest.map_or(graph.spread_default, |manifest| Spread {
        tasks: manifest.tasks,
        key_groups: manifest.key_groups,
    });
    // A second start of the same pipeline finds its first commit, which has the same spread.
    let _ = graph.spread.set(spread);
    let (positions, must_commit_positions) = positions(graph, &committed, host).await?;
    let (mut state, mut state_files) = load_state(graph, manifest, host).await?;
    if let Some(manifest) = manifest {
        renew(graph, manifest, versions, &mut state, &mut state_files, host).await?;
    }
    let kept = load_kept(&versions.kept, host).await;
    Ok(Restored { positions, watermarks, state, state_files, last, must_commit_positions, kept })
}

/// Whether a position says where the pipeline stands: its topic is read now. One of retried dead letters
/// may be left from before they were turned off and on again; then only the others count.
fn counts(graph: &Graph, committed: &[Committed], position: &Committed) -> bool {
    let read_as = |at: &TopicPartition| {
        graph.sources.iter().find(|source| source.topic == at.topic).map(|source| source.retries)
    };
    match read_as(&position.at) {
        None => false,
        Some(false) => true,
        Some(true) => committed
            .iter()
            .any(|other| read_as(&other.at) == Some(false) && other.metadata == position.metadata),
    }
}

/// The state that every operator really begins with: an earlier one where it goes back to that, and a rewritten
/// one where its plugin keeps it in another form by now. Their files are the next manifest's.
pub(super) async fn renew(
    graph: &Arc<Graph>,
    manifest: &Manifest,
    versions: &Versions,
    state: &mut [Vec<TaskState>],
    state_files: &mut [Vec<Vec<StateFile>>],
    host: &Surroundings,
) -> Result<(), BatchError> {
    let migration = Migration {
        graph,
        pipeline: &manifest.pipeline.as_str().into(),
        batch: manifest.batch + 1,
        time_ms: manifest.time_ms,
        lane: &host.lane,
        store: &host.store,
    };
    for (index, reducer) in graph.reducers.iter().enumerate() {
        let written = manifest.state_versions.get(&reducer.name).copied();
        let renewed = match versions.restored(&reducer.name, migration.batch) {
            Some(to) => load_earlier(graph, index, &to.checkpoint, host).await?,
            None => match written.filter(|written| *written != reducer.state_version) {
                None => continue,
                Some(from) => {
                    let old = std::mem::take(&mut state[index]);
                    migration.run(index, from, old).await.1?
                }
            },
        };
        (state[index], state_files[index]) = (renewed.state, renewed.files);
    }
    Ok(())
}

/// One reducer's state as it was at an earlier checkpoint.
pub(super) async fn load_earlier(
    graph: &Graph,
    reducer: usize,
    checkpoint: &str,
    host: &Surroundings,
) -> Result<Migrated, BatchError> {
    let node = &graph.reducers[reducer];
    let refuse = |reason: String| BatchError::Restore {
        reason: format!("go back to the state of operator `{}`: {reason}", node.name),
        hint: "migrate its state instead, or apply the pipeline under a new name".to_owned(),
    };
    let pointer: Pointer = checkpoint.parse().map_err(|error| refuse(causes_of(&error)))?;
    let manifest = host.store.load(&pointer).await?;
    let version = manifest.state_versions.get(&node.name).copied();
    if version != Some(node.state_version) || manifest.tasks != graph.spread().tasks {
        return Err(refuse(format!("batch {} kept it in another form", manifest.batch)));
    }
    let files: Vec<_> =
        (0..manifest.tasks).map(|task| manifest.files_of(&node.name, task)).collect();
    let state = try_join_all(files.iter().map(|files| load_task(files, host))).await?;
    Ok(Migrated { reducer, state, files })
}

/// One that cannot be read is no reason not to start: only a rollback would need it.
async fn load_kept(kept: &[String], host: &Surroundings) -> Vec<Checkpoint> {
    let mut loaded = Vec::new();
    for text in kept {
        let Ok(pointer) = text.parse::<Pointer>() else { continue };
        match host.store.load(&pointer).await {
            Ok(manifest) => loaded.push((pointer, Arc::new(manifest))),
            Err(error) => {
                tracing::warn!(%error, "a checkpoint that was kept for a rollback cannot be read");
            }
        }
    }
    loaded
}

/// State is of use only to the operators, in the form and over the tasks that it was written for.
fn check_fits(
    graph: &Graph,
    tasks_wanted: Option<u32>,
    manifest: &Manifest,
    versions: &Versions,
) -> Result<(), BatchError> {
    let refuse = |reason, hint: &str| Err(BatchError::Restore { reason, hint: hint.to_owned() });
    if let Some(wanted) = tasks_wanted.filter(|wanted| *wanted != manifest.tasks) {
        return refuse(
            format!("its state is spread over {} tasks, not {wanted}", manifest.tasks),
            "leave `tasks` out, or apply the pipeline under a new name",
        );
    }
    for (operator, version) in &manifest.state_versions {
        let now = graph.reducers.iter().find(|reducer| reducer.name == *operator);
        match now {
            Some(reducer)
                if reducer.state_version != *version
                    && !reducer.operator.plugin().migrates()
                    && versions.restored(operator, manifest.batch + 1).is_none() =>
            {
                return refuse(
                    format!(
                        "operator `{operator}` has state of version {version}, its plugin reads version {}",
                        reducer.state_version
                    ),
                    "name the plugin version that wrote the state, or apply the pipeline under a new name",
                );
            }
            Some(reducer) if reducer.window_text().as_ref() != manifest.windows.get(operator) => {
                let running = || "running totals".to_owned();
                let was = manifest.windows.get(operator).cloned().unwrap_or_else(running);
                let is = reducer.window_text().unwrap_or_else(running);
                return refuse(
                    format!("operator `{operator}` has state of {was}, not of {is}"),
                    "delete the pipeline first, or apply it under a new name",
                );
            }
            Some(_) => {}
            None => {
                return refuse(
                    format!(
                        "there is state of an operator `{operator}`, which the pipeline no longer has"
                    ),
                    "delete the pipeline first, or apply it under a new name",
                );
            }
        }
    }
    Ok(())
}

/// By operator, as they were after the manifest's batch.
pub(super) fn watermarks_of(manifest: &Manifest) -> BTreeMap<String, WatermarkState> {
    let saved = manifest.watermarks.iter();
    saved
        .map(|(name, saved)| (name.clone(), WatermarkState::from_manifest(saved, manifest.time_ms)))
        .collect()
}

async fn positions(
    graph: &Graph,
    committed: &[Committed],
    host: &Surroundings,
) -> Result<(Vec<Position>, bool), BatchError> {
    let mut positions = Vec::new();
    let mut must_commit = false;
    for (index, source) in graph.sources.iter().enumerate() {
        let bounds = host.broker.bounds(&source.topic).await?;
        for (partition, bounds) in (0..source.partitions).zip(bounds) {
            let at = TopicPartition { topic: source.topic.clone(), partition };
            let next = match committed.iter().find(|position| position.at == at) {
                Some(position) => position.offset,
                None => {
                    must_commit |= source.start == Start::Latest;
                    match source.start {
                        Start::Earliest => bounds.start,
                        Start::Latest => bounds.end,
                    }
                }
            };
            positions.push(Position { source: index, at, next, end: None });
        }
    }
    Ok((positions, must_commit))
}

type State = (Vec<Vec<TaskState>>, Vec<Vec<Vec<StateFile>>>);

pub(super) async fn load_state(
    graph: &Graph,
    manifest: Option<&Manifest>,
    host: &Surroundings,
) -> Result<State, BatchError> {
    let of_task = |reducer: &Reducer, task| {
        manifest.map_or_else(Vec::new, |manifest| manifest.files_of(&reducer.name, task))
    };
    let files: Vec<Vec<Vec<StateFile>>> = graph
        .reducers
        .iter()
        .map(|reducer| (0..graph.spread().tasks).map(|task| of_task(reducer, task)).collect())
        .collect();
    let mut state = Vec::new();
    for tasks in &files {
        state.push(try_join_all(tasks.iter().map(|files| load_task(files, host))).await?);
    }
    Ok((state, files))
}

async fn load_task(files: &[StateFile], host: &Surroundings) -> Result<TaskState, BatchError> {
    let mut state = TaskState::default();
    for file in files {
        let bytes = host.store.read(file).await?;
        let damaged = |reason: String| BatchError::Restore {
            reason: format!("state file `{}` is damaged: {reason}", file.path),
            hint: "restore the file from a copy; nothing was changed".to_owned(),
        };
        for entry in read_state(&bytes).map_err(|error| damaged(error.to_string()))? {
            state.apply(&entry);
        }
    }
    Ok(state)
}
