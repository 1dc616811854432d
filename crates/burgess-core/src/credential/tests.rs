//! Credentials: lifetimes, scopes, and hostile tokens.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::id::ApprovalId;

const NOW: Timestamp = Timestamp::from_seconds(1_768_000_000);
const ISSUER: &str = "https://burgess.example";
const AUDIENCE: &str = "https://burgess.example/gateway";
const LEEWAY: Span = Span::seconds(5);

fn scopes(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn client() -> ClientCredential {
    ClientCredential {
        id: CredentialId::parse("crd_1").unwrap(),
        app: AppId::parse("microapp-sales-quoting").unwrap(),
        environment: Environment::Production,
        version: "1.2.0".to_owned(),
        scopes: scopes(&["salesforce/quotes:read"]),
        secret_digest: ClientCredential::digest_secret(b"secret"),
        state: CredentialState::Active,
        created_at: NOW,
        expires_at: NOW.plus(Span::days(90)),
    }
}

fn claims(lifetime: Span) -> AccessClaims {
    let issued = Issue {
        issuer: ISSUER,
        audience: AUDIENCE,
        jti: "jti-1",
        approval: &ApprovalId::parse("apr_1").unwrap(),
        lifetime,
    };
    AccessClaims::issue(&client(), &client().scopes, issued, NOW)
}

fn code(claims: &AccessClaims, now: Timestamp) -> &'static str {
    match claims.check(now, AUDIENCE, ISSUER, LEEWAY) {
        Ok(()) => "ok",
        Err(error) => error.code(),
    }
}

// R49 R71
#[test]
fn an_access_token_lives_for_minutes_and_is_refused_afterwards() {
    let ten = claims(Span::minutes(10));
    assert_eq!(code(&ten, NOW), "ok");
    let end = NOW.plus(Span::minutes(10));
    assert_eq!(code(&ten, end.minus(Span::seconds(1))), "ok");
    assert_eq!(code(&ten, end), "CREDENTIAL_EXPIRED");
    let long = claims(Span::days(1));
    assert_eq!(long.exp - long.iat, ACCESS_LIFETIME_MAX.as_seconds());
    let mut forged = ten;
    forged.exp = forged.iat + ACCESS_LIFETIME_MAX.as_seconds() + 1;
    assert_eq!(code(&forged, NOW), "CREDENTIAL_TOO_LONG");
}

// R49
#[test]
fn an_access_token_never_outlives_its_client_credential() {
    let mut short = client();
    short.expires_at = NOW.plus(Span::minutes(1));
    let issued = Issue {
        issuer: ISSUER,
        audience: AUDIENCE,
        jti: "jti-1",
        approval: &ApprovalId::parse("apr_1").unwrap(),
        lifetime: ACCESS_LIFETIME,
    };
    let claims = AccessClaims::issue(&short, &short.scopes, issued, NOW);
    assert_eq!(claims.exp, short.expires_at.as_seconds());
}

#[test]
fn a_token_for_another_audience_issuer_time_or_subject_is_refused() {
    let good = claims(ACCESS_LIFETIME);
    let with = |change: fn(&mut AccessClaims)| {
        let mut changed = good.clone();
        change(&mut changed);
        code(&changed, NOW)
    };
    assert_eq!(with(|c| c.aud.push('x')), "CREDENTIAL_AUDIENCE");
    assert_eq!(with(|c| c.iss.push('x')), "CREDENTIAL_ISSUER");
    assert_eq!(with(|c| c.sub = "crd_2".to_owned()), "CREDENTIAL_SUBJECT");
    assert_eq!(with(|c| c.iat += 5), "ok");
    assert_eq!(with(|c| c.iat += 6), "CREDENTIAL_NOT_YET");
}

// R50
#[test]
fn a_call_needs_every_scope_it_asks_for_in_the_token() {
    let claims = claims(ACCESS_LIFETIME);
    assert_eq!(claims.require(["salesforce/quotes:read"]), Ok(()));
    let error = claims.require(["salesforce/quotes:write"]).unwrap_err();
    assert_eq!(error.code(), "SCOPE_MISSING");
    // A longer name is another scope.
    assert!(claims.require(["salesforce/quotes:rea"]).is_err());
}

// R71
#[test]
fn a_client_credential_opens_only_with_its_secret_while_active() {
    let mut client = client();
    assert_eq!(client.check_secret(b"secret", NOW), Ok(()));
    assert_eq!(
        client.check_secret(b"Secret", NOW),
        Err(CredentialError::WrongSecret)
    );
    let late = client
        .check_secret(b"secret", client.expires_at)
        .unwrap_err();
    assert_eq!(late.code(), "CREDENTIAL_EXPIRED");
    client.state = CredentialState::Revoked;
    let revoked = client.check_secret(b"secret", NOW).unwrap_err();
    assert_eq!(revoked.code(), "CREDENTIAL_REVOKED");
    assert!(!client.is_active(NOW));
    assert!(!format!("{client:?}").contains("\"secret\""));
}

fn encode(header: &serde_json::Value, payload: &[u8]) -> String {
    let header = encode_base64url(header.to_string().as_bytes());
    let payload = encode_base64url(payload);
    format!("{header}.{payload}.{}", encode_base64url(&[0; 64]))
}

#[test]
fn a_token_reads_back_as_it_was_written() {
    let claims = claims(ACCESS_LIFETIME);
    let input = signing_input("key-1", &claims).unwrap();
    let token = format!("{input}.{}", encode_base64url(&[9; 64]));
    let decoded = decode_access(&token).unwrap();
    assert_eq!(decoded.claims, claims);
    assert_eq!(decoded.key_id, "key-1");
    assert_eq!(decoded.signing_input, input.as_bytes());
    assert_eq!(decoded.signature, [9; 64]);
}

#[test]
fn hostile_tokens_are_refused() {
    let good = json!({ "alg": "EdDSA", "kid": "k", "typ": "at+jwt" });
    let payload = serde_json::to_vec(&claims(ACCESS_LIFETIME)).unwrap();
    assert!(decode_access(&encode(&good, &payload)).is_ok());
    let header = |key: &str, value: serde_json::Value| {
        let mut header = good.clone();
        header[key] = value;
        decode_access(&encode(&header, &payload))
            .unwrap_err()
            .code()
    };
    for alg in ["none", "None", "HS256", "ES256", "eddsa", ""] {
        assert_eq!(header("alg", json!(alg)), "CREDENTIAL_ALGORITHM", "{alg}");
    }
    assert_eq!(header("typ", json!("JWT")), "CREDENTIAL_TYPE");
    assert_eq!(header("crit", json!(["exp"])), "CREDENTIAL_MALFORMED");
    assert_eq!(header("jwk", json!({})), "CREDENTIAL_MALFORMED");
    let text = String::from_utf8(payload.clone()).unwrap();
    for bad in [
        text.replacen('{', r#"{"aud":"x","#, 1),
        text.replacen('{', r#"{"admin":true,"#, 1),
        text.replace("\"exp\"", "\"expires\""),
        text.replace("\"production\"", "\"prod\""),
        "[]".to_owned(),
    ] {
        assert!(
            decode_access(&encode(&good, bad.as_bytes())).is_err(),
            "{bad}"
        );
    }
    let token = encode(&good, &payload);
    let (input, _) = token.rsplit_once('.').unwrap();
    for bad in [
        String::new(),
        "a.b".to_owned(),
        input.to_owned(),
        format!("{input}."),
        format!("{token}.x"),
        format!("{token}="),
        format!(" {token}"),
        format!("{input}.{}", encode_base64url(&[0; 63])),
        "x".repeat(ACCESS_BYTES_MAX + 1),
    ] {
        assert!(decode_access(&bad).is_err(), "{bad}");
    }
}

#[test]
fn base64url_has_one_text_per_value() {
    for (bytes, text) in [
        ("", ""),
        ("f", "Zg"),
        ("fo", "Zm8"),
        ("foo", "Zm9v"),
        ("foob", "Zm9vYg"),
    ] {
        assert_eq!(encode_base64url(bytes.as_bytes()), text);
        assert_eq!(decode_base64url(text).unwrap(), bytes.as_bytes());
    }
    for bad in ["Z", "Zh", "Zm9", "Zg==", "Z+", "Zm9v\n"] {
        assert_eq!(decode_base64url(bad), None, "{bad}");
    }
}

proptest! {
    #[test]
    fn base64url_round_trips(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        prop_assert_eq!(decode_base64url(&encode_base64url(&bytes)), Some(bytes));
    }

    // R5 R50
    #[test]
    fn issued_scopes_are_within_request_client_and_policy(
        requested in prop::collection::btree_set("[a-d]", 0..4),
        client in prop::collection::btree_set("[a-d]", 0..4),
        policy in prop::collection::btree_set("[a-d]", 0..4),
    ) {
        match narrow_scopes(&requested, &client, &policy) {
            Ok(granted) => {
                prop_assert!(granted.is_subset(&client) && granted.is_subset(&policy));
                prop_assert!(requested.is_empty() || granted == requested);
            }
            Err(error) => {
                prop_assert_eq!(error.code(), "SCOPE_EXCESS");
                let both: BTreeSet<_> = client.intersection(&policy).cloned().collect();
                prop_assert!(!requested.is_subset(&both));
            }
        }
    }
}
