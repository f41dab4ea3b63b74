//! Sources that are not topics: their lines are copied into an internal topic, and the pipeline
//! reads that one. So the engine knows topics only, and everything can be read again.
//!
//! **Records and the position behind them are one transaction of the log**: after a crash, a file
//! is read on from where its last record in the topic ends. Positions are offsets of the group
//! `tidemill.ingest.<pipeline>.<source>`; the module `position` tells their form.
//!
//! What a *socket* sent and was not committed when the host or the connection broke is lost, and
//! what the other side sends again after that is doubled: plain TCP has no positions.

mod files;
mod tail;
mod position;
mod socket;
mod lines;
mod appender;
mod error;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

pub use error::IngestError;

use crate::broker::Broker;
use crate::clock::Clock;
use crate::spec::{PipelineName, SourceInput, SourceSpec};
use appender::Appender;
use files::Files;
use socket::Socket;

/// The topic that a source is copied into. It has one partition: lines stay in order.
#[must_use]
pub fn topic_name(pipeline: &PipelineName, source: &str) -> String {
    format!("tidemill.{pipeline}.{source}")
}

/// The consumer group that keeps a source's positions, and the id that fences a second ingester.
#[must_use]
pub fn group_name(pipeline: &PipelineName, source: &str) -> String {
    format!("tidemill.ingest.{pipeline}.{source}")
}

/// A source that is being copied. Dropping it stops the copying as well, without waiting.
pub struct Ingest {
    stop: watch::Sender<bool>,
    /// Absent for a socket, which has no end.
    drains: Option<mpsc::Sender<oneshot::Sender<()>>>,
    failure: Arc<Mutex<Option<IngestError>>>,
    task: JoinHandle<()>,
}

impl fmt::Debug for Ingest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ingest").field("running", &!self.task.is_finished()).finish()
    }
}

impl Ingest {
    /// Begins to copy a source of files or a socket, where an earlier one ended. The internal
    /// topic is made if it is missing, and an earlier ingester of the same source is fenced.
    /// # Errors
    /// The log fails, a stored position cannot be read, or the folder of the files is not there.
    /// # Panics
    /// If the source is a topic: that needs no copying.
    pub async fn start(
        pipeline: &PipelineName,
        source: &SourceSpec,
        broker: Arc<dyn Broker>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, IngestError> {
        let (topic, group) =
            (topic_name(pipeline, &source.name), group_name(pipeline, &source.name));
        let (stop, stopped) = watch::channel(false);
        let (appender, positions) = Appender::open(broker, &topic, &group, stopped.clone()).await?;
        let failure = Arc::new(Mutex::new(None));
        let failed = Arc::clone(&failure);
        let (drains, task) = match &source.input {
            SourceInput::Topic(topic) => panic!("the topic `{topic}` needs no copying"),
            SourceInput::Files(pattern) => {
                let (drains, requests) = mpsc::channel(1);
                let files = Files::new(pattern, &positions, appender, clock)?;
                let run = async move { note(files.run(stopped, requests).await, &failed) };
                (Some(drains), tokio::spawn(run))
            }
            SourceInput::Socket(address) => {
                let socket = Socket::new(*address, appender, clock);
                let run = async move { note(socket.run(stopped).await, &failed) };
                (None, tokio::spawn(run))
            }
        };
        Ok(Self { stop, drains, failure, task })
    }

    /// Copies the files that are there now to their present ends, an unfinished last line
    /// included, and then stops copying. Returns once everything is committed. Of a socket, which
    /// has no end, nothing is waited for.
    /// # Errors
    /// Why copying stopped before.
    /// # Cancel safety
    /// Cancel safe; the copying goes on.
    pub async fn drain(&self) -> Result<(), IngestError> {
        let Some(drains) = &self.drains else { return Ok(()) };
        let (done, drained) = oneshot::channel();
        // Either fails only if copying has ended.
        if drains.send(done).await.is_ok() && drained.await.is_ok() {
            return Ok(());
        }
        Err(self.failure().unwrap_or(IngestError::Stopped))
    }

    /// Why copying has stopped, told once; `None` while it goes on.
    #[must_use]
    pub fn failure(&self) -> Option<IngestError> {
        self.failure.lock().take()
    }

    /// Stops copying, at the latest after the commit that is under way.
    pub async fn stop(self) {
        // Nobody listens if it ended by itself.
        let _ = self.stop.send(true);
        if let Err(error) = self.task.await
            && error.is_panic()
        {
            std::panic::resume_unwind(error.into_panic());
        }
    }
}

fn note(ended: Result<(), IngestError>, failure: &Mutex<Option<IngestError>>) {
    match ended {
        Ok(()) | Err(IngestError::Stopped) => {}
        Err(error) => *failure.lock() = Some(error),
    }
}

/// Returns once it is told to stop, or once nobody is left who could tell. Cancel safe.
async fn told_to_stop(stopped: &mut watch::Receiver<bool>) {
    // The borrow inside of the answer must not live on.
    drop(stopped.wait_for(|stopped| *stopped).await);
}
