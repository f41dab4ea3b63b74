//! The OpenAPI file, served as it was written.

use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;

/// Compared with the routes by a test.
pub const DOCUMENT: &str = include_str!("openapi.json");

pub async fn document() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], DOCUMENT)
}
