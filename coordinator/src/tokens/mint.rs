//! `runnel-coordinator token mint`: what a provider's own server does, for trying things out.

use std::path::PathBuf;

use clap::Args;
use jsonwebtoken::{EncodingKey, Header};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
};
use serde_json::{Map, Value, json};

use super::claims::AUDIENCE;
use super::jws;
use super::key::{Algorithm, Key, KeyError};
use crate::clock;

/// What a token is to say.
#[derive(Debug, Args)]
pub struct Mint {
    /// The provider's private key, as PKCS#8 in PEM; it is read, and goes nowhere
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The provider, as it was added
    #[arg(long, value_name = "NAME")]
    provider: String,
    /// What the key is called [default: its thumbprint]
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    kid: Option<String>,
    /// Contents that may be opened, with commas between them; `series/*` for all that begin so
    #[arg(long, value_delimiter = ',', required = true)]
    contents: Vec<String>,
    /// The session's key that it is bound to, by its thumbprint, which may begin with a hyphen
    #[arg(long = "for", value_name = "JKT", allow_hyphen_values = true)]
    bound_to: Option<String>,
    /// Seconds until it expires, 600 at most
    #[arg(long, value_name = "N", default_value_t = 300)]
    seconds: u64,
    /// Site whose pages it is for, like https://site.example; repeatable
    #[arg(long, value_name = "URL")]
    origin: Vec<String>,
    /// Most that its bearer may send to others, in kilobits per second
    #[arg(long, value_name = "N")]
    uplink_kbps: Option<u64>,
    /// Whose the session is, for policies
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
    /// What was paid for, for policies
    #[arg(long, value_name = "NAME")]
    plan: Option<String>,
    /// Years, for policies
    #[arg(long, value_name = "N")]
    age: Option<u8>,
    /// Group that the viewer belongs to, for policies; repeatable
    #[arg(long, value_name = "NAME")]
    group: Vec<String>,
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum MintError {
    /// The file is not there.
    #[error("cannot read {0}: {1}")]
    Unreadable(PathBuf, std::io::Error),
    /// The file holds something else.
    #[error(
        "{0} holds no private key of Ed25519 or P-256 as PKCS#8 (`openssl genpkey -algorithm \
         ed25519 -out private.pem`)"
    )]
    NoKey(PathBuf),
    /// It could not be signed.
    #[error("the token could not be signed: {0}")]
    Signing(#[from] jsonwebtoken::errors::Error),
    /// See [`KeyError`].
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl Mint {
    /// The token.
    ///
    /// # Errors
    /// There is no usable private key.
    pub fn run(&self) -> Result<String, MintError> {
        jws::install();
        let pem = std::fs::read(&self.key)
            .map_err(|error| MintError::Unreadable(self.key.clone(), error))?;
        let no_key = || MintError::NoKey(self.key.clone());
        let (private, key) = read(&pem).ok_or_else(no_key)?;
        let mut header = Header::new(key.algorithm.of_jwt());
        header.kid = Some(self.kid.clone().unwrap_or_else(|| key.thumbprint()));
        Ok(jsonwebtoken::encode(&header, &self.claims(), &private)?)
    }

    fn claims(&self) -> Map<String, Value> {
        let now = clock::unix_seconds();
        let mut claims = Map::new();
        let mut say = |name: &str, value: Value| {
            let is_said = match &value {
                Value::Null => false,
                Value::Array(values) => !values.is_empty(),
                Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => true,
            };
            if is_said {
                claims.insert(name.to_owned(), value);
            }
        };
        say("iss", json!(self.provider));
        say("aud", json!(AUDIENCE));
        say("iat", json!(now));
        say("exp", json!(now.saturating_add(self.seconds)));
        say("contents", json!(self.contents));
        let binding = self.bound_to.as_ref().map(|jkt| json!({ "jkt": jkt }));
        say("cnf", json!(binding));
        say("origin", json!(self.origin));
        say("uplink_kbps", json!(self.uplink_kbps));
        say("sub", json!(self.account));
        say("plan", json!(self.plan));
        say("age", json!(self.age));
        say("groups", json!(self.group));
        claims
    }
}

/// A private key, and the public one that belongs to it.
fn read(pem: &[u8]) -> Option<(EncodingKey, Key)> {
    if let Ok(private) = EncodingKey::from_ed_pem(pem) {
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(private.as_bytes()).ok()?;
        let public = pair.public_key().as_ref().to_vec();
        return Some((private, Key::new(Algorithm::EdDsa, public).ok()?));
    }
    let private = EncodingKey::from_ec_pem(pem).ok()?;
    let scheme = &ECDSA_P256_SHA256_FIXED_SIGNING;
    let pair = EcdsaKeyPair::from_pkcs8(scheme, private.as_bytes(), &SystemRandom::new()).ok()?;
    let public = pair.public_key().as_ref().to_vec();
    Some((private, Key::new(Algorithm::Es256, public).ok()?))
}
