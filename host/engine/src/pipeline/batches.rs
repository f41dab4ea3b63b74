//! The loop of a running pipeline: when the next batch starts, and two of them under way.

use std::sync::Arc;
use std::time::Duration;

use futures::future::try_join_all;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::orders::Orders;
use super::report::Report;
use super::restore::{Restored, load_earlier};
use super::source_side::{Ahead, SourceSide, expected_inputs};
use super::summary::{Summary, millis};
use super::surroundings::Surroundings;
use super::tidy::Tidy;
use super::{End, Pipeline, chain_of};
use crate::batch::finish::{BatchError, Finished, Finisher, Mapped};
use crate::batch::plan::{BatchPlan, PartitionFacts, PlannedRange};
use crate::batch::watermark::Watermarks;
use crate::broker::Producer;
use crate::graph::Graph;
use crate::ingest::Ingest;
use crate::progress::{Durations, PipelineState};
use crate::rate::{Gains, RateEstimator};
use crate::spec::{BatchLimits, OnEnd, Trigger};
use crate::upgrade::boundary::Held;
use crate::upgrade::migrate::{Migrated, Migration};
use crate::upgrade::{Switch, SwitchError, Versions};

/// While no records come, windows and the copying of sources are looked at this often: processing time
/// goes on, idle inputs are set aside, and copying may have failed.
const IDLE_POLL: Duration = Duration::from_millis(250);

/// A pipeline that runs.
pub struct Batches {
    host: Surroundings,
    report: Arc<Report>,
    trigger: Trigger,
    on_end: OnEnd,
    back_pressure: bool,
    run_id: String,
    source_side: SourceSide,
    tidy: Tidy,
    /// Here between batches; away with the batch that is being finished.
    finisher: Option<Box<Finisher>>,
    finishing: Option<JoinHandle<Result<Done, BatchError>>>,
    /// By reducer, after the last batch that was finished.
    next_ends: Vec<Option<i64>>,
    must_commit_positions: bool,
    flushed: bool,
    /// When the batch before was planned, and when the next may be, on the monotonic clock.
    planned_at: Option<Duration>,
    due_at: Duration,
    /// Whether there was nothing to do since the batch before.
    waited: bool,
}

struct Done {
    finisher: Box<Finisher>,
    finished: Finished,
    summary: Summary,
}

/// What the log has, and how long it took to ask.
struct Facts {
    partitions: Vec<PartitionFacts>,
    took: Duration,
}

/// What comes next.
enum Next {
    Batch { facts: Facts, flush: bool },
    End(End),
}

impl Batches {
    /// A pipeline that has restored and not run a batch yet.
    pub(super) fn new(
        pipeline: &Pipeline,
        graph: &Arc<Graph>,
        group: String,
        producer: Box<dyn Producer>,
        restored: Restored,
        retried: u32,
    ) -> Self {
        let Pipeline { spec, host, report, .. } = pipeline;
        let name: Arc<str> = spec.name.as_str().into();
        let next_batch = restored.last.as_ref().map_or(0, |(pointer, _)| pointer.batch + 1);
        if let Some((pointer, _)) = &restored.last {
            report.restored(pointer.batch);
        }
        let watermarks = expected_inputs(graph, &restored.watermarks, host.clock.now_ms());
        let next_ends = graph.reducers.iter().zip(&restored.state).zip(&watermarks).map(
            |((reducer, tasks), watermark)| {
                let (windowing, _) = reducer.window.as_ref()?;
                tasks.iter().filter_map(|state| state.next_end(windowing, watermark.current)).min()
            },
        );
        let next_ends = next_ends.collect();
        let interval_ms = match spec.trigger {
            Trigger::Interval(interval) => u64::try_from(interval.as_millis()).unwrap_or(u64::MAX),
            Trigger::AvailableNow | Trigger::Once => 1000,
        };
        Self {
            host: host.clone(),
            report: Arc::clone(report),
            trigger: spec.trigger,
            on_end: spec.on_end,
            back_pressure: spec.limits.back_pressure,
            run_id: host.store.new_id(),
            source_side: SourceSide {
                graph: Arc::clone(graph),
                pipeline: Arc::clone(&name),
                host: host.clone(),
                limits: limits_of(spec.trigger, spec.limits),
                trigger: spec.trigger,
                positions: restored.positions,
                watermarks,
                next_batch,
                rate: RateEstimator::new(interval_ms, Gains::default()),
                rate_now: None,
                retried,
            },
            tidy: Tidy::new(spec.checkpoints_kept, restored.kept),
            finisher: Some(Box::new(Finisher {
                graph: Arc::clone(graph),
                pipeline: name,
                group,
                producer,
                store: Arc::clone(&host.store),
                files: Arc::clone(&host.files),
                lane: Arc::clone(&host.lane),
                clock: Arc::clone(&host.clock),
                state: restored.state,
                state_files: restored.state_files,
                last: restored.last,
            })),
            finishing: None,
            next_ends,
            must_commit_positions: restored.must_commit_positions,
            flushed: false,
            planned_at: None,
            due_at: Duration::ZERO,
            waited: true,
        }
    }

    /// Runs batches until the trigger or a person ends it.
    pub(super) async fn run(
        mut self,
        ingests: &[Ingest],
        orders: &mut Orders,
    ) -> Result<End, BatchError> {
        if self.ends() {
            let drained = try_join_all(ingests.iter().map(Ingest::drain));
            tokio::select! {
                () = orders.stopped() => return Ok(End::Stopped),
                drained = drained => drained?,
            };
            self.source_side.fix_ends().await?;
        }
        self.report.set_state(PipelineState::Running);
        let ended = self.run_batches(ingests, orders).await;
        // A batch on its way to the commit is not left behind, whatever ended the loop.
        let settled = self.settle().await;
        self.tidy.finish().await;
        let ended = ended?;
        settled?;
        Ok(ended)
    }

    async fn run_batches(
        &mut self,
        ingests: &[Ingest],
        orders: &mut Orders,
    ) -> Result<End, BatchError> {
        loop {
            match self.next(ingests, orders).await? {
                Next::End(end) => return Ok(end),
                Next::Batch { facts, flush } => {
                    // What is not on its way to the commit may be dropped: it runs again.
                    let (mapped, summary) = tokio::select! {
                        () = orders.stopped() => return Ok(End::Stopped),
                        ahead = self.map_batch(&facts, flush) => ahead?,
                    };
                    self.settle().await?;
                    self.start_finishing(mapped, summary);
                }
            }
        }
    }

    /// Whether the trigger ends by itself.
    fn ends(&self) -> bool {
        !matches!(self.trigger, Trigger::Interval(_))
    }

    async fn next(&mut self, ingests: &[Ingest], orders: &mut Orders) -> Result<Next, BatchError> {
        loop {
            let pause = self.due_at.saturating_sub(self.host.clock.monotonic());
            if !pause.is_zero() {
                tokio::select! {
                    () = orders.stopped() => return Ok(Next::End(End::Stopped)),
                    () = tokio::time::sleep(pause) => {}
                }
            }
            if orders.is_stopped() {
                return Ok(Next::End(End::Stopped));
            }
            if let Some(switch) = orders.take_switch() {
                self.switch(switch, orders).await?;
            }
            if let Some(error) = ingests.iter().find_map(Ingest::failure) {
                return Err(error.into());
            }
            let asked = self.host.clock.monotonic();
            let partitions = self.source_side.facts().await?;
            let facts = Facts { partitions, took: self.host.clock.monotonic() - asked };
            let lag = facts.partitions.iter().map(PartitionFacts::lag).sum();
            self.report.set_lag(lag);
            if lag > 0 || std::mem::take(&mut self.must_commit_positions) {
                return Ok(Next::Batch { facts, flush: false });
            }
            if self.finishing.is_some() {
                // Which windows are open is known once the batch under way has ended.
                self.settle().await?;
                continue;
            }
            if self.windows_are_due(&facts.partitions) {
                return Ok(Next::Batch { facts, flush: false });
            }
            if self.ends() {
                return Ok(self.at_the_end(facts));
            }
            self.waited = true;
            self.wait(!ingests.is_empty(), orders).await?;
        }
    }

    fn at_the_end(&mut self, facts: Facts) -> Next {
        let open = self.next_ends.iter().any(Option::is_some);
        if open && self.on_end == OnEnd::Flush && !std::mem::replace(&mut self.flushed, true) {
            return Next::Batch { facts, flush: true };
        }
        Next::End(End::Finished)
    }

    fn windows_are_due(&self, facts: &[PartitionFacts]) -> bool {
        let watermarks = self.source_side.next_watermarks(self.host.clock.now_ms(), facts);
        let due = |(end, watermark): (&Option<i64>, &Watermarks)| {
            end.is_some_and(|end| watermark.evict >= Some(end))
        };
        self.next_ends.iter().zip(&watermarks).any(due)
    }

    /// Until there are records, or it is time to look at the windows again, or to stop.
    async fn wait(&self, copies: bool, orders: &mut Orders) -> Result<(), BatchError> {
        let positions: Vec<_> = self
            .source_side
            .positions
            .iter()
            .map(|position| (position.at.clone(), position.next))
            .collect();
        let windows_open = self.next_ends.iter().any(Option::is_some);
        tokio::select! {
            woken = self.host.broker.wait_for_records(&positions) => woken?,
            () = orders.given() => {}
            () = tokio::time::sleep(IDLE_POLL), if windows_open || copies => {}
        }
        Ok(())
    }

    /// Plans a batch and runs it up to the exchange.
    async fn map_batch(
        &mut self,
        facts: &Facts,
        flush: bool,
    ) -> Result<(Mapped, Summary), BatchError> {
        let began = self.host.clock.monotonic();
        // Only a batch that nothing but the one before held up came late.
        let late_by = if std::mem::take(&mut self.waited) {
            Duration::ZERO
        } else {
            began.saturating_sub(self.due_at)
        };
        let since_last = self.planned_at.replace(began).map(|last| began.saturating_sub(last));
        if let Trigger::Interval(interval) = self.trigger {
            self.due_at = began + interval;
        }
        let mut durations = Durations { latest_offset: millis(facts.took), ..Durations::default() };
        let plan =
            self.persisted(self.source_side.plan(&facts.partitions, flush), &mut durations).await?;
        durations.query_planning =
            millis(self.host.clock.monotonic() - began) - durations.wal_commit;
        let ahead = self.source_side.run(plan, durations, began).await?;
        let Ahead { mapped, durations, sources, records, began, event_times } = ahead;
        let plan = Arc::clone(&mapped.plan);
        let summary =
            Summary { plan, durations, sources, records, began, late_by, since_last, event_times };
        Ok((mapped, summary))
    }

    /// A sink outside the log must get the same records again after a crash, so the plan is made
    /// durable before it runs; one that is there already, from before a crash, wins.
    async fn persisted(
        &self,
        plan: BatchPlan,
        durations: &mut Durations,
    ) -> Result<BatchPlan, BatchError> {
        if !self.source_side.graph.has_outside_sink() {
            return Ok(plan);
        }
        let began = self.host.clock.monotonic();
        let kept = match self.host.store.load_plan(plan.id).await? {
            Some(earlier) => self.fitting(serde_json::from_value(earlier).map_err(|error| BatchError::Restore {
                reason: format!("the plan of batch {} cannot be read: {error}", plan.id),
                hint: "it was written by another version of Tidemill: finish the batch with that one".to_owned(),
            })?)?,
            None => {
                let value = serde_json::to_value(&plan).expect("a plan is numbers and names");
                self.host.store.save_plan(plan.id, &value).await?;
                plan
            }
        };
        durations.wal_commit = millis(self.host.clock.monotonic() - began);
        Ok(kept)
    }

    /// A plan from before a crash is followed only by the pipeline that made it.
    fn fitting(&self, plan: BatchPlan) -> Result<BatchPlan, BatchError> {
        let side = &self.source_side;
        let known = |range: &PlannedRange| {
            side.positions.iter().any(|position| {
                position.source == range.source
                    && position.at == range.at
                    && position.next <= range.from
            })
        };
        if plan.watermarks.len() == side.graph.reducers.len() && plan.ranges.iter().all(known) {
            return Ok(plan);
        }
        Err(BatchError::Restore {
            reason: format!("batch {} was planned by another form of this pipeline", plan.id),
            hint: "apply the earlier file once more until that batch has committed, or delete the pipeline"
                .to_owned(),
        })
    }

    fn start_finishing(&mut self, mapped: Mapped, summary: Summary) {
        let Some(mut finisher) = self.finisher.take() else { return };
        self.finishing = Some(tokio::spawn(async move {
            let finished = finisher.finish(mapped).await?;
            Ok(Done { finisher, finished, summary })
        }));
    }

    /// Waits for the batch that is on its way to its commit, if there is one.
    async fn settle(&mut self) -> Result<(), BatchError> {
        let Some(finishing) = self.finishing.take() else { return Ok(()) };
        let Done { mut finisher, finished, summary } = match finishing.await {
            Ok(done) => done?,
            Err(lost) => {
                return Err(BatchError::Restore {
                    reason: format!("a batch ended without a result: {lost}"),
                    hint: "this is a defect; the log has the place".to_owned(),
                });
            }
        };
        self.source_side.retried = 0;
        self.next_ends.clone_from(&finished.next_ends);
        self.learn(&summary, finished.committed_at.saturating_sub(summary.began));
        self.report.committed(summary.progress(&self.run_id, &finisher, finished));
        self.tidy.after_commit(&mut finisher).await;
        self.finisher = Some(finisher);
        Ok(())
    }

    /// Holds between two batches, and goes on with the new graph if it is let pass.
    async fn switch(&mut self, switch: Switch, orders: &mut Orders) -> Result<(), BatchError> {
        self.settle().await?;
        let Some(mut finisher) = self.finisher.take() else { return Ok(()) };
        let Switch { graph: next, versions, reached } = switch;
        let batch = self.source_side.next_batch;
        let versions = versions.at(batch);
        let _ = next.spread.set(finisher.graph.spread());
        let migrated = match self.new_state(&next, &versions, &mut finisher).await {
            Ok(migrated) => migrated,
            Err(refused) => {
                let _ = reached.send(Err(refused));
                self.finisher = Some(finisher);
                return Ok(());
            }
        };
        let (pass, passed) = oneshot::channel();
        let before = finisher.last.clone();
        let checkpoint = before.as_ref().map(|(pointer, _)| pointer.to_string());
        let held = Held { batch, checkpoint, pass };
        // Whoever asked may have gone, or may think better of it: then nothing has changed.
        if reached.send(Ok(held)).is_ok() && passed.await.is_ok() {
            if !migrated.is_empty() {
                // A compaction under way is of files that are no longer the state's.
                self.tidy.finish().await;
            }
            self.tidy.keep(&versions.kept, before);
            for Migrated { reducer, state, files } in migrated {
                finisher.state[reducer] = state;
                finisher.state_files[reducer] = files;
            }
            finisher.graph = Arc::clone(&next);
            self.source_side.graph = Arc::clone(&next);
            orders.switched(next, versions);
        }
        self.finisher = Some(finisher);
        Ok(())
    }

    /// The state of every reducer whose plugin keeps it in another form than before, or that goes back to an
    /// earlier one.
    async fn new_state(
        &self,
        next: &Arc<Graph>,
        versions: &Versions,
        finisher: &mut Finisher,
    ) -> Result<Vec<Migrated>, SwitchError> {
        let migration = Migration {
            graph: next,
            pipeline: &finisher.pipeline,
            batch: self.source_side.next_batch,
            time_ms: finisher.last.as_ref().map_or(0, |(_, manifest)| manifest.time_ms),
            lane: &self.host.lane,
            store: &self.host.store,
        };
        let forms: Vec<u32> =
            finisher.graph.reducers.iter().map(|reducer| reducer.state_version).collect();
        let mut all = Vec::new();
        for (reducer, (from, node)) in forms.into_iter().zip(&next.reducers).enumerate() {
            let refused = |error: BatchError| SwitchError::State {
                operator: node.name.clone(),
                reason: chain_of(&error),
            };
            if let Some(to) = versions.restores.get(&node.name) {
                let earlier = load_earlier(next, reducer, &to.checkpoint, &self.host).await;
                all.push(earlier.map_err(refused)?);
            } else if from != node.state_version {
                let old = std::mem::take(&mut finisher.state[reducer]);
                let (old, migrated) = migration.run(reducer, from, old).await;
                finisher.state[reducer] = old;
                all.push(migrated.map_err(refused)?);
            }
        }
        Ok(all)
    }

    /// Back-pressure learns from a batch that has committed.
    fn learn(&mut self, summary: &Summary, took: Duration) {
        if self.back_pressure && matches!(self.trigger, Trigger::Interval(_)) {
            let side = &mut self.source_side;
            let (took, late_by) = (whole_millis(took), whole_millis(summary.late_by));
            let learnt = side.rate.update(summary.plan.time_ms, summary.records, took, late_by);
            side.rate_now = learnt.or(side.rate_now);
        }
    }
}

fn limits_of(trigger: Trigger, limits: BatchLimits) -> BatchLimits {
    match trigger {
        Trigger::Once => {
            BatchLimits { batch_bytes_max: u64::MAX, batch_records_max: None, ..limits }
        }
        Trigger::Interval(_) | Trigger::AvailableNow => limits,
    }
}

fn whole_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
