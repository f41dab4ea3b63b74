//! One connection: requests are read ahead, begun in order, and answered in order.
//!
//! **A request is begun only when the one before has been decided**: its records are in the
//! log, or its response is known. Only the wait for the disk is left over to run beside the
//! next requests, so that produce requests of one connection share their syncs.
//!
//! When the client goes away, what it had sent to be appended is appended still; a handler
//! that waits is dropped.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Buf;
use futures::future::BoxFuture;
use futures::stream::FuturesOrdered;
use futures::{FutureExt, StreamExt};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::api::{self, Answer};
use crate::broker::Broker;
use crate::config::Advertised;
use crate::metrics::Refusal;
use crate::request::{Frame, FrameReader, Refused};
use crate::response::{Outgoing, Response};

/// Requests that are read ahead while an older one is at work.
const READ_AHEAD_MAX: usize = 16;
/// Small reads are collected; records bypass this buffer.
const READ_BUFFER_BYTES: usize = 1 << 10;
/// Responses are collected up to so many bytes for one write.
const WRITE_BYTES: usize = 64 << 10;

/// Who is on the other side.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub address: SocketAddr,
    /// Where it was told to connect to.
    pub advertised: Advertised,
}

/// Serves a connection until the client closes it, breaks a rule, or `stop` is cancelled.
pub(crate) async fn serve<R, W>(
    broker: &Arc<Broker>,
    peer: &Peer,
    (input, output): (R, W),
    stop: &CancellationToken,
) where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let gone = stop.child_token();
    let _gone_at_the_end = gone.clone().drop_guard();
    let unanswered = AtomicUsize::new(0);
    let (frames, received) = mpsc::channel(READ_AHEAD_MAX);
    let (answers, answered) = mpsc::channel(1);
    let read = async {
        let input = BufReader::with_capacity(READ_BUFFER_BYTES, input);
        let mut reader = FrameReader::new(input, &broker.limits, &broker.budget);
        let ended = read_ahead(&mut reader, frames, &unanswered, &gone).await;
        gone.cancel();
        ended.unwrap_or_else(|refused| report(broker, peer, &refused));
    };
    let execute = execute(broker, peer, received, answers, &gone);
    let write = async {
        let ended = write_in_order(broker, output, answered, &unanswered).await;
        gone.cancel();
        ended.unwrap_or_else(|refused| report(broker, peer, &refused));
    };
    tokio::join!(read, execute, write);
}

async fn read_ahead<R: AsyncRead + Unpin>(
    reader: &mut FrameReader<'_, R>,
    frames: mpsc::Sender<Frame>,
    unanswered: &AtomicUsize,
    gone: &CancellationToken,
) -> Result<(), Refused> {
    loop {
        let next = reader.next(|| unanswered.load(Ordering::Relaxed) > 0);
        let Some(frame) = gone.run_until_cancelled(next).await.transpose()?.flatten() else {
            return Ok(());
        };
        unanswered.fetch_add(1, Ordering::Relaxed);
        if frames.send(frame).await.is_err() {
            return Ok(());
        }
    }
}

/// Begins requests in order; ends where there are no more, or one broke a rule.
async fn execute(
    broker: &Arc<Broker>,
    peer: &Peer,
    mut frames: mpsc::Receiver<Frame>,
    answers: mpsc::Sender<Answer>,
    gone: &CancellationToken,
) {
    let pace = Mutex::default();
    while let Some(frame) = frames.recv().await {
        let outlives_its_client = api::outlives_its_client(&frame);
        let begun = api::begin(broker, peer, &pace, frame);
        let answer = if outlives_its_client {
            begun.await
        } else {
            match gone.run_until_cancelled(begun).await {
                Some(answer) => answer,
                None => continue,
            }
        };
        match answer {
            Ok(answer) => {
                if answers.send(answer).await.is_err() {
                    gone.cancel();
                }
            }
            Err(refused) => {
                report(broker, peer, &refused);
                return gone.cancel();
            }
        }
    }
}

/// What is next to be written, or to be waited for.
enum Step {
    Begun(Answer),
    Answered(Option<Response>),
    End,
}

/// Answers that are still to be written, in order.
struct Waiting {
    answers: mpsc::Receiver<Answer>,
    /// All are waited for at the same time: each may need another partition's sync.
    begun: FuturesOrdered<BoxFuture<'static, Option<Response>>>,
    begun_max: usize,
}

impl Waiting {
    /// # Cancel safety
    /// Cancel safe.
    async fn next(&mut self) -> Step {
        tokio::select! {
            biased;
            Some(response) = self.begun.next() => Step::Answered(response),
            Some(answer) = self.answers.recv(), if self.begun.len() < self.begun_max => {
                Step::Begun(answer)
            }
            else => Step::End,
        }
    }
}

async fn write_in_order<W: AsyncWrite + Unpin>(
    broker: &Broker,
    mut output: W,
    answers: mpsc::Receiver<Answer>,
    unanswered: &AtomicUsize,
) -> Result<(), Refused> {
    let begun_max = broker.limits.pipelined_requests_max;
    let mut waiting = Waiting { answers, begun: FuturesOrdered::new(), begun_max };
    let mut outgoing = Outgoing::default();
    loop {
        let step = match waiting.next().now_or_never() {
            Some(step) => step,
            None => {
                send(broker, &mut output, &mut outgoing).await?;
                waiting.next().await
            }
        };
        let response = match step {
            Step::Answered(response) => response,
            Step::Begun(Answer::Now(response)) if waiting.begun.is_empty() => Some(response),
            Step::Begun(answer) => {
                waiting.begun.push_back(answer.into_future());
                continue;
            }
            Step::End => return send(broker, &mut output, &mut outgoing).await,
        };
        unanswered.fetch_sub(1, Ordering::Relaxed);
        response.into_iter().for_each(|response| outgoing.push(response));
        if outgoing.remaining() >= WRITE_BYTES {
            send(broker, &mut output, &mut outgoing).await?;
        }
    }
}

/// Sends everything. The client must take some of it within the limits' `send_timeout`.
async fn send<W: AsyncWrite + Unpin>(
    broker: &Broker,
    output: &mut W,
    outgoing: &mut Outgoing,
) -> Result<(), Refused> {
    let timeout = broker.limits.send_timeout;
    while outgoing.has_remaining() {
        let written = tokio::time::timeout(timeout, output.write_buf(outgoing)).await;
        let written = written.map_err(|_| Refused::SlowReceiver(timeout))??;
        if written == 0 {
            return Err(std::io::Error::from(std::io::ErrorKind::WriteZero).into());
        }
        broker.metrics.responded(written);
    }
    outgoing.clear();
    Ok(())
}

/// Counts why a connection is closed, and logs it where that is no flood.
fn report(broker: &Broker, peer: &Peer, refused: &Refused) {
    let why = match refused {
        // Clients end as they like.
        Refused::Io(error) => {
            tracing::debug!(client = %peer.address, %error, "connection ended");
            return;
        }
        Refused::Size { .. } | Refused::Malformed(_) => Refusal::Malformed,
        Refused::Unsupported { .. } => Refusal::Unsupported,
        Refused::TooLarge { .. } => Refusal::RequestTooLarge,
        Refused::SlowSender(_) => Refusal::SlowSender,
        Refused::SlowReceiver(_) => Refusal::SlowReceiver,
        Refused::NoRoom(_) => Refusal::NoRoom,
        Refused::Unanswered { .. } => Refusal::Unanswered,
        Refused::Idle(_) => Refusal::Idle,
        Refused::Encode(_) => Refusal::Failed,
    };
    if broker.metrics.refused(why) {
        let cause = std::error::Error::source(refused).map(ToString::to_string);
        tracing::warn!(client = %peer.address, %refused, cause, "connection closed");
    }
}
