//! Plugins: list, push, describe, remove, and the component itself.

use axum::Json;
use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tidemill_plugin::RegistryError;

use super::body::read_all;
use super::wire::{PluginDescription, PluginList, PluginRemoved, PluginSummary};
use super::{ApiError, Name, Params, Ready};
use crate::host::plugins::PluginError;

pub async fn list(Ready(host): Ready) -> Result<Json<PluginList>, ApiError> {
    let plugins = host.plugins().await.map_err(|error| plugin_error(&error))?;
    Ok(Json(PluginList { plugins }))
}

/// Another name or version than the plugin's own.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub struct NameQuery {
    name: Option<String>,
    version: Option<String>,
}

pub async fn push(
    Ready(host): Ready,
    Params(NameQuery { name, version }): Params<NameQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<PluginSummary>), ApiError> {
    let component =
        read_all(body, &headers, host.config().plugin_bytes_max).await.map_err(|error| {
            error.with_hint("`plugin_bytes_max` in the host's configuration raises the limit")
        })?;
    let pushed =
        host.push_plugin(component, name, version).await.map_err(|error| plugin_error(&error))?;
    Ok((StatusCode::CREATED, Json(pushed)))
}

pub async fn describe(
    Ready(host): Ready,
    Name(plugin): Name,
) -> Result<Json<PluginDescription>, ApiError> {
    host.describe_plugin(plugin).await.map(Json).map_err(|error| plugin_error(&error))
}

pub async fn component(Ready(host): Ready, Name(plugin): Name) -> Result<Response, ApiError> {
    let component = host.component(plugin).await.map_err(|error| plugin_error(&error))?;
    Ok(([(header::CONTENT_TYPE, "application/wasm")], component).into_response())
}

pub async fn remove(
    Ready(host): Ready,
    Name(plugin): Name,
) -> Result<Json<PluginRemoved>, ApiError> {
    host.remove_plugin(plugin).await.map(Json).map_err(|error| plugin_error(&error))
}

pub(super) fn plugin_error(error: &PluginError) -> ApiError {
    let status = match error {
        PluginError::Load(_) | PluginError::Name(_) => StatusCode::UNPROCESSABLE_ENTITY,
        PluginError::InUse { .. } => StatusCode::CONFLICT,
        PluginError::Registry(RegistryError::NotFound { .. }) => StatusCode::NOT_FOUND,
        PluginError::Registry(RegistryError::Taken { .. }) => StatusCode::CONFLICT,
        PluginError::Registry(RegistryError::Store { .. }) => StatusCode::BAD_GATEWAY,
        PluginError::Registry(_)
        | PluginError::Ended(_)
        | PluginError::Files(_)
        | PluginError::Kept(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let api = ApiError::of(status, error);
    match error.hint() {
        Some(hint) => api.with_hint(hint),
        None => api,
    }
}
