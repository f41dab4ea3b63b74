//! Errors of the API: a status, and the one JSON shape.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::wire::{Problem, Produced};
use crate::cli::causes;

/// What a handler failed of, ready to be sent.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    problem: Box<Problem>,
}

impl ApiError {
    /// An error without causes.
    pub fn new(status: StatusCode, error: impl Into<String>) -> ApiError {
        let problem = Problem {
            error: error.into(),
            causes: Vec::new(),
            hint: None,
            retryable: false,
            acknowledged: None,
        };
        ApiError { status, problem: Box::new(problem) }
    }

    /// An error of a deeper layer, with its causes.
    pub fn of(status: StatusCode, error: &dyn std::error::Error) -> ApiError {
        let mut api = ApiError::new(status, error.to_string());
        api.problem.causes = causes(error);
        api
    }

    /// A request that cannot be understood.
    pub fn bad_request(error: impl Into<String>) -> ApiError {
        ApiError::new(StatusCode::BAD_REQUEST, error)
    }

    pub fn with_hint(mut self, hint: impl Into<String>) -> ApiError {
        self.problem.hint = Some(hint.into());
        self
    }

    /// The same request may succeed later.
    pub fn with_retry(mut self, retryable: bool) -> ApiError {
        self.problem.retryable = retryable;
        self
    }

    /// Says what is durable although the request failed.
    pub fn with_acknowledged(mut self, acknowledged: Produced) -> ApiError {
        self.problem.acknowledged = Some(acknowledged);
        self
    }

    /// The host has not finished its start, or is about to end.
    pub fn not_ready() -> ApiError {
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "the host is not ready")
            .with_hint("/readyz answers 200 once it is")
            .with_retry(true)
    }

    pub fn no_such_topic(topic: &str) -> ApiError {
        ApiError::new(StatusCode::NOT_FOUND, format!("there is no topic `{topic}`"))
            .with_hint(format!("`tidemill topic create {topic}` makes it; `tidemill topic list` shows what is there"))
    }

    pub fn no_such_pipeline(pipeline: &str) -> ApiError {
        ApiError::new(StatusCode::NOT_FOUND, format!("there is no pipeline `{pipeline}`"))
            .with_hint("`tidemill pipeline list` shows what is there")
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        if self.status.is_server_error() && self.status != StatusCode::SERVICE_UNAVAILABLE {
            tracing::error!(status = self.status.as_u16(), error = %self.problem.error, causes = ?self.problem.causes, "request failed");
        }
        (self.status, Json(self.problem)).into_response()
    }
}
