//! Which partitions have something to read, and reading it off the async threads.

use std::sync::Arc;

use bytes::Bytes;
use tidemill_log::{
    AbortedTransaction, Fetched, Isolation, Log, Offset, Offsets, ReadError, TopicPartition,
};
use tokio::sync::watch;

use super::Terms;
use super::plan::{Plan, Wanted};
use crate::api::{ErrorCode, blocking, check_epoch};
use crate::broker::Broker;
use crate::budget::Room;
use crate::request::Refused;

/// The partitions of a fetch, each with what tells of its moves; `None`: it does not exist.
pub(super) struct Watched(Vec<Option<watch::Receiver<Offsets>>>);

/// What can be answered of one partition.
pub(super) struct Found {
    pub error: ErrorCode,
    pub offsets: Offsets,
    pub records: Bytes,
    pub aborted: Vec<AbortedTransaction>,
    /// A read ends with a segment at the latest: there is more behind it.
    pub has_more: bool,
}

/// What was found, by the partitions' places in the plan.
pub(super) type Polled = Vec<Found>;

/// What the offsets alone tell.
pub(super) struct Ready {
    found: Polled,
    /// Places with something to read, in turn, and at least how much there is.
    readable: Vec<(usize, usize)>,
}

/// Where nothing is known.
const NOWHERE: Offsets = Offsets {
    log_start: Offset::new(-1),
    high_watermark: Offset::new(-1),
    last_stable: Offset::new(-1),
};

pub(super) fn watch(log: &Log, plan: &Plan) -> Watched {
    let receivers = plan.partitions.values().map(|wanted| {
        let at = wanted.at.as_ref()?;
        log.subscribe(at).ok()
    });
    Watched(receivers.collect())
}

impl Watched {
    /// Looks at all offsets, and marks them as seen.
    pub(super) fn ready(&mut self, log: &Log, plan: &Plan, terms: &Terms) -> Ready {
        let partitions = plan.partitions.values().zip(&mut self.0);
        let found: Polled = partitions.map(|(wanted, moved)| look(log, wanted, moved)).collect();
        let readable = plan.turns().filter_map(|place| {
            let found = found.get(place)?;
            let (_, wanted) = plan.partitions.get_index(place)?;
            let end = match terms.isolation {
                Isolation::Uncommitted => found.offsets.high_watermark,
                Isolation::Committed => found.offsets.last_stable,
            };
            if found.error != ErrorCode::None || wanted.from >= end {
                return None;
            }
            let present = log.bytes_from(wanted.at.as_ref()?, wanted.from).ok()?;
            let present = usize::try_from(present).unwrap_or(usize::MAX);
            Some((place, present.min(wanted.bytes_max)))
        });
        let readable = readable.collect();
        Ready { found, readable }
    }

    /// One future for each partition, of its next move.
    pub(super) fn moves(&mut self) -> impl Iterator<Item = impl Future<Output = ()> + use<'_>> {
        self.0.iter_mut().flatten().map(|moved| async move {
            // A partition that is deleted moves, too: the next look finds that out.
            let _ = moved.changed().await;
        })
    }
}

fn look(log: &Log, wanted: &Wanted, moved: &mut Option<watch::Receiver<Offsets>>) -> Found {
    let nothing = |error, offsets| Found {
        error,
        offsets,
        records: Bytes::new(),
        aborted: Vec::new(),
        has_more: false,
    };
    let (Some(at), Some(moved)) = (&wanted.at, moved) else {
        return nothing(ErrorCode::UnknownTopicOrPartition, NOWHERE);
    };
    if let Err(error) = check_epoch(log, at, wanted.leader_epoch) {
        return nothing(error, NOWHERE);
    }
    let offsets = *moved.borrow_and_update();
    if wanted.from < offsets.log_start || wanted.from > offsets.high_watermark {
        return nothing(ErrorCode::OffsetOutOfRange, offsets);
    }
    nothing(ErrorCode::None, offsets)
}

impl Ready {
    /// Whether to answer now: there is enough, or there is something to tell.
    pub(super) fn is_worth_it(&self, bytes_min: usize) -> bool {
        has_error(&self.found) || (!self.readable.is_empty() && self.bytes() >= bytes_min)
    }

    /// At least as many bytes as can be read.
    pub(super) fn bytes(&self) -> usize {
        self.readable.iter().fold(0, |sum, (_, bytes)| sum.saturating_add(*bytes))
    }
}

/// The bytes of all records.
pub(super) fn bytes(found: &Polled) -> usize {
    found.iter().map(|found| found.records.len()).sum()
}

/// Whether waiting would bring nothing that the client does not have to ask for again.
pub(super) fn is_final(found: &Polled) -> bool {
    has_error(found) || has_more(found)
}

/// Whether the client learns that there is more behind what was read.
pub(super) fn has_more(found: &Polled) -> bool {
    found.iter().any(|found| found.has_more)
}

fn has_error(found: &Polled) -> bool {
    found.iter().any(|found| found.error != ErrorCode::None)
}

/// Reads what is ready, in turn, until the response is full.
pub(super) async fn read(
    broker: &Arc<Broker>,
    plan: &Plan,
    ready: Ready,
    terms: &Terms,
) -> Result<(Polled, Option<Room>), Refused> {
    let bytes_max = terms.bytes_max.min(ready.bytes()).min(broker.budget.bytes_max());
    let Ready { mut found, readable } = ready;
    if readable.is_empty() {
        return Ok((found, None));
    }
    let mut room = broker.budget.take(bytes_max).await?;
    let places: Vec<_> = readable
        .into_iter()
        .filter_map(|(place, _)| {
            let (_, wanted) = plan.partitions.get_index(place)?;
            Some((place, wanted.at.clone()?, wanted.from, wanted.bytes_max))
        })
        .collect();
    let (log, isolation) = (broker.log.clone(), terms.isolation);
    let read = blocking(move || read_in_turn(&log, places, bytes_max, isolation)).await;
    let mut bytes = 0;
    for (place, outcome) in read {
        if let Some(found) = found.get_mut(place) {
            bytes += found.take(outcome);
        }
    }
    drop(room.split(bytes_max.saturating_sub(bytes)));
    Ok((found, Some(room)))
}

type Outcome = (usize, Result<Fetched, ReadError>);

/// At least one batch in all, even where it alone is too large (KIP-74).
fn read_in_turn(
    log: &Log,
    places: Vec<(usize, TopicPartition, Offset, usize)>,
    bytes_max: usize,
    isolation: Isolation,
) -> Vec<Outcome> {
    let mut outcomes = Vec::with_capacity(places.len());
    let mut bytes_left = bytes_max;
    let mut has_records = false;
    for (place, at, from, of_partition) in places {
        let most = of_partition.min(bytes_left);
        if has_records && most == 0 {
            break;
        }
        let mut outcome = log.read(&at, from, most, isolation);
        if let Ok(fetched) = &mut outcome {
            if has_records && fetched.bytes.len() > most {
                // A read returns one batch at least: this one has to wait for its turn.
                fetched.bytes = Bytes::new();
                fetched.aborted.clear();
            }
            has_records |= !fetched.bytes.is_empty();
            bytes_left = bytes_left.saturating_sub(fetched.bytes.len());
        }
        outcomes.push((place, outcome));
    }
    outcomes
}

impl Found {
    /// Takes over what was read; returns how many bytes.
    fn take(&mut self, outcome: Result<Fetched, ReadError>) -> usize {
        match outcome {
            Ok(fetched) => {
                self.offsets = fetched.offsets;
                self.has_more = fetched.next < self.offsets.last_stable;
                self.records = fetched.bytes;
                self.aborted = fetched.aborted;
            }
            Err(error) => {
                self.error = ErrorCode::of_read(&error);
                match &error {
                    ReadError::OutOfRange { offsets, .. } => self.offsets = *offsets,
                    ReadError::UnknownPartition { .. } => self.offsets = NOWHERE,
                    ReadError::Damaged { .. } | ReadError::Disk { .. } => {
                        tracing::error!(%error, hint = error.hint(), "fetch failed");
                    }
                }
            }
        }
        self.records.len()
    }
}
