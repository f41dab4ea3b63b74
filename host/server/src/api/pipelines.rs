//! Pipelines: apply, list, status, start, stop, delete.

use axum::Json;
use axum::extract::Path;
use axum::http::StatusCode;
use serde_json::{Value, json};
use tidemill_engine::engine::ApplyError;
use tidemill_engine::graph::CompileError;
use tidemill_engine::progress::PipelineStatus;
use tidemill_engine::spec::PipelineSpec;

use super::{ApiError, Ready};
use crate::host::PipelineError;

pub async fn list(Ready(host): Ready) -> Json<Value> {
    Json(json!({ "pipelines": host.engine().list() }))
}

pub async fn status(
    Ready(host): Ready,
    Path(pipeline): Path<String>,
) -> Result<Json<PipelineStatus>, ApiError> {
    host.engine().status(&pipeline).map(Json).ok_or_else(|| ApiError::no_such_pipeline(&pipeline))
}

pub async fn apply(
    Ready(host): Ready,
    Path(pipeline): Path<String>,
    body: String,
) -> Result<Json<PipelineStatus>, ApiError> {
    let spec = PipelineSpec::parse(&body)
        .map_err(|error| ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string()))?;
    if spec.name.as_str() != pipeline {
        let error = format!("the file is of pipeline `{}`, the path of `{pipeline}`", spec.name);
        return Err(ApiError::bad_request(error)
            .with_hint("send it to the path with the name that the file has"));
    }
    host.apply(spec).await.map_err(|error| pipeline_error(&pipeline, &error))?;
    status(Ready(host), Path(pipeline)).await
}

pub async fn start(
    Ready(host): Ready,
    Path(pipeline): Path<String>,
) -> Result<Json<PipelineStatus>, ApiError> {
    host.start_pipeline(&pipeline).await.map_err(|error| pipeline_error(&pipeline, &error))?;
    status(Ready(host), Path(pipeline)).await
}

pub async fn stop(
    Ready(host): Ready,
    Path(pipeline): Path<String>,
) -> Result<Json<PipelineStatus>, ApiError> {
    host.stop_pipeline(&pipeline).await.map_err(|error| pipeline_error(&pipeline, &error))?;
    status(Ready(host), Path(pipeline)).await
}

pub async fn delete(
    Ready(host): Ready,
    Path(pipeline): Path<String>,
) -> Result<StatusCode, ApiError> {
    host.delete_pipeline(&pipeline).await.map_err(|error| pipeline_error(&pipeline, &error))?;
    Ok(StatusCode::NO_CONTENT)
}

fn pipeline_error(pipeline: &str, error: &PipelineError) -> ApiError {
    let api = match error {
        PipelineError::Engine(ApplyError::Unknown { .. }) => {
            return ApiError::no_such_pipeline(pipeline);
        }
        PipelineError::Engine(
            ApplyError::Broker { .. }
            | ApplyError::Delete { .. }
            | ApplyError::Compile(CompileError::Broker(_)),
        ) => ApiError::of(StatusCode::INTERNAL_SERVER_ERROR, error),
        PipelineError::Engine(error) => ApiError::of(StatusCode::UNPROCESSABLE_ENTITY, error),
        PipelineError::File(_) => ApiError::of(StatusCode::INTERNAL_SERVER_ERROR, error),
    };
    match error.hint() {
        Some(hint) => api.with_hint(hint),
        None => api,
    }
}
