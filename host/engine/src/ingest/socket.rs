//! Copies the lines that a TCP server sends into the internal topic.
//!
//! **Nothing is acknowledged to the server.** What it sent and was not committed when the host
//! stopped or the connection broke is lost; at most [`LINGER`] of lines and what the network holds.
//! Back-pressure is TCP's: while a commit is under way, nothing is read.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::appender::Appender;
use super::error::IngestError;
use super::lines::Lines;
use super::told_to_stop;
use crate::clock::Clock;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const RECONNECT_PAUSE_MIN: Duration = Duration::from_millis(100);
const RECONNECT_PAUSE_MAX: Duration = Duration::from_secs(10);
/// Lines wait this long for others, to share a commit.
const LINGER: Duration = Duration::from_millis(5);
/// Lines are committed at this size without waiting longer.
const COMMIT_BYTES_MAX: usize = 1 << 20;
const READ_BYTES: usize = 64 << 10;

/// A source of lines over TCP.
pub(super) struct Socket {
    address: SocketAddr,
    appender: Appender,
    clock: Arc<dyn Clock>,
}

/// How a connection ended.
enum Ended {
    /// It was told to stop.
    Stopped,
    /// By the other side, or by the network.
    Closed {
        /// Whether anything came.
        received: bool,
    },
}

impl Socket {
    pub fn new(address: SocketAddr, appender: Appender, clock: Arc<dyn Clock>) -> Self {
        Self { address, appender, clock }
    }

    /// Copies until it is stopped; connects again whenever the connection is lost.
    pub async fn run(mut self, mut stopped: watch::Receiver<bool>) -> Result<(), IngestError> {
        let mut pause = RECONNECT_PAUSE_MIN;
        loop {
            let connected = tokio::select! {
                () = told_to_stop(&mut stopped) => return Ok(()),
                connected = connect(self.address) => connected,
            };
            match connected {
                Ok(stream) => match self.copy(stream, &mut stopped).await? {
                    Ended::Stopped => return Ok(()),
                    Ended::Closed { received: true } => pause = RECONNECT_PAUSE_MIN,
                    Ended::Closed { received: false } => {}
                },
                Err(error) => {
                    tracing::warn!(address = %self.address, %error, "cannot connect to the source, trying again");
                }
            }
            tokio::select! {
                () = told_to_stop(&mut stopped) => return Ok(()),
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(RECONNECT_PAUSE_MAX),
            }
        }
    }

    async fn copy(
        &mut self,
        mut stream: TcpStream,
        stopped: &mut watch::Receiver<bool>,
    ) -> Result<Ended, IngestError> {
        let mut buffer = BytesMut::new();
        let mut lines = Lines::default();
        let mut taken = 0;
        let linger = tokio::time::sleep(LINGER);
        tokio::pin!(linger);
        loop {
            buffer.reserve(READ_BYTES);
            let read = tokio::select! {
                () = told_to_stop(stopped) => {
                    self.commit(&mut lines).await?;
                    return Ok(Ended::Stopped);
                }
                () = &mut linger, if !lines.is_empty() => {
                    self.commit(&mut lines).await?;
                    continue;
                }
                read = stream.read_buf(&mut buffer) => read,
            };
            let is_end = matches!(read, Ok(0));
            if lines.is_empty() {
                linger.as_mut().reset(tokio::time::Instant::now() + LINGER);
            }
            taken += self.cut(&mut buffer, taken, is_end, &mut lines)?;
            if is_end || read.is_err() || lines.bytes() >= COMMIT_BYTES_MAX {
                self.commit(&mut lines).await?;
            }
            match read {
                Ok(0) => {
                    tracing::info!(address = %self.address, "the source has closed the connection")
                }
                Err(error) => {
                    tracing::warn!(address = %self.address, %error, "the connection to the source is lost");
                }
                Ok(_) => continue,
            }
            return Ok(Ended::Closed { received: taken > 0 });
        }
    }

    /// Takes whole lines from the front of `buffer`, which begins at byte `taken` of the connection.
    fn cut(
        &self,
        buffer: &mut BytesMut,
        taken: u64,
        is_end: bool,
        lines: &mut Lines,
    ) -> Result<u64, IngestError> {
        let cut = lines.cut(buffer, is_end, self.clock.now_ms()).map_err(|too_long| {
            let at = taken + too_long.at as u64;
            IngestError::Line { origin: self.address.to_string(), at }
        })?;
        buffer.advance(cut);
        Ok(cut as u64)
    }

    async fn commit(&mut self, lines: &mut Lines) -> Result<(), IngestError> {
        if lines.is_empty() {
            return Ok(());
        }
        let (batches, records) = lines.take();
        self.appender.append(batches, records, &[]).await
    }
}

async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let connected = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await;
    connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}
