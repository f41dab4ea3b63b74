//! Whether the host lives, whether it is ready, and its metrics.

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;

use super::{ApiError, App, Ready};

/// The process answers.
pub async fn healthz() -> &'static str {
    "ok\n"
}

/// The log is open, pipelines are started, requests are served.
pub async fn readyz(State(app): State<App>) -> Result<&'static str, ApiError> {
    app.host().map(|_| "ready\n").ok_or_else(ApiError::not_ready)
}

/// OpenMetrics text, as Prometheus reads it.
pub async fn metrics(Ready(host): Ready) -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], host.metrics())
}
