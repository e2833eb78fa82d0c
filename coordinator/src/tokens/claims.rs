//! What a token has to say, and whether it is believed. docs/TOKENS.md tells it to those who mint.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Validation;
use jsonwebtoken::dangerous::insecure_decode_claims;
use runnel_coordinator_core::{Allowed, Attributes, KeyName, Pass, TokenRefusal};
use runnel_protocol::ids::PublicKey;
use runnel_protocol::units::{BitsPerSecond, UnixSeconds};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::keyring::{Keyring, Provider, ProviderKey};
use super::thumbprint::{coordinate, thumbprint};
use super::{Visitor, jws};

/// Whom a token is for: nothing that a provider signs for somebody else is taken for one.
pub(super) const AUDIENCE: &str = "runnel";
/// Longest time from `iat` to `exp`, in seconds.
const MAX_LIFE: u64 = 600;
/// By so much, in seconds, the clock of whoever mints may be ahead: `iat` and `nbf` may lie in the
/// future by as much. `exp` is taken as it stands.
const LEEWAY: u64 = 30;
/// Most contents that a token names, and most groups.
const MAX_NAMES: usize = 64;

/// What is looked at in a header (RFC 7515). `alg` is compared with the key's, and never chooses.
#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    crit: Option<IgnoredAny>,
}

/// The claims; those that are not known are ignored (RFC 7519, section 4).
#[derive(Deserialize)]
struct Claims {
    iss: Option<String>,
    aud: Option<OneOrMany>,
    exp: Option<u64>,
    iat: Option<u64>,
    nbf: Option<u64>,
    sub: Option<String>,
    cnf: Option<Confirmation>,
    contents: Option<Vec<String>>,
    origin: Option<OneOrMany>,
    uplink_kbps: Option<u64>,
    plan: Option<String>,
    age: Option<u8>,
    #[serde(default)]
    groups: Vec<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    fn contains(&self, wanted: &str) -> bool {
        match self {
            Self::One(one) => one == wanted,
            Self::Many(many) => many.iter().any(|one| one == wanted),
        }
    }
}

/// The session's key, itself (RFC 7800, section 3.2) or as its thumbprint (RFC 9449, section 6.1).
#[derive(Deserialize)]
struct Confirmation {
    jkt: Option<String>,
    jwk: Option<PeerJwk>,
}

#[derive(Deserialize)]
struct PeerJwk {
    kty: String,
    crv: String,
    x: String,
}

impl Confirmation {
    fn names(&self, key: &PublicKey) -> bool {
        let by_print = self.jkt.as_ref().map(|jkt| *jkt == thumbprint(key));
        let by_key = self
            .jwk
            .as_ref()
            .map(|jwk| jwk.kty == "OKP" && jwk.crv == "Ed25519" && jwk.x == coordinate(key));
        // Both may stand there; then both have to be this key's.
        let said = [by_print, by_key];
        said.contains(&Some(true)) && !said.contains(&Some(false))
    }
}

/// Whether a token lets a peer with this key in, and with what.
pub(super) fn verify(
    keyring: &Keyring,
    visitor: &Visitor,
    (key, token): (&PublicKey, &str),
    now: u64,
) -> Result<Pass, TokenRefusal> {
    jws::install();
    let header = header(token)?;
    let claimed = insecure_decode_claims::<Claims>(token)
        .map_err(|_| TokenRefusal::Malformed("a claim is not of the form that is wanted"))?;
    let issuer = claimed.iss.ok_or(missing("no `iss`"))?;
    let id = header.kid.ok_or(missing("no `kid` in its header"))?;
    let (provider, pinned) = keyring.find(&issuer, &id).ok_or(if keyring.is_empty() {
        TokenRefusal::NoKeys
    } else {
        TokenRefusal::UnknownKey
    })?;
    if header.alg != pinned.key.algorithm.name() {
        return Err(TokenRefusal::Algorithm);
    }
    let claims = signed(token, pinned)?;
    let expires = dates(&claims, pinned, now)?;
    audience(&claims)?;
    binding(&claims, provider, key)?;
    origin(&claims, provider, visitor)?;
    let name = KeyName {
        provider: issuer.into(),
        id: id.into(),
    };
    pass(claims, name, expires)
}

const fn missing(what: &'static str) -> TokenRefusal {
    TokenRefusal::Malformed(what)
}

fn header(token: &str) -> Result<Header, TokenRefusal> {
    let mut parts = token.split('.');
    let (first, count) = (parts.next().unwrap_or_default(), 1 + parts.count());
    if count != 3 {
        return Err(missing("it is no JWT of three parts"));
    }
    let json = URL_SAFE_NO_PAD.decode(first).ok();
    let header = json.and_then(|json| serde_json::from_slice::<Header>(&json).ok());
    let header = header.ok_or(missing("its header cannot be read"))?;
    // Extensions that have to be understood are not (RFC 7515, section 4.1.11).
    match header.crit {
        Some(_) => Err(missing("its header has `crit`")),
        None => Ok(header),
    }
}

/// The claims, once the signature is that of the pinned key.
fn signed(token: &str, pinned: &ProviderKey) -> Result<Claims, TokenRefusal> {
    let mut validation = Validation::new(pinned.key.algorithm.of_jwt());
    // Dates and audience are looked at here: by the coordinator's clock, and in words.
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    let decoded = jsonwebtoken::decode::<Claims>(token, &pinned.key.decoding(), &validation);
    let decoded = decoded.map_err(|_| TokenRefusal::Signature)?;
    Ok(decoded.claims)
}

fn dates(claims: &Claims, pinned: &ProviderKey, now: u64) -> Result<UnixSeconds, TokenRefusal> {
    let exp = claims.exp.ok_or(missing("no `exp`"))?;
    let iat = claims.iat.ok_or(missing("no `iat`"))?;
    let soon = now.saturating_add(LEEWAY);
    if exp <= now {
        return Err(TokenRefusal::Expired);
    }
    if iat > soon || claims.nbf.is_some_and(|nbf| nbf > soon) {
        return Err(TokenRefusal::NotYetValid);
    }
    if exp.saturating_sub(iat) > MAX_LIFE {
        return Err(TokenRefusal::LivesTooLong);
    }
    if pinned.retired.is_some_and(|retired| iat > retired) {
        return Err(TokenRefusal::Withdrawn);
    }
    Ok(UnixSeconds(exp))
}

fn audience(claims: &Claims) -> Result<(), TokenRefusal> {
    match &claims.aud {
        Some(aud) if aud.contains(AUDIENCE) => Ok(()),
        Some(_) | None => Err(missing("`aud` is not \"runnel\"")),
    }
}

fn binding(claims: &Claims, provider: &Provider, key: &PublicKey) -> Result<(), TokenRefusal> {
    match &claims.cnf {
        Some(confirmation) if confirmation.names(key) => Ok(()),
        Some(_) => Err(TokenRefusal::OtherKey),
        None if provider.bound => Err(TokenRefusal::Unbound),
        None => Ok(()),
    }
}

/// A token for pages of some sites is for nobody else; a provider's list is for pages alone.
fn origin(claims: &Claims, provider: &Provider, visitor: &Visitor) -> Result<(), TokenRefusal> {
    let from = visitor.origin.as_deref();
    let by_token = claims.origin.as_ref();
    let by_token = by_token.is_none_or(|origins| from.is_some_and(|from| origins.contains(from)));
    let by_provider = from.is_none_or(|from| provider.welcomes(from));
    if by_token && by_provider {
        Ok(())
    } else {
        Err(TokenRefusal::Origin)
    }
}

fn pass(claims: Claims, key: KeyName, expires: UnixSeconds) -> Result<Pass, TokenRefusal> {
    let contents = claims.contents.ok_or(missing("no `contents`"))?;
    if contents.is_empty() || contents.len() > MAX_NAMES {
        return Err(missing("`contents` names none, or more than 64"));
    }
    if claims.groups.len() > MAX_NAMES {
        return Err(missing("more than 64 `groups`"));
    }
    Ok(Pass {
        key,
        contents: contents.iter().map(|text| Allowed::read(text)).collect(),
        expires,
        uplink: claims.uplink_kbps.map(BitsPerSecond::from_kilobits),
        attributes: Attributes {
            account: claims.sub,
            plan: claims.plan,
            age: claims.age,
            groups: claims.groups,
        },
    })
}

#[cfg(test)]
mod tests;
