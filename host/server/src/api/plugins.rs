//! Plugins: list, push, describe.

use axum::Json;
use axum::body::Body;
use axum::http::{HeaderMap, StatusCode};
use tidemill_plugin::RegistryError;

use super::body::read_all;
use super::wire::{PluginDescription, PluginList, PluginSummary};
use super::{ApiError, Name, Ready};
use crate::host::plugins::PluginError;

pub async fn list(Ready(host): Ready) -> Result<Json<PluginList>, ApiError> {
    let plugins = host.plugins().map_err(|error| plugin_error(&error))?;
    Ok(Json(PluginList { plugins }))
}

pub async fn push(
    Ready(host): Ready,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<PluginSummary>), ApiError> {
    let component =
        read_all(body, &headers, host.config().plugin_bytes_max).await.map_err(|error| {
            error.with_hint("`plugin_bytes_max` in the host's configuration raises the limit")
        })?;
    let pushed = host.push_plugin(component).await.map_err(|error| plugin_error(&error))?;
    Ok((StatusCode::CREATED, Json(pushed)))
}

pub async fn describe(
    Ready(host): Ready,
    Name(plugin): Name,
) -> Result<Json<PluginDescription>, ApiError> {
    host.describe_plugin(plugin).await.map(Json).map_err(|error| plugin_error(&error))
}

fn plugin_error(error: &PluginError) -> ApiError {
    let status = match error {
        PluginError::Load(_) => StatusCode::UNPROCESSABLE_ENTITY,
        PluginError::Registry(RegistryError::NotFound { .. }) => StatusCode::NOT_FOUND,
        PluginError::Registry(RegistryError::Taken { .. }) => StatusCode::CONFLICT,
        PluginError::Registry(_) | PluginError::Ended(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let api = ApiError::of(status, error);
    match error.hint() {
        Some(hint) => api.with_hint(hint),
        None => api,
    }
}
