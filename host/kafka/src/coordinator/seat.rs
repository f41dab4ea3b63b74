//! One group: its state machine, the requests that wait, and what is to be saved.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tidemill_log::GroupError;
use tokio::sync::{Notify, oneshot};

use super::Shared;
use crate::group::{Answer, Effects, Group, GroupLimits, Now, Refusal, Save, Ticket};

/// A group and everything that goes on in it.
pub(super) struct Seat {
    name: Arc<str>,
    inner: Mutex<Inner>,
    /// Something came up that the driver does not wait for yet.
    pub(super) wake: Notify,
}

/// What the lock is for. **Held for moments, never across an await.**
pub(super) struct Inner {
    pub group: Group,
    /// Who waits for which answer.
    waiting: HashMap<Ticket, oneshot::Sender<Answer>>,
    /// In the order in which they have to reach the log.
    pub saves: VecDeque<Save>,
    /// Whether a task sees to deadlines and saves.
    pub is_driven: bool,
    /// What that task waits for.
    pub wakes_at: Option<Duration>,
    /// The group's share of [`Shared::member_bytes`].
    counted: usize,
}

impl Seat {
    pub(super) fn new(name: &str, group: Group) -> Arc<Self> {
        let inner = Inner {
            group,
            waiting: HashMap::new(),
            saves: VecDeque::new(),
            is_driven: false,
            wakes_at: None,
            counted: 0,
        };
        Arc::new(Self { name: name.into(), inner: Mutex::new(inner), wake: Notify::new() })
    }

    pub(super) fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock()
    }

    /// Sees to what a restored group needs.
    pub(super) fn start(self: &Arc<Self>, shared: &Arc<Shared>) {
        self.change(shared, |_, _, _| Effects::default());
    }

    /// Gives the state machine an input, delivers what comes of it, and has its deadlines seen to.
    pub(super) fn change(
        self: &Arc<Self>,
        shared: &Arc<Shared>,
        input: impl FnOnce(&mut Group, Now, &GroupLimits) -> Effects,
    ) {
        let mut inner = self.lock();
        let effects = input(&mut inner.group, shared.now(), &shared.config.limits);
        inner.take(effects, shared);
        inner.have_driven(self, shared);
    }

    /// The same for a request that may have to wait: its answer comes through what is returned.
    pub(super) fn park(
        self: &Arc<Self>,
        shared: &Arc<Shared>,
        input: impl FnOnce(&mut Group, Ticket, Now, &GroupLimits) -> Effects,
    ) -> Parked {
        let ticket = shared.next_ticket();
        let (answer, answered) = oneshot::channel();
        self.lock().waiting.insert(ticket, answer);
        self.change(shared, |group, now, limits| input(group, ticket, now, limits));
        Parked { seat: self.clone(), shared: shared.clone(), ticket, answered }
    }
}

impl Inner {
    /// Delivers answers and queues saves.
    pub(super) fn take(&mut self, effects: Effects, shared: &Shared) {
        self.answer(effects.answers);
        self.saves.extend(effects.saves);
        shared.rebalances.fetch_add(u64::from(effects.rebalances), Relaxed);
        let bytes = self.group.bytes();
        // Two steps: between them the sum is too large rather than too small.
        shared.member_bytes.fetch_add(bytes, Relaxed);
        shared.member_bytes.fetch_sub(std::mem::replace(&mut self.counted, bytes), Relaxed);
    }

    pub(super) fn answer(&mut self, answers: Vec<(Ticket, Answer)>) {
        for (ticket, answer) in answers {
            if let Some(waiting) = self.waiting.remove(&ticket) {
                // A client that is just going away has dropped its end.
                let _ = waiting.send(answer);
            }
        }
    }

    /// A save is over: what waited for it is answered.
    pub(super) fn saved(&mut self, then: Vec<(Ticket, Answer)>, is_durable: bool) {
        let refused = |(ticket, answer)| match answer {
            Answer::Join(_) => (ticket, Answer::Join(Err(Refusal::NotSaved))),
            Answer::Sync(_) => (ticket, Answer::Sync(Err(Refusal::NotSaved))),
        };
        self.answer(if is_durable { then } else { then.into_iter().map(refused).collect() });
    }

    fn have_driven(&mut self, seat: &Arc<Seat>, shared: &Arc<Shared>) {
        let deadline = self.group.next_deadline();
        let has_work = !self.saves.is_empty() || deadline.is_some();
        if !self.is_driven && has_work {
            self.is_driven = true;
            shared.tasks.spawn(super::driver::drive(shared.clone(), seat.clone()));
        } else if !self.saves.is_empty() || (deadline.is_some() && deadline < self.wakes_at) {
            seat.wake.notify_one();
        }
    }
}

/// A request that waits for its answer. **Dropped before, the group no longer counts on it.**
pub(super) struct Parked {
    seat: Arc<Seat>,
    shared: Arc<Shared>,
    ticket: Ticket,
    answered: oneshot::Receiver<Answer>,
}

impl Parked {
    /// The answer; `None` when the coordinator closes.
    ///
    /// # Cancel safety
    /// Dropping it takes the request back.
    pub(super) async fn answer(mut self) -> Option<Answer> {
        let stop = self.shared.stop.clone();
        tokio::select! {
            answer = &mut self.answered => answer.ok(),
            () = stop.cancelled() => None,
        }
    }
}

impl Drop for Parked {
    fn drop(&mut self) {
        let was_waiting = self.seat.lock().waiting.remove(&self.ticket).is_some();
        // When the host ends, members are to find their places as they were.
        if was_waiting && !self.shared.stop.is_cancelled() {
            self.seat
                .change(&self.shared, |group, now, limits| group.cancel(self.ticket, now, limits));
            self.shared.leave_blank(&self.seat);
        }
    }
}

/// The group's consent to a change of its offsets, for as long as that takes.
pub(super) struct Permit {
    pub(super) seat: Arc<Seat>,
    pub(super) shared: Arc<Shared>,
}

impl Permit {
    /// Deletes the group with everything in it. Whoever joins meanwhile joins a new one.
    pub(super) async fn remove_group(self) -> Result<(), GroupError> {
        let (seat, shared) = (self.seat.clone(), self.shared.clone());
        let deleted = shared.log.delete_group(seat.name()).await;
        drop(self);
        if deleted.is_ok() {
            shared.retire_if(&seat, |_| true);
        }
        deleted
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.seat.change(&self.shared, |group, now, limits| group.end_commit(now, limits));
        self.shared.leave_blank(&self.seat);
    }
}
