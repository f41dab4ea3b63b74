//! Turns what a guest returned into checked views, before anyone looks at it.
//! **Nothing of a result is used unless all of it keeps the contract.**
//!
//! The checks run for every call: they go over each list once, without early exits, so that they
//! compile to wide compares, and search for the culprit only when there is one.

use thiserror::Error;

use crate::abi::{BatchLists, ColumnLists, Memory, OutcomeLists, REASON_BYTES_MAX, Span};
use crate::batch::{BatchFault, BatchRef};
use crate::column::{ColumnFault, ColumnRef};
use crate::outcome::Rejection;

/// What a plugin returned, and the rule that it breaks.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ResultFault {
    /// A column is malformed.
    #[error("the column `{column}` is malformed")]
    Column {
        /// The column, as in the contract.
        column: &'static str,
        /// The rule that it breaks.
        #[source]
        fault: ColumnFault,
    },
    /// A part of a batch has neither one item for each record nor none.
    #[error("the batch is malformed")]
    Batch(#[from] BatchFault),
    /// There is not one count for each input record.
    #[error("`counts` has {counts} entries for {inputs} input records")]
    CountsLength {
        /// Length of `counts`.
        counts: usize,
        /// Number of input records.
        inputs: usize,
    },
    /// The counts do not add up to the emitted records.
    #[error("`counts` add up to {sum}, but `{part}` has {items} items")]
    CountsSum {
        /// The sum of all counts.
        sum: u64,
        /// A part of the emitted batch.
        part: &'static str,
        /// How many items it has.
        items: usize,
    },
    /// There is not one port for each emitted record.
    #[error("`ports` has {ports} entries for {emitted} emitted records")]
    PortsLength {
        /// Length of `ports`.
        ports: usize,
        /// Number of emitted records.
        emitted: usize,
    },
    /// A port that the description does not name.
    #[error("a record goes to port {port}, but the plugin has {ports}")]
    UnknownPort {
        /// The port.
        port: u16,
        /// How many there are.
        ports: usize,
    },
    /// A rejection of a record that was not handed over.
    #[error("record {index} is rejected, but only {inputs} were handed over")]
    RejectedOutOfRange {
        /// The index.
        index: u32,
        /// Number of input records.
        inputs: usize,
    },
    /// Rejections are not in rising order.
    #[error("record {index} is rejected after record {previous}: the order must rise")]
    RejectedOrder {
        /// The rejection before.
        previous: u32,
        /// The index.
        index: u32,
    },
    /// A rejected record emitted something.
    #[error("record {index} is rejected, yet it emitted {emitted} records")]
    RejectedEmitted {
        /// The index.
        index: u32,
        /// How many records it emitted.
        emitted: u32,
    },
    /// A bitmap has another length than the records need.
    #[error("the bitmap has {bytes} bytes for {records} records")]
    BitmapLength {
        /// Length of the bitmap.
        bytes: usize,
        /// Number of records.
        records: usize,
    },
    /// There are not as many accumulators as groups.
    #[error("{returned} accumulators were returned for {expected} groups")]
    AccumulatorCount {
        /// How many were returned.
        returned: usize,
        /// How many there must be.
        expected: usize,
    },
    /// An accumulator is absent.
    #[error("accumulator {index} is absent")]
    AbsentAccumulator {
        /// Index of its group.
        index: usize,
    },
}

/// What a record takes beside its parts: its timestamp.
const RECORD_BYTES: u64 = 8;

/// The names of a batch's columns, as in the contract.
struct BatchNames {
    keys: &'static str,
    values: &'static str,
    headers: &'static str,
}

const EMITTED: BatchNames =
    BatchNames { keys: "emitted.keys", values: "emitted.values", headers: "emitted.headers" };
const FINISHED: BatchNames = BatchNames { keys: "keys", values: "values", headers: "headers" };

/// An outcome whose parts are all checked, but for the rejections' reasons.
pub(crate) struct Outcome<'a> {
    pub(crate) emitted: BatchRef<'a>,
    pub(crate) counts: &'a [u32],
    pub(crate) ports: &'a [u16],
    pub(crate) rejected: Vec<Rejection>,
}

impl Outcome<'_> {
    /// What the outcome makes of `input`: its own bytes, what its records inherit, and a place for
    /// each. A few bytes of counts could otherwise ask for a copy of the input a billion times.
    pub(crate) fn output_bytes(&self, input: BatchRef<'_>) -> u64 {
        let pairs = [
            (self.emitted.keys(), input.keys()),
            (self.emitted.values(), input.values()),
            (self.emitted.headers(), input.headers()),
        ];
        let inherited: u64 = pairs
            .into_iter()
            .filter(|(emitted, _)| emitted.is_empty())
            .map(|(_, source)| self.inherited_bytes(source))
            .fold(0, u64::saturating_add);
        let places = (self.emitted.len() as u64).saturating_mul(RECORD_BYTES);
        (self.emitted.total_bytes() as u64).saturating_add(inherited).saturating_add(places)
    }

    fn inherited_bytes(&self, source: ColumnRef<'_>) -> u64 {
        if self.counts.is_empty() {
            return source.item_bytes() as u64;
        }
        let lengths = source.offsets().array_windows().map(|[start, end]| u64::from(end - start));
        // A length below 2^31 times a count below 2^32 fits; the sum may not.
        self.counts
            .iter()
            .zip(lengths)
            .fold(0, |sum: u64, (&count, length)| sum.saturating_add(u64::from(count) * length))
    }
}

/// Checks a transform's outcome for `inputs` records and a plugin of `ports` ports.
pub(crate) fn outcome<'a>(
    lists: &OutcomeLists,
    memory: Memory<'a>,
    inputs: usize,
    ports: usize,
) -> Result<Outcome<'a>, ResultFault> {
    let counts = lists.counts.view(memory);
    let records = emitted_records(counts, inputs, &lists.emitted, memory)?;
    let emitted = batch(&lists.emitted, memory, &EMITTED, records)?;
    let port_of = lists.ports.view(memory);
    check_ports(port_of, records, ports)?;
    let rejected = rejections(lists, memory, inputs, counts)?;
    Ok(Outcome { emitted, counts, ports: port_of, rejected })
}

/// How many records were emitted, as the counts say.
fn emitted_records(
    counts: &[u32],
    inputs: usize,
    emitted: &BatchLists,
    memory: Memory<'_>,
) -> Result<usize, ResultFault> {
    if counts.is_empty() {
        return Ok(inputs);
    }
    if counts.len() != inputs {
        return Err(ResultFault::CountsLength { counts: counts.len(), inputs });
    }
    let sum = counts.iter().map(|&count| u64::from(count)).sum();
    let items = |offsets: &Span<u32>| offsets.view(memory).len().saturating_sub(1);
    let parts = [
        ("emitted.keys", items(&emitted.keys.offsets)),
        ("emitted.values", items(&emitted.values.offsets)),
        ("emitted.headers", items(&emitted.headers.offsets)),
        ("emitted.timestamps", emitted.timestamps.view(memory).len()),
    ];
    match parts.into_iter().find(|&(_, items)| items != 0 && items as u64 != sum) {
        Some((part, items)) => Err(ResultFault::CountsSum { sum, part, items }),
        // A 64-bit sum of 32-bit counts fits where memory does.
        None => Ok(sum as usize),
    }
}

fn check_ports(port_of: &[u16], emitted: usize, ports: usize) -> Result<(), ResultFault> {
    if port_of.is_empty() {
        return Ok(());
    }
    if port_of.len() != emitted {
        return Err(ResultFault::PortsLength { ports: port_of.len(), emitted });
    }
    let highest = port_of.iter().fold(0, |highest, &port| port.max(highest));
    if usize::from(highest) >= ports {
        return Err(ResultFault::UnknownPort { port: highest, ports });
    }
    Ok(())
}

fn rejections(
    lists: &OutcomeLists,
    memory: Memory<'_>,
    inputs: usize,
    counts: &[u32],
) -> Result<Vec<Rejection>, ResultFault> {
    let mut rejected: Vec<Rejection> = Vec::new();
    // Rising and in range means at most `inputs` rounds, however long the list claims to be.
    for (index, reason) in lists.rejected.iter(memory) {
        if index as usize >= inputs {
            return Err(ResultFault::RejectedOutOfRange { index, inputs });
        }
        if let Some(previous) = rejected.last().map(|last| last.index)
            && previous >= index
        {
            return Err(ResultFault::RejectedOrder { previous, index });
        }
        // Without counts every record emitted one.
        let emitted = counts.get(index as usize).copied().unwrap_or(1);
        if emitted != 0 {
            return Err(ResultFault::RejectedEmitted { index, emitted });
        }
        rejected.push(Rejection { index, reason: reason.decode(memory, REASON_BYTES_MAX) });
    }
    Ok(rejected)
}

/// Checks a filter's bitmap for `records` records.
pub(crate) fn bitmap<'a>(
    bitmap: &Span<u8>,
    memory: Memory<'a>,
    records: usize,
) -> Result<&'a [u8], ResultFault> {
    let bitmap = bitmap.view(memory);
    if bitmap.len() != records.div_ceil(8) {
        return Err(ResultFault::BitmapLength { bytes: bitmap.len(), records });
    }
    Ok(bitmap)
}

/// Checks the accumulators of `groups` groups.
pub(crate) fn accumulators<'a>(
    lists: &ColumnLists,
    memory: Memory<'a>,
    groups: usize,
) -> Result<ColumnRef<'a>, ResultFault> {
    let accumulators = column(lists, memory, "accumulators")?;
    if accumulators.len() != groups {
        return Err(ResultFault::AccumulatorCount {
            returned: accumulators.len(),
            expected: groups,
        });
    }
    match accumulators.first_absent() {
        Some(index) => Err(ResultFault::AbsentAccumulator { index }),
        None => Ok(accumulators),
    }
}

/// Checks a reducer's finished batch of one record for each of `groups` groups.
pub(crate) fn finished<'a>(
    lists: &BatchLists,
    memory: Memory<'a>,
    groups: usize,
) -> Result<BatchRef<'a>, ResultFault> {
    batch(lists, memory, &FINISHED, groups)
}

fn batch<'a>(
    lists: &BatchLists,
    memory: Memory<'a>,
    names: &BatchNames,
    records: usize,
) -> Result<BatchRef<'a>, ResultFault> {
    let keys = column(&lists.keys, memory, names.keys)?;
    let values = column(&lists.values, memory, names.values)?;
    let headers = column(&lists.headers, memory, names.headers)?;
    let timestamps = lists.timestamps.view(memory);
    Ok(BatchRef::of_records(records, keys, values, headers, timestamps)?)
}

fn column<'a>(
    lists: &ColumnLists,
    memory: Memory<'a>,
    name: &'static str,
) -> Result<ColumnRef<'a>, ResultFault> {
    let (data, offsets) = (lists.data.view(memory), lists.offsets.view(memory));
    ColumnRef::new(data, offsets, lists.validity.view(memory))
        .map_err(|fault| ResultFault::Column { column: name, fault })
}
