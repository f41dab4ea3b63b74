//! A plugin at its place in a pipeline: one configuration, many instances, any number of threads.
//!
//! **Calls block and never wait for each other**: each takes an idle instance or starts one. An
//! instance may serve any call of its operator; it gets the call's own clock and randomness every
//! time. What a plugin smuggles from call to call in its memory cannot be prevented cheaply, only be
//! forbidden: the same batch would no longer give the same bytes.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::abi::{ColumnParam, ItemsParam};
use crate::batch::BatchRef;
use crate::call::Call;
use crate::check;
use crate::clock::Stopwatch;
use crate::column::ColumnRef;
use crate::context::CallContext;
use crate::costs::{CostMeter, Costs, Volume};
use crate::error::{CallError, CallFault, CallSite};
use crate::handover;
use crate::instance::{Functions, Instance, StartError, Starter};
use crate::limits::Limits;
use crate::outcome::OutcomeRef;
use crate::plugin::Plugin;
use crate::sandbox::{LogName, MetricSample, Metrics};
use crate::settings::SettingValue;
use crate::window::Window;

/// Configured instances that no call needs at the moment.
pub(crate) struct IdleInstances(Mutex<Vec<Instance>>);

impl IdleInstances {
    /// Drops one to make room for another operator's.
    pub(crate) fn drop_one(&self) -> bool {
        let instance = self.0.lock().pop();
        instance.is_some()
    }
}

/// A plugin at its place in a pipeline. Shared by all worker threads.
pub struct Operator {
    plugin: Arc<Plugin>,
    log_name: LogName,
    settings: Vec<(String, SettingValue)>,
    limits: Limits,
    idle: Arc<IdleInstances>,
    meter: CostMeter,
    metrics: Arc<Metrics>,
}

const _: () = {
    const fn shared_by_threads<T: Send + Sync>() {}
    shared_by_threads::<Operator>();
};

impl std::fmt::Debug for Operator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Operator")
            .field("name", &self.log_name.operator)
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
        let log_name =
            LogName { plugin: plugin.description.name.as_str().into(), operator: name.into() };
        let operator = Self {
            idle: Arc::new(IdleInstances(Mutex::default())),
            plugin,
            log_name,
            settings,
            limits,
            meter: CostMeter::default(),
            metrics: Arc::default(),
        };
        let first = operator.start_instance()?;
        operator.put_back(first);
        operator.plugin.runtime.register(&operator.idle);
        Ok(operator)
    }

    /// The operator's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.log_name.operator
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

    /// What it has cost so far.
    #[must_use]
    pub fn costs(&self) -> Costs {
        self.meter.snapshot()
    }

    /// The plugin's own metrics at this operator.
    #[must_use]
    pub fn metrics(&self) -> Vec<MetricSample> {
        self.metrics.snapshot()
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
            call.enter(process, (handed.into(),), |lists, memory, done| {
                let outcome = check::outcome(lists, memory, input.len(), ports)?;
                let bytes = outcome.output_bytes(input);
                done.returned(outcome.emitted.len(), bytes)?;
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
            call.enter(keep, (handed.into(),), |bitmap, memory, done| {
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
            call.enter(fold, (items, accumulators.into()), |lists, memory, done| {
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
            call.enter(merge, (left.into(), right.into()), |lists, memory, done| {
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
            let params = (ColumnParam::from(keys), windows, ColumnParam::from(accumulators));
            call.enter(finish, params, |lists, memory, done| {
                let finished = check::finished(lists, memory, expected)?;
                done.returned(expected, finished.total_bytes() as u64)?;
                Ok(done.outside(|| take(finished)))
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
        let result = self.take_instance().map_err(CallFault::from).and_then(|mut instance| {
            let running = self.plugin.runtime.ticker.running();
            let stopwatch = Stopwatch::start();
            let mut call = Call::new(&mut instance, &self.limits, &self.meter, cx, &running);
            let result = run(&mut call);
            let in_guest = stopwatch.elapsed().saturating_sub(call.time_outside());
            self.meter.spent(in_guest, instance.memory_bytes());
            self.give_back(instance, result.as_ref().err());
            result
        });
        result.map_err(|fault| {
            self.meter.call_failed();
            CallError { site: Box::new(self.site(function, cx)), fault }
        })
    }

    fn take_instance(&self) -> Result<Instance, StartError> {
        let idle = self.idle.0.lock().pop();
        idle.map_or_else(|| self.start_instance(), Ok)
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
        let start = || starter.start(self.log_name.clone(), Arc::clone(&self.metrics));
        let mut instance = match start() {
            Err(error) if error.is_retryable() && runtime.relieve() => start()?,
            started => started?,
        };
        starter.configure(&mut instance, &self.settings)?;
        self.meter.instance_started();
        Ok(instance)
    }

    fn give_back(&self, instance: Instance, fault: Option<&CallFault>) {
        let is_sound =
            matches!(fault, None | Some(CallFault::Failed { .. } | CallFault::NotInWorld { .. }));
        if is_sound && !instance.is_worn(&self.limits) {
            self.put_back(instance);
        } else {
            self.meter.instance_dropped();
        }
    }

    fn put_back(&self, instance: Instance) {
        let mut idle = self.idle.0.lock();
        if idle.len() < self.limits.idle_instances_max {
            idle.push(instance);
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
