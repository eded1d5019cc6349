//! Reading a JSON body.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use serde::de::DeserializeOwned;

use super::ApiError;
use crate::json::Object;

/// The body of a request, read from JSON. What is wrong with it is answered as an [`ApiError`] that
/// names the field.
#[derive(Debug, Clone, Copy)]
pub struct JsonBody<T>(pub T);

impl<T, S> FromRequest<S> for JsonBody<T>
where
    T: DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        match Json::from_request(request, state).await {
            Ok(Json(Object(body))) => Ok(Self(body)),
            Err(rejection) => Err(refusal(&rejection)),
        }
    }
}

fn refusal(rejection: &JsonRejection) -> ApiError {
    let message = match rejection {
        JsonRejection::JsonDataError(error) => {
            // axum's text begins the same for every body; the field stands behind it.
            let text = error.body_text();
            match text.split_once("target type: ") {
                Some((_, field)) => field.to_owned(),
                None => text,
            }
        }
        JsonRejection::JsonSyntaxError(error) => format!("the body is not JSON: {}", error.body_text()),
        JsonRejection::MissingJsonContentType(_) => {
            "the body must be JSON: send the header `Content-Type: application/json`".to_owned()
        }
        other if other.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            "the body is too large: send fewer items at a time, or start the service with a larger --max-body-bytes"
                .to_owned()
        }
        other => other.body_text(),
    };
    ApiError::new(rejection.status(), message)
}
