//! Step 8, later: deltas are compacted into snapshots, and what no checkpoint names is deleted.
//!
//! It runs beside the batches and never holds one up. **It is never needed for a result**: a
//! failure is logged and tried again after later batches.

use std::collections::VecDeque;

use tokio::task::JoinHandle;

use crate::batch::finish::Finisher;
use crate::checkpoint::{Checkpoint, Keep, StateFile, decide_compaction};

/// Garbage is collected after this many commits.
const COMMITS_PER_COLLECTION: u64 = 16;

/// The tidying of one pipeline; at most one compaction and one collection at a time.
pub struct Tidy {
    compacting: Option<JoinHandle<Vec<Compacted>>>,
    collecting: Option<JoinHandle<()>>,
    commits: u64,
    /// The last commits, oldest first.
    kept: VecDeque<Checkpoint>,
    kept_max: usize,
    /// Checkpoints that a person may go back to.
    upgrades: Vec<Checkpoint>,
}

struct Compacted {
    reducer: usize,
    task: usize,
    /// The files that the snapshot stands for, oldest first.
    replaced: usize,
    snapshot: StateFile,
}

impl Tidy {
    /// Keeps the last `kept_max` checkpoints, and those from before `upgrades`.
    pub fn new(kept_max: usize, upgrades: Vec<Checkpoint>) -> Self {
        Self {
            compacting: None,
            collecting: None,
            commits: 0,
            kept: VecDeque::new(),
            kept_max,
            upgrades,
        }
    }

    /// Keeps the checkpoint from before an upgrade, and of those from before others the ones in `kept`.
    pub fn keep(&mut self, kept: &[String], checkpoint: Option<Checkpoint>) {
        self.upgrades.retain(|(pointer, _)| kept.contains(&pointer.to_string()));
        self.upgrades.extend(checkpoint);
    }

    /// Takes in what is done and begins what is due. The next manifest names a finished snapshot
    /// instead of the files it stands for.
    pub async fn after_commit(&mut self, finisher: &mut Finisher) {
        self.commits += 1;
        self.kept.extend(finisher.last.clone());
        if self.kept.len() > self.kept_max {
            self.kept.pop_front();
        }
        if let Some(task) = self.compacting.take_if(|task| task.is_finished())
            && let Ok(done) = task.await
        {
            for Compacted { reducer, task, replaced, snapshot } in done {
                finisher.state_files[reducer][task].splice(..replaced, [snapshot]);
            }
        }
        if self.compacting.is_none() {
            self.compacting = begin_compaction(finisher);
        }
        if self.commits.is_multiple_of(COMMITS_PER_COLLECTION)
            && self.collecting.as_ref().is_none_or(JoinHandle::is_finished)
        {
            let kept = self.kept.iter().cloned().collect();
            self.collecting = begin_collection(finisher, kept, self.upgrades.clone());
        }
    }

    /// Waits for what is under way, so that nothing of this pipeline runs on behind it.
    pub async fn finish(&mut self) {
        if let Some(task) = self.compacting.take() {
            let _ = task.await;
        }
        if let Some(task) = self.collecting.take() {
            let _ = task.await;
        }
    }
}

/// Compacts whatever has grown enough, one task's state after the other.
fn begin_compaction(finisher: &Finisher) -> Option<JoinHandle<Vec<Compacted>>> {
    let next_batch = finisher.last.as_ref().map(|(pointer, _)| pointer.batch + 1)?;
    let mut grown = Vec::new();
    for (reducer, tasks) in finisher.state_files.iter().enumerate() {
        let of_reducer = tasks.iter().enumerate().filter(|(_, files)| decide_compaction(files));
        grown.extend(of_reducer.map(|(task, files)| (reducer, task, files.clone())));
    }
    if grown.is_empty() {
        return None;
    }
    let (store, pipeline) = (finisher.store.clone(), finisher.pipeline.clone());
    Some(tokio::spawn(async move {
        let mut done = Vec::new();
        for (reducer, task, files) in grown {
            match store.compact(&files, next_batch).await {
                Ok(snapshot) => {
                    done.push(Compacted { reducer, task, replaced: files.len(), snapshot });
                }
                Err(error) => {
                    tracing::warn!(%pipeline, %error, "cannot compact state files; later batches try again");
                }
            }
        }
        done
    }))
}

fn begin_collection(
    finisher: &Finisher,
    kept: Vec<Checkpoint>,
    upgrades: Vec<Checkpoint>,
) -> Option<JoinHandle<()>> {
    let committed = kept.last()?.0.batch;
    let files: Vec<StateFile> = finisher.state_files.iter().flatten().flatten().cloned().collect();
    let store = finisher.store.clone();
    let pipeline = finisher.pipeline.clone();
    Some(tokio::spawn(async move {
        let keep = Keep { committed, manifests: &kept, upgrades: &upgrades, files: &files };
        match store.collect_garbage(&keep).await {
            Ok(collected) => {
                tracing::debug!(%pipeline, files = collected.files, "collected garbage of checkpoints")
            }
            Err(error) => {
                tracing::warn!(%pipeline, %error, "cannot collect garbage of checkpoints")
            }
        }
    }))
}
