//! Offsets: committed by members, or by consumers that assign themselves; and fetched.
//!
//! **A commit is durable before it is answered, and one of an old generation never lands behind
//! one of a newer generation.** An offset that was never committed is told apart from one that
//! cannot be told yet.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use tidemill_log::{CommittedOffset, TopicPartition};

use super::seat::Permit;
use super::{Coordinator, CoordinatorError, Shared};
use crate::group::{Caller, Group, Now, Refusal};

/// What is known of a group's offset for a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FetchedOffset {
    /// It was committed.
    Committed(CommittedOffset),
    /// It was never committed, or is forgotten.
    None,
    /// A transaction that is not over may change it.
    Unstable,
}

impl Coordinator {
    /// Commits offsets for `group`. Durable on return.
    ///
    /// # Errors
    /// [`CoordinatorError`]; after [`CoordinatorError::Log`] the next start decides.
    /// # Cancel safety
    /// The offsets may be committed without an answer; never only in part of one log batch.
    pub async fn commit(
        &self,
        group: &str,
        caller: &Caller,
        offsets: Vec<(TopicPartition, CommittedOffset)>,
    ) -> Result<(), CoordinatorError> {
        self.shared.check_client(group)?;
        let permit = self.shared.permit(group, |group, now| group.begin_commit(caller, now))?;
        let count = offsets.len() as u64;
        self.shared.commits.fetch_add(count, Relaxed);
        // In a task of its own: a client that goes away does not take back what is half written.
        let name = permit.seat.name().clone();
        let log = self.shared.log.clone();
        let commit = self.shared.tasks.spawn(async move {
            let committed = log.commit_offsets(&name, offsets).await;
            drop(permit);
            committed
        });
        Ok(commit.await.map_err(|_| CoordinatorError::Closing)??)
    }

    /// What `group` has committed for `partitions`.
    pub fn fetch(
        &self,
        group: &str,
        partitions: Vec<TopicPartition>,
        require_stable: bool,
    ) -> Vec<(TopicPartition, FetchedOffset)> {
        let pending = self.pending(group, require_stable);
        let log = &self.shared.log;
        let known = |at: TopicPartition| {
            let fetched = match log.committed_at(group, &at) {
                _ if pending.contains(&at) => FetchedOffset::Unstable,
                Some(offset) => FetchedOffset::Committed(offset),
                None => FetchedOffset::None,
            };
            (at, fetched)
        };
        partitions.into_iter().map(known).collect()
    }

    /// Everything that `group` has committed.
    pub fn fetch_all(
        &self,
        group: &str,
        require_stable: bool,
    ) -> Vec<(TopicPartition, FetchedOffset)> {
        let pending = self.pending(group, require_stable);
        let committed = self.shared.log.committed(group);
        let is_known = |at: &&TopicPartition| committed.iter().any(|(known, _)| known == *at);
        let new = pending.iter().filter(|at| !is_known(at)).cloned();
        let new: Vec<_> = new.map(|at| (at, FetchedOffset::Unstable)).collect();
        let known = committed.into_iter().map(|(at, offset)| {
            let is_pending = pending.contains(&at);
            (
                at,
                if is_pending { FetchedOffset::Unstable } else { FetchedOffset::Committed(offset) },
            )
        });
        known.chain(new).collect()
    }

    fn pending(&self, group: &str, require_stable: bool) -> Vec<TopicPartition> {
        if require_stable { self.shared.log.pending_offsets(group) } else { Vec::new() }
    }
}

impl Shared {
    /// Asks the group for its consent to a change of its offsets.
    pub(super) fn permit(
        self: &Arc<Self>,
        group: &str,
        begin: impl Fn(&mut Group, Now) -> Result<(), Refusal>,
    ) -> Result<Permit, CoordinatorError> {
        loop {
            let seat = self.seat_or_new(group)?;
            let begun = begin(&mut seat.lock().group, self.now());
            match begun {
                Ok(()) => return Ok(Permit { seat, shared: self.clone() }),
                // Removed at this moment, and out of the table before that could be seen.
                Err(Refusal::Dead) => {}
                Err(refusal) => {
                    self.leave_blank(&seat);
                    return Err(refusal.into());
                }
            }
        }
    }
}
