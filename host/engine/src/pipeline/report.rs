//! What a pipeline tells the outside: its state, its last batches, its totals.
//! **Bounded**: the last [`PROGRESS_KEPT_MAX`] batches are kept, whoever listens slowly misses some.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::broadcast;

use crate::progress::{OperatorProgress, PipelineState, PipelineStatus, Progress};

/// Plugins of one operator whose costs are kept.
const PLUGINS_KEPT_MAX: usize = 8;

/// Batches whose progress is kept.
pub const PROGRESS_KEPT_MAX: usize = 100;

/// One pipeline's report, shared by its driver and those who ask.
pub struct Report {
    name: String,
    told: Mutex<Told>,
    listeners: broadcast::Sender<Arc<Progress>>,
}

struct Told {
    state: PipelineState,
    batch_id: Option<u64>,
    batches: u64,
    input_rows: u64,
    output_rows: u64,
    late_rows: u64,
    lag: u64,
    operators: Vec<OperatorProgress>,
    progress: VecDeque<Arc<Progress>>,
}

impl Report {
    /// A pipeline that is starting.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let told = Told {
            state: PipelineState::Starting,
            batch_id: None,
            batches: 0,
            input_rows: 0,
            output_rows: 0,
            late_rows: 0,
            lag: 0,
            operators: Vec::new(),
            progress: VecDeque::new(),
        };
        Self {
            name: name.to_owned(),
            told: Mutex::new(told),
            listeners: broadcast::channel(PROGRESS_KEPT_MAX).0,
        }
    }

    /// The pipeline is now doing something else.
    pub fn set_state(&self, state: PipelineState) {
        self.told.lock().state = state;
    }

    /// What the pipeline is doing.
    #[must_use]
    pub fn state(&self) -> PipelineState {
        self.told.lock().state.clone()
    }

    /// How many records were unread when the last batch was planned.
    pub fn set_lag(&self, lag: u64) {
        self.told.lock().lag = lag;
    }

    /// The last committed batch, before this start of the pipeline.
    pub fn restored(&self, batch: u64) {
        self.told.lock().batch_id = Some(batch);
    }

    /// A batch has committed.
    pub fn committed(&self, progress: Progress) {
        let progress = Arc::new(progress);
        {
            let mut told = self.told.lock();
            told.batch_id = Some(progress.batch_id);
            told.batches += 1;
            told.input_rows += progress.num_input_rows;
            told.output_rows += progress.num_output_rows;
            told.late_rows += progress
                .state_operators
                .iter()
                .map(|state| state.num_rows_dropped_by_watermark)
                .sum::<u64>();
            progress.operators.iter().for_each(|batch| told.ledger(batch));
            if told.progress.len() == PROGRESS_KEPT_MAX {
                told.progress.pop_front();
            }
            told.progress.push_back(Arc::clone(&progress));
        }
        // Nobody listening is no error.
        let _ = self.listeners.send(progress);
    }

    /// The last batches, oldest first.
    #[must_use]
    pub fn progress(&self) -> Vec<Arc<Progress>> {
        self.told.lock().progress.iter().cloned().collect()
    }

    /// Batches as they commit.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Progress>> {
        self.listeners.subscribe()
    }

    /// Everything at a glance.
    #[must_use]
    pub fn status(&self) -> PipelineStatus {
        let told = self.told.lock();
        PipelineStatus {
            name: self.name.clone(),
            state: told.state.clone(),
            batch_id: told.batch_id,
            batches: told.batches,
            input_rows: told.input_rows,
            output_rows: told.output_rows,
            late_rows: told.late_rows,
            lag: told.lag,
            operators: told.operators.clone(),
            canaries: Vec::new(),
            batch_ms: percentiles(
                told.progress.iter().map(|batch| batch.duration_ms.trigger_execution),
            ),
            last_progress: told.progress.back().map(|last| Progress::clone(last)),
        }
    }
}

impl Told {
    /// Adds to the costs of an operator and its plugin. Of plugins that it had before, the last few are
    /// kept: who upgrades for ever must not fill the memory.
    fn ledger(&mut self, batch: &OperatorProgress) {
        let same = |known: &&mut OperatorProgress| {
            known.name == batch.name && known.digest == batch.digest
        };
        if let Some(known) = self.operators.iter_mut().find(same) {
            return known.add(batch);
        }
        let of_operator = |known: &OperatorProgress| known.name == batch.name;
        if self.operators.iter().filter(|known| of_operator(known)).count() >= PLUGINS_KEPT_MAX
            && let Some(oldest) = self.operators.iter().position(of_operator)
        {
            self.operators.remove(oldest);
        }
        self.operators.push(batch.clone());
    }
}

fn percentiles(durations: impl Iterator<Item = f64>) -> BTreeMap<&'static str, f64> {
    let mut sorted: Vec<f64> = durations.collect();
    sorted.sort_by(f64::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else { return BTreeMap::new() };
    [("p50", last / 2), ("p99", last * 99 / 100), ("max", last)]
        .map(|(name, index)| (name, sorted[index]))
        .into()
}
