//! One partition: an append goes through here to the disk, and a read back.
//!
//! **Readers never see a record that could still be lost** (with `flush = "always"`): the
//! high watermark moves only after an fdatasync. The one exception are the markers that end a
//! transaction, which recovery writes again.

mod append;
mod sync;

mod fetched;
mod read;
mod walk;

mod listing;
mod recovery;

mod compaction;
mod retention;

mod mark;
mod producers;
mod state_file;

use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

pub use append::{AppendError, Appended, Appending};
pub use fetched::{Fetched, FetchedBatches, Isolation};
pub(crate) use mark::Mark;
pub use producers::ProducerError;
pub(crate) use producers::{OpenTransaction, Producers};
pub use read::ReadError;
pub(crate) use recovery::Opening;
pub use recovery::RecoveryError;
pub use retention::DeleteError;
pub(crate) use state_file::Durable;

use crate::batch::Header;
use crate::config::TopicConfig;
use crate::disk::DiskFile;
use crate::environment::Environment;
use crate::identity::{LeaderEpoch, Offset, ProducerId, TopicPartition};
use crate::metrics::Metrics;
use crate::segment::{Active, Segment, SegmentIndex};
use compaction::Compaction;
use sync::SyncGate;

/// Where a partition begins and how far it can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offsets {
    /// The first offset that is still there.
    pub log_start: Offset,
    /// Everything before it can be read.
    pub high_watermark: Offset,
    /// Everything before it can be read by those who want committed records only.
    pub last_stable: Offset,
}

/// A transaction that was aborted: its records from `first_offset` to the marker at
/// `last_offset` do not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AbortedTransaction {
    /// Who wrote it.
    pub producer_id: ProducerId,
    /// Its first record.
    pub first_offset: Offset,
    /// Its marker.
    pub last_offset: Offset,
}

impl AbortedTransaction {
    /// Whether a transactional batch is one of its.
    pub(crate) fn covers(&self, header: &Header) -> bool {
        self.producer_id == header.producer_id
            && (self.first_offset..=self.last_offset).contains(&header.base_offset)
    }
}

/// One partition of a topic.
pub(crate) struct Partition {
    at: TopicPartition,
    dir: PathBuf,
    environment: Environment,
    metrics: Arc<Metrics>,
    config: RwLock<Arc<TopicConfig>>,
    state: Mutex<State>,
    mark: Mutex<Mark>,
    /// Held by whoever moves the start or swaps segments: one at a time writes the facts.
    start_moves: Mutex<()>,
    compaction: Mutex<Compaction>,
    offsets: watch::Sender<Offsets>,
    gate: SyncGate,
}

/// What changes with every append; the lock on it is short.
pub(crate) struct State {
    /// Closed segments, in order.
    segments: Vec<Arc<Segment>>,
    active: Active,
    /// The offset of the next append.
    end: Offset,
    /// Everything before it has been synced.
    durable: Offset,
    high_watermark: Offset,
    facts: Durable,
    producers: Producers,
    health: Health,
    /// Closed files whose last writes have not been synced.
    unsynced: Vec<Arc<dyn DiskFile>>,
    /// Whether a file was made since the folder was synced.
    names_unsynced: bool,
    /// Closed segments that get a seal after the next sync, with the producers at their end.
    unsealed: Vec<(Arc<Segment>, Producers)>,
}

/// Whether the partition takes appends.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Health {
    Healthy,
    /// An I/O error left it unknown what is on disk.
    Poisoned {
        cause: String,
    },
    /// Its topic is gone.
    Deleted,
}

impl State {
    fn last_stable(&self) -> Offset {
        let first_open = self.producers.first_open().unwrap_or(self.high_watermark);
        first_open.min(self.high_watermark)
    }

    fn offsets(&self) -> Offsets {
        Offsets {
            log_start: self.facts.log_start,
            high_watermark: self.high_watermark,
            last_stable: self.last_stable(),
        }
    }
}

impl Partition {
    pub(crate) fn at(&self) -> &TopicPartition {
        &self.at
    }

    pub(crate) fn config(&self) -> Arc<TopicConfig> {
        self.config.read().clone()
    }

    /// Replaces the settings.
    pub(crate) fn configure(&self, config: Arc<TopicConfig>) {
        *self.config.write() = config;
    }

    /// Where the partition begins and how far it can be read.
    pub(crate) fn offsets(&self) -> Offsets {
        *self.offsets.borrow()
    }

    /// Wakes when one of the offsets moves.
    pub(crate) fn subscribe(&self) -> watch::Receiver<Offsets> {
        self.offsets.subscribe()
    }

    /// The offset of the next append, readable or not.
    pub(crate) fn end(&self) -> Offset {
        self.state.lock().end
    }

    pub(crate) fn leader_epoch(&self) -> LeaderEpoch {
        self.state.lock().facts.epoch()
    }

    pub(crate) fn epoch_at(&self, offset: Offset) -> LeaderEpoch {
        self.state.lock().facts.epoch_at(offset)
    }

    /// Where the records of `epoch` end, as far as readers see them.
    pub(crate) fn end_of_epoch(&self, epoch: LeaderEpoch) -> Option<(LeaderEpoch, Offset)> {
        let state = self.state.lock();
        state.facts.end_of_epoch(epoch, state.high_watermark)
    }

    /// The bytes in all segments.
    pub(crate) fn bytes(&self) -> u64 {
        let state = self.state.lock();
        state.segments.iter().map(|segment| segment.bytes).sum::<u64>() + state.active.bytes
    }

    /// At least as many bytes as there are from `from` on.
    pub(crate) fn bytes_from(&self, from: Offset) -> u64 {
        let state = self.state.lock();
        let before = |base, index: &SegmentIndex| index.start_for(base, from).0;
        let active = &state.active;
        let in_active = active.bytes - before(active.base, &active.index).min(active.bytes);
        let later = state.segments.iter().rev().take_while(|segment| segment.next > from);
        let in_closed = later.map(|segment| {
            segment.bytes - segment.index().map_or(0, |index| before(segment.base, &index))
        });
        in_active + in_closed.sum::<u64>()
    }

    pub(crate) fn open_transactions(&self) -> Vec<OpenTransaction> {
        self.state.lock().producers.open_transactions()
    }

    pub(crate) fn producer_epochs(&self) -> Vec<(ProducerId, crate::identity::ProducerEpoch)> {
        self.state.lock().producers.epochs().collect()
    }

    /// Tells those who wait what can be read now.
    fn publish(&self, state: &State) {
        let now = state.offsets();
        self.offsets.send_if_modified(|before| {
            let changed = *before != now;
            *before = now;
            changed
        });
    }

    /// No append succeeds from here on: it is unknown what is on disk.
    fn poison(&self, state: &mut State, cause: &str) {
        if state.health != Health::Healthy {
            return;
        }
        state.health = Health::Poisoned { cause: cause.to_owned() };
        self.metrics.poisoned();
        tracing::error!(partition = %self.at, cause, "partition poisoned until restart");
    }
}
