//! The durable, partitioned log.
//!
//! Topics are cut into partitions; a partition is a folder of segments in Kafka's own v2
//! record-batch layout. [`Log`] is the way in: append, read, transactions over many
//! partitions, and the offsets of consumer groups.
//!
//! **An acknowledged record survives power loss**, unless its topic relaxes that.
//! **Damage in the middle of a log is refused, never cut off.**
//!
//! Every source of nondeterminism (disk, clock, randomness, threads) comes in through an
//! [`Environment`], so that a crash at any point can be simulated.
//!
//! The modules are listed in the order in which a record passes through them.

mod batch;
mod identity;

mod config;
mod log;
mod open;
mod topics;

mod partition;
mod segment;

mod groups;
mod transaction;

mod clock;
mod disk;
mod environment;
mod fields;
mod framed;
mod metrics;
mod random;

mod dump;
mod verify;

#[cfg(any(test, feature = "simulation"))]
pub mod simulation;

pub use batch::{
    Attributes, Batch, BatchBuilder, BatchError, Batches, BuildError, Codec, ControlKind,
    EncodedBatch, HEADER_BYTES, Header, HeaderIter, Record, RecordHeader, RecordReader, Records,
    murmur2, partition_for_key, write_header, write_header_count,
};
pub use clock::{Clock, RealClock};
pub use config::{
    Cleanup, ConfigError, Flush, LogConfig, Ratio, Setting, SettingError, SettingKind,
    TimestampType, TopicConfig,
};
pub use disk::{Disk, DiskFile, DiskLock, Entry, OpenMode, RealDisk};
pub use dump::{Dump, DumpError, DumpedBatch};
pub use environment::{Blocking, Environment};
pub use framed::FrameError;
pub use groups::{CommittedOffset, GroupError};
pub use identity::{
    LeaderEpoch, NameError, Offset, PartitionId, ProducerEpoch, ProducerId, Sequence, TopicName,
    TopicPartition,
};
pub use log::Log;
pub use metrics::{MetricsSnapshot, SYNC_BUCKETS_MICROS};
pub use open::OpenError;
pub use partition::{
    AbortedTransaction, AppendError, Appended, Appending, DeleteError, Fetched, FetchedBatches,
    Isolation, Offsets, ProducerError, ReadError, RecoveryError,
};
pub use random::{RandomSource, RealRandom};
pub use segment::{Damage, DamageKind};
pub use topics::{TopicDescription, TopicError};
pub use transaction::{Committed, Transaction, TransactionError};
pub use verify::{Finding, Verified};
