//! Encryption of payment tokens: the journal and the snapshots hold them sealed.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use data_encoding::BASE64URL_NOPAD;
use engine::{id::TenantId, payment::SEALED_TOKEN_PREFIX};

use super::keys::{KeyError, Keys};

/// The token was not sealed with this installation's key for this tenant, or was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the payment method was encrypted with another key")]
pub struct WrongSeal;

/// Encrypts and decrypts the tokens by which payment providers identify a payment method.
///
/// AES-256-GCM (NIST SP 800-38D) under a key of its own, with a random nonce and the tenant as associated data: a token
/// that was copied to another tenant's event does not open. The key derives from the installation's secret, so the
/// journal alone, or a copy of it, reveals no token.
pub struct PaymentTokens(RandomizedNonceKey);

impl std::fmt::Debug for PaymentTokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PaymentTokens(…)")
    }
}

impl PaymentTokens {
    /// Creates the cipher with the installation's key.
    pub fn new(keys: &Keys) -> Result<Self, KeyError> {
        let key = RandomizedNonceKey::new(&AES_256_GCM, &keys.derive("payment tokens"));
        key.map(Self).map_err(|_| KeyError::NoRandomness)
    }

    /// Seals a token for events.
    pub(crate) fn seal(&self, tenant: &TenantId, token: &str) -> Result<String, KeyError> {
        let mut bytes = token.as_bytes().to_vec();
        let aad = Aad::from(tenant.as_str().as_bytes());
        let nonce = self.0.seal_in_place_append_tag(aad, &mut bytes).map_err(|_| KeyError::NoRandomness)?;
        let sealed = [nonce.as_ref().as_slice(), &bytes].concat();
        Ok(format!("{SEALED_TOKEN_PREFIX}{}", BASE64URL_NOPAD.encode(&sealed)))
    }

    /// Opens a sealed token for the provider. A token that an earlier version wrote is not sealed and returned as it
    /// is.
    pub fn open(&self, tenant: &TenantId, token: &str) -> Result<String, WrongSeal> {
        let Some(sealed) = token.strip_prefix(SEALED_TOKEN_PREFIX) else { return Ok(token.to_owned()) };
        let sealed = BASE64URL_NOPAD.decode(sealed.as_bytes()).map_err(|_| WrongSeal)?;
        let (nonce, rest) = sealed.split_at_checked(NONCE_LEN).ok_or(WrongSeal)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| WrongSeal)?;
        let mut bytes = rest.to_vec();
        let aad = Aad::from(tenant.as_str().as_bytes());
        let opened = self.0.open_in_place(nonce, aad, &mut bytes).map_err(|_| WrongSeal)?;
        String::from_utf8(opened.to_vec()).map_err(|_| WrongSeal)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use engine::payment::{SEALED_TOKEN_BYTES_MAX, TOKEN_CHARS_MAX};

    use super::*;

    fn tenant(name: &str) -> TenantId {
        TenantId::new(name).unwrap()
    }

    #[test]
    fn a_token_opens_with_the_key_and_for_the_tenant_that_it_was_sealed_for() {
        let tokens = PaymentTokens::new(&Keys::ephemeral().unwrap()).unwrap();
        let sealed = tokens.seal(&tenant("acme"), "pm_card").unwrap();
        assert!(!sealed.contains("pm_card"));
        assert_ne!(sealed, tokens.seal(&tenant("acme"), "pm_card").unwrap(), "equal tokens do not look equal");
        assert_eq!(tokens.open(&tenant("acme"), &sealed).as_deref(), Ok("pm_card"));
        assert_eq!(tokens.open(&tenant("bolt"), &sealed), Err(WrongSeal));
        let others = PaymentTokens::new(&Keys::ephemeral().unwrap()).unwrap();
        assert_eq!(others.open(&tenant("acme"), &sealed), Err(WrongSeal));
        for changed in [
            &sealed[..sealed.len() - 1],
            SEALED_TOKEN_PREFIX,
            &format!("{sealed}A"),
            &format!("{SEALED_TOKEN_PREFIX}ä"),
        ] {
            assert_eq!(tokens.open(&tenant("acme"), changed), Err(WrongSeal), "{changed}");
        }
    }

    #[test]
    fn a_token_of_an_earlier_version_is_as_it_was() {
        let tokens = PaymentTokens::new(&Keys::ephemeral().unwrap()).unwrap();
        assert_eq!(tokens.open(&tenant("acme"), "tok_approve").as_deref(), Ok("tok_approve"));
    }

    #[test]
    fn the_longest_token_fits_when_it_is_sealed() {
        let tokens = PaymentTokens::new(&Keys::ephemeral().unwrap()).unwrap();
        let sealed = tokens.seal(&tenant("acme"), &"😀".repeat(TOKEN_CHARS_MAX)).unwrap();
        assert!(sealed.len() <= SEALED_TOKEN_BYTES_MAX, "{}", sealed.len());
    }
}
