//! Query parameters.

use std::{collections::HashMap, str::FromStr};

use axum::{
    extract::FromRequestParts,
    http::{Uri, request::Parts},
};

use engine::text::nfc;

use crate::problem::{Code, Faults, FieldCode, FieldError, Problem};

/// The maximum number of parameters of one request.
pub const PARAMETERS_MAX: usize = 64;

/// A type that is parsed from a query.
pub trait FromQuery: Sized {
    /// The names of its parameters. Any other is rejected.
    const NAMES: &'static [&'static str];

    /// Parses the parameters. Missing and invalid ones are added to `faults`.
    fn read(parameters: &Parameters, faults: &mut Faults) -> Option<Self>;
}

/// The parameters of a request, each named once.
#[derive(Debug, Default)]
pub struct Parameters(HashMap<String, String>);

impl Parameters {
    /// The text of a parameter.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A parameter of another type. An invalid value is added to `faults` and treated as absent.
    pub fn parsed<T>(&self, name: &str, faults: &mut Faults) -> Option<T>
    where
        T: FromStr,
        T::Err: std::fmt::Display,
    {
        let parsed = self.text(name)?.parse();
        faults.format(format!("?{name}"), parsed)
    }
}

/// A query that fits `T`: 400 for what its schema rejects, 422 for what is out of range.
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<T: FromQuery, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let parameters = split(&parts.uri, T::NAMES)?;
        let mut faults = Faults::default();
        let read = T::read(&parameters, &mut faults);
        faults.give(read).map(Self)
    }
}

fn split(uri: &Uri, names: &[&str]) -> Result<Parameters, Problem> {
    let pairs = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(uri)
        .map_err(|_| Problem::invalid("?", FieldCode::Malformed, "the query string cannot be parsed"))?;
    let mut parameters = HashMap::new();
    let mut errors = Vec::new();
    for (name, value) in pairs.0.into_iter().take(PARAMETERS_MAX) {
        let fault = if !names.contains(&name.as_str()) {
            Some((FieldCode::Unknown, "is not a known parameter"))
        } else if parameters.contains_key(&name) {
            Some((FieldCode::Doubled, "is duplicated"))
        } else {
            None
        };
        match fault {
            Some((code, detail)) => {
                errors.push(FieldError { pointer: format!("?{name}"), code, detail: detail.into() })
            }
            None => drop(parameters.insert(name, nfc(&value).into_owned())),
        }
    }
    if errors.is_empty() {
        return Ok(Parameters(parameters));
    }
    Err(errors.into_iter().fold(Problem::new(Code::InvalidRequest), Problem::with_error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(query: &str) -> (String, &'static str) {
        let uri: Uri = format!("/v1/drops?{query}").parse().unwrap();
        let problem = split(&uri, &["limit", "cursor"]).unwrap_err();
        (problem.errors()[0].pointer.clone(), problem.errors()[0].code.name())
    }

    #[test]
    fn unknown_and_duplicate_parameters_are_refused() {
        let uri: Uri = "/v1/drops?limit=5&cursor=a%20b".parse().unwrap();
        let parameters = split(&uri, &["limit", "cursor"]).unwrap();
        assert_eq!(parameters.text("cursor"), Some("a b"));
        let uri: Uri = "/v1/drops?cursor=cafe%CC%81".parse().unwrap();
        assert_eq!(split(&uri, &["cursor"]).unwrap().text("cursor"), Some("café"));
        assert_eq!(parameters.parsed::<u32>("limit", &mut Faults::default()), Some(5));
        assert_eq!(fault("colour=1"), ("?colour".to_owned(), "unknown"));
        assert_eq!(fault("limit=1&limit=2"), ("?limit".to_owned(), "doubled"));
    }
}
