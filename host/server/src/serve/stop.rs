//! When a host is to stop.

use tokio::io::AsyncReadExt;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Everything that can ask a host to stop.
pub struct Stop {
    terminate: Signal,
    interrupt: Signal,
    end_with_stdin: bool,
}

impl Stop {
    /// From now on a signal is an orderly stop.
    pub fn watch(end_with_stdin: bool) -> std::io::Result<Stop> {
        Ok(Stop {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            end_with_stdin,
        })
    }

    /// Waits until somebody asks, and says who. Cancel safe.
    pub async fn asked(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
            () = stdin_end(self.end_with_stdin) => "the end of standard input",
        }
    }
}

async fn stdin_end(watched: bool) {
    if !watched {
        return std::future::pending().await;
    }
    let mut stdin = tokio::io::stdin();
    let mut ignored = [0; 64];
    loop {
        if matches!(stdin.read(&mut ignored).await, Ok(0) | Err(_)) {
            return;
        }
    }
}
