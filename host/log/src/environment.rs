//! What the log needs from outside: a disk, clocks, randomness and threads.
//!
//! The real one and the simulated one differ only here.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::clock::{Clock, RealClock};
use crate::disk::{Disk, RealDisk};
use crate::random::{RandomSource, RealRandom};

/// Everything nondeterministic, in one place.
#[derive(Clone)]
pub struct Environment {
    /// Where files live.
    pub disk: Arc<dyn Disk>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Where ids come from.
    pub random: Arc<dyn RandomSource>,
    /// Where slow I/O runs.
    pub blocking: Blocking,
}

impl Environment {
    /// The machine's own disk, clocks, randomness and threads.
    ///
    /// The log must then be used inside a tokio runtime.
    pub fn real() -> Self {
        Self {
            disk: Arc::new(RealDisk::new()),
            clock: Arc::new(RealClock::new()),
            random: Arc::new(RealRandom),
            blocking: Blocking::Threads,
        }
    }
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Environment").field("blocking", &self.blocking).finish_non_exhaustive()
    }
}

/// Where calls run that may wait for a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocking {
    /// On tokio's threads for blocking work.
    Threads,
    /// Where the caller stands: deterministic, for simulations.
    Inline,
}

/// The work that [`Blocking::start`] began, as a future of its result.
pub(crate) type Running<T> = Pin<Box<dyn Future<Output = T> + Send>>;

impl Blocking {
    /// Starts `work`; it runs to its end even when the returned future is dropped.
    pub(crate) fn start<T, F>(self, work: F) -> Running<T>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        match self {
            Self::Inline => {
                let result = work();
                Box::pin(std::future::ready(result))
            }
            Self::Threads => {
                let handle = tokio::task::spawn_blocking(work);
                Box::pin(async move {
                    match handle.await {
                        Ok(result) => result,
                        Err(error) if error.is_panic() => {
                            std::panic::resume_unwind(error.into_panic())
                        }
                        // Only a runtime that shuts down cancels work that has not begun:
                        // nobody is left to be answered.
                        Err(_) => std::future::pending().await,
                    }
                })
            }
        }
    }
}
