//! The group coordinator: the state machine of each group beside the log, the clock and the
//! clients that wait.
//!
//! A group with members has a seat: its state machine behind a short lock, the requests that
//! are parked with it, and, while it has deadlines or something to save, a task that sees to
//! them. **No lock is held across an await**, and groups do not wait for each other.
//!
//! **What was answered for is on disk**: offsets, generations and their assignments. After a
//! restart members go on where they were.
//!
//! Groups that only have offsets (consumers that assign themselves, pipelines, groups whose
//! members are gone) need no seat; the log knows them.

mod config;
mod error;
mod owners;

mod seat;
mod driver;
mod membership;

mod offsets;
mod inspect;
mod change;
mod reset;
mod upkeep;

mod metrics;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use parking_lot::Mutex;
use tidemill_log::{Clock, Log, RandomSource};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::group::{Group, Now, Snapshot};

pub use config::GroupConfig;
pub use error::CoordinatorError;
pub use inspect::{GroupDescription, GroupSummary, PartitionLag};
pub use metrics::GroupMetrics;
pub use offsets::FetchedOffset;
pub use owners::{NoOwners, Owners};
pub use reset::{Destination, Move};

use seat::Seat;

/// All consumer groups of a log.
#[derive(Clone)]
pub struct Coordinator {
    shared: Arc<Shared>,
}

/// What all groups share.
struct Shared {
    log: Arc<Log>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn RandomSource>,
    config: GroupConfig,
    owners: Arc<dyn Owners>,
    /// The groups with members, and those that had some and are remembered.
    ///
    /// Locked before a seat, never while one is locked.
    seats: Mutex<HashMap<Arc<str>, Arc<Seat>>>,
    /// What all members say about themselves.
    member_bytes: AtomicUsize,
    tickets: AtomicU64,
    rebalances: AtomicU64,
    commits: AtomicU64,
    expired: AtomicU64,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl std::fmt::Debug for Coordinator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Coordinator").field("config", &self.shared.config).finish_non_exhaustive()
    }
}

impl Coordinator {
    /// Takes over the groups of `log`, which has read them when it was opened: from here on no
    /// answer is ever "still loading". To be called inside a tokio runtime.
    pub fn open(
        log: Arc<Log>,
        (clock, random): (Arc<dyn Clock>, Arc<dyn RandomSource>),
        config: GroupConfig,
        owners: Arc<dyn Owners>,
    ) -> Self {
        let shared = Arc::new(Shared {
            log,
            clock,
            random,
            config,
            owners,
            seats: Mutex::default(),
            member_bytes: AtomicUsize::new(0),
            tickets: AtomicU64::new(0),
            rebalances: AtomicU64::new(0),
            commits: AtomicU64::new(0),
            expired: AtomicU64::new(0),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        });
        for (name, kept) in shared.log.saved_groups() {
            match Snapshot::decode(&kept) {
                Ok(kept) => shared.restore(&name, kept),
                // Its members are refused as unknown, and join again.
                Err(error) => tracing::warn!(group = name, %error, "members of a group not read"),
            }
        }
        Self { shared }
    }

    /// Ends all timers, after what is being saved. Members keep their places in the log.
    pub async fn close(&self) {
        self.shared.stop.cancel();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }

    /// What the coordinator is told.
    pub fn config(&self) -> &GroupConfig {
        &self.shared.config
    }
}

impl Shared {
    fn restore(self: &Arc<Self>, name: &str, kept: Snapshot) {
        let seat = Seat::new(name, Group::restore(kept, self.now()));
        self.seats.lock().insert(seat.name().clone(), seat.clone());
        seat.start(self);
    }

    fn now(&self) -> Now {
        Now { at: self.clock.elapsed(), wall_ms: self.clock.now_ms() }
    }

    fn seat(&self, group: &str) -> Option<Arc<Seat>> {
        self.seats.lock().get(group).cloned()
    }

    /// The group's seat, made where missing. One that stays unused goes with
    /// [`Shared::leave_blank`].
    fn seat_or_new(&self, group: &str) -> Result<Arc<Seat>, CoordinatorError> {
        let mut seats = self.seats.lock();
        if let Some(seat) = seats.get(group) {
            return Ok(seat.clone());
        }
        let max = self.config.groups_max;
        if seats.len() >= max {
            return Err(CoordinatorError::TooManyGroups { max });
        }
        let seat = Seat::new(group, Group::new(self.clock.now_ms()));
        seats.insert(seat.name().clone(), seat.clone());
        Ok(seat)
    }

    /// Removes the seat of a group that nobody has joined.
    fn leave_blank(&self, seat: &Arc<Seat>) {
        if seat.lock().group.is_blank() {
            self.retire_if(seat, Group::is_blank);
        }
    }

    /// Removes a group from memory if nobody uses it and `may` agrees; says whether it did.
    fn retire_if(&self, seat: &Arc<Seat>, may: impl FnOnce(&Group) -> bool) -> bool {
        let mut seats = self.seats.lock();
        let mut inner = seat.lock();
        let is_retired = may(&inner.group) && inner.group.retire();
        if is_retired {
            seats.remove(seat.name());
        }
        is_retired
    }

    fn next_ticket(&self) -> crate::group::Ticket {
        crate::group::Ticket(self.tickets.fetch_add(1, Relaxed))
    }
}
