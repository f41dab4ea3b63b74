//! Pipelines: apply, list, status, start, stop, delete.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tidemill_engine::engine::ApplyError;
use tidemill_engine::graph::CompileError;
use tidemill_engine::pipeline::ReplayError;
use tidemill_engine::progress::PipelineStatus;
use tidemill_engine::spec::PipelineSpec;
use tidemill_engine::upgrade::SwitchError;

use super::body::read_all;
use super::plugins::plugin_error;
use super::{ApiError, DOCUMENT_BYTES_MAX, Name, Ready};
use crate::host::PipelineError;

pub async fn list(Ready(host): Ready) -> Json<Value> {
    Json(json!({ "pipelines": host.pipelines() }))
}

pub async fn status(
    Ready(host): Ready,
    Name(pipeline): Name,
) -> Result<Json<PipelineStatus>, ApiError> {
    host.pipeline(&pipeline).map(Json).ok_or_else(|| ApiError::no_such_pipeline(&pipeline))
}

pub async fn apply(
    Ready(host): Ready,
    Name(pipeline): Name,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<PipelineStatus>, ApiError> {
    let body = read_all(body, &headers, DOCUMENT_BYTES_MAX).await?;
    let text = String::from_utf8(body)
        .map_err(|_| ApiError::bad_request("the pipeline file is no UTF-8"))?;
    let spec = PipelineSpec::parse(&text)
        .map_err(|error| ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string()))?;
    if spec.name.as_str() != pipeline {
        let error = format!("the file is of pipeline `{}`, the path of `{pipeline}`", spec.name);
        return Err(ApiError::bad_request(error)
            .with_hint("send it to the path with the name that the file has"));
    }
    let changed = Arc::clone(&host);
    to_its_end(&pipeline, async move { changed.apply(spec).await }).await?;
    status(Ready(host), Name(pipeline)).await
}

pub async fn start(
    Ready(host): Ready,
    Name(pipeline): Name,
) -> Result<Json<PipelineStatus>, ApiError> {
    let (changed, name) = (Arc::clone(&host), pipeline.clone());
    to_its_end(&pipeline, async move { changed.start_pipeline(&name).await }).await?;
    status(Ready(host), Name(pipeline)).await
}

pub async fn stop(
    Ready(host): Ready,
    Name(pipeline): Name,
) -> Result<Json<PipelineStatus>, ApiError> {
    let (changed, name) = (Arc::clone(&host), pipeline.clone());
    to_its_end(&pipeline, async move { changed.stop_pipeline(&name).await }).await?;
    status(Ready(host), Name(pipeline)).await
}

pub async fn delete(Ready(host): Ready, Name(pipeline): Name) -> Result<StatusCode, ApiError> {
    let (changed, name) = (Arc::clone(&host), pipeline.clone());
    to_its_end(&pipeline, async move { changed.delete_pipeline(&name).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A client that goes away drops its request, but must not leave a change half done.
pub(super) async fn to_its_end<T: Send + 'static>(
    pipeline: &str,
    change: impl Future<Output = Result<T, PipelineError>> + Send + 'static,
) -> Result<T, ApiError> {
    match tokio::spawn(change).await {
        Ok(changed) => changed.map_err(|error| pipeline_error(pipeline, &error)),
        Err(lost) => Err(ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, lost.to_string())),
    }
}

fn pipeline_error(pipeline: &str, error: &PipelineError) -> ApiError {
    let status = match error {
        PipelineError::Unknown => return ApiError::no_such_pipeline(pipeline),
        PipelineError::Plugin(error) => return plugin_error(error),
        PipelineError::NoOperator { .. } => StatusCode::NOT_FOUND,
        PipelineError::WhichOperator { .. } => StatusCode::BAD_REQUEST,
        PipelineError::Unchanged { .. }
        | PipelineError::NoCanary { .. }
        | PipelineError::NothingBefore { .. } => StatusCode::CONFLICT,
        PipelineError::Replay(error) => match error.as_ref() {
            ReplayError::NotKept { .. } | ReplayError::RecordsGone { .. } => StatusCode::NOT_FOUND,
            ReplayError::Changed { .. } => StatusCode::CONFLICT,
            ReplayError::Compile(CompileError::Spec(_)) | ReplayError::Failed { .. } => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            ReplayError::Compile(_) | ReplayError::Broker(_) | ReplayError::Checkpoint(_) => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
        },
        PipelineError::Spec(_) => StatusCode::UNPROCESSABLE_ENTITY,
        PipelineError::File(_) => StatusCode::INTERNAL_SERVER_ERROR,
        PipelineError::Engine(engine) => match engine.as_ref() {
            ApplyError::Unknown { .. } => return ApiError::no_such_pipeline(pipeline),
            ApplyError::Broker { .. }
            | ApplyError::Delete { .. }
            | ApplyError::Compile(CompileError::Broker(_)) => StatusCode::INTERNAL_SERVER_ERROR,
            ApplyError::Switch { source: SwitchError::Gone, .. } => StatusCode::CONFLICT,
            ApplyError::Switch { .. }
            | ApplyError::Compile(CompileError::Spec(_))
            | ApplyError::Checkpoints { .. }
            | ApplyError::Sink { .. } => StatusCode::UNPROCESSABLE_ENTITY,
        },
    };
    let api = ApiError::of(status, error);
    match error.hint() {
        Some(hint) => api.with_hint(hint),
        None => api,
    }
}
