//! The JSON types of accounts.

use serde::Deserialize;
use utoipa::ToSchema;

/// A new account.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewAccount {
    /// The e-mail address for sign-in and notifications.
    #[schema(format = "email", max_length = 254)]
    pub(super) email: String,
    /// The password: at least 8 characters, without control characters, and not easy to guess (`too_common`,
    /// `too_guessable`).
    #[schema(min_length = 8, max_length = 256, pattern = "^[^\\u0000-\\u001F\\u007F-\\u009F]*$")]
    pub(super) password: String,
}

/// The token of a verification link.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Verification {
    /// The token from the link, after `#token=`.
    #[schema(min_length = 1, max_length = 64)]
    pub(super) token: String,
}

/// A request for a password reset.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPasswordReset {
    /// The account's e-mail address.
    #[schema(format = "email", max_length = 254)]
    pub(super) email: String,
}

/// A new password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPassword {
    /// The password: at least 8 characters, without control characters, and not easy to guess (`too_common`,
    /// `too_guessable`).
    #[schema(min_length = 8, max_length = 256, pattern = "^[^\\u0000-\\u001F\\u007F-\\u009F]*$")]
    pub(super) password: String,
}
