//! Offsets that nobody needs any more are forgotten, and with the last of them the group.
//!
//! As in Kafka: an offset is kept while members subscribe to its topic, and for the retention
//! time after that; of a group that is empty, for the retention time after its last member left
//! or, where nobody ever joined, after the commit. **Positions of pipelines never expire.**

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tidemill_log::{CommittedOffset, TopicPartition};

use super::change::{InUse, in_use};
use super::seat::Permit;
use super::{Coordinator, CoordinatorError, Shared};
use crate::group::Group;

impl Coordinator {
    /// Forgets what is too old, once every [`super::GroupConfig::upkeep_interval`], until the
    /// coordinator closes.
    pub fn start_upkeep(&self) {
        let shared = self.shared.clone();
        let interval = shared.config.upkeep_interval;
        self.shared.tasks.spawn(async move {
            let coordinator = Coordinator { shared };
            let stop = coordinator.shared.stop.clone();
            while stop.run_until_cancelled(tokio::time::sleep(interval)).await.is_some() {
                coordinator.forget_expired().await;
            }
        });
    }

    /// Forgets what is too old now.
    pub async fn forget_expired(&self) {
        for group in self.list() {
            let is_reserved = self.shared.owners.is_reserved(&group.group);
            if is_reserved || self.shared.stop.is_cancelled() {
                continue;
            }
            if let Err(error) = self.shared.forget_expired(&group.group).await {
                tracing::warn!(group = %group.group, %error, "old offsets not forgotten");
            }
        }
    }
}

impl Shared {
    async fn forget_expired(self: &Arc<Self>, group: &str) -> Result<(), CoordinatorError> {
        let committed = self.log.committed(group);
        let expired = self.expired(group, &committed);
        if !expired.is_empty() {
            self.log.forget_offsets(group, &expired).await?;
            tracing::info!(group, partitions = expired.len(), "old offsets forgotten");
            self.expired.fetch_add(expired.len() as u64, Relaxed);
        }
        let is_empty = |group: &Group| group.empty_since_ms().is_some();
        let Some(seat) = self.seat(group).filter(|seat| is_empty(&seat.lock().group)) else {
            return Ok(());
        };
        // Nothing is left to remember of a group without members and offsets.
        if self.log.committed(group).is_empty() && seat.lock().group.begin_change().is_ok() {
            Permit { seat, shared: self.clone() }.remove_group().await?;
        }
        Ok(())
    }

    fn expired(
        &self,
        group: &str,
        committed: &[(TopicPartition, CommittedOffset)],
    ) -> Vec<TopicPartition> {
        let (in_use, empty_since_ms) = match self.seat(group) {
            Some(seat) => {
                let inner = seat.lock();
                (in_use(&inner.group), inner.group.empty_since_ms())
            }
            None => (InUse::Topics(Default::default()), None),
        };
        let InUse::Topics(topics) = in_use else { return Vec::new() };
        let now_ms = self.clock.now_ms();
        let is_old = |offset: &CommittedOffset| {
            let since = offset.at_ms.max(empty_since_ms.unwrap_or(i64::MIN));
            let age = u64::try_from(now_ms.saturating_sub(since)).unwrap_or_default();
            Duration::from_millis(age) >= self.config.offsets_retention
        };
        let expired = committed
            .iter()
            .filter(|(at, offset)| !topics.contains(at.topic.as_str()) && is_old(offset));
        expired.map(|(at, _)| at.clone()).collect()
    }
}
