//! A refusal in OpenAI's words: `{"error": {"message": …, "type": …}}`.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::api::ApiError;
use crate::generate::{ApiError as Said, ApiErrorBody};

/// A refusal as clients of OpenAI's interface read it.
#[derive(Debug)]
pub(super) struct Refusal(ApiError);

impl From<ApiError> for Refusal {
    fn from(mut error: ApiError) -> Self {
        // There a field that cannot be worked with is a bad request like any other.
        if error.status == StatusCode::UNPROCESSABLE_ENTITY {
            error.status = StatusCode::BAD_REQUEST;
        }
        Self(error)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self(ApiError { status, message }) = self;
        let kind = if status.is_server_error() {
            "server_error"
        } else {
            "invalid_request_error"
        };
        let error = Said {
            message,
            kind: Some(kind.to_owned()),
        };
        (status, Json(ApiErrorBody { error })).into_response()
    }
}
