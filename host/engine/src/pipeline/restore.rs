//! Where a pipeline goes on: committed positions, and the checkpoint that their metadata points at.

use std::collections::BTreeMap;

use futures::future::try_join_all;

use super::source_side::Position;
use super::surroundings::Surroundings;
use crate::batch::finish::BatchError;
use crate::batch::state::TaskState;
use crate::batch::watermark::WatermarkState;
use crate::broker::{Committed, TopicPartition};
use crate::causes::causes_of;
use crate::checkpoint::{
    Manifest, Observed, Pointer, Restore, RestoreError, Seen, StateFile, check_positions,
    decide_restore, read_state,
};
use crate::graph::{Graph, Reducer, Spread};
use crate::spec::Start;

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
    pub last: Option<(Pointer, Manifest)>,
    /// A fresh start that begins at the end of a topic: the position has to be committed before
    /// anything else, or a crash would move it.
    pub must_commit_positions: bool,
}

/// Reads what `group` committed and the checkpoint behind it, and fixes how `graph` spreads its state.
///
/// # Errors
/// The log or the store fails, or what they hold does not fit together or to the pipeline.
pub async fn restore(
    graph: &Graph,
    group: &str,
    tasks_wanted: Option<u32>,
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
            check_fits(graph, tasks_wanted, &manifest)?;
            Some((pointer, manifest))
        }
    };
    let manifest = last.as_ref().map(|(_, manifest)| manifest);
    let watermarks = manifest.map_or_else(BTreeMap::new, |manifest| {
        let saved = manifest.watermarks.iter();
        saved
            .map(|(name, saved)| {
                (name.clone(), WatermarkState::from_manifest(saved, manifest.time_ms))
            })
            .collect()
    });
    let spread = manifest.map_or(graph.spread_default, |manifest| Spread {
        tasks: manifest.tasks,
        key_groups: manifest.key_groups,
    });
    // A second start of the same pipeline finds its first commit, which has the same spread.
    let _ = graph.spread.set(spread);
    let (positions, must_commit_positions) = positions(graph, &committed, host).await?;
    let (state, state_files) = load_state(graph, manifest, host).await?;
    Ok(Restored { positions, watermarks, state, state_files, last, must_commit_positions })
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

/// State is of use only to the operators, in the form and over the tasks that it was written for.
fn check_fits(
    graph: &Graph,
    tasks_wanted: Option<u32>,
    manifest: &Manifest,
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
            Some(reducer) if reducer.state_version != *version => {
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

async fn load_state(
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
