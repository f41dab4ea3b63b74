//! Rewrites the state of a reducer for a plugin that keeps it in another form.
//! **The old state stays as it is** until the new one is in use; the files of the new one are named by nothing until
//! the next batch commits.

use std::sync::Arc;

use futures::future::{join_all, try_join_all};
use tidemill_plugin::CallContext;

use crate::batch::chain::TaskError;
use crate::batch::finish::BatchError;
use crate::batch::state::TaskState;
use crate::checkpoint::{CheckpointError, CheckpointStore, StateFile};
use crate::graph::Graph;
use crate::pool::Lane;

/// Where state is rewritten.
pub struct Migration<'a> {
    /// The pipeline as it is to run.
    pub graph: &'a Arc<Graph>,
    /// Its name.
    pub pipeline: &'a Arc<str>,
    /// The first batch that runs on the new state.
    pub batch: u64,
    /// The time of the last batch that ran on the old one.
    pub time_ms: i64,
    /// Runs the calls.
    pub lane: &'a Lane,
    /// Takes the new files.
    pub store: &'a CheckpointStore,
}

/// One reducer's state in its new form, by task, and the file that holds it.
pub struct Migrated {
    /// Index of the reducer.
    pub reducer: usize,
    /// By task.
    pub state: Vec<TaskState>,
    /// By task; nothing for a task without state.
    pub files: Vec<Vec<StateFile>>,
}

impl Migration<'_> {
    /// Rewrites the state of `reducer`, which has the form `from_version`. Durable on return. Gives back the old
    /// state, too.
    ///
    /// # Errors
    /// The plugin does not read it, or the store fails; the old state is given back all the same.
    pub async fn run(
        &self,
        reducer: usize,
        from_version: u32,
        old: Vec<TaskState>,
    ) -> (Vec<TaskState>, Result<Migrated, BatchError>) {
        let old: Vec<Arc<TaskState>> = old.into_iter().map(Arc::new).collect();
        let tasks = (0u32..).zip(&old).map(|(task, state)| {
            let (graph, pipeline) = (Arc::clone(self.graph), Arc::clone(self.pipeline));
            let (state, batch, time_ms) = (Arc::clone(state), self.batch, self.time_ms);
            self.lane.run(move || {
                let operator = &graph.reducers[reducer].operator;
                let context = CallContext { pipeline: &pipeline, batch, task, time_ms };
                state.rewritten(|states, take| {
                    operator.migrate(&context, from_version, states, take).map_err(TaskError::from)
                })
            })
        });
        let migrated = join_all(tasks).await;
        // The tasks are done, and with them all other holders.
        let held = |state| Arc::into_inner(state).expect("the tasks are done");
        let old = old.into_iter().map(held).collect();
        let mut state = Vec::with_capacity(migrated.len());
        for done in migrated {
            match done {
                Ok(Ok(task)) => state.push(task),
                Ok(Err(source)) => {
                    return (old, Err(BatchError::Task { batch: self.batch, source }));
                }
                Err(lost) => return (old, Err(lost.into())),
            }
        }
        let written = self.write(reducer, &state).await;
        let migrated = written.map(|files| Migrated { reducer, state, files });
        (old, migrated.map_err(BatchError::from))
    }

    async fn write(
        &self,
        reducer: usize,
        state: &[TaskState],
    ) -> Result<Vec<Vec<StateFile>>, CheckpointError> {
        let name = &self.graph.reducers[reducer].name;
        let files = (0u32..).zip(state).map(|(task, state)| async move {
            match state.snapshot() {
                None => Ok(Vec::new()),
                Some(bytes) => {
                    let file = self
                        .store
                        .write_snapshot(name, task, self.batch, self.batch, bytes)
                        .await?;
                    Ok(vec![file])
                }
            }
        });
        try_join_all(files).await
    }
}
