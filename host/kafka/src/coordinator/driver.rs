//! The task of a group that has deadlines or something to save. It ends when there is neither.

use std::sync::Arc;
use std::time::Duration;

use super::Shared;
use super::seat::Seat;
use crate::group::Save;

/// What is to be done next.
enum Next {
    Save(Save),
    Wait(Duration),
    Nothing,
}

/// Saves in order, and ticks at every deadline.
pub(super) async fn drive(shared: Arc<Shared>, seat: Arc<Seat>) {
    loop {
        match next(&seat) {
            Next::Nothing => return,
            Next::Save(save) => carry_out(&shared, &seat, save).await,
            Next::Wait(deadline) => {
                // Timers are in whole milliseconds: a little late is once, a little early twice.
                let left = deadline.saturating_sub(shared.clock.elapsed());
                tokio::select! {
                    () = tokio::time::sleep(left + Duration::from_millis(1)) => {
                        seat.change(&shared, |group, now, limits| group.tick(now, limits));
                        shared.leave_blank(&seat);
                    }
                    () = seat.wake.notified() => {}
                    () = shared.stop.cancelled() => {
                        // What is still to be saved was not answered for.
                        seat.lock().is_driven = false;
                        return;
                    }
                }
            }
        }
    }
}

fn next(seat: &Seat) -> Next {
    let mut inner = seat.lock();
    if let Some(save) = inner.saves.pop_front() {
        return Next::Save(save);
    }
    inner.wakes_at = inner.group.next_deadline();
    match inner.wakes_at {
        Some(deadline) => Next::Wait(deadline),
        None => {
            inner.is_driven = false;
            Next::Nothing
        }
    }
}

async fn carry_out(shared: &Arc<Shared>, seat: &Arc<Seat>, save: Save) {
    let Save { id, snapshot, then } = save;
    let result = shared.log.save_group(seat.name(), Some(snapshot.encode())).await;
    if let Err(error) = &result {
        tracing::warn!(group = %seat.name(), error = %error, "group not saved");
    }
    let is_durable = result.is_ok();
    seat.lock().saved(then, is_durable);
    seat.change(shared, |group, now, limits| group.saved(id, is_durable, now, limits));
}
