//! Conversions of account and session errors to problems.

use persistence::sql::{AccountError, AliasError, ResetError, RotateError, VerificationError};

use crate::problem::{Code, Problem};

impl From<AccountError> for Problem {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::EmailTaken => Problem::new(Code::EmailTaken),
            AccountError::SubjectTaken => Problem::new(Code::AlreadyCustomer),
            AccountError::NotFound => Problem::not_found(),
            AccountError::NoTenant => Problem::new(Code::TenantRequired),
            AccountError::Store(error) => error.into(),
        }
    }
}

impl From<AliasError> for Problem {
    fn from(error: AliasError) -> Self {
        match error {
            AliasError::Taken => Problem::new(Code::AlreadyCustomer),
            AliasError::TooMany => Problem::new(Code::LimitExceeded).with_detail(error.to_string()),
            AliasError::NotFound => Problem::new(Code::InvalidCredentials),
            AliasError::Store(error) => error.into(),
        }
    }
}

impl From<ResetError> for Problem {
    fn from(error: ResetError) -> Self {
        match error {
            ResetError::NotGood | ResetError::NotFound => Problem::new(Code::ResetEnded),
            ResetError::Store(error) => error.into(),
        }
    }
}

impl From<VerificationError> for Problem {
    fn from(error: VerificationError) -> Self {
        match error {
            VerificationError::NotGood | VerificationError::NotFound => Problem::new(Code::VerificationEnded),
            VerificationError::Store(error) => error.into(),
        }
    }
}

impl From<RotateError> for Problem {
    fn from(error: RotateError) -> Self {
        match error {
            RotateError::Unknown | RotateError::Expired | RotateError::Reused { .. } => {
                Problem::new(Code::InvalidRefreshToken)
            }
            RotateError::Store(error) => error.into(),
        }
    }
}
