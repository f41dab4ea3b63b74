//! Step 5, state: partial folds are merged into accumulators, changed totals or closed windows go
//! on, and what changed is kept for the checkpoint.
//!
//! A task owns the state of its key groups while it runs; between batches the driver holds it.
//! **A state that a batch has changed is of use only if that batch commits**: after a failure all
//! state is read again from the last checkpoint.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use tidemill_plugin::{BatchRef, Column, ColumnRef, Window};

use super::chain::{Chain, TaskError, TaskOutput, TaskSite};
use super::fold::Routed;
use super::group::{Groups, Key};
use super::plan::BatchPlan;
use super::poison::{Breaker, Origin};
use super::read::CALL_BYTES_MAX;
use super::window::{RUNNING, Windowing};
use crate::checkpoint::{Entry, StateWriter};
use crate::graph::{Graph, Reducer};
use crate::pool;

/// A call of `merge` or `finish` gets at most this many groups.
const CALL_GROUPS_MAX: usize = 16 << 10;

/// One task's share of one reducer's state.
#[derive(Default)]
pub struct TaskState {
    panes: BTreeMap<i64, Groups>,
    /// Counts batches, to tell groups that this one touched.
    batch: u32,
}

/// What a state task leaves behind.
pub struct StateOutput {
    /// With this batch in it.
    pub state: TaskState,
    /// What its results came to, further down.
    pub output: TaskOutput,
    /// The state file's content; empty where nothing changed.
    pub delta: Vec<u8>,
    /// Accumulators changed.
    pub updated: u64,
    /// Accumulators dropped with their panes.
    pub removed: u64,
    /// The earliest end of a window that is open.
    pub next_end: Option<i64>,
}

/// Where a state task stands.
pub struct StateTask<'g> {
    /// The pipeline as it runs.
    pub graph: &'g Graph,
    /// The batch.
    pub plan: &'g BatchPlan,
    /// Stops a batch that is full of poison.
    pub breaker: &'g Breaker,
    /// The pipeline's name.
    pub pipeline: &'g str,
    /// Index of the reducer.
    pub reducer: usize,
    /// Which of its tasks.
    pub task: u32,
}

impl TaskState {
    /// Takes in an entry of a state file, oldest file first.
    pub fn apply(&mut self, entry: &Entry<'_>) {
        match entry {
            Entry::Set { pane, key, accumulator } => {
                let groups = self.panes.entry(*pane).or_default();
                let group = groups.find_or_insert(Key::new(*key));
                groups.set_accumulator(group, accumulator);
            }
            Entry::Evict { pane } => {
                self.panes.remove(pane);
            }
        }
    }

    /// Keys (and panes) held.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.panes.values().map(|groups| groups.len() as u64).sum()
    }

    /// Bytes of keys and accumulators.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.panes.values().map(|groups| groups.bytes() as u64).sum()
    }

    /// The same keys and panes, their accumulators rewritten by `rewrite`, which gets some of them at a
    /// time and hands as many to the function beside them.
    ///
    /// # Errors
    /// The first of `rewrite`.
    pub fn rewritten<E>(
        &self,
        mut rewrite: impl FnMut(ColumnRef<'_>, &mut dyn FnMut(ColumnRef<'_>)) -> Result<(), E>,
    ) -> Result<Self, E> {
        let mut panes = BTreeMap::new();
        let mut accumulators = Column::new();
        for (start, groups) in &self.panes {
            let mut rewritten = Groups::default();
            let mut next = 0u32;
            while (next as usize) < groups.len() {
                let first = next;
                accumulators.clear();
                while (next as usize) < groups.len()
                    && accumulators.len() < CALL_GROUPS_MAX
                    && accumulators.as_ref().item_bytes() < CALL_BYTES_MAX
                {
                    accumulators.push(Some(groups.accumulator(next).unwrap_or_default()));
                    next += 1;
                }
                rewrite(accumulators.as_ref(), &mut |migrated| {
                    for (group, accumulator) in (first..).zip(migrated.iter()) {
                        let into = rewritten.find_or_insert(Key::new(groups.key(group)));
                        rewritten.set_accumulator(into, accumulator.unwrap_or_default());
                    }
                })?;
            }
            panes.insert(*start, rewritten);
        }
        Ok(Self { panes, batch: 0 })
    }

    /// All of it as the content of one state file; nothing where there is none.
    #[must_use]
    pub fn snapshot(&self) -> Option<Vec<u8>> {
        let mut writer = StateWriter::new();
        for (pane, groups) in &self.panes {
            for group in (0u32..).take(groups.len()) {
                let accumulator = groups.accumulator(group).unwrap_or_default();
                writer.set(*pane, groups.key(group), accumulator);
            }
        }
        (!writer.is_empty()).then(|| writer.finish())
    }

    /// The earliest end of a window that `watermark` leaves open.
    #[must_use]
    pub fn next_end(&self, windowing: &Windowing, watermark: Option<i64>) -> Option<i64> {
        // Ends rise with panes, and closed panes are gone: the first one decides.
        windowing.next_end(self.panes.keys().copied().take(1), watermark)
    }
}

impl<'g> StateTask<'g> {
    /// Merges `inputs`, in the order of their tasks, and hands results on.
    ///
    /// # Errors
    /// See [`TaskError`]; the state is lost then.
    pub fn run(
        &self,
        mut state: TaskState,
        inputs: &[Arc<Routed>],
    ) -> Result<StateOutput, TaskError> {
        let mut chain = self.chain();
        state.batch += 1;
        let changed = self.merge_inputs(&chain, &mut state, inputs)?;
        let mut delta = StateWriter::new();
        let mut removed = 0;
        let reducer = self.node();
        let mut next_end = None;
        match &reducer.window {
            None => {
                if let Some(groups) = state.panes.get(&RUNNING) {
                    let touched: Vec<u32> = changed.iter().map(|(_, group)| *group).collect();
                    self.emit(&mut chain, groups, &touched, None)?;
                }
            }
            Some((windowing, _)) => {
                let watermarks = self.plan.watermarks[self.reducer];
                // Where the watermark stands still, nothing closes.
                if watermarks.evict != watermarks.late {
                    let panes = state.panes.keys().copied();
                    for window in windowing.closing(panes, watermarks.late, watermarks.evict) {
                        let totals = self.window_totals(&chain, &state, windowing, window)?;
                        self.emit(&mut chain, &totals, &totals.sorted_by_key(), Some(window))?;
                    }
                    removed = evict(&mut state, windowing, watermarks.evict, &mut delta);
                }
                next_end = state.next_end(windowing, watermarks.evict);
            }
        }
        for (pane, group) in &changed {
            if let Some(groups) = state.panes.get(pane) {
                delta.set(
                    *pane,
                    groups.key(*group),
                    groups.accumulator(*group).unwrap_or_default(),
                );
            }
        }
        let delta = if delta.is_empty() { Vec::new() } else { delta.finish() };
        Ok(StateOutput {
            state,
            output: chain.finish(0),
            delta,
            updated: changed.len() as u64,
            removed,
            next_end,
        })
    }

    fn node(&self) -> &'g Reducer {
        &self.graph.reducers[self.reducer]
    }

    fn chain(&self) -> Chain<'g> {
        Chain::new(TaskSite {
            graph: self.graph,
            plan: self.plan,
            breaker: self.breaker,
            pipeline: self.pipeline,
            task: self.task,
            keyless: self.task,
            input: format!("from operator `{}`, task {}", self.node().name, self.task),
            // State is changed by the time that results go on: this task cannot begin anew.
            careful: true,
        })
    }

    /// Merges and gives back the touched groups, in order of first occurrence.
    fn merge_inputs(
        &self,
        chain: &Chain<'g>,
        state: &mut TaskState,
        inputs: &[Arc<Routed>],
    ) -> Result<Vec<(i64, u32)>, TaskError> {
        let mut changed = Vec::new();
        let mut merges = Merges::default();
        for routed in inputs {
            for (pane, group) in &routed.by_task[self.task as usize] {
                let (start, partial) = routed.pane(*pane);
                let Some(accumulator) = partial.accumulator(*group) else { continue };
                let call = state.batch;
                let groups = state.panes.entry(start).or_default();
                let into = groups.find_or_insert(Key::new(partial.key(*group)));
                if groups.local(into, call, 0).1 {
                    changed.push((start, into));
                }
                match groups.accumulator(into) {
                    None => groups.set_accumulator(into, accumulator),
                    Some(left) => merges.push((start, into), left, accumulator),
                }
                if merges.is_full() {
                    self.merge(chain, &mut merges, |(pane, group), merged| {
                        set(state, pane, group, merged)
                    })?;
                }
            }
            // A group occurs once in a partial, so its merges wait for no other of the same partial.
            self.merge(chain, &mut merges, |(pane, group), merged| {
                set(state, pane, group, merged)
            })?;
        }
        Ok(changed)
    }

    fn merge<T: Copy>(
        &self,
        chain: &Chain<'g>,
        merges: &mut Merges<T>,
        mut store: impl FnMut(T, &[u8]),
    ) -> Result<(), TaskError> {
        if merges.targets.is_empty() {
            return Ok(());
        }
        let Merges { targets, left, right } = merges;
        let (left, right) = (left.as_ref(), right.as_ref());
        pool::give_way()?;
        self.node().operator.merge(chain.context(), left, right, |merged| {
            self.node().compare(|canary| canary.merge(chain.context(), left, right, merged));
            for (target, accumulator) in targets.iter().zip(merged.iter()) {
                store(*target, accumulator.unwrap_or_default());
            }
        })?;
        merges.clear();
        Ok(())
    }

    /// The accumulators of a window: of its only pane, or merged over its panes in order of time.
    fn window_totals<'s>(
        &self,
        chain: &Chain<'g>,
        state: &'s TaskState,
        windowing: &Windowing,
        window: Window,
    ) -> Result<Cow<'s, Groups>, TaskError> {
        let mut panes = windowing.panes_of(window).filter_map(|start| state.panes.get(&start));
        let first = panes.next();
        let mut rest = panes.peekable();
        let Some(first) = first else { return Ok(Cow::Owned(Groups::default())) };
        if rest.peek().is_none() {
            return Ok(Cow::Borrowed(first));
        }
        let mut totals = Groups::default();
        let mut merges = Merges::default();
        for pane in std::iter::once(first).chain(rest) {
            for group in (0u32..).take(pane.len()) {
                let Some(accumulator) = pane.accumulator(group) else { continue };
                let into = totals.find_or_insert(Key::new(pane.key(group)));
                match totals.accumulator(into) {
                    None => totals.set_accumulator(into, accumulator),
                    Some(left) => merges.push(into, left, accumulator),
                }
                if merges.is_full() {
                    self.merge(chain, &mut merges, |group, merged| {
                        totals.set_accumulator(group, merged)
                    })?;
                }
            }
            self.merge(chain, &mut merges, |group, merged| totals.set_accumulator(group, merged))?;
        }
        Ok(Cow::Owned(totals))
    }

    fn emit(
        &self,
        chain: &mut Chain<'g>,
        groups: &Groups,
        emitted: &[u32],
        window: Option<Window>,
    ) -> Result<(), TaskError> {
        let reducer = self.node();
        let mut keys = Column::new();
        let mut accumulators = Column::new();
        let mut rest = emitted.iter().peekable();
        while rest.peek().is_some() {
            keys.clear();
            accumulators.clear();
            for group in rest.by_ref() {
                keys.push(groups.key(*group));
                accumulators.push(Some(groups.accumulator(*group).unwrap_or_default()));
                let bytes = keys.as_ref().item_bytes() + accumulators.as_ref().item_bytes();
                if keys.len() >= CALL_GROUPS_MAX || bytes >= CALL_BYTES_MAX {
                    break;
                }
            }
            let windows = window.map_or(Vec::new(), |window| vec![window; keys.len()]);
            let context = *chain.context();
            pool::give_way()?;
            reducer.operator.finish(
                &context,
                keys.as_ref(),
                &windows,
                accumulators.as_ref(),
                |finished| {
                    let (keys, accumulators) = (keys.as_ref(), accumulators.as_ref());
                    reducer.compare(|canary| {
                        canary.finish(&context, keys, &windows, accumulators, finished);
                    });
                    let defaults = Defaults::new(self.plan, window, keys.len());
                    let results = defaults.fill(keys, finished)?;
                    chain.send(&reducer.targets, results, &Origin::Reducer)
                },
            )??;
        }
        Ok(())
    }
}

fn set(state: &mut TaskState, pane: i64, group: u32, accumulator: &[u8]) {
    if let Some(groups) = state.panes.get_mut(&pane) {
        groups.set_accumulator(group, accumulator);
    }
}

/// Drops the panes that no open window holds; gives back how many accumulators went.
fn evict(
    state: &mut TaskState,
    windowing: &Windowing,
    watermark: Option<i64>,
    delta: &mut StateWriter,
) -> u64 {
    let closed: Vec<i64> =
        state.panes.keys().copied().filter(|pane| windowing.is_closed(*pane, watermark)).collect();
    let mut removed = 0;
    for pane in closed {
        removed += state.panes.remove(&pane).map_or(0, |groups| groups.len() as u64);
        delta.evict(pane);
    }
    removed
}

/// Pairs of accumulators for one call of `merge`.
struct Merges<T> {
    targets: Vec<T>,
    left: Column,
    right: Column,
}

impl<T> Default for Merges<T> {
    fn default() -> Self {
        Self { targets: Vec::new(), left: Column::new(), right: Column::new() }
    }
}

impl<T> Merges<T> {
    fn push(&mut self, target: T, left: &[u8], right: &[u8]) {
        self.targets.push(target);
        self.left.push(Some(left));
        self.right.push(Some(right));
    }

    fn is_full(&self) -> bool {
        self.targets.len() >= CALL_GROUPS_MAX
            || self.left.as_ref().item_bytes() + self.right.as_ref().item_bytes() >= CALL_BYTES_MAX
    }

    fn clear(&mut self) {
        self.targets.clear();
        self.left.clear();
        self.right.clear();
    }
}

/// The parts of a result that `finish` may leave out.
struct Defaults {
    timestamps: Vec<i64>,
    headers: Column,
}

impl Defaults {
    fn new(plan: &BatchPlan, window: Option<Window>, records: usize) -> Self {
        let time = window.map_or(plan.time_ms, |window| window.end.saturating_sub(1));
        let mut headers = Column::new();
        if let Some(window) = window {
            let encoded = window_headers(window);
            (0..records).for_each(|_| headers.push(Some(&encoded)));
        }
        Self { timestamps: vec![time; records], headers }
    }

    fn fill<'a>(
        &'a self,
        keys: tidemill_plugin::ColumnRef<'a>,
        finished: BatchRef<'a>,
    ) -> Result<BatchRef<'a>, TaskError> {
        let or = |own: tidemill_plugin::ColumnRef<'a>, default| {
            if own.is_empty() { default } else { own }
        };
        Ok(BatchRef::of_records(
            self.timestamps.len(),
            or(finished.keys(), keys),
            finished.values(),
            or(finished.headers(), self.headers.as_ref()),
            if finished.timestamps().is_empty() { &self.timestamps } else { finished.timestamps() },
        )?)
    }
}

/// `window-start` and `window-end`, decimal milliseconds, in Kafka's record-header encoding.
fn window_headers(window: Window) -> Vec<u8> {
    let headers =
        [("window-start", window.start.to_string()), ("window-end", window.end.to_string())];
    let mut encoded = Vec::new();
    // All lengths are below 64, so each is one byte: a zigzag varint is twice the number.
    encoded.push(headers.len() as u8 * 2);
    for (name, value) in &headers {
        for part in [name.as_bytes(), value.as_bytes()] {
            encoded.push(part.len() as u8 * 2);
            encoded.extend_from_slice(part);
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use tidemill_log::HeaderIter;

    use super::*;

    #[test]
    fn window_headers_are_kafka_headers() {
        let encoded = window_headers(Window { start: i64::MIN, end: 60_000 });
        assert!(HeaderIter::is_well_formed(&encoded));
        let headers: Vec<_> =
            HeaderIter::new(&encoded).map(|header| (header.name, header.value.unwrap())).collect();
        let start = i64::MIN.to_string();
        assert_eq!(
            headers,
            [(&b"window-start"[..], start.as_bytes()), (&b"window-end"[..], &b"60000"[..])]
        );
    }
}
