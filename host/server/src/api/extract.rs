//! What handlers take out of a request. **A request that does not fit is refused in the API's own shape.**

use std::sync::Arc;

use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::{ApiError, App};
use crate::host::Host;

/// A ready host.
pub struct Ready(pub Arc<Host>);

impl FromRequestParts<App> for Ready {
    type Rejection = ApiError;

    async fn from_request_parts(_: &mut Parts, app: &App) -> Result<Ready, ApiError> {
        app.host().map(Ready).ok_or_else(ApiError::not_ready)
    }
}

/// The name in the path.
pub struct Name(pub String);

impl FromRequestParts<App> for Name {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Name, ApiError> {
        let path = Path::<String>::from_request_parts(parts, app).await;
        path.map(|Path(name)| Name(name)).map_err(|error| ApiError::bad_request(error.body_text()))
    }
}

/// The parameters behind the `?`.
pub struct Params<T>(pub T);

impl<T: DeserializeOwned> FromRequestParts<App> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Params<T>, ApiError> {
        let query = Query::<T>::try_from_uri(&parts.uri);
        query.map(|Query(params)| Params(params)).map_err(|error| {
            ApiError::bad_request(error.body_text())
                .with_hint("/openapi.json lists the parameters of each path")
        })
    }
}
