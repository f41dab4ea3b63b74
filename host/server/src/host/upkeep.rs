//! What the log needs now and then: retention, transactions that nobody ends, and compaction.

use std::sync::Arc;
use std::time::Duration;

use tidemill_log::Log;
use tokio_util::sync::CancellationToken;

const PERIOD: Duration = Duration::from_secs(1);

/// Starts the upkeep; it ends with `stop`.
pub fn start(log: &Arc<Log>, stop: CancellationToken) {
    let maintained = Arc::clone(log);
    let stop_too = stop.clone();
    tokio::spawn(async move {
        while is_time(&stop_too).await {
            maintained.maintain().await;
        }
    });
    // Compaction takes its time, which the rest does not have.
    let compacted = Arc::clone(log);
    tokio::spawn(async move {
        while is_time(&stop).await {
            compacted.compact().await;
        }
    });
}

/// Waits for the next round; false when there is none.
async fn is_time(stop: &CancellationToken) -> bool {
    tokio::select! {
        () = tokio::time::sleep(PERIOD) => true,
        () = stop.cancelled() => false,
    }
}
