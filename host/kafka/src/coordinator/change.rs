//! What administrators change: groups are deleted, offsets set and forgotten.
//!
//! **Only where nobody is at work**: members would go on where they are, and commit over it.

use std::collections::HashSet;

use tidemill_log::{CommittedOffset, Offset, TopicPartition};

use super::{Coordinator, CoordinatorError};
use crate::group::{Group, GroupState, Refusal, subscription};

impl Coordinator {
    /// Deletes a group with all that it has committed. Durable on return.
    ///
    /// # Errors
    /// [`CoordinatorError`].
    /// # Cancel safety
    /// The group may be deleted all the same.
    pub async fn delete(&self, group: &str) -> Result<(), CoordinatorError> {
        let shared = &self.shared;
        shared.check_change(group)?;
        self.known(group)?;
        let permit =
            shared.permit(group, |group, _| group.begin_change()).map_err(members(group))?;
        let delete = shared.tasks.spawn(permit.remove_group());
        Ok(delete.await.map_err(|_| CoordinatorError::Closing)??)
    }

    /// Sets where a group goes on. Durable on return.
    ///
    /// # Errors
    /// [`CoordinatorError`].
    /// # Cancel safety
    /// The offsets may be set all the same.
    pub async fn reset(
        &self,
        group: &str,
        offsets: Vec<(TopicPartition, Offset)>,
    ) -> Result<(), CoordinatorError> {
        self.shared.check_change(group)?;
        let permit =
            self.shared.permit(group, |group, _| group.begin_change()).map_err(members(group))?;
        let (name, log) = (permit.seat.name().clone(), self.shared.log.clone());
        let commit = self.shared.tasks.spawn(async move {
            let set = |(at, offset)| (at, CommittedOffset::new(offset, ""));
            let committed = log.commit_offsets(&name, offsets.into_iter().map(set).collect()).await;
            drop(permit);
            committed
        });
        Ok(commit.await.map_err(|_| CoordinatorError::Closing)??)
    }

    /// Whether [`Coordinator::reset`] would be refused now.
    ///
    /// # Errors
    /// [`CoordinatorError`]: it would.
    pub fn check_reset(&self, group: &str) -> Result<(), CoordinatorError> {
        self.shared.check_change(group)?;
        match self.describe_members(group).map(|described| described.state) {
            None | Some(GroupState::Empty | GroupState::Dead) => Ok(()),
            Some(_) => Err(CoordinatorError::HasMembers { group: group.to_owned() }),
        }
    }

    /// Forgets what a group has committed in `partitions`, but for topics that its members
    /// subscribe to: those are returned. Durable on return.
    ///
    /// # Errors
    /// [`CoordinatorError`]; nothing was forgotten.
    /// # Cancel safety
    /// The offsets may be forgotten all the same.
    pub async fn forget(
        &self,
        group: &str,
        partitions: Vec<TopicPartition>,
    ) -> Result<HashSet<String>, CoordinatorError> {
        self.shared.check_change(group)?;
        self.known(group)?;
        let in_use = match self.shared.seat(group) {
            Some(seat) => match in_use(&seat.lock().group) {
                InUse::Everything => {
                    return Err(CoordinatorError::HasMembers { group: group.to_owned() });
                }
                InUse::Topics(topics) => topics,
            },
            None => HashSet::new(),
        };
        let free: Vec<_> =
            partitions.into_iter().filter(|at| !in_use.contains(at.topic.as_str())).collect();
        self.shared.log.forget_offsets(group, &free).await?;
        Ok(in_use)
    }

    fn known(&self, group: &str) -> Result<(), CoordinatorError> {
        match self.describe_members(group) {
            Some(_) => Ok(()),
            None => Err(CoordinatorError::Unknown { group: group.to_owned() }),
        }
    }
}

/// Which offsets of a group its members need.
pub(super) enum InUse {
    /// Nobody can say: what the members are is unknown.
    Everything,
    /// Those of these topics.
    Topics(HashSet<String>),
}

pub(super) fn in_use(group: &Group) -> InUse {
    if matches!(group.state(), GroupState::Empty | GroupState::Dead) {
        return InUse::Topics(HashSet::new());
    }
    if group.protocol_type().is_none_or(|it| **it != *subscription::CONSUMER) {
        return InUse::Everything;
    }
    let mut topics = HashSet::new();
    for metadata in group.subscriptions() {
        let Some(subscribed) = subscription::topics(metadata) else { return InUse::Everything };
        topics.extend(subscribed.into_iter().map(str::to_owned));
    }
    InUse::Topics(topics)
}

fn members(group: &str) -> impl Fn(CoordinatorError) -> CoordinatorError {
    move |error| match error {
        CoordinatorError::Refused(Refusal::RebalanceInProgress) => {
            CoordinatorError::HasMembers { group: group.to_owned() }
        }
        other => other,
    }
}
