//! A body that may be left out.

use axum::{
    body::HttpBody,
    extract::{FromRequest, Request},
};
use serde::de::DeserializeOwned;

use super::Json;
use crate::problem::Problem;

/// A body in JSON, or none, or null: then everything in it is left out.
#[derive(Debug)]
pub struct MaybeJson<T>(pub T);

impl<T: DeserializeOwned + Default, S: Send + Sync> FromRequest<S> for MaybeJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if request.body().is_end_stream() {
            return Ok(Self(T::default()));
        }
        Json::<Option<T>>::from_request(request, state).await.map(|Json(body)| Self(body.unwrap_or_default()))
    }
}
