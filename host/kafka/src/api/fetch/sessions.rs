//! Fetch sessions (KIP-227): the broker remembers what a client wants, so that its requests
//! name only what changes, and responses only what is new.
//!
//! **Bounded in number and in partitions.** A session belongs to the request that is at work on
//! it; when a client goes away in the middle of one, its session goes, too. Whoever finds no
//! place is served without a session.

use std::collections::HashMap;
use std::time::Duration;

use kafka_protocol::messages::FetchRequest;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::plan::Plan;
use crate::api::ErrorCode;

/// The epoch of a request that begins a session.
const INITIAL_EPOCH: i32 = 0;
/// The epoch of a request that ends its session, or does without.
const FINAL_EPOCH: i32 = -1;
/// A session that was used since may not be pushed out.
const PROTECTED: Duration = Duration::from_secs(120);

/// What a request has of its session while it is at work.
#[derive(Debug)]
pub(crate) struct Session {
    plan: Plan,
    /// `None`: this request has no session.
    id: Option<i32>,
    /// The epoch that the next request must have.
    next_epoch: i32,
    is_full: bool,
}

impl Session {
    pub(crate) const fn plan(&self) -> &Plan {
        &self.plan
    }

    pub(crate) const fn plan_mut(&mut self) -> &mut Plan {
        &mut self.plan
    }

    /// What the response says; 0 is none.
    pub(crate) fn id(&self) -> i32 {
        self.id.unwrap_or(0)
    }

    /// Whether the response names every partition, changed or not.
    pub(crate) const fn is_full(&self) -> bool {
        self.is_full
    }
}

struct Kept {
    session: Session,
    used: Instant,
}

#[derive(Default)]
struct Cache {
    by_id: HashMap<i32, Kept>,
    /// In all of them.
    partitions: usize,
    last_id: i32,
}

/// All sessions that no request is at work on.
pub(crate) struct Sessions {
    cache: Mutex<Cache>,
    sessions_max: usize,
    partitions_max: usize,
}

impl Sessions {
    pub(crate) fn new(sessions_max: usize, partitions_max: usize) -> Self {
        // Ids begin anywhere, so that one from before a restart is not taken for a new one.
        let last_id = fastrand::i32(0..i32::MAX);
        let cache = Mutex::new(Cache { last_id, ..Cache::default() });
        Self { cache, sessions_max, partitions_max }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.cache.lock().by_id.len()
    }

    /// What `request` wants: all that it names, or its session with the changes that it names.
    pub(crate) fn begin(&self, request: &FetchRequest, now: Instant) -> Result<Session, ErrorCode> {
        let mut cache = self.cache.lock();
        let mut session = match request.session_epoch {
            INITIAL_EPOCH | FINAL_EPOCH => {
                cache.take(request.session_id);
                let wants_session = request.session_epoch == INITIAL_EPOCH;
                let id = wants_session.then(|| cache.fresh_id());
                Session { plan: Plan::default(), id, next_epoch: 1, is_full: true }
            }
            epoch => {
                let known = cache.by_id.get(&request.session_id);
                let known = known.ok_or(ErrorCode::FetchSessionIdNotFound)?;
                if known.session.next_epoch != epoch {
                    return Err(ErrorCode::InvalidFetchSessionEpoch);
                }
                let session = cache.take(request.session_id);
                let mut session = session.ok_or(ErrorCode::FetchSessionIdNotFound)?;
                session.next_epoch = epoch.checked_add(1).unwrap_or(1);
                session.is_full = false;
                session
            }
        };
        drop(cache);
        for forgotten in &request.forgotten_topics_data {
            for &partition in &forgotten.partitions {
                session.plan.forget(&forgotten.topic, partition);
            }
        }
        session.plan.update(request.topics.clone());
        // Before the response is written: it tells whether there is a session.
        if session.is_full
            && session.id.is_some()
            && !self.has_place(session.plan.partitions.len(), now)
        {
            session.id = None;
        }
        Ok(session)
    }

    /// Remembers a session for its next request.
    pub(crate) fn end(&self, session: Session, now: Instant) {
        let Some(id) = session.id else { return };
        let partitions = session.plan.partitions.len();
        let mut cache = self.cache.lock();
        if cache.partitions + partitions > self.partitions_max {
            // It grew too large: its client will begin a new one.
            return;
        }
        cache.partitions += partitions;
        cache.by_id.insert(id, Kept { session, used: now });
    }

    /// Whether one more session with so many partitions can be remembered; pushes out the one
    /// that was used least recently, where that is long ago.
    fn has_place(&self, partitions: usize, now: Instant) -> bool {
        let mut cache = self.cache.lock();
        while cache.by_id.len() >= self.sessions_max
            || cache.partitions + partitions > self.partitions_max
        {
            let oldest = cache.by_id.iter().min_by_key(|(_, kept)| kept.used);
            match oldest {
                Some((&id, kept)) if now.duration_since(kept.used) >= PROTECTED => {
                    cache.take(id);
                }
                _ => return false,
            }
        }
        true
    }
}

impl Cache {
    fn take(&mut self, id: i32) -> Option<Session> {
        let kept = self.by_id.remove(&id)?;
        self.partitions -= kept.session.plan.partitions.len();
        Some(kept.session)
    }

    fn fresh_id(&mut self) -> i32 {
        loop {
            self.last_id = self.last_id.checked_add(1).unwrap_or(1);
            if !self.by_id.contains_key(&self.last_id) {
                return self.last_id;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic, ForgottenTopic};
    use kafka_protocol::protocol::StrBytes;

    fn request(id: i32, epoch: i32, partitions: &[i32]) -> FetchRequest {
        let partitions = partitions.iter().map(|&index| {
            FetchPartition::default().with_partition(index).with_partition_max_bytes(1)
        });
        let topic = FetchTopic::default()
            .with_topic(StrBytes::from_static_str("t").into())
            .with_partitions(partitions.collect());
        FetchRequest::default()
            .with_session_id(id)
            .with_session_epoch(epoch)
            .with_topics(vec![topic])
    }

    #[test]
    fn a_session_remembers_and_forgets() {
        let now = Instant::now();
        let sessions = Sessions::new(2, 100);
        let first = sessions.begin(&request(0, 0, &[0, 1, 2]), now).unwrap();
        let id = first.id();
        assert!(id > 0 && first.is_full());
        sessions.end(first, now);
        let forgotten = ForgottenTopic::default()
            .with_topic(StrBytes::from_static_str("t").into())
            .with_partitions(vec![1]);
        let next = request(id, 1, &[3]).with_forgotten_topics_data(vec![forgotten]);
        let second = sessions.begin(&next, now).unwrap();
        let indices: Vec<_> = second.plan().partitions.keys().map(|key| key.partition).collect();
        assert_eq!(indices, [0, 2, 3]);
        assert!(!second.is_full());
        // While a request is at work on it, nobody else has it.
        assert_eq!(
            sessions.begin(&request(id, 2, &[]), now).err(),
            Some(ErrorCode::FetchSessionIdNotFound)
        );
        sessions.end(second, now);
        assert_eq!(
            sessions.begin(&request(id, 1, &[]), now).err(),
            Some(ErrorCode::InvalidFetchSessionEpoch)
        );
        let last = sessions.begin(&request(id, FINAL_EPOCH, &[0]), now).unwrap();
        assert_eq!(last.id(), 0);
        sessions.end(last, now);
        assert_eq!(sessions.count(), 0);
        assert_eq!(
            sessions.begin(&request(id, 2, &[]), now).err(),
            Some(ErrorCode::FetchSessionIdNotFound)
        );
    }

    #[test]
    fn sessions_are_bounded() {
        let sessions = Sessions::new(2, 4);
        let start = Instant::now();
        let next = start + Duration::from_millis(1);
        let later = next + PROTECTED;
        let begin = |partitions: &[i32], now| {
            let session = sessions.begin(&request(0, 0, partitions), now).unwrap();
            let id = session.id();
            sessions.end(session, now);
            id
        };
        let first = begin(&[0], start);
        assert!(first > 0 && begin(&[0], next) > 0);
        assert_eq!(begin(&[0], next), 0, "all places are taken by sessions in use");
        assert!(begin(&[0, 1], later) > 0, "the oldest one makes place");
        assert_eq!(
            sessions.begin(&request(first, 1, &[]), later).err(),
            Some(ErrorCode::FetchSessionIdNotFound)
        );
        assert_eq!(begin(&[0, 1, 2, 3, 4], later), 0, "more partitions than all sessions may have");
    }
}
