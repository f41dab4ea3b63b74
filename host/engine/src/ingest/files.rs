//! Copies files into the internal topic as they grow.
//!
//! Files are looked for again and again; new ones are picked up, a file that shrank or was
//! replaced is read from its beginning, a renamed one is read on. A line without its end waits for it.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot, watch};

use super::appender::{Appender, Moved};
use super::error::IngestError;
use super::lines::Lines;
use super::tail::{Found, Tail};
use super::told_to_stop;
use crate::clock::Clock;

/// Files that have nothing new are looked at this often.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// A source of files.
pub(super) struct Files {
    tail: Arc<Mutex<Tail>>,
    appender: Appender,
    clock: Arc<dyn Clock>,
}

impl Files {
    /// Goes on from stored positions.
    pub fn new(
        pattern: &str,
        positions: &[Moved],
        appender: Appender,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, IngestError> {
        let tail = Tail::new(pattern, appender.group(), positions)?;
        Ok(Self { tail: Arc::new(Mutex::new(tail)), appender, clock })
    }

    /// Copies until it is stopped, or drained.
    pub async fn run(
        mut self,
        mut stopped: watch::Receiver<bool>,
        mut drains: mpsc::Receiver<oneshot::Sender<()>>,
    ) -> Result<(), IngestError> {
        loop {
            // A sender that is gone stops it, too.
            if *stopped.borrow() || stopped.has_changed().is_err() {
                return Ok(());
            }
            if let Ok(done) = drains.try_recv() {
                return self.drain(done, &stopped).await;
            }
            if self.round(None).await? {
                continue;
            }
            let request = tokio::select! {
                () = told_to_stop(&mut stopped) => return Ok(()),
                Some(done) = drains.recv() => Some(done),
                () = tokio::time::sleep(POLL_INTERVAL) => None,
            };
            if let Some(done) = request {
                return self.drain(done, &stopped).await;
            }
        }
    }

    /// Copies the files that are there now to their present ends.
    async fn drain(
        &mut self,
        done: oneshot::Sender<()>,
        stopped: &watch::Receiver<bool>,
    ) -> Result<(), IngestError> {
        let found: Arc<[Found]> = self.aside(|tail| tail.find()).await?.into();
        if found.is_empty() {
            tracing::warn!(group = self.appender.group(), "no file matches the pattern");
        }
        while self.round(Some(Arc::clone(&found))).await? {
            if *stopped.borrow() {
                return Err(IngestError::Stopped);
            }
        }
        // Whoever asked may have stopped waiting.
        let _ = done.send(());
        Ok(())
    }

    /// Reads and commits once: whole lines that are new in the files that are there, or everything
    /// in the files `fixed`, up to the size they were found with. Tells whether there was anything.
    async fn round(&mut self, fixed: Option<Arc<[Found]>>) -> Result<bool, IngestError> {
        let now_ms = self.clock.now_ms();
        let read = move |tail: &mut Tail| {
            let mut lines = Lines::default();
            let moved = match fixed {
                Some(found) => tail.read(&found, true, now_ms, &mut lines)?,
                None => tail.read(&tail.find()?, false, now_ms, &mut lines)?,
            };
            Ok((lines, moved))
        };
        let (mut lines, moved) = self.aside(read).await?;
        if lines.is_empty() {
            return Ok(false);
        }
        let (batches, records) = lines.take();
        self.appender.append(batches, records, &moved).await?;
        Ok(true)
    }

    /// Runs work that blocks off the threads of the runtime.
    async fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Tail) -> Result<T, IngestError> + Send + 'static,
    ) -> Result<T, IngestError> {
        let tail = Arc::clone(&self.tail);
        match tokio::task::spawn_blocking(move || work(&mut tail.lock())).await {
            Ok(done) => done,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            // The runtime shuts down.
            Err(_) => Err(IngestError::Stopped),
        }
    }
}
