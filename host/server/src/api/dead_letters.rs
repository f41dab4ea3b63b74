//! Dead letters of a pipeline: list, show, export, retry.

use std::borrow::Cow;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream;
use serde::Deserialize;
use tidemill_engine::dead_letters::{
    self, LetterId, Listed, ListingError, Query, Retried, RetryError, Selection, topics_of,
};
use tidemill_engine::spec::PipelineSpec;
use tokio::sync::mpsc;

use super::body::read_json;
use super::wire::{self, DeadLetter, DeadLetterPage, LetterHeader, RetriedLetters, RetryRequest};
use super::{ApiError, Name, Params, Ready};
use crate::host::Host;

/// Letters on a page where nothing else is asked for, and at most.
const PAGE_DEFAULT: usize = 100;
const PAGE_MAX: usize = 1_000;
/// A longer value is cut in a list; `show` has all of it.
const PREVIEW_BYTES: usize = 200;
/// Lines of an export that wait for the reader.
const EXPORT_LINES_MAX: usize = 64;

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LetterQuery {
    operator: Option<String>,
    reason: Option<String>,
    #[serde(default)]
    all: bool,
    after: Option<String>,
    max: Option<usize>,
}

pub async fn list(
    Ready(host): Ready,
    Name(pipeline): Name,
    Params(query): Params<LetterQuery>,
) -> Result<Json<DeadLetterPage>, ApiError> {
    let spec = spec_of(&host, &pipeline)?;
    let max = query.max.unwrap_or(PAGE_DEFAULT).min(PAGE_MAX);
    let query = engine_query(query, &spec)?;
    let page = dead_letters::list(&*host.broker(), &spec, &query, max).await;
    let page = page.map_err(|error| listing_error(&error))?;
    let next = page.letters.last().filter(|_| page.more).map(|last| last.id.to_string());
    let letters = page.letters.iter().map(|listed| letter_json(listed, PREVIEW_BYTES)).collect();
    Ok(Json(DeadLetterPage { letters, next }))
}

pub async fn show(
    Ready(host): Ready,
    Path((pipeline, id)): Path<(String, String)>,
) -> Result<Json<DeadLetter>, ApiError> {
    let spec = spec_of(&host, &pipeline)?;
    let id = parse_id(&id, &spec)?;
    let listed = dead_letters::show(&*host.broker(), &spec, &id).await;
    let listed = listed.map_err(|error| listing_error(&error))?;
    Ok(Json(letter_json(&listed, usize::MAX)))
}

/// One JSON object a line, as fast as they are read.
pub async fn export(
    Ready(host): Ready,
    Name(pipeline): Name,
    Params(query): Params<LetterQuery>,
) -> Result<Response, ApiError> {
    let spec = spec_of(&host, &pipeline)?;
    let query = engine_query(query, &spec)?;
    if topics_of(&spec).is_empty() {
        return Err(listing_error(&ListingError::NoTopic { pipeline }));
    }
    let (lines, waiting) = mpsc::channel(EXPORT_LINES_MAX);
    tokio::spawn(export_all(host, spec, query, lines));
    let body = stream::unfold(waiting, |mut waiting| async move {
        let line = waiting.recv().await?;
        Some((line, waiting))
    });
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(body)).into_response())
}

/// Pages follow each other by the last letter's id. A reader that is gone ends it.
async fn export_all(
    host: Arc<Host>,
    spec: Arc<PipelineSpec>,
    mut query: Query,
    lines: mpsc::Sender<Result<Bytes, ListingError>>,
) {
    loop {
        let page = match dead_letters::list(&*host.broker(), &spec, &query, EXPORT_LINES_MAX).await
        {
            Ok(page) => page,
            Err(error) => {
                tracing::error!(%error, "export of dead letters broke off");
                let _ = lines.send(Err(error)).await;
                return;
            }
        };
        for listed in &page.letters {
            let mut line = serde_json::to_vec(&letter_json(listed, usize::MAX)).unwrap_or_default();
            line.push(b'\n');
            if lines.send(Ok(line.into())).await.is_err() {
                return;
            }
        }
        match page.letters.last() {
            Some(last) if page.more => query.after = Some(last.id.clone()),
            _ => return,
        }
    }
}

pub async fn retry(
    Ready(host): Ready,
    Name(pipeline): Name,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<RetriedLetters>, ApiError> {
    let spec = spec_of(&host, &pipeline)?;
    let request: RetryRequest = read_json(body, &headers, "request").await?;
    let selection = selection(request, &spec)?;
    // A client that goes away drops its request, but must not leave a retry half done.
    let (broker, retried) = (host.broker(), Arc::clone(&spec));
    let task =
        tokio::spawn(async move { dead_letters::retry(&*broker, &retried, &selection).await });
    let Retried { retried, before, more } = match task.await {
        Ok(retried) => retried.map_err(|error| retry_error(&error))?,
        Err(lost) => {
            return Err(ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, lost.to_string()));
        }
    };
    Ok(Json(RetriedLetters { retried, before, more }))
}

fn selection(request: RetryRequest, spec: &PipelineSpec) -> Result<Selection, ApiError> {
    let RetryRequest { ids, all, operator, reason } = request;
    if ids.is_empty() && !all && operator.is_none() && reason.is_none() {
        return Err(ApiError::bad_request("the request selects no letters")
            .with_hint("name `ids`, an `operator` or a `reason`, or set `all`"));
    }
    if ids.is_empty() {
        return Ok(Selection::Query(Query { operator, reason, ..Query::default() }));
    }
    if all || operator.is_some() || reason.is_some() {
        return Err(ApiError::bad_request("`ids` name the letters already")
            .with_hint("leave `all`, `operator` and `reason` out"));
    }
    let ids = ids.iter().map(|id| parse_id(id, spec)).collect::<Result<_, _>>()?;
    Ok(Selection::Ids(ids))
}

fn spec_of(host: &Host, pipeline: &str) -> Result<Arc<PipelineSpec>, ApiError> {
    host.engine().spec(pipeline).ok_or_else(|| ApiError::no_such_pipeline(pipeline))
}

fn engine_query(query: LetterQuery, spec: &PipelineSpec) -> Result<Query, ApiError> {
    let LetterQuery { operator, reason, all, after, .. } = query;
    let after = after.map(|id| parse_id(&id, spec)).transpose()?;
    Ok(Query { operator, reason, retried: all, after })
}

/// `TOPIC-PARTITION-OFFSET`, or `PARTITION-OFFSET` where the pipeline has one topic of dead letters.
fn parse_id(text: &str, spec: &PipelineSpec) -> Result<LetterId, ApiError> {
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    match topics_of(spec).as_slice() {
        [only] => format!("{only}-{text}").parse(),
        _ => text.parse(),
    }
    .map_err(|_| listing_error(&ListingError::Id { text: text.to_owned() }))
}

fn letter_json(listed: &Listed, value_bytes_max: usize) -> DeadLetter {
    let value = listed.value.as_deref();
    let cut = value.is_some_and(|value| value.len() > value_bytes_max);
    let shown = value.map(|value| &value[..preview_end(value, value_bytes_max)]);
    let (key, key_encoding) = wire::encode(listed.key.as_deref());
    let (value, value_encoding) = wire::encode(shown);
    let whole = value_bytes_max == usize::MAX;
    let headers = super::headers::decode(&listed.headers).into_iter().filter(|_| whole);
    DeadLetter {
        id: listed.id.to_string(),
        retried: listed.retried,
        letter: listed.letter.clone(),
        timestamp: listed.timestamp_ms,
        key: key.map(Cow::into_owned),
        key_encoding,
        value: value.map(Cow::into_owned),
        value_encoding,
        value_cut: cut,
        headers: headers.map(LetterHeader::from).collect(),
    }
}

/// Where a preview ends: never inside of a character, so that text stays text.
fn preview_end(value: &[u8], bytes_max: usize) -> usize {
    if value.len() <= bytes_max {
        return value.len();
    }
    let continues = |byte: &u8| byte & 0xC0 == 0x80;
    let mut end = bytes_max;
    while end > bytes_max.saturating_sub(3) && value.get(end).is_some_and(continues) {
        end -= 1;
    }
    end
}

fn listing_error(error: &ListingError) -> ApiError {
    let status = match error {
        ListingError::Id { .. } => StatusCode::BAD_REQUEST,
        ListingError::Unknown { .. } | ListingError::NoTopic { .. } => StatusCode::NOT_FOUND,
        ListingError::Broker(_) | ListingError::Damaged { .. } => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let api = ApiError::of(status, error);
    match error.hint() {
        Some(hint) => api.with_hint(hint),
        None => api,
    }
}

fn retry_error(error: &RetryError) -> ApiError {
    let (status, retryable) = match error {
        RetryError::Listing(error) => return listing_error(error),
        RetryError::Operator { .. } => (StatusCode::CONFLICT, false),
        RetryError::Build { .. } => (StatusCode::UNPROCESSABLE_ENTITY, false),
        RetryError::Broker(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.is_retryable()),
    };
    let api = ApiError::of(status, error).with_retry(retryable);
    match error.hint() {
        Some(hint) => api.with_hint(hint),
        None => api,
    }
}

#[cfg(test)]
mod tests {
    use super::preview_end;

    #[test]
    fn a_preview_ends_between_characters() {
        for (value, max, end) in [
            (&b"abc"[..], 3, 3),
            (b"abcd", 3, 3),
            ("aüb".as_bytes(), 2, 1),
            ("a\u{1f600}b".as_bytes(), 4, 1),
            (&[0x80; 10], 5, 2),
        ] {
            assert_eq!(preview_end(value, max), end, "{value:?}");
        }
    }
}
