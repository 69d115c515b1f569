//! An optional request body.

use axum::{
    body::HttpBody,
    extract::{FromRequest, Request},
};
use serde::de::DeserializeOwned;

use super::Json;
use crate::problem::Problem;

/// An optional JSON body. When it is absent or null, every field of `T` is absent.
#[derive(Debug)]
pub struct OptionalJson<T>(pub T);

impl<T: DeserializeOwned + Default, S: Send + Sync> FromRequest<S> for OptionalJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if request.body().is_end_stream() {
            return Ok(Self(T::default()));
        }
        Json::<Option<T>>::from_request(request, state).await.map(|Json(body)| Self(body.unwrap_or_default()))
    }
}
