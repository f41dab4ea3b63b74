//! What the log needs now and then: retention, and transactions that nobody ends.

use std::sync::Arc;
use std::time::Duration;

use tidemill_log::Log;
use tokio_util::sync::CancellationToken;

const PERIOD: Duration = Duration::from_secs(1);

/// Starts the upkeep; it ends with `stop`.
pub fn start(log: &Arc<Log>, stop: CancellationToken) {
    let log = Arc::clone(log);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                () = tokio::time::sleep(PERIOD) => {}
                () = stop.cancelled() => return,
            }
            log.maintain().await;
        }
    });
}
