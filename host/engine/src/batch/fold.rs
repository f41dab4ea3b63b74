//! The partial fold before the exchange: the records of one task, reduced to one accumulator a key
//! (and pane). It shrinks what the exchange moves, and tames skewed keys.

use std::collections::HashMap;

use tidemill_plugin::{BatchRef, CallContext, CallError, Column, ColumnRef};

use super::group::{Groups, Key};
use super::window::RUNNING;
use crate::graph::{Graph, Reducer};

/// Keys and accumulators by pane, panes in order of first occurrence.
#[derive(Default)]
pub struct Panes {
    panes: Vec<(i64, Groups)>,
    by_start: HashMap<i64, usize>,
    last: usize,
}

impl Panes {
    /// All panes, in order of first occurrence.
    pub fn iter(&self) -> impl Iterator<Item = (i64, &Groups)> {
        self.panes.iter().map(|(start, groups)| (*start, groups))
    }

    fn index_of(&mut self, start: i64) -> usize {
        if self.panes.get(self.last).is_none_or(|(at, _)| *at != start) {
            let next = self.panes.len();
            self.last = *self.by_start.entry(start).or_insert(next);
            if self.last == next {
                self.panes.push((start, Groups::default()));
            }
        }
        self.last
    }
}

/// One task's partial fold for one reducer.
#[derive(Default)]
pub struct Partial {
    panes: Panes,
    call: u32,
    /// The group of each record of a call, numbered within the call.
    groups: Vec<u32>,
    /// The groups of a call, by their number within it.
    touched: Vec<(usize, u32)>,
    accumulators: Column,
}

/// A call of `fold` that failed.
pub struct FoldError {
    /// Why.
    pub error: CallError,
    /// Accumulators were stored before it failed in its last step.
    pub stored: bool,
}

/// A partial fold with its groups dealt out to the tasks that hold their state.
pub struct Routed {
    /// The folded groups.
    pub panes: Panes,
    /// For each state task: pane (index into `panes`) and group, in order of first occurrence.
    pub by_task: Vec<Vec<(u32, u32)>>,
}

impl Partial {
    /// Folds `records` into this partial; `panes` has the pane of each, or nothing for running totals.
    /// With `waits` nothing is stored before the call has ended.
    ///
    /// # Errors
    /// What the plugin's call ends with. The partial is as it was before, unless something was stored.
    pub fn fold(
        &mut self,
        reducer: &Reducer,
        context: &CallContext<'_>,
        records: BatchRef<'_>,
        panes: &[i64],
        waits: bool,
    ) -> Result<(), FoldError> {
        self.assign_groups(records, panes);
        self.accumulators.clear();
        for (pane, group) in &self.touched {
            self.accumulators.push(self.panes.panes[*pane].1.accumulator(*group));
        }
        let Self { panes, touched, groups, accumulators, .. } = self;
        let (values, timestamps) = (records.values(), records.timestamps());
        let (mut returned, mut stored) = (Column::new(), false);
        let held = accumulators.as_ref();
        let taken = |folded: ColumnRef<'_>| {
            reducer.compare(|canary| {
                let key = |index: usize| {
                    let (pane, group) = touched.get(index)?;
                    panes.panes[*pane].1.key(*group)
                };
                canary.fold(context, groups, values, timestamps, held, folded, key);
            });
            if waits {
                returned.extend(folded);
            } else {
                stored = true;
                store(panes, touched, folded);
            }
        };
        let called = reducer.operator.fold(context, groups, values, timestamps, held, taken);
        match called {
            Ok(()) if waits => store(panes, touched, returned.as_ref()),
            Ok(()) => {}
            Err(error) => {
                if !stored {
                    self.take_back();
                }
                return Err(FoldError { error, stored });
            }
        }
        Ok(())
    }

    /// Forgets the groups that the last call brought: records that were not folded must not show, not
    /// even in the order of the others.
    fn take_back(&mut self) {
        let Self { panes, touched, .. } = self;
        for (pane, group) in touched.drain(..).rev() {
            let groups = &mut panes.panes[pane].1;
            if groups.accumulator(group).is_none() {
                groups.take_back(group);
            }
        }
    }

    fn assign_groups(&mut self, records: BatchRef<'_>, panes: &[i64]) {
        self.call += 1;
        self.groups.clear();
        self.touched.clear();
        self.groups.reserve(records.len());
        if panes.is_empty() {
            let pane = self.panes.index_of(RUNNING);
            self.assign(pane, records.keys(), 0..records.len());
            return;
        }
        let mut start = 0;
        while let Some(first) = panes.get(start) {
            let run = panes[start..].iter().take_while(|pane| *pane == first).count();
            let pane = self.panes.index_of(*first);
            self.assign(pane, records.keys(), start..start + run);
            start += run;
        }
    }

    fn assign(&mut self, pane: usize, keys: ColumnRef<'_>, records: std::ops::Range<usize>) {
        let Self { panes, groups, touched, call, .. } = self;
        let table = &mut panes.panes[pane].1;
        for record in records {
            let group = table.find_or_insert(Key::item(&keys, record));
            // As many as records of one call, whose columns have less than 2^31 items.
            let (local, is_new) = table.local(group, *call, touched.len() as u32);
            if is_new {
                touched.push((pane, group));
            }
            groups.push(local);
        }
    }

    /// Deals the groups out to the tasks of their keys.
    #[must_use]
    pub fn route(self, graph: &Graph) -> Routed {
        let tasks = graph.spread().tasks as usize;
        let mut by_task = vec![Vec::new(); tasks];
        for (pane, (_, groups)) in (0u32..).zip(self.panes.iter()) {
            for group in (0u32..).take(groups.len()) {
                let task = if tasks == 1 { 0 } else { graph.task_of(groups.key(group)) as usize };
                by_task[task].push((pane, group));
            }
        }
        Routed { panes: self.panes, by_task }
    }
}

impl Routed {
    /// The pane's start, and its groups.
    #[must_use]
    pub fn pane(&self, index: u32) -> (i64, &Groups) {
        let (start, groups) = &self.panes.panes[index as usize];
        (*start, groups)
    }
}

/// The call's result was checked: one accumulator for each group touched, none absent.
fn store(panes: &mut Panes, touched: &[(usize, u32)], folded: ColumnRef<'_>) {
    for ((pane, group), accumulator) in touched.iter().zip(folded.iter()) {
        panes.panes[*pane].1.set_accumulator(*group, accumulator.unwrap_or_default());
    }
}
