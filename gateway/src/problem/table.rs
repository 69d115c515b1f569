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
                Self::ALL.iter().copied().find(|code| code.entry().code == name)
            }
        }
    };
}

codes! {
    // 400: violations of the schema
    InvalidRequest = "invalid_request", 400, false, "The request does not fit its schema",
        "The request is malformed: its JSON does not parse, or a field is missing, unknown, named twice or of the wrong type.",
        "Correct what `errors` names, each by a JSON pointer into the body (`?name` for a query parameter), and send it again.";
    IdempotencyKeyRequired = "idempotency_key_required", 400, false, "An Idempotency-Key is required",
        "This operation changes something, and the request does not say how to recognise its repetition.",
        "Send an `Idempotency-Key` of 1 to 255 printable ASCII characters, a new one for each new command, the same one for each repetition.";
    IdempotencyKeyInvalid = "idempotency_key_invalid", 400, false, "The Idempotency-Key is not valid",
        "The `Idempotency-Key` is empty, longer than 255 characters, sent twice, or holds something other than printable ASCII.",
        "Use a UUID or another random text of 1 to 255 printable ASCII characters.";
    TenantRequired = "tenant_required", 400, false, "The request does not say whose shop it is for",
        "There is no token, the host name belongs to no tenant, and there is no valid `Fusion-Tenant` header.",
        "Send a token, use the shop's own host name, or name the tenant in `Fusion-Tenant`.";
    // 401, 403
    AuthenticationRequired = "authentication_required", 401, false, "A token is required",
        "This operation is for those who have a session.",
        "Get a token from `POST /v1/sessions` and send it as `Authorization: Bearer …`.";
    InvalidToken = "invalid_token", 401, false, "The token is not valid",
        "The bearer token is malformed, not ours, expired, or its session has ended.",
        "Refresh the session at `POST /v1/sessions/refresh`, or start a new one.";
    InvalidCredentials = "invalid_credentials", 401, false, "E-mail or password is wrong",
        "No account has this e-mail address and password.",
        "Check both, or ask for a new password at `POST /v1/password-resets`.";
    InvalidRefreshToken = "invalid_refresh_token", 401, false, "The refresh token is not valid",
        "The refresh token is malformed, not ours, expired, or of a session that has ended. Using one a second time ends its session.",
        "Start a new session at `POST /v1/sessions`.";
    Forbidden = "forbidden", 403, false, "This is for others to do",
        "The token's role does not allow this operation.",
        "Use a token with the role that the operation asks for.";
    PasswordRequired = "password_required", 403, false, "The account's password is required",
        "This cannot be undone, so that a token alone does not suffice: the sign-in was more than 5 minutes ago.",
        "Send the account's `password`, or sign in again first.";
    EmailUnverified = "email_unverified", 403, false, "The account's e-mail address is not verified",
        "The shop takes claims and checkouts of accounts with a verified e-mail address only. Looking around and filling a cart need none.",
        "Follow the link in the mail that was sent to the address, or ask for another at `POST /v1/accounts/verification-mails`.";
    AccountRequired = "account_required", 403, false, "This is for customers with an account",
        "The drop takes claims from customers with an account only, and the token is a guest's.",
        "Make an account at `POST /v1/accounts`, or sign in.";
    // 404, 405, 408
    NotFound = "not_found", 404, false, "There is no such thing",
        "Nothing is at this address, or nothing that the caller may see.",
        "Check the address, and that the token is of the right shop.";
    MethodNotAllowed = "method_not_allowed", 405, false, "The method is not allowed here",
        "There is something at this address, but it does not answer to this method.",
        "Use one of the methods in `Allow`.";
    RequestTimeout = "request_timeout", 408, true, "The request took too long to arrive",
        "The body did not arrive within the time that the server waits for one.",
        "Send the whole request at once.";
    // 409: refused in the present state
    SoldOut = "sold_out", 409, true, "Too few units are available",
        "The drop has fewer units free than were asked for. `available` says how many; `may_return` says whether holds may still end and free some.",
        "Ask for fewer, or try again later when `may_return` is true.";
    LimitReached = "limit_reached", 409, false, "The buyer's limit is reached",
        "The drop limits the units of each buyer. `remaining` says how many more this buyer may have.",
        "Ask for at most `remaining`.";
    NetworkLimit = "network_limit", 409, true, "The limit of this network is reached",
        "The drop limits the units that all buyers of one network (an IPv4 /24, an IPv6 /48) may have together. `remaining` says how many more they may have.",
        "Ask for at most `remaining`, try again later when holds may have ended, or from another network.";
    NotOpen = "not_open", 409, true, "The drop is not open yet",
        "The drop takes claims from `starts_at` on; it is not told when the drop is not published.",
        "Try again at `starts_at`.";
    Ended = "ended", 409, false, "The drop has ended",
        "The drop no longer takes claims or changes.",
        "There is nothing to be done.";
    AlreadySold = "already_sold", 409, false, "The claim is paid already",
        "The claim's units are sold.",
        "Look at the order instead.";
    AlreadyReleased = "already_released", 409, false, "The claim has been released",
        "The claim's hold has ended, by its time or by its buyer.",
        "Claim again.";
    CheckoutInProgress = "checkout_in_progress", 409, true, "A checkout is in progress",
        "The claim or cart is in another unfinished checkout: `checkout_id`.",
        "Finish or cancel that checkout first.";
    TooManyCheckouts = "too_many_checkouts", 409, false, "The claim was in too many checkouts",
        "A claim may be tried in five checkouts.",
        "Release the claim, and claim again.";
    TooManyClaims = "too_many_claims", 409, false, "The drop keeps no more claims",
        "The drop, or this buyer in it, has as many claims as are kept, released ones included.",
        "Nothing more can be claimed in this drop.";
    TooLate = "too_late", 409, false, "The request came too late",
        "The request arrived after its deadline, or after it was undone.",
        "Start again.";
    InsufficientStock = "insufficient_stock", 409, true, "The inventory has too few units",
        "The inventory has only `available` units of `sku`.",
        "Ask for fewer, or add stock first.";
    InsufficientAvailable = "insufficient_available", 409, true, "Too few units are available",
        "The change would leave fewer than zero units available: `available` are, the others are held or allocated.",
        "Take away at most `available`, or wait for holds and drops to end.";
    UnexpectedLevel = "unexpected_level", 409, false, "The number on hand is another",
        "`on_hand` is not what the request expected.",
        "Look at the numbers, and send the change again with the right `expected`.";
    HoldEnded = "hold_ended", 409, false, "The hold has ended",
        "The units are no longer held.",
        "Start a new checkout.";
    HandleTaken = "handle_taken", 409, false, "Another product has this handle",
        "Handles are unique; `product_id` has this one.",
        "Choose another handle, or change that product.";
    SkuTaken = "sku_taken", 409, false, "Another variant has this SKU",
        "A SKU counts for one variant; it belongs to the product `product_id`.",
        "Choose another SKU.";
    Busy = "busy", 409, true, "Another change is under way",
        "An earlier change waits for an answer from elsewhere.",
        "Try again in a moment.";
    NotActive = "not_active", 409, false, "The product is not for sale",
        "The product is a draft, or archived.",
        "Take it out of the cart.";
    NotAllowed = "not_allowed", 409, false, "The state does not allow this",
        "The thing is in a state in which this cannot be done; `detail` says why.",
        "Look at its state first.";
    LimitExceeded = "limit_exceeded", 409, false, "There are as many as there may be",
        "A bound on the number of things is reached; `detail` says which.",
        "Remove some first.";
    PriceChanged = "price_changed", 409, false, "The price has changed",
        "What is to be paid is not what was shown. `total` is what it would be now.",
        "Show the buyer the new total, and check out again.";
    CartEmpty = "cart_empty", 409, false, "The cart is empty",
        "There is nothing in the cart to be paid.",
        "Put something into it first.";
    NotForSale = "not_for_sale", 409, false, "This is not for sale",
        "The catalogue no longer sells `sku`.",
        "Take it out of the cart.";
    MixedCurrencies = "mixed_currencies", 409, false, "Prices in different currencies",
        "What is to be paid together has prices in different currencies.",
        "Pay for each currency by itself.";
    GoodsLost = "goods_lost", 409, false, "The goods were no longer held",
        "The goods were gone when the money was there. The money was given back.",
        "Start again with what is available now.";
    CheckoutCancelled = "cancelled", 409, false, "The buyer called it off",
        "The checkout was cancelled by its buyer.",
        "Start another checkout.";
    CheckoutExpired = "expired", 409, false, "The buyer took too long",
        "The checkout was given up because it was not paid in time.",
        "Start another checkout.";
    RefundTooLarge = "refund_too_large", 409, false, "More than can be refunded",
        "`refundable` is what is left of what was paid.",
        "Refund at most `refundable`.";
    RefundFailed = "refund_failed", 409, true, "The refund failed",
        "The payment provider refuses to give the money back; `reason` says why, as far as it told. Nothing has changed.",
        "Try again later, or give the money back another way.";
    EmailTaken = "email_taken", 409, false, "There is an account with this e-mail address",
        "E-mail addresses are unique among the accounts of a shop.",
        "Sign in, or ask for a new password.";
    AlreadyCustomer = "already_customer", 409, false, "The session has an account already",
        "An account is made from a guest's session.",
        "Sign out first to make another account.";
    ResetEnded = "reset_ended", 409, false, "The link to set a password is over",
        "The link was used, has expired, or never existed.",
        "Ask for a new one at `POST /v1/password-resets`.";
    VerificationEnded = "verification_ended", 409, false, "The link to verify an address is over",
        "The link was used, has expired, or never existed. If it was used, the address is verified: `GET /v1/me` says so.",
        "Ask for a new one at `POST /v1/accounts/verification-mails`.";
    PaymentDeclined = "payment_declined", 409, false, "The payment was declined",
        "The provider has declined the payment; `reason` says why, as far as it told.",
        "Try another means of payment. The claims stay held until they expire.";
    PaymentFailed = "payment_failed", 409, false, "The payment could not be taken",
        "The payment was authorised, but the money could not be taken; `reason` says why, as far as the provider told.",
        "Try again, or another means of payment.";
    // 412 … 428
    StaleVersion = "stale_version", 412, false, "There is a newer version",
        "`If-Match` names a version that has been changed since. `version` is the present one.",
        "Read it again, and repeat the change on what it says now.";
    BodyTooLarge = "body_too_large", 413, false, "The body is too large",
        "The body has more bytes than this operation takes.",
        "Send less at once.";
    UnsupportedMediaType = "unsupported_media_type", 415, false, "The body is of another type",
        "This operation takes a body of another `Content-Type`, and no `Content-Encoding`.",
        "Send JSON as `application/json`, and files of a catalogue as `text/csv`.";
    OutOfRange = "out_of_range", 422, false, "A value is out of its range",
        "The request fits its schema, but a value is out of its range or does not fit the others.",
        "Correct what `errors` names.";
    IdempotencyKeyReused = "idempotency_key_reused", 422, false, "The Idempotency-Key was used for another command",
        "An earlier request with this `Idempotency-Key` said something else.",
        "Use a new key for a new command.";
    PaymentProviderUnknown = "payment_provider_unknown", 422, false, "The shop has no such payment provider",
        "The shop takes no payments by this provider; `providers` are those that it has. There may be none at all: the sandbox, which moves no money, is for development unless the operator switches it on. Nothing has happened.",
        "Name one of `providers`. When there is none, ask the shop's operator.";
    VersionRequired = "version_required", 428, false, "The version to be changed is required",
        "The change does not say which version it is based on.",
        "Send the `version` that you have read as `If-Match: \"…\"`.";
    RateLimited = "rate_limited", 429, true, "Too many requests",
        "This caller has sent more requests than it may.",
        "Wait for `Retry-After` seconds.";
    TooManyAttempts = "too_many_attempts", 429, true, "Too many wrong passwords",
        "Wrong passwords were tried for this e-mail address, so that the next one has to wait: a second after five, twice as long after each one more, at most 15 minutes. Until then no password is looked at, the right one neither. It is the same for an address that no account has.",
        "Wait for `Retry-After` seconds, or set a new password by the link that `POST /v1/password-resets` sends: it ends the wait. Sessions go on meanwhile.";
    // 5xx: never caused by invalid input
    Internal = "internal", 500, true, "Something is wrong with the server",
        "A fault of the server's own. It is logged under `request_id`.",
        "Tell the shop's operator the `request_id`. Repeating a command with its key is safe.";
    Overloaded = "overloaded", 503, true, "Too much is waiting",
        "More requests wait than the server takes. Nothing has happened.",
        "Try again after `Retry-After` seconds, with the same key.";
    Unavailable = "unavailable", 503, true, "Not available now",
        "The server starts, stops, or cannot reach what it needs. Nothing has happened.",
        "Try again after `Retry-After` seconds, with the same key.";
    Parked = "parked", 503, true, "Put aside after repeated failures",
        "What was asked has failed repeatedly and waits for its operator. Nothing has happened.",
        "Tell the shop's operator the `request_id`.";
    OutcomeUnknown = "outcome_unknown", 504, true, "The outcome is unknown",
        "The command may have been carried out or not.",
        "Send it again with the same `Idempotency-Key`: it is carried out once at most, and the answer is definite.";
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
    fn what_may_be_retried_is_not_the_requests_fault() {
        let at_fault = |code: &&Code| matches!(code.entry().status, 400 | 401 | 403 | 404 | 405 | 413 | 415 | 422);
        assert!(Code::ALL.iter().filter(at_fault).all(|code| !code.entry().retryable));
    }
}
