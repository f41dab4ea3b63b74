//! Other plugins for a pipeline: asked for, tried, taken over, taken back.
//!
//! **The order makes it safe**: the engine brings the pipeline to the end of a batch and holds it there; what is to
//! run from then on is saved; then the pipeline passes. Whatever ends in between, each batch has run on exactly one
//! version, and a restart runs the one that was saved last.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tidemill_engine::pipeline::Replayed;
use tidemill_engine::spec::{ParamValue, PipelineSpec};
use tidemill_engine::upgrade::{CanaryPin, Pin, Restore};
use tidemill_plugin::{SettingValue, Settings};

use super::Host;
use super::pipeline_files::{Before, Saved, SavedCanary, Until};
use super::pipelines::PipelineError;
use crate::api::wire::{CanaryLength, OnDifference, StateChoice, UpgradeRequest, Upgraded};
use crate::clock::unix_ms;

/// How often it is looked whether a version was tried for long enough.
const CANARY_PERIOD: Duration = Duration::from_millis(500);

impl Host {
    /// Runs another plugin, or the same with other parameters, from the next batch on; or tries it first.
    pub async fn upgrade(
        &self,
        pipeline: &str,
        operator: &str,
        request: UpgradeRequest,
    ) -> Result<Upgraded, PipelineError> {
        let _one = self.changes.lock().await;
        let (mut saved, current) = self.saved(pipeline, operator)?;
        let UpgradeRequest { plugin, params, canary, on_difference } = request;
        let digest = match plugin {
            Some(reference) => self.digest_of(reference).await?.to_string(),
            None => current.plugin.clone(),
        };
        let params = match params {
            Some(changed) => Some(self.merged(pipeline, operator, &current, changed)),
            None => current.params.clone(),
        };
        let pin = Pin { plugin: digest, params };
        if pin == current {
            return Err(PipelineError::Unchanged { operator: operator.to_owned() });
        }
        let Some(length) = canary else {
            return self.take_over(pipeline, operator, saved, pin).await;
        };
        let until = match length {
            CanaryLength::ForMs(length) => Until::TimeMs(unix_ms().saturating_add(length)),
            CanaryLength::Batches(batches) => {
                let status = self.engine.status(pipeline);
                let last = status.and_then(|status| status.batch_id).unwrap_or(0);
                Until::Batch(last.saturating_add(batches))
            }
        };
        let tried = CanaryPin { pin, stop_on_difference: on_difference == OnDifference::Stop };
        saved.canaries.insert(operator.to_owned(), SavedCanary { tried, until });
        self.pass(pipeline, operator, saved, |_, _| {}).await
    }

    /// Lets the version that is tried take over now.
    pub async fn promote(&self, pipeline: &str, operator: &str) -> Result<Upgraded, PipelineError> {
        let _one = self.changes.lock().await;
        self.promote_alone(pipeline, operator).await
    }

    async fn promote_alone(
        &self,
        pipeline: &str,
        operator: &str,
    ) -> Result<Upgraded, PipelineError> {
        let (saved, _) = self.saved(pipeline, operator)?;
        let tried = saved.canaries.get(operator);
        let pin = tried.map(|canary| canary.tried.pin.clone());
        let pin = pin.ok_or_else(|| PipelineError::NoCanary { operator: operator.to_owned() })?;
        self.take_over(pipeline, operator, saved, pin).await
    }

    /// Ends a trial; where there is none, what ran before runs again.
    pub async fn rollback(
        &self,
        pipeline: &str,
        operator: &str,
        state: StateChoice,
    ) -> Result<Upgraded, PipelineError> {
        let _one = self.changes.lock().await;
        let (mut saved, _) = self.saved(pipeline, operator)?;
        if saved.canaries.remove(operator).is_some() {
            return self.pass(pipeline, operator, saved, |_, _| {}).await;
        }
        let nothing = || PipelineError::NothingBefore { operator: operator.to_owned() };
        let before = saved.before.get(operator).cloned().ok_or_else(nothing)?;
        if state == StateChoice::Before {
            let checkpoint = before.checkpoint.ok_or_else(nothing)?;
            saved.restores.insert(operator.to_owned(), Restore { checkpoint, batch: None });
        }
        self.take_over(pipeline, operator, saved, before.pin).await
    }

    /// Runs a batch once more; commits nothing.
    pub async fn replay(
        &self,
        pipeline: &str,
        batch: u64,
        operator: Option<String>,
        with: Option<String>,
    ) -> Result<Replayed, PipelineError> {
        let spec = self.engine.spec(pipeline).ok_or(PipelineError::Unknown)?;
        let others = match with {
            None => Default::default(),
            Some(reference) => {
                let digest = self.digest_of(reference).await?;
                [(only_operator(&spec, operator)?, Pin::of(digest.to_string()))].into()
            }
        };
        let replayed = self.engine.replay(pipeline, batch, others).await;
        Ok(replayed.ok_or(PipelineError::Unknown)?.map_err(Box::new)?)
    }

    fn saved(&self, pipeline: &str, operator: &str) -> Result<(Saved, Pin), PipelineError> {
        let saved = self.files.get(pipeline)?.ok_or(PipelineError::Unknown)?;
        let running = self.engine.versions(pipeline).ok_or(PipelineError::Unknown)?;
        let current = running.pins.get(operator).cloned();
        let current = current.ok_or_else(|| PipelineError::NoOperator {
            operator: operator.to_owned(),
            known: running.pins.keys().cloned().collect(),
        })?;
        Ok((Saved { plugins: running.pins, ..saved }, current))
    }

    /// The parameters that an operator has, from the file or an upgrade, with some changed.
    fn merged(&self, pipeline: &str, operator: &str, current: &Pin, changed: Settings) -> Settings {
        let spec = self.engine.spec(pipeline);
        let of_file = || {
            let node = spec.iter().flat_map(|spec| &spec.operators).find(|of| of.name == operator);
            let params = node.map(|node| node.params.clone()).unwrap_or_default();
            params.into_iter().map(|(name, value)| (name, setting(value))).collect::<Settings>()
        };
        let own = current.params.clone().unwrap_or_else(of_file);
        own.with_all(&changed)
    }

    /// From the next batch on `pin` runs, and nothing is tried any longer.
    async fn take_over(
        &self,
        pipeline: &str,
        operator: &str,
        mut saved: Saved,
        pin: Pin,
    ) -> Result<Upgraded, PipelineError> {
        saved.canaries.remove(operator);
        let ran = saved.plugins.insert(operator.to_owned(), pin);
        self.pass(pipeline, operator, saved, |saved, checkpoint| {
            if let Some(pin) = ran {
                saved.before.insert(operator.to_owned(), Before { pin, checkpoint });
            }
        })
        .await
    }

    /// Brings the pipeline to a boundary, saves what is wanted from there on, and lets it pass.
    async fn pass(
        &self,
        pipeline: &str,
        operator: &str,
        mut saved: Saved,
        note: impl FnOnce(&mut Saved, Option<String>),
    ) -> Result<Upgraded, PipelineError> {
        let boundary = self.engine.upgrade(pipeline, &saved.versions()).await?;
        note(&mut saved, boundary.checkpoint.clone());
        saved.restores = boundary.versions.restores.clone();
        self.files.save(pipeline, &saved)?;
        let batch = boundary.batch;
        boundary.pass();
        self.watch_batches(pipeline);
        let runs = saved.plugins.get(operator).map(|pin| pin.plugin.clone()).unwrap_or_default();
        let tried = saved.canaries.get(operator).map(|canary| canary.tried.pin.plugin.clone());
        let upgraded = Upgraded {
            pipeline: pipeline.to_owned(),
            operator: operator.to_owned(),
            batch,
            plugin: self.called(&runs).await,
            digest: runs,
            canary: match tried {
                Some(digest) => Some(self.called(&digest).await),
                None => None,
            },
        };
        tracing::info!(pipeline, operator, batch, plugin = upgraded.plugin, canary = ?upgraded.canary, "another version from this batch on");
        Ok(upgraded)
    }

    /// `name@version`, or the digest of a plugin whose name was removed.
    async fn called(&self, digest: &str) -> String {
        let reference = digest.to_owned();
        let entry = self.in_registry(move |registry| Ok(registry.resolve(&reference)?)).await;
        entry
            .map_or_else(|_| digest.to_owned(), |entry| format!("{}@{}", entry.name, entry.version))
    }

    /// Ends the trials that have lasted long enough. One without a difference takes over.
    pub(super) fn watch_canaries(host: &Arc<Host>) {
        let stop = host.upkeep.clone();
        let host: Weak<Host> = Arc::downgrade(host);
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    () = tokio::time::sleep(CANARY_PERIOD) => {}
                    () = stop.cancelled() => return,
                }
                let Some(host) = host.upgrade() else { return };
                host.end_canaries().await;
            }
        });
    }

    async fn end_canaries(&self) {
        for status in self.engine.list().iter().filter(|status| !status.canaries.is_empty()) {
            let _one = self.changes.lock().await;
            let Ok(Some(saved)) = self.files.get(&status.name) else { continue };
            for tried in &status.canaries {
                let Some(canary) = saved.canaries.get(&tried.operator) else { continue };
                let is_over = match canary.until {
                    Until::TimeMs(end) => unix_ms() >= end,
                    Until::Batch(last) => status.batch_id.is_some_and(|batch| batch >= last),
                };
                // After a restart of the host nothing has been compared yet.
                if tried.ended.is_some() || !is_over || tried.calls == 0 {
                    continue;
                }
                let (pipeline, operator) = (&status.name, &tried.operator);
                if tried.different + tried.failed_calls > 0 {
                    tracing::warn!(%pipeline, %operator, different = tried.different, failed_calls = tried.failed_calls, "a tried version came out otherwise; it waits for a decision");
                    self.engine.end_canary(pipeline, operator);
                } else if let Err(error) = self.promote_alone(pipeline, operator).await {
                    tracing::warn!(%pipeline, %operator, %error, "a tried version could not take over");
                    self.engine.end_canary(pipeline, operator);
                }
            }
        }
    }
}

fn only_operator(spec: &PipelineSpec, named: Option<String>) -> Result<String, PipelineError> {
    let known = || spec.operators.iter().map(|node| node.name.clone()).collect::<Vec<_>>();
    match (named, spec.operators.as_slice()) {
        (Some(name), all) if all.iter().any(|node| node.name == name) => Ok(name),
        (Some(operator), _) => Err(PipelineError::NoOperator { operator, known: known() }),
        (None, [only]) => Ok(only.name.clone()),
        (None, _) => Err(PipelineError::WhichOperator { known: known() }),
    }
}

fn setting(value: ParamValue) -> SettingValue {
    match value {
        ParamValue::Text(text) => SettingValue::Text(text),
        ParamValue::Integer(number) => SettingValue::Integer(number),
        ParamValue::Number(number) => SettingValue::Number(number),
        ParamValue::Boolean(flag) => SettingValue::Boolean(flag),
    }
}
