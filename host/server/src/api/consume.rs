//! `GET /api/v1/topics/{topic}/records`: committed records, one JSON object a line.
//!
//! Partition after partition up to what was committed when its turn came; with `follow`, then whatever
//! comes, as it comes. **Records of aborted transactions are never shown.** An answer is written as fast as
//! it is read, and no faster.

use std::collections::VecDeque;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream;
use serde::Deserialize;
use tidemill_engine::broker::{Bounds, Broker, BrokerError, TopicPartition};
use tidemill_log::{BatchError, Batches, Record, RecordReader};
use tokio_util::sync::CancellationToken;

use super::{ApiError, App, Name, Params, Ready, wire};

/// What is read of the log at once.
const FETCH_BYTES: usize = 256 << 10;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConsumeQuery {
    #[serde(default)]
    from: From,
    max: Option<u64>,
    partition: Option<u32>,
    #[serde(default)]
    follow: bool,
}

#[derive(Deserialize, Clone, Copy, Default)]
#[serde(try_from = "String")]
enum From {
    #[default]
    Earliest,
    Latest,
    Offset(i64),
}

impl TryFrom<String> for From {
    type Error = String;

    fn try_from(text: String) -> Result<From, String> {
        match text.as_str() {
            "earliest" => Ok(From::Earliest),
            "latest" => Ok(From::Latest),
            number => match number.parse() {
                Ok(offset) if offset >= 0 => Ok(From::Offset(offset)),
                _ => Err(format!("`{number}` is neither `earliest`, `latest` nor an offset")),
            },
        }
    }
}

/// Why an answer broke off.
#[derive(Debug, thiserror::Error)]
enum ConsumeError {
    #[error(transparent)]
    Broker(#[from] BrokerError),
    #[error("a batch of {at} cannot be read")]
    Batch { at: TopicPartition, source: BatchError },
}

pub async fn consume(
    State(app): State<App>,
    Ready(host): Ready,
    Name(topic): Name,
    Params(query): Params<ConsumeQuery>,
) -> Result<Response, ApiError> {
    let (name, partitions) = host.topic(&topic)?;
    let chosen = match query.partition {
        None => 0..partitions,
        Some(partition) if partition < partitions => partition..partition + 1,
        Some(partition) => {
            let error = format!(
                "topic `{name}` has {partitions} partition(s); there is no partition {partition}"
            );
            return Err(ApiError::new(StatusCode::NOT_FOUND, error));
        }
    };
    let broker = host.broker();
    let bounds = broker
        .bounds(name.as_str())
        .await
        .map_err(|error| ApiError::of(StatusCode::INTERNAL_SERVER_ERROR, &error))?;
    let mut positions = VecDeque::new();
    for (partition, bounds) in (0..).zip(bounds).filter(|(partition, _)| chosen.contains(partition))
    {
        positions.push_back(start(
            TopicPartition { topic: name.as_str().into(), partition },
            bounds,
            query.from,
        )?);
    }
    let reader = Reader {
        broker,
        positions,
        left: query.max.unwrap_or(u64::MAX),
        follow: query.follow,
        stopping: app.stopping(),
    };
    let body = stream::try_unfold(reader, |mut reader| async move {
        let piece = reader.next().await;
        if let Err(error) = &piece {
            tracing::error!(%error, "consume broke off");
        }
        Ok::<_, ConsumeError>(piece?.map(|piece| (piece, reader)))
    });
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(body)).into_response())
}

/// Where to begin in a partition. An offset is checked, so that a wrong one is an error and not an empty answer.
fn start(at: TopicPartition, bounds: Bounds, from: From) -> Result<Position, ApiError> {
    let next = match from {
        From::Earliest => bounds.start,
        From::Latest => bounds.end,
        From::Offset(offset) if (bounds.start..=bounds.end).contains(&offset) => offset,
        From::Offset(offset) => {
            let error =
                format!("offset {offset} of {at} is outside {}..={}", bounds.start, bounds.end);
            return Err(ApiError::new(StatusCode::RANGE_NOT_SATISFIABLE, error)
                .with_hint("`earliest` and `latest` are always there"));
        }
    };
    Ok(Position { at, next, end: bounds.end })
}

struct Position {
    at: TopicPartition,
    next: i64,
    /// What was committed when it was last looked at.
    end: i64,
}

struct Reader {
    broker: Arc<dyn Broker>,
    /// The front one is being read.
    positions: VecDeque<Position>,
    left: u64,
    follow: bool,
    stopping: CancellationToken,
}

impl Reader {
    /// The next lines, or `None` at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, ConsumeError> {
        loop {
            if self.left == 0 || self.stopping.is_cancelled() {
                return Ok(None);
            }
            if let Some(position) =
                self.positions.iter().position(|position| position.next < position.end)
            {
                self.positions.rotate_left(position);
                let lines = self.read_front().await?;
                if !lines.is_empty() {
                    return Ok(Some(lines.into()));
                }
            } else if !self.wait().await? {
                return Ok(None);
            }
        }
    }

    async fn read_front(&mut self) -> Result<Vec<u8>, ConsumeError> {
        let mut lines = Vec::new();
        let Some(position) = self.positions.front_mut() else { return Ok(lines) };
        let fetched =
            self.broker.fetch(&position.at, position.next, position.end, FETCH_BYTES).await?;
        let wrong = |at: &TopicPartition, source| ConsumeError::Batch { at: at.clone(), source };
        let mut reader = RecordReader::default();
        for bytes in &fetched.batches {
            for batch in Batches::new(bytes) {
                let batch = batch.map_err(|error| wrong(&position.at, error))?;
                let records = reader.records(&batch);
                let records = records.map_err(|error| wrong(&position.at, error))?;
                for record in records {
                    let record = record.map_err(|error| wrong(&position.at, error))?;
                    let wanted = (position.next..position.end).contains(&record.offset.get());
                    if wanted && self.left > 0 {
                        write_line(&mut lines, position.at.partition, &record);
                        self.left -= 1;
                    }
                }
            }
        }
        // A fetch that does not move would be asked for again for ever.
        position.next = if fetched.next > position.next { fetched.next } else { position.end };
        Ok(lines)
    }

    /// Waits for more, if that is wanted. False: this is the end.
    async fn wait(&mut self) -> Result<bool, ConsumeError> {
        if !self.follow {
            return Ok(false);
        }
        let positions: Vec<_> =
            self.positions.iter().map(|position| (position.at.clone(), position.next)).collect();
        tokio::select! {
            woken = self.broker.wait_for_records(&positions) => woken?,
            () = self.stopping.cancelled() => return Ok(false),
        }
        let Some(topic) = positions.first().map(|(at, _)| at.topic.clone()) else {
            return Ok(false);
        };
        let bounds = self.broker.bounds(&topic).await?;
        for position in &mut self.positions {
            position.end = bounds
                .get(position.at.partition as usize)
                .map_or(position.end, |bounds| bounds.end);
        }
        Ok(true)
    }
}

fn write_line(lines: &mut Vec<u8>, partition: u32, record: &Record<'_>) {
    // Strings, numbers and a vector: neither the value nor the writer can fail.
    if serde_json::to_writer(&mut *lines, &wire::of_record(partition, record)).is_ok() {
        lines.push(b'\n');
    }
}
