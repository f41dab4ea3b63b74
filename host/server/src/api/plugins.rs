//! Plugins: list, push, describe.

use axum::Json;
use axum::body::Bytes;
use axum::extract::Path;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use tidemill_plugin::RegistryError;

use super::wire::{PluginDescription, PluginList, PluginSummary};
use super::{ApiError, Ready};
use crate::host::plugins::PluginError;

pub async fn list(Ready(host): Ready) -> Result<Json<PluginList>, ApiError> {
    let plugins = host.plugins().map_err(|error| plugin_error(&error))?;
    Ok(Json(PluginList { plugins }))
}

pub async fn push(
    Ready(host): Ready,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<PluginSummary>), ApiError> {
    let component = body.map_err(|error| {
        let api = ApiError::new(error.status(), error.body_text());
        if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
            let max = bytesize::ByteSize(host.config().plugin_bytes_max as u64);
            return api.with_hint(format!("components may have {max}; `plugin_bytes_max` in the host's configuration raises that"));
        }
        api
    })?;
    let pushed = host.push_plugin(component.into()).await.map_err(|error| plugin_error(&error))?;
    Ok((StatusCode::CREATED, Json(pushed)))
}

pub async fn describe(
    Ready(host): Ready,
    Path(plugin): Path<String>,
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
