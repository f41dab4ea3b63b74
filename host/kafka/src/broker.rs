//! What all connections share: the one broker of a cluster of one.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tidemill_log::{Log, TopicName};

use crate::api::Sessions;
use crate::budget::Budget;
use crate::config::{AutoCreate, Config};
use crate::coordinator::Coordinator;
use crate::limits::Limits;
use crate::metrics::{Metrics, MetricsSnapshot};

/// The id of the only node, which is the controller, too.
pub(crate) const NODE_ID: i32 = 1;

/// The log and everything that requests need beside it.
pub(crate) struct Broker {
    pub log: Arc<Log>,
    pub groups: Coordinator,
    /// The same for as long as the data folder lives.
    pub cluster_id: String,
    pub auto_create: Option<AutoCreate>,
    pub limits: Limits,
    pub budget: Budget,
    pub metrics: Arc<Metrics>,
    pub sessions: Sessions,
}

impl Broker {
    pub(crate) fn new(log: Arc<Log>, groups: Coordinator, config: &Config) -> Self {
        let limits = config.limits.clone();
        let metrics = Arc::new(Metrics::default());
        let budget = Budget::new(limits.queued_bytes_max, limits.queue_timeout, metrics.clone());
        let sessions =
            Sessions::new(limits.fetch_sessions_max, limits.fetch_session_partitions_max);
        Self {
            cluster_id: cluster_id(&log),
            log,
            groups,
            auto_create: config.auto_create.clone(),
            limits,
            budget,
            metrics,
            sessions,
        }
    }

    pub(crate) fn snapshot(&self) -> MetricsSnapshot {
        MetricsSnapshot {
            queued_bytes: self.budget.used() as u64,
            fetch_sessions: self.sessions.count() as u64,
            ..self.metrics.snapshot()
        }
    }
}

/// The id of the first internal topic, which is made with the data folder: random, durable,
/// and in the form of Kafka's own cluster ids.
fn cluster_id(log: &Log) -> String {
    let internal = TopicName::new("__consumer_offsets").ok();
    let described = internal.and_then(|name| log.describe(&name));
    let id = described.map_or(0, |described| described.id);
    URL_SAFE_NO_PAD.encode(id.to_be_bytes())
}
