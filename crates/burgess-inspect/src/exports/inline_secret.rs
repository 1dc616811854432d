//! Secrets that stand in an export, seen by their place or their shape.
//!
//! Only the place is reported. Expressions, references to credentials and placeholders
//! are not secrets.

use crate::exports::url;

/// Keys whose plain text value is a secret, and what kind. Compared in lowercase without
/// `-`, `_` and blanks.
const KEYS: [(&str, &str); 30] = [
    ("secret", "client-secret"),
    ("clientsecret", "client-secret"),
    ("consumersecret", "client-secret"),
    ("appsecret", "client-secret"),
    ("password", "password"),
    ("passwd", "password"),
    ("passphrase", "password"),
    ("pwd", "password"),
    ("apikey", "api-key"),
    ("xapikey", "api-key"),
    ("apitoken", "api-key"),
    ("ocpapimsubscriptionkey", "api-key"),
    ("subscriptionkey", "api-key"),
    ("xfunctionskey", "api-key"),
    ("apisecret", "api-key"),
    ("authkey", "api-key"),
    ("authorization", "authorization-header"),
    ("proxyauthorization", "authorization-header"),
    ("accesstoken", "access-credential"),
    ("refreshtoken", "access-credential"),
    ("authtoken", "access-credential"),
    ("bearertoken", "access-credential"),
    ("xauthtoken", "access-credential"),
    ("sessiontoken", "access-credential"),
    ("bottoken", "access-credential"),
    ("privatekey", "private-key"),
    ("accountkey", "storage-key"),
    ("sharedaccesskey", "storage-key"),
    ("secretaccesskey", "storage-key"),
    ("pfx", "private-key"),
];

/// Beginnings that issuers give their keys, with the shortest whole length, and what kind.
const PREFIXES: [(&str, usize, &str); 22] = [
    ("sk-ant-", 40, "api-key"),
    ("sk-proj-", 40, "api-key"),
    ("sk-", 35, "api-key"),
    ("sk_live_", 24, "api-key"),
    ("rk_live_", 24, "api-key"),
    ("ghp_", 36, "access-credential"),
    ("gho_", 36, "access-credential"),
    ("ghs_", 36, "access-credential"),
    ("github_pat_", 40, "access-credential"),
    ("glpat-", 24, "access-credential"),
    ("xoxb-", 24, "access-credential"),
    ("xoxp-", 24, "access-credential"),
    ("xoxa-", 24, "access-credential"),
    ("xapp-", 24, "access-credential"),
    ("AKIA", 20, "aws-access-key"),
    ("ASIA", 20, "aws-access-key"),
    ("AIza", 39, "api-key"),
    ("ya29.", 30, "access-credential"),
    ("SG.", 60, "api-key"),
    ("npm_", 36, "access-credential"),
    ("hf_", 34, "api-key"),
    ("pat-na1-", 30, "access-credential"),
];

/// Parameters of a URL that sign it, so that who has the URL has the access.
const SIGNING: [&str; 12] = [
    "sig",
    "signature",
    "x-amz-signature",
    "x-goog-signature",
    "code",
    "apikey",
    "api_key",
    "api-key",
    "access_token",
    "key",
    "token",
    "appid",
];

/// Hosts whose path alone is the secret: incoming webhooks.
const SECRET_PATHS: [(&str, &str); 4] = [
    ("hooks.slack.com", "/services/"),
    ("discord.com", "/api/webhooks/"),
    ("discordapp.com", "/api/webhooks/"),
    ("webhook.office.com", "/webhookb2/"),
];

/// What kind of secret the text under `key` is, if it is one.
pub(crate) fn kind(key: &str, text: &str) -> Option<&'static str> {
    let text = text.trim();
    if let Some(kind) = by_shape(text) {
        return Some(kind);
    }
    if is_reference(text) || text.len() < 6 || text.len() > 10_000 {
        return None;
    }
    let folded: String = key
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect::<String>()
        .to_lowercase();
    let kind = KEYS
        .iter()
        .find(|(known, _)| *known == folded)
        .map(|(_, kind)| *kind)?;
    if kind == "authorization-header" {
        return authorization(text).then_some(kind);
    }
    (!text.contains(char::is_whitespace) && !is_placeholder(text)).then_some(kind)
}

/// Secrets that need no key to be seen.
fn by_shape(text: &str) -> Option<&'static str> {
    if text.contains("-----BEGIN") && text.contains("PRIVATE KEY-----") {
        return Some("private-key");
    }
    if signed_url(text) {
        return Some("signed-url");
    }
    if password_in_url(text) {
        return Some("password");
    }
    let separators = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    text.split(separators).find_map(|word| {
        PREFIXES
            .iter()
            .find(|(prefix, length, _)| {
                word.starts_with(prefix) && word.len() >= *length && looks_random(word)
            })
            .map(|(_, _, kind)| *kind)
            .or_else(|| is_jwt(word).then_some("access-credential"))
    })
}

/// A header `Bearer …` or `Basic …` with its value in plain text.
fn authorization(text: &str) -> bool {
    let value = text.split_once(' ').map_or(text, |(_, value)| value).trim();
    value.len() >= 8 && !value.contains(' ') && !is_placeholder(value)
}

fn signed_url(text: &str) -> bool {
    text.split(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | '`'))
        .any(|word| {
            let Some((_, rest)) = word.split_once("://") else {
                return false;
            };
            let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
            let secret_path = SECRET_PATHS.iter().any(|(name, path)| {
                (host == *name || host.ends_with(&format!(".{name}")))
                    && rest.contains(path)
                    && !is_reference(rest)
            });
            let query = rest
                .split_once('?')
                .map(|(_, query)| query.split('#').next().unwrap_or(query));
            secret_path || query.is_some_and(|query| query.split('&').any(signing_parameter))
        })
}

fn signing_parameter(parameter: &str) -> bool {
    let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
    let name = name.to_ascii_lowercase();
    SIGNING.contains(&name.as_str())
        && value.len() >= 16
        && !is_reference(value)
        && !is_uuid(value)
        && looks_random(value)
}

/// An identifier (RFC 9562), which names something and opens nothing.
fn is_uuid(text: &str) -> bool {
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12] && text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
}

/// `scheme://name:password@host`.
fn password_in_url(text: &str) -> bool {
    let Some((_, rest)) = text.split_once("://") else {
        return false;
    };
    let head = rest
        .split(['/', '?', '#', ' ', '\n'])
        .next()
        .unwrap_or_default();
    let Some((login, _)) = head.rsplit_once('@') else {
        return false;
    };
    login.split_once(':').is_some_and(|(_, password)| {
        password.len() >= 4 && !is_reference(password) && !is_placeholder(password)
    })
}

/// JSON Web Signature, compact form (RFC 7515): three parts, the first an object in base64url.
fn is_jwt(word: &str) -> bool {
    let parts: Vec<&str> = word.split('.').collect();
    parts.len() == 3 && word.starts_with("eyJ") && parts.iter().all(|part| part.len() >= 10)
}

/// An expression or a reference to a place where the secret is kept.
fn is_reference(text: &str) -> bool {
    let text = text.trim_start();
    text.starts_with('=')
        || text.starts_with('@')
        || ["{{", "@{", "${", "$env", "$(", "@parameters("]
            .iter()
            .any(|mark| text.contains(mark))
}

/// Text that stands for a secret, as an example does.
fn is_placeholder(text: &str) -> bool {
    let folded = text.to_ascii_lowercase();
    let mut chars = text.chars();
    let first = chars.next();
    let one_character = chars.all(|c| Some(c) == first);
    one_character
        || (text.starts_with('<') && text.ends_with('>'))
        || (text.starts_with('[') && text.ends_with(']'))
        || [
            "your_",
            "your-",
            "yourapi",
            "changeme",
            "placeholder",
            "xxxx",
            "****",
            "redacted",
            "insert_",
            "replace_",
            "_here",
            "-here",
        ]
        .iter()
        .any(|word| folded.contains(word))
}

/// Digits and letters mixed: words of a language are not keys.
fn looks_random(text: &str) -> bool {
    let digits = text.bytes().any(|b| b.is_ascii_digit());
    let letters = text.bytes().any(|b| b.is_ascii_alphabetic());
    digits && letters && !is_placeholder(text)
}

/// Reports the secret under `pointer` of `file`, and tells whether there was one.
pub(crate) fn report(
    collector: &mut crate::facts::Collector,
    key: &str,
    text: &str,
    file: &str,
    pointer: &str,
) -> bool {
    let found = kind(key, text);
    if let Some(kind) = found {
        collector.secret(kind, file, pointer);
    }
    found.is_some()
}

/// Environment variables named in `text` are cited at `pointer`.
pub(crate) fn env_refs(
    collector: &mut crate::facts::Collector,
    text: &str,
    file: &str,
    pointer: &str,
) {
    for name in url::env_names(text) {
        collector.add(crate::facts::Field::EnvRefs, &name, file, pointer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_seen_by_key_or_shape_and_references_and_placeholders_are_none() {
        for (key, text, expected) in [
            ("secret", "a1b2c3d4e5f6", Some("client-secret")),
            ("secret", "@parameters('secret')", None),
            ("secret", "@{body('Get_secret')?['value']}", None),
            ("apiKey", "={{ $env.KEY }}", None),
            ("apiKey", "YOUR_API_KEY", None),
            (
                "Authorization",
                "Bearer 0123456789abcdef",
                Some("authorization-header"),
            ),
            ("Authorization", "Bearer {{ $json.token }}", None),
            (
                "url",
                "https://x.example/a?sv=1&sig=abc0123456789def",
                Some("signed-url"),
            ),
            ("url", "https://x.example/a?key=customer-number-is", None),
            (
                "url",
                "https://hooks.slack.com/services/T00/B00/abc",
                Some("signed-url"),
            ),
            (
                "jsCode",
                "const k = 'AKIAIOSFODNN7EXAMPLE'",
                Some("aws-access-key"),
            ),
            (
                "x",
                "postgres://app:hunter22@db.example/app",
                Some("password"),
            ),
            ("keyword", "hello", None),
            (
                "text",
                "risk-based-approach-to-governance-of-2024-applications",
                None,
            ),
        ] {
            assert_eq!(kind(key, text), expected, "{key} {text}");
        }
    }
}
