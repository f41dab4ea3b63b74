//! A version that is tried: called with everything that its operator is called with.
//!
//! **Nothing that it gives back goes on, and nothing that it does wrong harms the pipeline**: what differs is counted,
//! some of it is kept for people, and one that fails too often is not called any more. It costs its calls.
//!
//! Every comparison begins from the old version's own records and accumulators, so that a difference shows where it
//! arises and is not dragged along. Where the two keep state in other forms, the new one's `migrate` is between them.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;
use serde::Serialize;
use tidemill_plugin::{
    BatchRef, CallContext, CallError, Column, ColumnRef, Operator, OutcomeRef, Window,
};

use super::compare::{self, Emitted};

/// Differences that are kept for people.
const SAMPLES_MAX: usize = 20;
/// Of one difference, this much of each text.
const SAMPLE_CHARS_MAX: usize = 500;
/// And so many emitted records.
const SAMPLE_RECORDS_MAX: usize = 20;
/// A version whose calls failed this often is not called any more: each may take its whole deadline.
const FAILED_CALLS_MAX: u64 = 10;

/// See the module.
pub struct Canary {
    operator: Arc<Operator>,
    /// The form of the state that the other version keeps.
    state_version: u32,
    stop_on_difference: bool,
    ended: OnceLock<CanaryEnd>,
    calls: AtomicU64,
    failed_calls: AtomicU64,
    records: AtomicU64,
    different: AtomicU64,
    samples: Mutex<Vec<Sample>>,
}

/// Why a version is not tried any longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CanaryEnd {
    /// It was asked to end at the first difference.
    Difference,
    /// Its calls failed too often.
    Failures,
    /// It was tried for as long as it was to be.
    Done,
}

/// How a comparison goes.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CanaryStatus {
    /// The operator's name.
    pub operator: String,
    /// The tried plugin's name.
    pub plugin: String,
    /// And version.
    pub version: String,
    /// And digest.
    pub digest: String,
    /// Why it is not called any longer; absent: it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<CanaryEnd>,
    /// Calls that were compared.
    pub calls: u64,
    /// Calls of it that failed where the other version's did not.
    pub failed_calls: u64,
    /// Records and groups that were compared.
    pub records: u64,
    /// Of which so many came out otherwise.
    pub different: u64,
    /// The first differences.
    pub samples: Vec<Sample>,
}

/// One difference. Bytes that are not UTF-8 come out with the replacement character.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Sample {
    /// The batch.
    pub batch: u64,
    /// The function that was called.
    pub function: &'static str,
    /// The record's or group's key.
    pub key: Option<String>,
    /// The record's value.
    pub value: Option<String>,
    /// What the running version made of it.
    pub old: Gave,
    /// What the tried one did.
    pub new: Gave,
}

/// What a version made of a record or a group.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gave {
    /// Records.
    Emitted(Vec<SampleRecord>),
    /// A refusal, with its reason.
    Rejected(String),
    /// Whether it stays.
    Kept(bool),
    /// An accumulator, in hexadecimal.
    Accumulator(String),
    /// A call that did not fail; what it gave for one record is not known.
    Returned,
    /// A call that failed, and why.
    Failed(String),
}

/// An emitted record.
#[derive(Debug, Clone, Serialize)]
pub struct SampleRecord {
    /// Its key.
    pub key: Option<String>,
    /// Its value.
    pub value: Option<String>,
    /// The index of the output that it goes to.
    #[serde(skip_serializing_if = "is_first")]
    pub port: u16,
}

fn is_first(port: &u16) -> bool {
    *port == 0
}

impl Canary {
    /// Tries `operator` beside one that keeps its state in the form `state_version`.
    #[must_use]
    pub fn new(operator: Arc<Operator>, state_version: u32, stop_on_difference: bool) -> Self {
        Self {
            operator,
            state_version,
            stop_on_difference,
            ended: OnceLock::new(),
            calls: AtomicU64::new(0),
            failed_calls: AtomicU64::new(0),
            records: AtomicU64::new(0),
            different: AtomicU64::new(0),
            samples: Mutex::default(),
        }
    }

    /// What is tried.
    #[must_use]
    pub fn operator(&self) -> &Arc<Operator> {
        &self.operator
    }

    /// It was tried for long enough.
    pub fn end(&self) {
        let _ = self.ended.set(CanaryEnd::Done);
    }

    /// How it goes.
    #[must_use]
    pub fn status(&self, operator: &str) -> CanaryStatus {
        let plugin = self.operator.plugin();
        CanaryStatus {
            operator: operator.to_owned(),
            plugin: plugin.description().name.clone(),
            version: plugin.description().version.to_string(),
            digest: plugin.digest().to_string(),
            ended: self.ended.get().copied(),
            calls: self.calls.load(Relaxed),
            failed_calls: self.failed_calls.load(Relaxed),
            records: self.records.load(Relaxed),
            different: self.different.load(Relaxed),
            samples: self.samples.lock().clone(),
        }
    }

    /// `old` is what the running version made of `input`.
    pub fn transform(&self, cx: &CallContext<'_>, input: BatchRef<'_>, old: &OutcomeRef<'_>) {
        self.compared(cx, "process", input.len(), || {
            self.operator.transform(cx, input, |new| {
                let (old, new) = (Emitted::new(input, *old), Emitted::new(input, new));
                self.differ(compare::outcomes(&old, &new), |index| Sample {
                    batch: cx.batch,
                    function: "process",
                    key: input.keys().get(index).map(text),
                    value: input.values().get(index).map(text),
                    old: emitted(&old, index),
                    new: emitted(&new, index),
                });
            })
        });
    }

    /// `old` has the bits of the records that the running version keeps.
    pub fn keep(&self, cx: &CallContext<'_>, input: BatchRef<'_>, old: &[u8]) {
        self.compared(cx, "keep", input.len(), || {
            self.operator.keep(cx, input, |new| {
                self.differ(compare::bitmaps(input.len(), old, new), |index| Sample {
                    batch: cx.batch,
                    function: "keep",
                    key: input.keys().get(index).map(text),
                    value: input.values().get(index).map(text),
                    old: Gave::Kept(tidemill_plugin::bit(old, index)),
                    new: Gave::Kept(tidemill_plugin::bit(new, index)),
                });
            })
        });
    }

    /// `old` is what the running version folded into `before`; `key` gives the key of each of them.
    #[expect(clippy::too_many_arguments, reason = "a call's parameters, its result and the keys")]
    pub fn fold<'k>(
        &self,
        cx: &CallContext<'_>,
        groups: &[u32],
        values: ColumnRef<'_>,
        timestamps: &[i64],
        before: ColumnRef<'_>,
        old: ColumnRef<'_>,
        key: impl Fn(usize) -> Option<&'k [u8]>,
    ) {
        self.compared(cx, "fold", groups.len(), || {
            let (before, old) = (self.states(cx, before)?, self.states(cx, old)?);
            let (before, old) = (before.as_ref(), old.as_ref());
            self.operator.fold(cx, groups, values, timestamps, before, |new| {
                self.differ_in_state(cx, "fold", old, new, key);
            })
        });
    }

    /// `old` is what the running version merged of `left` and `right`.
    pub fn merge(
        &self,
        cx: &CallContext<'_>,
        left: ColumnRef<'_>,
        right: ColumnRef<'_>,
        old: ColumnRef<'_>,
    ) {
        self.compared(cx, "merge", left.len(), || {
            let (left, right) = (self.states(cx, left)?, self.states(cx, right)?);
            let old = self.states(cx, old)?;
            let old = old.as_ref();
            self.operator.merge(cx, left.as_ref(), right.as_ref(), |new| {
                self.differ_in_state(cx, "merge", old, new, |_| None);
            })
        });
    }

    /// `old` is what the running version made of the accumulators.
    pub fn finish(
        &self,
        cx: &CallContext<'_>,
        keys: ColumnRef<'_>,
        windows: &[Window],
        accumulators: ColumnRef<'_>,
        old: BatchRef<'_>,
    ) {
        self.compared(cx, "finish", keys.len(), || {
            let accumulators = self.states(cx, accumulators)?;
            self.operator.finish(cx, keys, windows, accumulators.as_ref(), |new| {
                let record = |batch: BatchRef<'_>, index| {
                    let own = batch.keys();
                    let key = if own.is_empty() { keys.get(index) } else { own.get(index) };
                    let value = batch.values().get(index).map(text);
                    Gave::Emitted(vec![SampleRecord { key: key.map(text), value, port: 0 }])
                };
                self.differ(compare::finished(keys, old, new), |index| Sample {
                    batch: cx.batch,
                    function: "finish",
                    key: keys.get(index).map(text),
                    value: None,
                    old: record(old, index),
                    new: record(new, index),
                });
            })
        });
    }

    fn differ_in_state<'k>(
        &self,
        cx: &CallContext<'_>,
        function: &'static str,
        old: ColumnRef<'_>,
        new: ColumnRef<'_>,
        key: impl Fn(usize) -> Option<&'k [u8]>,
    ) {
        let state = |states: ColumnRef<'_>, index| {
            Gave::Accumulator(hexadecimal(states.get(index).unwrap_or_default()))
        };
        self.differ(compare::columns(old, new), |index| Sample {
            batch: cx.batch,
            function,
            key: key(index).map(text),
            value: None,
            old: state(old, index),
            new: state(new, index),
        });
    }

    /// Accumulators of the other version in the tried one's form; those that are absent stay so.
    fn states<'s>(
        &self,
        cx: &CallContext<'_>,
        states: ColumnRef<'s>,
    ) -> Result<States<'s>, CallError> {
        if self.state_version == self.operator.plugin().description().state_version {
            return Ok(States::Same(states));
        }
        let mut present = Column::new();
        states.iter().flatten().for_each(|state| present.push(Some(state)));
        if present.is_empty() {
            return Ok(States::Same(states));
        }
        let mut own = Column::new();
        self.operator.migrate(cx, self.state_version, present.as_ref(), |migrated| {
            let mut migrated = migrated.iter();
            states.iter().for_each(|state| own.push(state.and_then(|_| migrated.next().flatten())));
        })?;
        Ok(States::Own(own))
    }

    /// Runs one comparison, unless there are to be no more.
    fn compared(
        &self,
        cx: &CallContext<'_>,
        function: &'static str,
        records: usize,
        call: impl FnOnce() -> Result<(), CallError>,
    ) {
        if self.ended.get().is_some() {
            return;
        }
        self.calls.fetch_add(1, Relaxed);
        self.records.fetch_add(records as u64, Relaxed);
        let Err(error) = call() else { return };
        let failed = self.failed_calls.fetch_add(1, Relaxed) + 1;
        self.keep_sample(|| Sample {
            batch: cx.batch,
            function,
            key: None,
            value: None,
            old: Gave::Returned,
            new: Gave::Failed(cut(&crate::causes::causes_of(&error))),
        });
        if self.stop_on_difference || failed >= FAILED_CALLS_MAX {
            let _ = self.ended.set(CanaryEnd::Failures);
        }
    }

    fn differ(&self, different: Vec<usize>, sample: impl Fn(usize) -> Sample) {
        if different.is_empty() {
            return;
        }
        self.different.fetch_add(different.len() as u64, Relaxed);
        for index in different.into_iter().take(SAMPLES_MAX) {
            self.keep_sample(|| sample(index));
        }
        if self.stop_on_difference {
            let _ = self.ended.set(CanaryEnd::Difference);
        }
    }

    fn keep_sample(&self, sample: impl FnOnce() -> Sample) {
        let mut samples = self.samples.lock();
        if samples.len() < SAMPLES_MAX {
            samples.push(sample());
        }
    }
}

enum States<'s> {
    Same(ColumnRef<'s>),
    Own(Column),
}

impl States<'_> {
    fn as_ref(&self) -> ColumnRef<'_> {
        match self {
            Self::Same(states) => *states,
            Self::Own(states) => states.as_ref(),
        }
    }
}

fn emitted(by: &Emitted<'_>, index: usize) -> Gave {
    if let Some(rejected) = by.rejected(index) {
        return Gave::Rejected(cut(&rejected.reason));
    }
    let records = by.of(index).take(SAMPLE_RECORDS_MAX);
    let shown = records.map(|(key, value, _, _, port)| SampleRecord {
        key: key.map(text),
        value: value.map(text),
        port,
    });
    Gave::Emitted(shown.collect())
}

fn text(bytes: &[u8]) -> String {
    // A character has at most four bytes: what is cut off here would be cut off below.
    let most = bytes.len().min(SAMPLE_CHARS_MAX * 4);
    cut(&String::from_utf8_lossy(&bytes[..most]))
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(SAMPLE_CHARS_MAX) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write;
    let mut shown = String::new();
    for byte in bytes.iter().take(SAMPLE_CHARS_MAX / 2) {
        // Writing to a string does not fail.
        let _ = write!(shown, "{byte:02x}");
    }
    if bytes.len() > SAMPLE_CHARS_MAX / 2 {
        shown.push('…');
    }
    shown
}
