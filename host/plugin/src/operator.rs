//! A plugin at its place in a pipeline: one configuration, many instances, any number of threads.
//!
//! **Calls block, and wait for each other only where `instances_max` says so**: each takes an idle
//! instance or starts one. An
//! instance may serve any call of its operator; it gets the call's own clock and randomness every
//! time. What a plugin smuggles from call to call in its memory cannot be prevented cheaply, only be
//! forbidden: the same batch would no longer give the same bytes.

use std::sync::Arc;
use std::time::Duration;

use crate::abi::{ColumnParam, ItemsParam};
use crate::batch::BatchRef;
use crate::call::{Beside, Call};
use crate::check;
use crate::clock::Stopwatch;
use crate::column::ColumnRef;
use crate::context::CallContext;
use crate::costs::{CostMeter, Costs, Volume};
use crate::error::{CallError, CallFault, CallSite};
use crate::handover;
use crate::instance::{Functions, Instance, StartError, Starter};
use crate::instances::{Instances, Taken};
use crate::limits::Limits;
use crate::outcome::OutcomeRef;
use crate::plugin::Plugin;
use crate::sandbox::{MetricSample, Voice};
use crate::settings::{SettingValue, Settings};
use crate::window::Window;

/// A plugin at its place in a pipeline. Shared by all worker threads.
pub struct Operator {
    plugin: Arc<Plugin>,
    voice: Voice,
    settings: Vec<(String, SettingValue)>,
    limits: Limits,
    instances: Arc<Instances>,
    meter: CostMeter,
}

const _: () = {
    const fn shared_by_threads<T: Send + Sync>() {}
    shared_by_threads::<Operator>();
};

impl std::fmt::Debug for Operator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Operator")
            .field("name", &self.voice.operator)
            .field("plugin", &self.plugin)
            .finish_non_exhaustive()
    }
}

impl Operator {
    pub(crate) fn start(
        plugin: Arc<Plugin>,
        name: &str,
        settings: Vec<(String, SettingValue)>,
        limits: Limits,
    ) -> Result<Self, StartError> {
        let voice = Voice::new(&plugin.description.name, name, &limits);
        let operator = Self {
            instances: Arc::new(Instances::new(&limits)),
            plugin,
            voice,
            settings,
            limits,
            meter: CostMeter::default(),
        };
        let first = operator.start_instance()?;
        operator.instances.keep(first);
        operator.plugin.runtime.register(&operator.instances);
        Ok(operator)
    }

    /// The operator's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.voice.operator
    }

    /// The plugin behind it.
    #[must_use]
    pub fn plugin(&self) -> &Arc<Plugin> {
        &self.plugin
    }

    /// Its limits.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Every parameter, with its value.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.settings.iter().cloned().collect()
    }

    /// Whether it was made with these settings and limits.
    #[must_use]
    pub fn runs_with(&self, settings: &Settings, limits: &Limits) -> bool {
        let resolved = settings.resolve(&self.plugin.description.parameters);
        self.limits == *limits
            && resolved.is_ok_and(|resolved| {
                let own = self.settings.iter().map(|(name, value)| (name.as_str(), value));
                resolved.iter().map(|(name, value)| (*name, value)).eq(own)
            })
    }

    /// What it has cost so far.
    #[must_use]
    pub fn costs(&self) -> Costs {
        self.meter.snapshot(self.voice.allowance.dropped_total(), self.voice.metrics.dropped())
    }

    /// What it has cost since this was asked last, of everybody who asks.
    #[must_use]
    pub fn costs_since_last(&self) -> Costs {
        self.meter.news(self.costs())
    }

    /// The plugin's own metrics at this operator.
    #[must_use]
    pub fn metrics(&self) -> Vec<MetricSample> {
        self.voice.metrics.snapshot()
    }

    /// Calls `process` and hands the checked outcome to `take`, whose views lie in the guest's
    /// memory. `take` runs at most once, and outside of the call's deadline.
    ///
    /// # Errors
    /// [`CallError`]; nothing that `take` did may be used then: it may have run before the guest
    /// failed in its last step.
    pub fn transform<R>(
        &self,
        cx: &CallContext<'_>,
        input: BatchRef<'_>,
        take: impl FnOnce(OutcomeRef<'_>) -> R,
    ) -> Result<R, CallError> {
        let handed = handover::of(input, self.plugin.description.reads);
        let given = Volume { records: input.len(), bytes: handed.total_bytes() };
        let ports = self.plugin.description.ports.len();
        self.call("process", cx, given, |call| {
            let Functions::Transform { process } = call.instance.functions() else {
                return Err(self.not_in_world());
            };
            let params = (call.lowered(handed.into()),);
            call.enter(process, params, |lists, memory, done| {
                let outcome = check::outcome(lists, memory, input.len(), ports)?;
                let bytes = outcome.output_bytes(input);
                done.returned(outcome.emitted.len(), bytes)?;
                done.rejected(outcome.rejected.len());
                let outcome = OutcomeRef {
                    emitted: outcome.emitted,
                    inputs: input.len(),
                    counts: outcome.counts,
                    ports: outcome.ports,
                    rejected: &outcome.rejected,
                };
                Ok(done.outside(|| take(outcome)))
            })
        })
    }

    /// Calls `keep` and hands the checked bitmap to `take`: bit i (least significant first) is set
    /// where record i is kept. Bits past the last record mean nothing.
    ///
    /// # Errors
    /// As [`Operator::transform`].
    pub fn keep<R>(
        &self,
        cx: &CallContext<'_>,
        input: BatchRef<'_>,
        take: impl FnOnce(&[u8]) -> R,
    ) -> Result<R, CallError> {
        let handed = handover::of(input, self.plugin.description.reads);
        let given = Volume { records: input.len(), bytes: handed.total_bytes() };
        self.call("keep", cx, given, |call| {
            let Functions::Filter { keep } = call.instance.functions() else {
                return Err(self.not_in_world());
            };
            let params = (call.lowered(handed.into()),);
            call.enter(keep, params, |bitmap, memory, done| {
                let bitmap = check::bitmap(bitmap, memory, input.len())?;
                done.returned(input.len(), bitmap.len() as u64)?;
                Ok(done.outside(|| take(bitmap)))
            })
        })
    }

    /// Calls `fold`: `groups` has the group of each record, below the number of `accumulators`, of
    /// which those of new groups are absent. `take` gets as many, in the same order, none absent.
    ///
    /// # Errors
    /// As [`Operator::transform`].
    ///
    /// # Panics
    /// If `values` or `timestamps` have items, but not one for each record.
    pub fn fold<R>(
        &self,
        cx: &CallContext<'_>,
        groups: &[u32],
        values: ColumnRef<'_>,
        timestamps: &[i64],
        accumulators: ColumnRef<'_>,
        take: impl FnOnce(ColumnRef<'_>) -> R,
    ) -> Result<R, CallError> {
        for items in [values.len(), timestamps.len()] {
            assert!(items == 0 || items == groups.len(), "one item for each record, or none");
        }
        let reads = self.plugin.description.reads;
        let values = if reads.values { values } else { ColumnRef::EMPTY };
        let timestamps = if reads.timestamps { timestamps } else { &[] };
        let given = Volume {
            records: groups.len(),
            bytes: size_of_val(groups)
                + values.total_bytes()
                + size_of_val(timestamps)
                + accumulators.total_bytes(),
        };
        let expected = accumulators.len();
        self.call("fold", cx, given, |call| {
            let Functions::Reducer { fold, .. } = call.instance.functions() else {
                return Err(self.not_in_world());
            };
            let items = ItemsParam { groups, values: values.into(), timestamps };
            let params = (call.lowered(items), call.lowered(accumulators.into()));
            call.enter(fold, params, |lists, memory, done| {
                let accumulators = check::accumulators(lists, memory, expected)?;
                done.returned(expected, accumulators.total_bytes() as u64)?;
                Ok(done.outside(|| take(accumulators)))
            })
        })
    }

    /// Calls `merge`: item i of `right`, whose records come later, into item i of `left`. None may
    /// be absent.
    ///
    /// # Errors
    /// As [`Operator::transform`].
    ///
    /// # Panics
    /// If the two columns have different numbers of items.
    pub fn merge<R>(
        &self,
        cx: &CallContext<'_>,
        left: ColumnRef<'_>,
        right: ColumnRef<'_>,
        take: impl FnOnce(ColumnRef<'_>) -> R,
    ) -> Result<R, CallError> {
        assert!(left.len() == right.len(), "accumulators are merged in pairs");
        let expected = left.len();
        let bytes = left.total_bytes() + right.total_bytes();
        self.call("merge", cx, Volume { records: expected, bytes }, |call| {
            let Functions::Reducer { merge, .. } = call.instance.functions() else {
                return Err(self.not_in_world());
            };
            let params = (call.lowered(left.into()), call.lowered(right.into()));
            call.enter(merge, params, |lists, memory, done| {
                let accumulators = check::accumulators(lists, memory, expected)?;
                done.returned(expected, accumulators.total_bytes() as u64)?;
                Ok(done.outside(|| take(accumulators)))
            })
        })
    }

    /// Calls `finish`: one record for each group. `windows` has one entry a group, or none for
    /// running totals. Columns without items in what `take` gets: the group's key; no value; no
    /// headers; the window's last millisecond, or the batch's time.
    ///
    /// # Errors
    /// As [`Operator::transform`].
    ///
    /// # Panics
    /// If there are accumulators or windows, but not one for each key.
    pub fn finish<R>(
        &self,
        cx: &CallContext<'_>,
        keys: ColumnRef<'_>,
        windows: &[Window],
        accumulators: ColumnRef<'_>,
        take: impl FnOnce(BatchRef<'_>) -> R,
    ) -> Result<R, CallError> {
        let expected = accumulators.len();
        for items in [keys.len(), windows.len()] {
            assert!(items == 0 || items == expected, "one key and window for each group");
        }
        let bytes = keys.total_bytes() + size_of_val(windows) + accumulators.total_bytes();
        self.call("finish", cx, Volume { records: expected, bytes }, |call| {
            let Functions::Reducer { finish, .. } = call.instance.functions() else {
                return Err(self.not_in_world());
            };
            let (keys, accumulators) = (ColumnParam::from(keys), ColumnParam::from(accumulators));
            let params = (call.lowered(keys), call.lowered(windows), call.lowered(accumulators));
            call.enter(finish, params, |lists, memory, done| {
                let finished = check::finished(lists, memory, expected)?;
                done.returned(expected, finished.total_bytes() as u64)?;
                Ok(done.outside(|| take(finished)))
            })
        })
    }

    /// Calls `migrate`: rewrites `states`, none of them absent, from `from_version` into the plugin's own
    /// state version. `take` gets as many, in the same order.
    ///
    /// # Errors
    /// As [`Operator::transform`]; [`CallFault::NoMigration`] where the plugin has none.
    pub fn migrate<R>(
        &self,
        cx: &CallContext<'_>,
        from_version: u32,
        states: ColumnRef<'_>,
        take: impl FnOnce(ColumnRef<'_>) -> R,
    ) -> Result<R, CallError> {
        let expected = states.len();
        let given = Volume { records: expected, bytes: states.total_bytes() };
        self.call("migrate", cx, given, |call| {
            let Some(migrate) = call.instance.migrate() else {
                return Err(CallFault::NoMigration);
            };
            let params = (from_version, call.lowered(states.into()));
            call.enter(migrate, params, |lists, memory, done| {
                let migrated = check::accumulators(lists, memory, expected)?;
                done.returned(expected, migrated.total_bytes() as u64)?;
                Ok(done.outside(|| take(migrated)))
            })
        })
    }

    /// Runs one call on an idle or new instance, and drops the instance if it may be harmed.
    fn call<R>(
        &self,
        function: &'static str,
        cx: &CallContext<'_>,
        given: Volume,
        run: impl FnOnce(&mut Call<'_>) -> Result<R, CallFault>,
    ) -> Result<R, CallError> {
        self.meter.call_began(given);
        let mut took = Duration::ZERO;
        let result = self.take_instance().map_err(CallFault::from).and_then(|mut taken| {
            let running = self.plugin.runtime.ticker.running();
            let beside = Beside::default();
            let stopwatch = Stopwatch::start();
            let instance = taken.instance();
            let mut call = Call::new(instance, &self.limits, &self.meter, cx, &running, &beside);
            let result = run(&mut call);
            took = stopwatch.elapsed().saturating_sub(call.time_outside());
            let in_guest = took.saturating_sub(beside.boundary());
            self.meter.spent(in_guest, beside.boundary(), taken.instance().memory_bytes());
            self.give_back(taken, result.as_ref().err());
            result
        });
        result.map_err(|fault| {
            self.meter.call_failed();
            CallError { site: Box::new(self.site(function, cx)), fault, took }
        })
    }

    fn take_instance(&self) -> Result<Taken<'_>, StartError> {
        self.instances.take(|| self.start_instance())
    }

    fn start_instance(&self) -> Result<Instance, StartError> {
        let runtime = &self.plugin.runtime;
        let starter = Starter {
            template: &self.plugin.template,
            indexes: &self.plugin.indexes,
            ticker: &runtime.ticker,
            limits: &self.limits,
            instances_max: runtime.config.instances_max,
        };
        let start = || starter.start(self.voice.clone());
        let mut instance = match start() {
            Err(error) if error.is_retryable() && runtime.relieve() => start()?,
            started => started?,
        };
        starter.configure(&mut instance, &self.settings)?;
        self.meter.instance_started();
        Ok(instance)
    }

    fn give_back(&self, taken: Taken<'_>, fault: Option<&CallFault>) {
        let is_sound = matches!(
            fault,
            None | Some(
                CallFault::Failed { .. } | CallFault::NotInWorld { .. } | CallFault::NoMigration
            )
        );
        if is_sound && !taken.is_worn(&self.limits) {
            taken.put_back();
        } else {
            self.meter.instance_dropped();
        }
    }

    fn not_in_world(&self) -> CallFault {
        CallFault::NotInWorld { world: self.plugin.world() }
    }

    fn site(&self, function: &'static str, cx: &CallContext<'_>) -> CallSite {
        CallSite {
            plugin: self.plugin.description.name.clone(),
            version: self.plugin.description.version.to_string(),
            digest: self.plugin.digest,
            operator: self.name().to_owned(),
            pipeline: cx.pipeline.to_owned(),
            batch: cx.batch,
            task: cx.task,
            function,
        }
    }
}
