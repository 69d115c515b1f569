//! The table of all problems of the API. Pages, documentation and the OpenAPI document are generated from it.

/// The general description of a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// The stable name, which is the last part of `type`.
    pub code: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// A short summary that is the same for every occurrence.
    pub title: &'static str,
    /// What happened.
    pub meaning: &'static str,
    /// What the client can do about it.
    pub remedy: &'static str,
    /// Whether the same request may succeed later without changes.
    pub retryable: bool,
}

macro_rules! codes {
    ($($name:ident = $code:literal, $status:literal, $retryable:literal, $title:literal, $meaning:literal, $remedy:literal;)*) => {
        /// The code of a problem. Codes are never renamed, because clients branch on them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code {
            $(#[doc = $meaning] $name,)*
        }

        impl Code {
            /// All codes.
            pub const ALL: &'static [Code] = &[$(Code::$name,)*];

            /// Returns the table's entry.
            pub fn entry(self) -> &'static Entry {
                match self {
                    $(Code::$name => {
                        const ENTRY: Entry = Entry {
                            code: $code,
                            status: $status,
                            title: $title,
                            meaning: $meaning,
                            remedy: $remedy,
                            retryable: $retryable,
                        };
                        &ENTRY
                    })*
                }
            }

            /// Returns the code of this name.
            pub fn from_name(name: &str) -> Option<Self> {
                match name {
                    $($code => Some(Code::$name),)*
                    _ => None,
                }
            }
        }
    };
}

codes! {
    // 400: violations of the schema
    InvalidRequest = "invalid_request", 400, false, "The request does not match its schema",
        "The request is malformed: its JSON does not parse, or a field is missing, unknown, duplicated or of the wrong type.",
        "Correct the fields in `errors` and send the request again. Each is a JSON pointer into the body, or `?name` for a query parameter.";
    IdempotencyKeyRequired = "idempotency_key_required", 400, false, "An Idempotency-Key is required",
        "This operation changes data and requires an `Idempotency-Key`, so that a repeated request is carried out only once.",
        "Send an `Idempotency-Key` of 1 to 255 printable ASCII characters. Use a new key for each new command and the same key for each retry.";
    IdempotencyKeyInvalid = "idempotency_key_invalid", 400, false, "The Idempotency-Key is not valid",
        "The `Idempotency-Key` is empty, longer than 255 characters, duplicated, or contains characters other than printable ASCII.",
        "Use a UUID or another random string of 1 to 255 printable ASCII characters.";
    TenantRequired = "tenant_required", 400, false, "The request does not identify a shop",
        "The request has no token and no valid `Fusion-Tenant` header, and its host name belongs to no tenant.",
        "Send a token, use the shop's own host name, or name the tenant in `Fusion-Tenant`.";
    // 401, 403
    AuthenticationRequired = "authentication_required", 401, false, "Authentication is required",
        "This operation requires a session.",
        "Get a token from `POST /v1/sessions` and send it as `Authorization: Bearer …`.";
    InvalidToken = "invalid_token", 401, false, "The token is not valid",
        "The bearer token is malformed, was not issued by this server, has expired, or its session has ended.",
        "Refresh the session at `POST /v1/sessions/refresh`, or start a new one.";
    InvalidCredentials = "invalid_credentials", 401, false, "Incorrect e-mail address or password",
        "No account has this e-mail address and password.",
        "Check both, or request a password reset at `POST /v1/password-resets`.";
    InvalidRefreshToken = "invalid_refresh_token", 401, false, "The refresh token is not valid",
        "The refresh token is malformed, was not issued by this server, has expired, or its session has ended. Using a refresh token a second time ends its session.",
        "Start a new session at `POST /v1/sessions`.";
    Forbidden = "forbidden", 403, false, "Permission denied",
        "The token's role does not allow this operation.",
        "Use a token with a role that allows the operation.";
    PasswordRequired = "password_required", 403, false, "The account's password is required",
        "This operation cannot be undone. It requires the account's password when the last sign-in was more than 5 minutes ago.",
        "Send the account's `password`, or sign in again first.";
    EmailUnverified = "email_unverified", 403, false, "The account's e-mail address is not verified",
        "The shop accepts claims and checkouts only from accounts with a verified e-mail address. Browsing and carts do not require one.",
        "Follow the link in the verification e-mail, or request another at `POST /v1/accounts/verification-mails`.";
    AccountRequired = "account_required", 403, false, "An account is required",
        "The drop accepts claims only from customers with an account, and the token belongs to a guest.",
        "Create an account at `POST /v1/accounts`, or sign in.";
    // 404, 405, 408
    NotFound = "not_found", 404, false, "Not found",
        "The resource does not exist, or the caller has no access to it.",
        "Check the URL, and that the token belongs to the right shop.";
    MethodNotAllowed = "method_not_allowed", 405, false, "Method not allowed",
        "The resource does not support this HTTP method.",
        "Use one of the methods in `Allow`.";
    RequestTimeout = "request_timeout", 408, true, "Request timeout",
        "The body did not arrive within the time that the server allows.",
        "Send the complete request without pauses.";
    // 409: refused in the present state
    SoldOut = "sold_out", 409, true, "Too few units are available",
        "The drop has fewer units available than requested. `available` is their number; `may_return` is true while holds may still end and return units.",
        "Request fewer units, or try again later when `may_return` is true.";
    LimitReached = "limit_reached", 409, false, "The limit per buyer is reached",
        "The drop limits the number of units per buyer. `remaining` is the number that this buyer may still claim.",
        "Request at most `remaining` units.";
    NetworkLimit = "network_limit", 409, true, "The limit per network is reached",
        "The drop limits the number of units for all buyers of one network (an IPv4 /24, an IPv6 /48). `remaining` is the number that they may still claim.",
        "Request at most `remaining` units, try again later when holds may have ended, or use another network.";
    NotOpen = "not_open", 409, true, "The drop is not open yet",
        "The drop accepts claims from `starts_at` on. `starts_at` is absent when the drop is not published.",
        "Try again at `starts_at`.";
    Ended = "ended", 409, false, "The drop has ended",
        "The drop no longer accepts claims or changes.",
        "No action is possible.";
    AlreadySold = "already_sold", 409, false, "The claim is already paid",
        "The claim's units are sold.",
        "Read the order instead.";
    AlreadyReleased = "already_released", 409, false, "The claim has been released",
        "The claim's hold has expired, or its buyer has released it.",
        "Claim again.";
    CheckoutInProgress = "checkout_in_progress", 409, true, "A checkout is in progress",
        "The claim or cart is part of another unfinished checkout, `checkout_id`.",
        "Complete or cancel that checkout first.";
    TooManyCheckouts = "too_many_checkouts", 409, false, "Too many checkouts for this claim",
        "A claim can be part of at most five checkouts.",
        "Release the claim, and claim again.";
    TooManyClaims = "too_many_claims", 409, false, "Too many claims",
        "The drop, or this buyer in the drop, has reached the maximum number of claims, released ones included.",
        "No more units can be claimed in this drop.";
    TooLate = "too_late", 409, false, "The request arrived too late",
        "The request arrived after its deadline, or after it was cancelled.",
        "Start again.";
    InsufficientStock = "insufficient_stock", 409, true, "Insufficient stock",
        "The inventory has only `available` units of `sku`.",
        "Request fewer units, or add stock first.";
    InsufficientAvailable = "insufficient_available", 409, true, "Too few units are available",
        "The change would leave fewer than zero units available: `available` are, the others are held or allocated.",
        "Remove at most `available` units, or wait for holds and drops to end.";
    UnexpectedLevel = "unexpected_level", 409, false, "Unexpected number on hand",
        "`on_hand` differs from the number that the request expects.",
        "Read the levels, and send the change again with the right `expected`.";
    HoldEnded = "hold_ended", 409, false, "The hold has ended",
        "The units are no longer held.",
        "Start a new checkout.";
    HandleTaken = "handle_taken", 409, false, "The handle is already in use",
        "Handles are unique; the product `product_id` has this handle.",
        "Choose another handle, or change that product.";
    SkuTaken = "sku_taken", 409, false, "The SKU is already in use",
        "SKUs are unique; a variant of the product `product_id` has this SKU.",
        "Choose another SKU.";
    Busy = "busy", 409, true, "Another change is in progress",
        "An earlier change has not completed yet.",
        "Try again in a moment.";
    NotActive = "not_active", 409, false, "The product is not active",
        "The product is a draft, or archived.",
        "Remove it from the cart.";
    NotAllowed = "not_allowed", 409, false, "Not allowed in the current state",
        "The current state of the resource does not allow this operation; `detail` gives the reason.",
        "Read the resource, and check its state.";
    LimitExceeded = "limit_exceeded", 409, false, "A limit is reached",
        "The number of items has reached its maximum; `detail` names the limit.",
        "Remove some items first.";
    PriceChanged = "price_changed", 409, false, "The price has changed",
        "The amount to pay differs from the amount that was shown. `total` is the current amount.",
        "Show the buyer the new total, and check out again.";
    CartEmpty = "cart_empty", 409, false, "The cart is empty",
        "The cart contains nothing to check out.",
        "Add an item first.";
    NotForSale = "not_for_sale", 409, false, "The item is not for sale",
        "The catalogue no longer sells `sku`.",
        "Remove it from the cart.";
    MixedCurrencies = "mixed_currencies", 409, false, "Prices have different currencies",
        "The items of one checkout must have prices in the same currency.",
        "Check out separately for each currency.";
    GoodsLost = "goods_lost", 409, false, "The items are no longer available",
        "The hold ended before the payment was complete. The payment was refunded.",
        "Start again with the items that are available now.";
    CheckoutCancelled = "cancelled", 409, false, "The checkout was cancelled",
        "The buyer cancelled the checkout.",
        "Start another checkout.";
    CheckoutExpired = "expired", 409, false, "The checkout has expired",
        "The checkout was not paid in time.",
        "Start another checkout.";
    RefundTooLarge = "refund_too_large", 409, false, "The refund exceeds the refundable amount",
        "`refundable` is the amount that can still be refunded.",
        "Refund at most `refundable`.";
    RefundFailed = "refund_failed", 409, true, "The refund failed",
        "The payment provider declined the refund; `reason` is the provider's reason, if it gave one. Nothing has changed.",
        "Try again later, or refund the buyer in another way.";
    EmailTaken = "email_taken", 409, false, "The e-mail address is already in use",
        "E-mail addresses are unique among the accounts of a shop.",
        "Sign in, or request a password reset.";
    AlreadyCustomer = "already_customer", 409, false, "The session already has an account",
        "Only a guest's session can create an account.",
        "Sign out before you create another account.";
    ResetEnded = "reset_ended", 409, false, "The password link is no longer valid",
        "The link was used, has expired, or never existed.",
        "Request a new one at `POST /v1/password-resets`.";
    VerificationEnded = "verification_ended", 409, false, "The verification link is no longer valid",
        "The link was used, has expired, or never existed. If it was used, the address is verified, as `GET /v1/me` shows.",
        "Request a new one at `POST /v1/accounts/verification-mails`.";
    PaymentDeclined = "payment_declined", 409, false, "The payment was declined",
        "The provider declined the payment; `reason` is the provider's reason, if it gave one.",
        "Try another payment method. The claims remain held until they expire.";
    PaymentFailed = "payment_failed", 409, false, "The payment failed",
        "The payment was authorised but could not be captured; `reason` is the provider's reason, if it gave one.",
        "Try again, or use another payment method.";
    // 412 … 428
    StaleVersion = "stale_version", 412, false, "The version is out of date",
        "The resource has changed since the version in `If-Match`. `version` is the current version.",
        "Read the resource, and apply the change to its current version.";
    BodyTooLarge = "body_too_large", 413, false, "The body is too large",
        "The body exceeds the maximum size for this operation.",
        "Send a smaller body.";
    UnsupportedMediaType = "unsupported_media_type", 415, false, "Unsupported media type",
        "This operation requires another `Content-Type`, and no `Content-Encoding`.",
        "Send JSON as `application/json`, and catalogue files as `text/csv`.";
    OutOfRange = "out_of_range", 422, false, "A value is out of range",
        "The request matches its schema, but a value is out of range or inconsistent with other values.",
        "Correct the fields in `errors`.";
    IdempotencyKeyReused = "idempotency_key_reused", 422, false, "The Idempotency-Key was used for another command",
        "An earlier request with this `Idempotency-Key` had different parameters.",
        "Use a new key for a new command.";
    PaymentProviderUnknown = "payment_provider_unknown", 422, false, "Unknown payment provider",
        "The shop does not accept payments through this provider; `providers` lists those that it accepts. The list may be empty: the sandbox, which moves no money, is for development unless the operator enables it. Nothing has changed.",
        "Use one of `providers`. If there is none, contact the shop's operator.";
    VersionRequired = "version_required", 428, false, "If-Match is required",
        "The request does not name the version that the change is based on.",
        "Send the `version` that you have read as `If-Match: \"…\"`.";
    RateLimited = "rate_limited", 429, true, "Too many requests",
        "The caller has exceeded its rate limit.",
        "Wait for `Retry-After` seconds.";
    TooManyAttempts = "too_many_attempts", 429, true, "Too many failed sign-in attempts",
        "There were too many wrong passwords for this e-mail address. After five, each further one doubles the delay before the next attempt, from 1 second to at most 15 minutes. During the delay every password is refused, the correct one included. The delay also applies to addresses without an account.",
        "Wait for `Retry-After` seconds, or set a new password through the link that `POST /v1/password-resets` sends, which ends the delay. Existing sessions are not affected.";
    // 5xx: never caused by invalid input
    Internal = "internal", 500, true, "Internal server error",
        "The server failed to process the request. The error is logged under `request_id`.",
        "Give the shop's operator the `request_id`. Repeating a command with its key is safe.";
    Overloaded = "overloaded", 503, true, "Too many requests are waiting",
        "The server is at its capacity. Nothing has changed.",
        "Try again after `Retry-After` seconds, with the same key.";
    Unavailable = "unavailable", 503, true, "Temporarily unavailable",
        "The server is starting or stopping, or a service that it depends on is unreachable. Nothing has changed.",
        "Try again after `Retry-After` seconds, with the same key.";
    Parked = "parked", 503, true, "Quarantined after repeated failures",
        "The resource failed repeatedly and is unavailable until the operator has examined it. Nothing has changed.",
        "Give the shop's operator the `request_id`.";
    OutcomeUnknown = "outcome_unknown", 504, true, "The outcome is unknown",
        "The command may or may not have been carried out.",
        "Send it again with the same `Idempotency-Key`. It is carried out at most once, and the answer is definite.";
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn codes_are_unique_and_spelled_alike() {
        let names: HashSet<_> = Code::ALL.iter().map(|code| code.entry().code).collect();
        assert_eq!(names.len(), Code::ALL.len());
        assert!(names.iter().all(|name| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')));
    }

    #[test]
    fn a_code_is_found_by_its_name() {
        assert!(Code::ALL.iter().all(|code| Code::from_name(code.entry().code) == Some(*code)));
        assert_eq!(Code::from_name("nonsense"), None);
    }

    #[test]
    fn retryable_problems_are_not_the_requests_fault() {
        let at_fault = |code: &&Code| matches!(code.entry().status, 400 | 401 | 403 | 404 | 405 | 413 | 415 | 422);
        assert!(Code::ALL.iter().filter(at_fault).all(|code| !code.entry().retryable));
    }
}
