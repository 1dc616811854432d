//! What makes a text a credential: the name it stands under, or its own shape. References to a
//! place where the secret is kept, expressions, and placeholders are none.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// How a value stands in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Literal {
    /// In quotes, or a JSON string.
    Quoted,
    /// Without quotes: it may be code, so it must look random.
    Bare,
}

/// Endings of names, folded to lowercase letters and digits, with the kind of what stands under them.
/// The first that fits decides.
const NAMES: [(&str, &str); 27] = [
    ("secretaccesskey", "aws-secret-key"),
    ("awssecretkey", "aws-secret-key"),
    ("clientsecret", "client-secret"),
    ("consumersecret", "client-secret"),
    ("appsecret", "client-secret"),
    ("apisecret", "api-key"),
    ("secretkey", "api-key"),
    ("secret", "client-secret"),
    ("password", "password"),
    ("passwd", "password"),
    ("passphrase", "password"),
    ("pwd", "password"),
    ("userpass", "password"),
    ("dbpass", "password"),
    ("apikey", "api-key"),
    ("subscriptionkey", "api-key"),
    ("functionskey", "api-key"),
    ("authkey", "api-key"),
    ("apitoken", "api-key"),
    ("authorization", "authorization-header"),
    ("accesstoken", "access-credential"),
    ("refreshtoken", "access-credential"),
    ("token", "access-credential"),
    ("privatekey", "private-key"),
    ("accountkey", "storage-key"),
    ("sharedaccesskey", "storage-key"),
    ("storagekey", "storage-key"),
];

/// Beginnings that issuers give their credentials, the shortest whole length, and the kind.
const PREFIXES: [(&str, usize, &str); 20] = [
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
    ("AIza", 39, "api-key"),
    ("ya29.", 30, "access-credential"),
    ("SG.", 60, "api-key"),
    ("npm_", 36, "access-credential"),
    ("hf_", 34, "api-key"),
    ("pat-na1-", 30, "access-credential"),
];

/// Parameters that sign a URL: who has the URL has the access.
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

/// What kind of credential the string `text` under the name `key` is, if it is one.
pub fn kind_of(key: &str, text: &str) -> Option<&'static str> {
    shapes(text)
        .first()
        .map(|(kind, _)| *kind)
        .or_else(|| judge(key, text, Literal::Quoted))
}

/// Whether a name is one that credentials stand under.
pub(super) fn is_name_of_secret(name: &str) -> bool {
    named(name).is_some()
}

fn fold(name: &str) -> String {
    name.chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|found| found.to_ascii_lowercase())
        .collect()
}

fn named(name: &str) -> Option<&'static str> {
    let folded = fold(name);
    // A public key, and a count of tokens, are no secrets.
    if folded.starts_with("public")
        || folded.ends_with("nexttoken")
        || folded.ends_with("pagetoken")
    {
        return None;
    }
    NAMES
        .iter()
        .find(|(ending, _)| folded.ends_with(ending))
        .map(|(_, kind)| *kind)
}

/// Judges a value by its name.
pub(super) fn judge(name: &str, text: &str, literal: Literal) -> Option<&'static str> {
    let kind = named(name)?;
    let text = text.trim();
    if kind == "authorization-header" || text.starts_with("Bearer ") || text.starts_with("Basic ") {
        return authorization(text).then_some("authorization-header");
    }
    let sized = (6..=10_000).contains(&text.len());
    if !sized
        || text.contains(char::is_whitespace)
        || is_reference(text)
        || is_placeholder(text)
        || fold(name) == fold(text)
    {
        return None;
    }
    let convincing = match (kind, literal) {
        ("password" | "client-secret", Literal::Quoted) => varied(text),
        ("password" | "client-secret", Literal::Bare) => varied(text) && !is_code(text),
        (_, Literal::Quoted) => text.len() >= 12 && random(text),
        (_, Literal::Bare) => text.len() >= 16 && random(text) && !is_code(text),
    };
    (convincing && !text.contains("://")).then_some(kind)
}

/// A header value: a scheme and a credential (RFC 9110, section 11.4), or the credential alone.
fn authorization(text: &str) -> bool {
    let (scheme, value) = match text.split_once(' ') {
        Some((scheme, value)) => (scheme, value.trim()),
        None => ("", text),
    };
    let value = value.split(['"', '\'']).next().unwrap_or_default().trim();
    if value.len() < 8 || value.contains(' ') || is_reference(value) || is_placeholder(value) {
        return false;
    }
    if scheme.eq_ignore_ascii_case("basic") {
        // RFC 7617: base64 of `name:password`.
        let decoded = STANDARD_NO_PAD.decode(value.trim_end_matches('='));
        return decoded.is_ok_and(|decoded| decoded.contains(&b':'));
    }
    random(value)
}

/// Credentials that need no name to be seen: their kind and where they begin, in bytes.
pub(super) fn shapes(text: &str) -> Vec<(&'static str, usize)> {
    let mut found = Vec::new();
    if text.contains("-----BEGIN") && text.contains("PRIVATE KEY-----") && text.len() > 120 {
        found.extend(text.find("-----BEGIN").map(|at| ("private-key", at)));
    }
    let blank =
        |found: char| found.is_whitespace() || matches!(found, '"' | '\'' | '<' | '>' | '`' | '\\');
    for (at, word) in pieces(text, blank) {
        if let Some(kind) = in_address(word) {
            found.push((kind, at));
        }
    }
    let outside =
        |found: char| !(found.is_ascii_alphanumeric() || matches!(found, '-' | '_' | '.' | '~'));
    for (at, word) in pieces(text, outside) {
        if let Some(kind) = issued(word) {
            found.push((kind, at));
        }
    }
    found.sort_by_key(|(_, at)| *at);
    found
}

/// Parts between separators, with their places.
fn pieces(text: &str, separates: impl Fn(char) -> bool) -> Vec<(usize, &str)> {
    let mut parts = Vec::new();
    let mut start = 0;
    for (at, found) in text.char_indices() {
        if separates(found) {
            parts.push((start, text.get(start..at).unwrap_or_default()));
            start = at + found.len_utf8();
        }
    }
    parts.push((start, text.get(start..).unwrap_or_default()));
    parts.retain(|(_, part)| part.len() >= 12);
    parts
}

/// A word that an issuer made.
fn issued(word: &str) -> Option<&'static str> {
    if is_placeholder(word) {
        return None;
    }
    let prefixed = PREFIXES
        .iter()
        .find(|(prefix, length, _)| {
            word.starts_with(prefix) && word.len() >= *length && random(word)
        })
        .map(|(_, _, kind)| *kind);
    prefixed
        .or_else(|| is_jws(word).then_some("access-credential"))
        .or_else(|| is_entra_secret(word).then_some("client-secret"))
}

/// JSON Web Signature in compact form (RFC 7515): two objects and a signature in base64url.
fn is_jws(word: &str) -> bool {
    let parts: Vec<&str> = word.split('.').collect();
    parts.len() == 3
        && word.starts_with("eyJ")
        && parts
            .iter()
            .all(|part| part.len() >= 10 && !part.contains('~'))
}

/// A client secret of Microsoft Entra: three characters, a digit, `Q~`, and 31 to 34 more.
fn is_entra_secret(word: &str) -> bool {
    let Some(at) = word.find("Q~") else {
        return false;
    };
    let digit = at
        .checked_sub(1)
        .and_then(|at| word.as_bytes().get(at))
        .is_some_and(u8::is_ascii_digit);
    let tail = word.get(at + 2..).unwrap_or_default();
    at == 4 && digit && (31..=34).contains(&tail.len()) && distinct(tail) >= 10
}

/// A URL that is a credential itself, or holds one.
fn in_address(word: &str) -> Option<&'static str> {
    let (_, rest) = word.split_once("://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (head, path) = rest.split_at_checked(end)?;
    if let Some((login, _)) = head.rsplit_once('@') {
        let password = login.split_once(':').map(|(_, password)| password);
        let real = |password: &str| {
            password.len() >= 4 && !is_reference(password) && !is_placeholder(password)
        };
        if password.is_some_and(real) {
            return Some("password");
        }
    }
    let hook = SECRET_PATHS.iter().any(|(name, start)| {
        let ours = head == *name || head.ends_with(&format!(".{name}"));
        ours && path.starts_with(start) && path.len() > start.len() + 8 && !is_reference(path)
    });
    let query = path
        .split_once('?')
        .map_or("", |(_, query)| query.split('#').next().unwrap_or(query));
    (hook || query.split('&').any(signs)).then_some("signed-url")
}

fn signs(parameter: &str) -> bool {
    let parameter = parameter.trim_start_matches("amp;");
    let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
    SIGNING.contains(&name.to_ascii_lowercase().as_str())
        && value.len() >= 16
        && !is_reference(value)
        && !is_placeholder(value)
        && !is_uuid(value)
        && random(value)
}

/// The id of a record or an app stands in links under the names that keys have.
fn is_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups.concat().bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// An expression, or the name of a place where the secret is kept.
fn is_reference(text: &str) -> bool {
    let text = text.trim_start();
    let folded = text.to_ascii_lowercase();
    text.starts_with(['=', '@', '$', '%', '!'])
        || [
            "{{",
            "@{",
            "${",
            "$(",
            "#{",
            "{%",
            "process.env",
            "os.environ",
            "environ[",
            "env.",
            "getenv",
            "[parameters(",
        ]
        .iter()
        .any(|mark| folded.contains(mark))
        || [
            "vault:",
            "secretref:",
            "keyvault",
            "arn:aws:",
            "ssm:",
            "secret://",
            "env:",
            "op://",
        ]
        .iter()
        .any(|mark| folded.starts_with(mark))
}

/// Text that stands for a secret, as in an example.
fn is_placeholder(text: &str) -> bool {
    let folded = text.to_ascii_lowercase();
    let enclosed = [('<', '>'), ('[', ']'), ('{', '}')]
        .iter()
        .any(|(open, close)| text.starts_with(*open) && text.ends_with(*close));
    enclosed
        || distinct(text) < 4
        || [
            "your_",
            "your-",
            "yourapi",
            "yourkey",
            "yoursecret",
            "yourtoken",
            "yourpass",
            "changeme",
            "change_me",
            "change-me",
            "placeholder",
            "xxxx",
            "****",
            "....",
            "redacted",
            "insert_",
            "replace_",
            "_here",
            "-here",
            "dummy",
            "todo",
            "example",
            "my_secret",
            "mysecret",
            "my-secret",
        ]
        .iter()
        .any(|word| folded.contains(word))
}

/// Looks like code rather than a value: a call, a member, an index.
fn is_code(text: &str) -> bool {
    let identifier = |part: &str| {
        part.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && part
                .chars()
                .all(|found| found.is_ascii_alphanumeric() || found == '_')
            && !(part.len() > 12 && part.contains(|found: char| found.is_ascii_digit()))
    };
    text.contains(['(', '[', '{', ')', '|', '\\', '/'])
        || text.contains('.') && text.split('.').all(identifier)
        || text.contains("::")
}

/// Letters and digits mixed, and enough different ones: words of a language are not keys.
fn random(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let letters = text.bytes().filter(u8::is_ascii_alphabetic).count();
    digits >= 2 && letters >= 2 && distinct(text) >= 8
}

/// Two classes of characters at least, beyond the capital of a word and the joints of an identifier.
fn varied(text: &str) -> bool {
    let inner = text.get(1..).unwrap_or_default();
    let classes = [
        text.bytes().any(|byte| byte.is_ascii_lowercase()),
        inner.bytes().any(|byte| byte.is_ascii_uppercase()),
        text.bytes().any(|byte| byte.is_ascii_digit()),
        text.bytes().any(|byte| {
            byte.is_ascii_punctuation() && !matches!(byte, b'-' | b'_' | b'.' | b'/' | b':')
        }),
    ];
    let joined = !text.contains(|found: char| found.is_ascii_digit())
        && text.chars().all(char::is_alphanumeric);
    // `camelCaseName` has two classes and is a name.
    classes.into_iter().filter(|class| *class).count() >= 2 && !joined
}

fn distinct(text: &str) -> usize {
    let seen = text
        .bytes()
        .fold(0_u128, |seen, byte| seen | 1_u128 << (byte & 127));
    usize::try_from(seen.count_ones()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_seen_by_name_or_shape() {
        for (key, text, kind) in [
            ("secret", "FAKE10d39c9603a6252b7d272b", "client-secret"),
            ("vm_password", "c0rrect-h0rse", "password"),
            ("apiKey", "q8Zr41kLmP0s9dXw", "api-key"),
            (
                "Authorization",
                "Bearer 8f3kq09xz7Lm21Qa",
                "authorization-header",
            ),
            (
                "Authorization",
                "Basic ZGFuYTpodW50ZXIyMg==",
                "authorization-header",
            ),
            (
                "uri",
                "https://x.example/a?sv=1&sig=abc0123456789defgh",
                "signed-url",
            ),
            (
                "uri",
                "https://hooks.slack.com/services/T00/B00/abcdef",
                "signed-url",
            ),
            ("x", "postgres://app:hunter22@db.example/app", "password"),
            (
                "x",
                ".IQ8Q~79R7TOWOspFnWcEG-dYt4KXqFqxK16cxr",
                "client-secret",
            ),
            (
                "x",
                "ghp_0a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R",
                "access-credential",
            ),
        ] {
            assert_eq!(kind_of(key, text), Some(kind), "{key} {text}");
        }
    }

    // R40
    #[test]
    fn references_expressions_and_placeholders_are_none() {
        for (key, text) in [
            ("secret", "@parameters('secret')"),
            ("secret", "@{body('Get_secret')?['value']}"),
            (
                "secret",
                "@Microsoft.KeyVault(SecretUri=https://v.example/secrets/x9y8z7)",
            ),
            ("apiKey", "={{ $env.KEY_123456789 }}"),
            ("apiKey", "YOUR_API_KEY_123456"),
            ("apiKey", "${{OAUTH_REFERENCE_ID_1}}"),
            ("password", "<your password 1>"),
            ("password", "Password"),
            ("password", "********"),
            ("password", "passwordFieldName"),
            ("Authorization", "Bearer {{ $json.token }}"),
            ("Authorization", "Bearer XXXXXXXXXXXX"),
            ("nextToken", "q8Zr41kLmP0s9dXw"),
            ("publicKey", "q8Zr41kLmP0s9dXw"),
            ("url", "https://x.example/a?key=customer-number-is"),
            (
                "url",
                "https://x.example/a?appid=3fa85f64-5717-4562-b3fc-2c963f66afa6",
            ),
            (
                "text",
                "risk-based-approach-to-governance-of-2024-applications",
            ),
        ] {
            assert_eq!(kind_of(key, text), None, "{key} {text}");
        }
    }
}
