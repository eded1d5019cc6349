//! Refusals of what no handler takes: a path or a method that is not there.

use axum::Router;
use axum::http::StatusCode;
use axum::response::IntoResponse;

use super::ApiError;

/// The router, with a refusal of the shape `R` for every other path and, on its own paths, for every
/// other method. Call it after the routes and before the layers that shall see the refusals.
pub(crate) fn refuse_others<R, S>(router: Router<S>, routes: &'static str) -> Router<S>
where
    R: From<ApiError> + IntoResponse,
    S: Clone + Send + Sync + 'static,
{
    refuse_other_methods::<R, S>(router).fallback(move || async move {
        R::from(ApiError::new(
            StatusCode::NOT_FOUND,
            format!("there is no such path: this service has {routes}"),
        ))
    })
}

/// The same for methods alone, of routes that were added later.
pub(crate) fn refuse_other_methods<R, S>(router: Router<S>) -> Router<S>
where
    R: From<ApiError> + IntoResponse,
    S: Clone + Send + Sync + 'static,
{
    router.method_not_allowed_fallback(|| async {
        R::from(ApiError::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "this path does not take that method: the header `Allow` says which it takes",
        ))
    })
}
