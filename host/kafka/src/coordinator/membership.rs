//! What members ask for: join, sync, heartbeat, leave.

use std::sync::atomic::Ordering::Relaxed;

use super::error::NAME_BYTES_MAX;
use super::{Coordinator, CoordinatorError, Shared};
use crate::group::{Answer, Caller, Joined, Joining, Leaving, MemberId, Refusal, Synced, Syncing};

/// How often a group that was removed at that moment is looked for again.
const ATTEMPTS_MAX: usize = 8;

/// The longest beginning of a member's id that comes from its client.
const ID_PREFIX_BYTES_MAX: usize = 256;

impl Coordinator {
    /// Takes a member into `group`, and waits for its generation.
    ///
    /// # Errors
    /// [`CoordinatorError`].
    /// # Cancel safety
    /// Dropping it takes the request back; a member that knows its id may ask again.
    pub async fn join(&self, group: &str, request: Joining) -> Result<Joined, CoordinatorError> {
        let shared = &self.shared;
        shared.check_client(group)?;
        shared.check_room(&request)?;
        for _ in 0..ATTEMPTS_MAX {
            let seat = match &request.member {
                None => shared.seat_or_new(group)?,
                Some(_) => shared.seat(group).ok_or(Refusal::UnknownMember)?,
            };
            let request = request.clone();
            let parked = seat.park(shared, |group, ticket, now, limits| {
                group.join(request, ticket, now, limits)
            });
            match parked.answer().await {
                Some(Answer::Join(Err(Refusal::Dead))) => {}
                Some(Answer::Join(answer)) => {
                    if answer.is_err() {
                        shared.leave_blank(&seat);
                    }
                    return Ok(answer?);
                }
                Some(Answer::Sync(_)) | None => return Err(CoordinatorError::Closing),
            }
        }
        Err(Refusal::Dead.into())
    }

    /// An id for a member that has none yet.
    pub fn fresh_member_id(&self, beginning: &str) -> MemberId {
        let end = beginning.floor_char_boundary(beginning.len().min(ID_PREFIX_BYTES_MAX));
        let (high, low) = (self.shared.random.next_u64(), self.shared.random.next_u64());
        let random = uuid::Uuid::from_u64_pair(high, low).into_bytes();
        let id = uuid::Builder::from_random_bytes(random).into_uuid();
        MemberId::from(format!("{}-{id}", &beginning[..end]).as_str())
    }

    /// Waits for a member's assignment.
    ///
    /// # Errors
    /// [`CoordinatorError`].
    /// # Cancel safety
    /// Dropping it takes the request back; the member may ask again.
    pub async fn sync(&self, group: &str, request: Syncing) -> Result<Synced, CoordinatorError> {
        let shared = &self.shared;
        shared.check_client(group)?;
        let seat = shared.seat(group).ok_or(Refusal::UnknownMember)?;
        let parked = seat
            .park(shared, |group, ticket, now, limits| group.sync(request, ticket, now, limits));
        match parked.answer().await {
            Some(Answer::Sync(answer)) => Ok(answer?),
            Some(Answer::Join(_)) | None => Err(CoordinatorError::Closing),
        }
    }

    /// Notes that a member is there.
    ///
    /// # Errors
    /// [`CoordinatorError`].
    pub fn heartbeat(&self, group: &str, caller: &Caller) -> Result<(), CoordinatorError> {
        let seat = self.shared.seat(group).ok_or(Refusal::UnknownMember)?;
        let now = self.shared.now();
        // It only moves a deadline further away: nobody has to be told.
        Ok(seat.lock().group.heartbeat(caller, now)?)
    }

    /// Takes members out, and says for each whether it was there.
    ///
    /// # Errors
    /// [`CoordinatorError`] where that can be said of none.
    pub fn leave(
        &self,
        group: &str,
        leaving: &[Leaving],
    ) -> Result<Vec<Result<MemberId, Refusal>>, CoordinatorError> {
        let shared = &self.shared;
        shared.check_client(group)?;
        let Some(seat) = shared.seat(group) else {
            return Ok(leaving.iter().map(|_| Err(Refusal::UnknownMember)).collect());
        };
        let mut results = Vec::new();
        seat.change(shared, |group, now, limits| {
            let (left, effects) = group.leave(leaving, now, limits);
            results = left;
            effects
        });
        shared.leave_blank(&seat);
        Ok(results)
    }
}

impl Shared {
    /// Whether clients may work in a group of this name.
    pub(super) fn check_client(&self, group: &str) -> Result<(), CoordinatorError> {
        self.check_change(group)?;
        if self.owners.is_reserved(group) {
            return Err(CoordinatorError::Reserved { group: group.to_owned() });
        }
        Ok(())
    }

    /// Whether administrators may change a group of this name. What pipelines left behind, they
    /// may.
    pub(super) fn check_change(&self, group: &str) -> Result<(), CoordinatorError> {
        let bytes = group.len();
        if !(1..=NAME_BYTES_MAX).contains(&bytes) {
            return Err(CoordinatorError::Name { bytes });
        }
        match self.owners.owner(group) {
            None => Ok(()),
            Some(pipeline) => Err(CoordinatorError::Owned { group: group.to_owned(), pipeline }),
        }
    }

    fn check_room(&self, request: &Joining) -> Result<(), CoordinatorError> {
        let said: usize = request.protocols.iter().map(|protocol| protocol.metadata.len()).sum();
        let max = self.config.member_bytes_max;
        if self.member_bytes.load(Relaxed).saturating_add(said) > max {
            return Err(CoordinatorError::TooManyBytes { max });
        }
        Ok(())
    }
}
