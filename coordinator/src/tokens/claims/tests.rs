use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
};
use serde_json::{Value, json};

use super::super::key::{Algorithm, Key};
use super::*;

const NOW: u64 = 1_800_000_000;
const SITE: &str = "https://site.example";

/// A provider, and somebody's session key.
struct Scene {
    keyring: Keyring,
    ed: Ed25519KeyPair,
    ec: EcdsaKeyPair,
    peer: PublicKey,
    visitor: Visitor,
}

impl Scene {
    fn new() -> Self {
        let ed = Ed25519KeyPair::from_seed_unchecked(&[1; 32]).unwrap();
        let scheme = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(scheme, &random).unwrap();
        let ec = EcdsaKeyPair::from_pkcs8(scheme, pkcs8.as_ref(), &random).unwrap();
        let pin = |algorithm, bytes: &[u8]| ProviderKey {
            key: Key::new(algorithm, bytes.to_vec()).unwrap(),
            retired: None,
        };
        let mut keyring = Keyring::default();
        let mut provider = Provider {
            bound: true,
            ..Provider::default()
        };
        let keys = &mut provider.keys;
        keys.insert("ed".into(), pin(Algorithm::EdDsa, ed.public_key().as_ref()));
        keys.insert("ec".into(), pin(Algorithm::Es256, ec.public_key().as_ref()));
        keyring.0.insert("demo".into(), provider);
        Self {
            keyring,
            ed,
            ec,
            peer: PublicKey([7; 32]),
            visitor: Visitor::default(),
        }
    }

    fn claims(&self) -> Value {
        json!({
            "iss": "demo", "aud": "runnel", "iat": NOW, "exp": NOW + 300,
            "contents": ["live"], "cnf": { "jkt": thumbprint(&self.peer) },
        })
    }

    fn with(&self, name: &str, value: Value) -> Value {
        let mut claims = self.claims();
        claims[name] = value;
        claims
    }

    fn without(&self, name: &str) -> Value {
        let mut claims = self.claims();
        claims.as_object_mut().unwrap().remove(name);
        claims
    }

    fn token(&self, claims: &Value) -> String {
        self.headed(&json!({ "alg": "EdDSA", "kid": "ed" }), claims)
    }

    /// Signed with Ed25519, whatever the header says.
    fn headed(&self, header: &Value, claims: &Value) -> String {
        let message = message(header, claims);
        let signature = self.ed.sign(message.as_bytes());
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn verify(&self, token: &str) -> Result<Pass, TokenRefusal> {
        verify(&self.keyring, &self.visitor, (&self.peer, token), NOW)
    }

    fn verdict(&self, claims: &Value) -> Result<(), TokenRefusal> {
        self.verify(&self.token(claims)).map(drop)
    }

    fn provider(&mut self) -> &mut Provider {
        self.keyring.0.get_mut("demo").unwrap()
    }
}

fn message(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", part(header), part(claims))
}

#[test]
fn a_good_token_says_what_its_bearer_may_and_who_that_is() {
    let scene = Scene::new();
    let mut claims = scene.claims();
    for (name, value) in [
        ("contents", json!(["live", "series/*"])),
        ("uplink_kbps", json!(500)),
        ("sub", json!("ann")),
        ("plan", json!("premium")),
        ("age", json!(17)),
        ("groups", json!(["choir"])),
        ("something else", json!({ "that": "is not known" })),
    ] {
        claims[name] = value;
    }
    let pass = scene.verify(&scene.token(&claims)).unwrap();
    assert_eq!((&*pass.key.provider, &*pass.key.id), ("demo", "ed"));
    assert_eq!(pass.expires, UnixSeconds(NOW + 300));
    assert_eq!(pass.uplink, Some(BitsPerSecond(500_000)));
    assert_eq!(pass.contents[1], Allowed::Prefix("series/".into()));
    let said = pass.attributes;
    assert_eq!((said.account.as_deref(), said.age), (Some("ann"), Some(17)));
    assert_eq!(
        (said.plan.as_deref(), said.groups),
        (Some("premium"), vec!["choir".into()])
    );
}

#[test]
fn es256_is_as_good() {
    let scene = Scene::new();
    let message = message(&json!({ "alg": "ES256", "kid": "ec" }), &scene.claims());
    let signature = scene
        .ec
        .sign(&SystemRandom::new(), message.as_bytes())
        .unwrap();
    let token = format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature));
    assert!(scene.verify(&token).is_ok());
    let mut forged = token.clone();
    forged.replace_range(forged.len() - 4.., "AAAA");
    assert_eq!(scene.verify(&forged), Err(TokenRefusal::Signature));
}

#[test]
fn the_header_chooses_neither_algorithm_nor_key() {
    let scene = Scene::new();
    let claims = scene.claims();
    for alg in ["none", "None", "", "HS256", "ES256", "RS256", "EdDSA2"] {
        let token = scene.headed(&json!({ "alg": alg, "kid": "ed" }), &claims);
        assert_eq!(scene.verify(&token), Err(TokenRefusal::Algorithm), "{alg}");
    }
    let naked = message(&json!({ "alg": "none", "kid": "ed" }), &claims) + ".";
    assert_eq!(scene.verify(&naked), Err(TokenRefusal::Algorithm));
    // The public key as an HMAC's secret.
    let secret = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, scene.ed.public_key().as_ref());
    for alg in ["HS256", "EdDSA"] {
        let message = message(&json!({ "alg": alg, "kid": "ed" }), &claims);
        let tag = ring::hmac::sign(&secret, message.as_bytes());
        let token = format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag));
        assert!(scene.verify(&token).is_err(), "{alg}");
    }
    // A key that comes along is not looked at.
    let own = json!({ "kty": "OKP", "crv": "Ed25519", "x": "AAAA" });
    let token = scene.headed(
        &json!({ "alg": "EdDSA", "kid": "mine", "jwk": own }),
        &claims,
    );
    assert_eq!(scene.verify(&token), Err(TokenRefusal::UnknownKey));
    let token = scene.headed(
        &json!({ "alg": "EdDSA", "kid": "ed", "crit": ["x"] }),
        &claims,
    );
    assert!(matches!(
        scene.verify(&token),
        Err(TokenRefusal::Malformed(_))
    ));
    // Each provider's keys are its own.
    let other = scene.with("iss", json!("other"));
    assert_eq!(scene.verdict(&other), Err(TokenRefusal::UnknownKey));
}

#[test]
fn a_token_is_good_for_its_time_and_not_for_long() {
    let scene = Scene::new();
    for (name, value, verdict) in [
        ("exp", NOW + 1, Ok(())),
        ("exp", NOW, Err(TokenRefusal::Expired)),
        ("exp", NOW + 600, Ok(())),
        ("exp", NOW + 601, Err(TokenRefusal::LivesTooLong)),
        ("iat", NOW + 30, Ok(())),
        ("iat", NOW + 31, Err(TokenRefusal::NotYetValid)),
        ("nbf", NOW + 30, Ok(())),
        ("nbf", NOW + 31, Err(TokenRefusal::NotYetValid)),
    ] {
        let claims = scene.with(name, json!(value));
        assert_eq!(scene.verdict(&claims), verdict, "{name} {value}");
    }
}

#[test]
fn a_stolen_token_is_worth_nothing_without_the_key_that_it_is_bound_to() {
    let mut scene = Scene::new();
    let jwk = |x: &str| json!({ "jwk": { "kty": "OKP", "crv": "Ed25519", "x": x } });
    let own = coordinate(&scene.peer);
    let other = thumbprint(&PublicKey([8; 32]));
    let both = json!({ "jkt": other, "jwk": jwk(&own)["jwk"] });
    for (binding, verdict) in [
        (jwk(&own), Ok(())),
        (jwk("AAAA"), Err(TokenRefusal::OtherKey)),
        (json!({ "jkt": other }), Err(TokenRefusal::OtherKey)),
        (both, Err(TokenRefusal::OtherKey)),
        (json!({}), Err(TokenRefusal::OtherKey)),
        (json!({ "x5t#S256": own }), Err(TokenRefusal::OtherKey)),
    ] {
        assert_eq!(scene.verdict(&scene.with("cnf", binding)), verdict);
    }
    let unbound = scene.without("cnf");
    assert_eq!(scene.verdict(&unbound), Err(TokenRefusal::Unbound));
    scene.provider().bound = false;
    assert_eq!(
        scene.verdict(&unbound),
        Ok(()),
        "the provider takes the risk"
    );
    let stolen = scene.with("cnf", json!({ "jkt": other }));
    assert_eq!(scene.verdict(&stolen), Err(TokenRefusal::OtherKey));
}

#[test]
fn a_token_for_pages_of_a_site_is_for_nobody_else() {
    let mut scene = Scene::new();
    let for_site = scene.with("origin", json!(SITE));
    let for_two = scene.with("origin", json!(["https://other.example", SITE]));
    let for_all = scene.claims();
    let evil = Some("https://evil.example".to_owned());
    for (origin, verdict) in [
        (Some(SITE.to_owned()), Ok(())),
        (evil.clone(), Err(TokenRefusal::Origin)),
        (Some("null".to_owned()), Err(TokenRefusal::Origin)),
        (None, Err(TokenRefusal::Origin)),
    ] {
        scene.visitor.origin = origin;
        assert_eq!(scene.verdict(&for_site), verdict);
        assert_eq!(scene.verdict(&for_two), verdict);
        assert_eq!(scene.verdict(&for_all), Ok(()));
    }
    scene.provider().origins = vec![SITE.to_owned()];
    scene.visitor.origin = evil;
    assert_eq!(scene.verdict(&for_all), Err(TokenRefusal::Origin));
    scene.visitor.origin = None;
    assert_eq!(scene.verdict(&for_all), Ok(()), "an agent has none");
}

#[test]
fn what_is_missing_or_misshapen_is_said() {
    let scene = Scene::new();
    for name in ["iss", "aud", "exp", "iat", "contents"] {
        let refusal = scene.verdict(&scene.without(name)).unwrap_err();
        assert!(
            refusal.to_string().contains(&format!("`{name}`")),
            "{refusal}"
        );
    }
    for (name, value) in [
        ("aud", json!("somebody else")),
        ("exp", json!("tomorrow")),
        ("exp", json!(1.5)),
        ("exp", json!(-1)),
        ("contents", json!([])),
        ("contents", json!("live")),
        ("contents", json!(vec!["a"; 65])),
        ("groups", json!(vec!["a"; 65])),
        ("age", json!(-1)),
        ("cnf", json!("me")),
    ] {
        let refusal = scene.verdict(&scene.with(name, value.clone())).unwrap_err();
        assert!(
            matches!(refusal, TokenRefusal::Malformed(_)),
            "{name} {value}: {refusal}"
        );
    }
    for token in [
        "",
        "a",
        "a.b",
        "a.b.c",
        "....",
        "e30.e30.",
        &"x".repeat(4096),
    ] {
        let refusal = scene.verify(token).unwrap_err();
        assert!(
            matches!(refusal, TokenRefusal::Malformed(_)),
            "{token}: {refusal}"
        );
    }
}

#[test]
fn a_retired_key_is_good_for_what_it_signed_before() {
    let mut scene = Scene::new();
    let (before, after) = (scene.claims(), scene.with("iat", json!(NOW + 2)));
    scene.provider().keys.get_mut("ed").unwrap().retired = Some(NOW + 1);
    assert_eq!(scene.verdict(&before), Ok(()));
    assert_eq!(scene.verdict(&after), Err(TokenRefusal::Withdrawn));
}

#[test]
fn without_keys_this_machine_alone_joins_and_with_keys_nobody_does_without_a_token() {
    let scene = Scene::new();
    let local = Visitor {
        local: true,
        ..Visitor::default()
    };
    let far = Visitor::default();
    let none = Keyring::default();
    let judge =
        |keyring, visitor, token| super::super::judge(keyring, visitor, (&scene.peer, token), NOW);
    use runnel_coordinator_core::Verdict;
    let token = scene.token(&scene.claims());
    let no_keys = Verdict::Refused(TokenRefusal::NoKeys);
    assert_eq!(judge(&none, &local, None), Verdict::Free);
    assert_eq!(judge(&none, &local, Some(&token)), Verdict::Free);
    assert_eq!(judge(&none, &far, None), no_keys);
    assert_eq!(judge(&none, &far, Some(&token)), no_keys);
    assert_eq!(judge(&scene.keyring, &local, None), Verdict::Missing);
    assert_eq!(judge(&scene.keyring, &far, None), Verdict::Missing);
    assert!(matches!(
        judge(&scene.keyring, &far, Some(&token)),
        Verdict::Pass(_)
    ));
}
