//! The progress of a pipeline: the last batches, and each one as it commits.

use std::convert::Infallible;

use axum::Json;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures::stream::{self, Stream};
use serde_json::{Value, json};
use tidemill_engine::progress::Progress;
use tokio::sync::broadcast::error::RecvError;

use super::{ApiError, App, Name, Ready};

pub async fn recent(Ready(host): Ready, Name(pipeline): Name) -> Result<Json<Value>, ApiError> {
    let progress =
        host.engine().progress(&pipeline).ok_or_else(|| ApiError::no_such_pipeline(&pipeline))?;
    let batches: Vec<&Progress> = progress.iter().map(AsRef::as_ref).collect();
    Ok(Json(json!({ "progress": batches })))
}

/// A reader that cannot keep up misses batches and is told how many; it never holds up the pipeline.
pub async fn stream(
    State(app): State<App>,
    Ready(host): Ready,
    Name(pipeline): Name,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, ApiError> {
    let batches =
        host.engine().subscribe(&pipeline).ok_or_else(|| ApiError::no_such_pipeline(&pipeline))?;
    let events = stream::unfold((batches, app.stopping()), |(mut batches, stopping)| async move {
        let received = tokio::select! {
            received = batches.recv() => received,
            () = stopping.cancelled() => return None,
        };
        let event = match received {
            Ok(progress) => progress_event(&progress),
            Err(RecvError::Lagged(missed)) => {
                Event::default().event("missed").data(missed.to_string())
            }
            // The pipeline was deleted or replaced.
            Err(RecvError::Closed) => return None,
        };
        Some((Ok(event), (batches, stopping)))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

fn progress_event(progress: &Progress) -> Event {
    let data = serde_json::to_string(progress).unwrap_or_default();
    Event::default().event("progress").id(progress.batch_id.to_string()).data(data)
}
