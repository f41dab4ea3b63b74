//! How much a client may ask of the server.
//!
//! **Memory is bounded by these numbers, whatever clients do.**

use std::time::Duration;

/// The server's limits. Each has a default that ordinary clients never meet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A larger request is refused, and its connection closed.
    pub request_bytes_max: usize,
    /// Requests and responses in memory, of all connections together; who finds no room waits.
    pub queued_bytes_max: usize,
    /// A fetch returns no more, whatever it asks for, but for one batch that is larger.
    pub fetch_bytes_max: usize,
    /// Connections at the same time.
    pub connections_max: usize,
    /// Connections at the same time from one address.
    pub connections_per_address_max: usize,
    /// Requests of one connection that are not yet answered; reading stops there.
    pub pipelined_requests_max: usize,
    /// A connection without requests is closed after so long.
    pub idle_timeout: Duration,
    /// A request that has begun must have arrived by then.
    pub receive_timeout: Duration,
    /// A client that takes nothing of its response for so long is cut off.
    pub send_timeout: Duration,
    /// Who finds no room for a request or response for so long is cut off.
    pub queue_timeout: Duration,
    /// Fetch sessions that are remembered; clients beyond that do without.
    pub fetch_sessions_max: usize,
    /// Partitions in all fetch sessions together.
    pub fetch_session_partitions_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_bytes_max: 100 << 20,
            queued_bytes_max: 256 << 20,
            fetch_bytes_max: 55 << 20,
            connections_max: 10_000,
            connections_per_address_max: 10_000,
            pipelined_requests_max: 256,
            idle_timeout: Duration::from_secs(600),
            receive_timeout: Duration::from_secs(60),
            send_timeout: Duration::from_secs(60),
            queue_timeout: Duration::from_secs(30),
            fetch_sessions_max: 1000,
            fetch_session_partitions_max: 200_000,
        }
    }
}
