//! Counters that a server can export, updated once a request.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::versions::{APIS, Api};

/// Why a client was turned away or cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Too many connections in all.
    Connections,
    /// Too many connections from one address.
    ConnectionsOfAddress,
    /// A request larger than allowed.
    RequestTooLarge,
    /// Bytes that are no request.
    Malformed,
    /// An API or a version that is not spoken.
    Unsupported,
    /// A request that did not arrive in time.
    SlowSender,
    /// A response that was not taken in time.
    SlowReceiver,
    /// No room beside other connections' requests and responses.
    NoRoom,
    /// A batch was refused whose sender wants no answer.
    Unanswered,
    /// No request for long.
    Idle,
    /// A response that could not be written: a mistake of the server's.
    Failed,
}

impl Refusal {
    /// All reasons.
    pub const ALL: [Self; 11] = [
        Self::Connections,
        Self::ConnectionsOfAddress,
        Self::RequestTooLarge,
        Self::Malformed,
        Self::Unsupported,
        Self::SlowSender,
        Self::SlowReceiver,
        Self::NoRoom,
        Self::Unanswered,
        Self::Idle,
        Self::Failed,
    ];

    /// As a label.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::ConnectionsOfAddress => "connections_of_address",
            Self::RequestTooLarge => "request_too_large",
            Self::Malformed => "malformed",
            Self::Unsupported => "unsupported",
            Self::SlowSender => "slow_sender",
            Self::SlowReceiver => "slow_receiver",
            Self::NoRoom => "no_room",
            Self::Unanswered => "unanswered",
            Self::Idle => "idle",
            Self::Failed => "failed",
        }
    }
}

/// What the server has done since it was started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MetricsSnapshot {
    /// Connections open now.
    pub connections: u64,
    /// Connections accepted.
    pub connections_total: u64,
    /// Clients turned away or cut off, by reason.
    pub refusals_total: Vec<(&'static str, u64)>,
    /// Requests read, by API.
    pub requests_total: Vec<(String, u64)>,
    /// Bytes of requests.
    pub request_bytes_total: u64,
    /// Bytes of responses.
    pub response_bytes_total: u64,
    /// Bytes of requests and responses in memory now.
    pub queued_bytes: u64,
    /// How often a request or response had to wait for room.
    pub queue_waits_total: u64,
    /// Fetches held back, because their clients had paused with a full queue.
    pub held_back_fetches_total: u64,
    /// Fetch sessions that are remembered now.
    pub fetch_sessions: u64,
}

#[derive(Debug)]
pub(crate) struct Metrics {
    connections: AtomicU64,
    closed: AtomicU64,
    refusals: [AtomicU64; Refusal::ALL.len()],
    requests: Box<[AtomicU64]>,
    request_bytes: AtomicU64,
    response_bytes: AtomicU64,
    queue_waits: AtomicU64,
    held_back_fetches: AtomicU64,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            connections: AtomicU64::new(0),
            closed: AtomicU64::new(0),
            refusals: Default::default(),
            requests: APIS.iter().map(|_| AtomicU64::new(0)).collect(),
            request_bytes: AtomicU64::new(0),
            response_bytes: AtomicU64::new(0),
            queue_waits: AtomicU64::new(0),
            held_back_fetches: AtomicU64::new(0),
        }
    }
}

impl Metrics {
    pub(crate) fn connected(&self) {
        self.connections.fetch_add(1, Relaxed);
    }

    pub(crate) fn disconnected(&self) {
        self.closed.fetch_add(1, Relaxed);
    }

    /// Counts a refusal; returns whether to log it: the 1st, 2nd, 4th, 8th … of its kind, so
    /// that a flood of clients is no flood of lines.
    pub(crate) fn refused(&self, why: Refusal) -> bool {
        let index = Refusal::ALL.iter().position(|it| *it == why).unwrap_or(0);
        let count = self.refusals.get(index);
        count.is_some_and(|count| (count.fetch_add(1, Relaxed) + 1).is_power_of_two())
    }

    pub(crate) fn requested(&self, api: &Api, bytes: usize) {
        self.request_bytes.fetch_add(bytes as u64, Relaxed);
        if let Some(count) = self.requests.get(api.index()) {
            count.fetch_add(1, Relaxed);
        }
    }

    pub(crate) fn responded(&self, bytes: usize) {
        self.response_bytes.fetch_add(bytes as u64, Relaxed);
    }

    pub(crate) fn waited_for_room(&self) {
        self.queue_waits.fetch_add(1, Relaxed);
    }

    pub(crate) fn held_back(&self) {
        self.held_back_fetches.fetch_add(1, Relaxed);
    }

    pub(crate) fn snapshot(&self) -> MetricsSnapshot {
        let connections_total = self.connections.load(Relaxed);
        let refusals = Refusal::ALL.iter().zip(&self.refusals);
        let requests = APIS.iter().zip(&self.requests);
        MetricsSnapshot {
            connections: connections_total.saturating_sub(self.closed.load(Relaxed)),
            connections_total,
            refusals_total: refusals.map(|(why, it)| (why.name(), it.load(Relaxed))).collect(),
            requests_total: requests
                .map(|(api, it)| (format!("{:?}", api.key), it.load(Relaxed)))
                .collect(),
            request_bytes_total: self.request_bytes.load(Relaxed),
            response_bytes_total: self.response_bytes.load(Relaxed),
            queue_waits_total: self.queue_waits.load(Relaxed),
            held_back_fetches_total: self.held_back_fetches.load(Relaxed),
            queued_bytes: 0,
            fetch_sessions: 0,
        }
    }
}
