//! `POST /api/v1/topics/{topic}/records`: a stream of lines becomes records.
//!
//! **The answer comes after the last record is durable.** Where it fails half way, the error says what is
//! in the topic all the same. At most a batch and a line are in memory.

use axum::Json;
use axum::body::{Body, BodyDataStream};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use bytes::BytesMut;
use serde::Deserialize;
use tidemill_log::AppendError;

use super::batcher::{BatchError, Batcher, NewRecord};
use super::body::{discard, next_piece};
use super::wire::{Produced, WireRecord, decode};
use super::{ApiError, App, Name, Params, Ready, headers};
use crate::clock;
use crate::lines::LineBuffer;

/// What a record in JSON may need more than the record itself: escapes and base64.
const JSON_GROWTH: usize = 6;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProduceQuery {
    key_separator: Option<String>,
    partition: Option<u32>,
}

/// How a line is read.
enum Form {
    Text { key_separator: Option<String>, partition: Option<u32> },
    Json,
}

impl Form {
    fn new(headers: &HeaderMap, query: ProduceQuery) -> Result<Form, ApiError> {
        let kind = headers
            .get(header::CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok())
            .unwrap_or("text/plain");
        let kind = kind.split(';').next().unwrap_or_default().trim();
        let is_json =
            ["application/x-ndjson", "application/jsonl", "application/json"].contains(&kind);
        if is_json && (query.key_separator.is_some() || query.partition.is_some()) {
            return Err(ApiError::bad_request(
                "`keySeparator` and `partition` are for text; JSON records say both themselves",
            ));
        }
        if query.key_separator.as_deref() == Some("") {
            return Err(ApiError::bad_request("`keySeparator` is empty"));
        }
        Ok(if is_json {
            Form::Json
        } else {
            Form::Text { key_separator: query.key_separator, partition: query.partition }
        })
    }

    fn line_bytes_max(&self, record_bytes_max: usize) -> usize {
        match self {
            Form::Text { .. } => record_bytes_max,
            Form::Json => record_bytes_max * JSON_GROWTH + 4096,
        }
    }
}

pub async fn produce(
    State(app): State<App>,
    Ready(host): Ready,
    Name(topic): Name,
    Params(query): Params<ProduceQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Produced>, ApiError> {
    let form = Form::new(&headers, query)?;
    let (name, partitions) = host.writable_topic(&topic)?;
    let request = Request {
        record_bytes_max: host.config().record_bytes_max,
        line_bytes_max: form.line_bytes_max(host.config().record_bytes_max),
        form,
        batcher: Batcher::new(host.log(), name, partitions),
        headers: BytesMut::new(),
        lines: 0,
    };
    tokio::select! {
        result = request.run(body.into_data_stream()) => result.map(Json),
        () = app.stopping().cancelled_owned() => Err(ApiError::not_ready()),
    }
}

struct Request {
    form: Form,
    record_bytes_max: usize,
    line_bytes_max: usize,
    batcher: Batcher,
    headers: BytesMut,
    lines: u64,
}

impl Request {
    async fn run(mut self, mut body: BodyDataStream) -> Result<Produced, ApiError> {
        match self.read(&mut body).await {
            Ok(()) => Ok(self.batcher.produced()),
            Err(error) => {
                discard(&mut body).await;
                Err(error.with_acknowledged(self.batcher.produced()))
            }
        }
    }

    async fn read(&mut self, body: &mut BodyDataStream) -> Result<(), ApiError> {
        let mut buffer = LineBuffer::default();
        while let Some(piece) = next_piece(body).await? {
            buffer.push(&piece);
            while let Some(line) = buffer.next_line() {
                self.add(line)?;
                if self.batcher.is_full() {
                    self.flush().await?;
                }
            }
            if buffer.unfinished().len() > self.line_bytes_max {
                return Err(self.too_long(self.lines + 1, buffer.unfinished().len()));
            }
        }
        if let Some(last) = buffer.take_last() {
            self.add(&last)?;
        }
        self.flush().await
    }

    fn add(&mut self, line: &[u8]) -> Result<(), ApiError> {
        self.lines += 1;
        if line.len() > self.line_bytes_max {
            return Err(self.too_long(self.lines, line.len()));
        }
        match &self.form {
            Form::Text { key_separator, partition } => {
                let (key, value) = split_key(line, key_separator.as_deref());
                let record = NewRecord {
                    partition: *partition,
                    key,
                    value: Some(value),
                    headers: &[],
                    timestamp_ms: clock::unix_ms(),
                };
                self.batcher.push(&record).map_err(|error| in_line(self.lines, &error))
            }
            Form::Json if line.trim_ascii().is_empty() => Ok(()),
            Form::Json => self.add_json(line),
        }
    }

    fn add_json(&mut self, line: &[u8]) -> Result<(), ApiError> {
        let number = self.lines;
        let wrong =
            |what: String| ApiError::bad_request(format!("line {number} is no record: {what}"));
        let record: WireRecord<'_> =
            serde_json::from_slice(line).map_err(|error| wrong(error.to_string()))?;
        let key = decode(&record.key, record.key_encoding)
            .map_err(|error| wrong(format!("its key: {error}")))?;
        let value = decode(&record.value, record.value_encoding)
            .map_err(|error| wrong(format!("its value: {error}")))?;
        headers::encode(&record.headers, &mut self.headers)
            .map_err(|error| wrong(format!("its headers: {error}")))?;
        let size = key.as_ref().map_or(0, |key| key.len())
            + value.as_ref().map_or(0, |value| value.len())
            + self.headers.len();
        if size > self.record_bytes_max {
            return Err(self.too_long(number, size));
        }
        let new = NewRecord {
            partition: record.partition,
            key: key.as_deref(),
            value: value.as_deref(),
            headers: &self.headers,
            timestamp_ms: record.timestamp.unwrap_or_else(clock::unix_ms),
        };
        self.batcher.push(&new).map_err(|error| in_line(number, &error))
    }

    async fn flush(&mut self) -> Result<(), ApiError> {
        self.batcher.flush().await.map_err(|error| match error {
            BatchError::Append(error) => append_error(&error),
            error => in_line(self.lines, &error),
        })
    }

    /// Earlier lines of the request that were collected but not written are not written either: the
    /// acknowledged count says where to go on.
    fn too_long(&self, line: u64, bytes: usize) -> ApiError {
        let max = self.record_bytes_max;
        let error = format!(
            "the record in line {line} has at least {bytes} bytes; at most {max} are allowed"
        );
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, error)
            .with_hint("`record_bytes_max` in the host's configuration raises the limit")
    }
}

fn split_key<'a>(line: &'a [u8], separator: Option<&str>) -> (Option<&'a [u8]>, &'a [u8]) {
    let Some(separator) = separator.map(str::as_bytes) else { return (None, line) };
    match memchr::memmem::find(line, separator) {
        Some(at) => (Some(&line[..at]), &line[at + separator.len()..]),
        None => (None, line),
    }
}

fn in_line(line: u64, error: &BatchError) -> ApiError {
    ApiError::bad_request(format!("line {line}: {error}"))
}

fn append_error(error: &AppendError) -> ApiError {
    let status = match error {
        AppendError::UnknownPartition { .. } | AppendError::Deleted { .. } => StatusCode::NOT_FOUND,
        AppendError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        AppendError::NoKey { .. } | AppendError::Unreadable { .. } => StatusCode::BAD_REQUEST,
        AppendError::Internal { .. } => StatusCode::FORBIDDEN,
        AppendError::DiskFull { .. } => StatusCode::INSUFFICIENT_STORAGE,
        AppendError::NotPlain { .. }
        | AppendError::Producer { .. }
        | AppendError::Poisoned { .. } => StatusCode::INTERNAL_SERVER_ERROR,
    };
    ApiError::of(status, error).with_hint(error.hint()).with_retry(error.is_retryable())
}

#[cfg(test)]
mod tests {
    use super::split_key;

    #[test]
    fn the_first_separator_ends_the_key() {
        assert_eq!(split_key(b"a:b:c", Some(":")), (Some(&b"a"[..]), &b"b:c"[..]));
        assert_eq!(split_key(b"a::b", Some("::")), (Some(&b"a"[..]), &b"b"[..]));
        assert_eq!(split_key(b":b", Some(":")), (Some(&b""[..]), &b"b"[..]));
        assert_eq!(split_key(b"abc", Some(":")), (None, &b"abc"[..]));
        assert_eq!(split_key(b"a:b", None), (None, &b"a:b"[..]));
    }
}
