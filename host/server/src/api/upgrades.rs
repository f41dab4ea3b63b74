//! Other plugins for a pipeline: upgrade, promote, roll back, replay.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::Path;
use axum::http::HeaderMap;
use serde::de::DeserializeOwned;
use tidemill_engine::pipeline::Replayed;

use super::body::{parse_json, read_all};
use super::pipelines::to_its_end;
use super::wire::{ReplayRequest, RollbackRequest, UpgradeRequest, Upgraded};
use super::{ApiError, DOCUMENT_BYTES_MAX, Name, Ready};

type OfOperator = Path<(String, String)>;

pub async fn upgrade(
    Ready(host): Ready,
    Path((pipeline, operator)): OfOperator,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Upgraded>, ApiError> {
    let request: UpgradeRequest = document(body, &headers).await?;
    if request.plugin.is_none() && request.params.is_none() {
        return Err(ApiError::bad_request("the request changes nothing")
            .with_hint("name a `plugin`, or `params` that change"));
    }
    let (changed, name) = (Arc::clone(&host), pipeline.clone());
    let change = async move { changed.upgrade(&name, &operator, request).await };
    to_its_end(&pipeline, change).await.map(Json)
}

pub async fn promote(
    Ready(host): Ready,
    Path((pipeline, operator)): OfOperator,
) -> Result<Json<Upgraded>, ApiError> {
    let name = pipeline.clone();
    let change = async move { host.promote(&name, &operator).await };
    to_its_end(&pipeline, change).await.map(Json)
}

pub async fn rollback(
    Ready(host): Ready,
    Path((pipeline, operator)): OfOperator,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Upgraded>, ApiError> {
    let RollbackRequest { state } = document(body, &headers).await?;
    let name = pipeline.clone();
    let change = async move { host.rollback(&name, &operator, state).await };
    to_its_end(&pipeline, change).await.map(Json)
}

pub async fn replay(
    Ready(host): Ready,
    Name(pipeline): Name,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Replayed>, ApiError> {
    let ReplayRequest { batch, operator, with } = document(body, &headers).await?;
    let name = pipeline.clone();
    let replay = async move { host.replay(&name, batch, operator, with).await };
    to_its_end(&pipeline, replay).await.map(Json)
}

/// A JSON body; none at all is an empty object.
async fn document<T: DeserializeOwned>(body: Body, headers: &HeaderMap) -> Result<T, ApiError> {
    let body = read_all(body, headers, DOCUMENT_BYTES_MAX).await?;
    let text: &[u8] = if body.is_empty() { b"{}" } else { &body };
    parse_json(text, "request")
}
