//! The thumbprint of a session's key, to which tokens are bound.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use runnel_protocol::ids::PublicKey;

/// The key as a JWK's `x` (RFC 8037).
pub(crate) fn coordinate(key: &PublicKey) -> String {
    URL_SAFE_NO_PAD.encode(key.0)
}

/// The SHA-256 thumbprint of an Ed25519 key as a JWK (RFC 7638, RFC 8037 appendix A.3): a token's
/// `cnf.jkt`.
pub fn thumbprint(key: &PublicKey) -> String {
    let canonical = format!(
        r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#,
        coordinate(key)
    );
    URL_SAFE_NO_PAD.encode(digest(&SHA256, canonical.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_that_of_the_rfcs_own_example() {
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        let key = URL_SAFE_NO_PAD.decode(x).unwrap();
        let key = PublicKey(key.try_into().unwrap());
        assert_eq!(
            thumbprint(&key),
            "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
        );
    }
}
