//! Records on their way out: a long poll.
//!
//! **A fetch that finds too little waits, and costs nothing while it does**: it is woken by the
//! appends to its partitions. Records go from the disk's buffer to the socket as they are.

mod pace;
mod plan;
mod read;
mod respond;
mod sessions;

use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use kafka_protocol::messages::FetchRequest;
use tidemill_log::Isolation;
use tokio::time::Instant;

pub(crate) use pace::Pace;
pub(crate) use sessions::Sessions;

use super::{Answer, Call};
use crate::budget::Room;
use crate::request::Refused;
use plan::Plan;
use read::Polled;

/// What a request's `isolation_level` means.
pub(super) const fn isolation(level: i8) -> Isolation {
    if level == 1 { Isolation::Committed } else { Isolation::Uncommitted }
}

pub(super) async fn handle(call: &Call<'_>, request: FetchRequest) -> Result<Answer, Refused> {
    let terms = Terms::of(&request, call.broker.limits.fetch_bytes_max);
    let mut session = match call.broker.sessions.begin(&request, Instant::now()) {
        Ok(session) => session,
        Err(error) => return Ok(Answer::Now(respond::with_error(call.reply, error))),
    };
    let due = call.pace.lock().asked(Instant::now());
    if let Some(due) = due {
        call.broker.metrics.held_back();
        tokio::time::sleep_until(due.min(terms.deadline)).await;
    }
    let (found, room) = poll(call, session.plan(), &terms).await?;
    call.pace.lock().answered(read::bytes(&found), read::has_more(&found), Instant::now());
    let is_full = session.is_full();
    let response = respond::with_records(call.reply, &mut session, found, &terms, is_full, room);
    call.broker.sessions.end(session, Instant::now());
    Ok(Answer::Now(response))
}

/// What a client asks for, within what it may.
pub(super) struct Terms {
    isolation: Isolation,
    deadline: Instant,
    bytes_min: usize,
    bytes_max: usize,
}

/// No client waits longer.
const WAIT_MAX: Duration = Duration::from_secs(15 * 60);

impl Terms {
    fn of(request: &FetchRequest, fetch_bytes_max: usize) -> Self {
        let bytes = |written: i32| usize::try_from(written).unwrap_or(0);
        let wait = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0));
        let bytes_max = bytes(request.max_bytes).min(fetch_bytes_max);
        Self {
            isolation: isolation(request.isolation_level),
            deadline: Instant::now() + wait.min(WAIT_MAX),
            bytes_min: bytes(request.min_bytes).min(bytes_max),
            bytes_max,
        }
    }
}

/// Reads until there is enough, something is wrong, or time is up.
async fn poll(
    call: &Call<'_>,
    plan: &Plan,
    terms: &Terms,
) -> Result<(Polled, Option<Room>), Refused> {
    let mut watched = read::watch(call.log(), plan);
    // By how much the estimate was too high; it stays so while the positions are the same.
    let mut excess = 0;
    loop {
        let ready = watched.ready(call.log(), plan, terms);
        let estimate = ready.bytes();
        let is_late = Instant::now() >= terms.deadline;
        if is_late || ready.is_worth_it(terms.bytes_min.saturating_add(excess)) {
            let (found, room) = read::read(call.broker, plan, ready, terms).await?;
            let bytes = read::bytes(&found);
            if is_late || bytes >= terms.bytes_min || read::is_final(&found) {
                return Ok((found, room));
            }
            excess = estimate - bytes.min(estimate);
        }
        let mut moves: FuturesUnordered<_> = watched.moves().collect();
        tokio::select! {
            Some(()) = moves.next() => {}
            () = tokio::time::sleep_until(terms.deadline) => {}
        }
    }
}
