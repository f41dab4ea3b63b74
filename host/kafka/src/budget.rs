//! The memory that requests and responses of all connections share.
//!
//! **Room is taken before the bytes exist, and given back when they are gone.** Whoever finds
//! none waits: the senders feel it through TCP.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::metrics::Metrics;

/// Room that is given back when it is dropped.
pub(crate) type Room = OwnedSemaphorePermit;

/// No room came free in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no room for {bytes} bytes beside the requests and responses of others")]
pub(crate) struct NoRoom {
    pub bytes: usize,
}

pub(crate) struct Budget {
    bytes: Arc<Semaphore>,
    bytes_max: usize,
    timeout: Duration,
    metrics: Arc<Metrics>,
}

impl Budget {
    pub(crate) fn new(bytes_max: usize, timeout: Duration, metrics: Arc<Metrics>) -> Self {
        let bytes_max = bytes_max.min(Semaphore::MAX_PERMITS).min(u32::MAX as usize);
        Self { bytes: Arc::new(Semaphore::new(bytes_max)), bytes_max, timeout, metrics }
    }

    /// The most that can be had at once.
    pub(crate) const fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    /// Bytes in use.
    pub(crate) fn used(&self) -> usize {
        self.bytes_max - self.bytes.available_permits()
    }

    /// Takes room for `bytes`, as soon as there is.
    pub(crate) async fn take(&self, bytes: usize) -> Result<Room, NoRoom> {
        let permits = u32::try_from(bytes.min(self.bytes_max)).unwrap_or(u32::MAX);
        if let Ok(room) = self.bytes.clone().try_acquire_many_owned(permits) {
            return Ok(room);
        }
        self.metrics.waited_for_room();
        let acquired = self.bytes.clone().acquire_many_owned(permits);
        match tokio::time::timeout(self.timeout, acquired).await {
            Ok(Ok(room)) => Ok(room),
            _ => Err(NoRoom { bytes }),
        }
    }
}
