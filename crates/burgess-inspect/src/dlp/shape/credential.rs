//! Credentials of known shape: AWS keys and private keys.

use super::super::context::{Context, Words, field};
use super::super::detector::Kind;
use super::super::scan::PEM_MAX;
use super::super::text::{before, byte, distinct, is_word, part};
use super::Found;

/// Access key ids, long-lived and temporary (AWS IAM user guide, "unique identifiers").
const AWS_PREFIXES: [&[u8]; 5] = [b"AKIA", b"ASIA", b"ABIA", b"ACCA", b"A3T"];

pub(super) fn aws_access_key(text: &[u8], start: usize, found: &mut Vec<Found>) {
    const LENGTH: usize = 20;
    let value = part(text, start, start + LENGTH);
    let known = AWS_PREFIXES.iter().any(|prefix| value.starts_with(prefix));
    let shaped = value.len() == LENGTH
        && value
            .iter()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    if !known || !shaped || is_word(before(text, start)) || is_word(byte(text, start + LENGTH)) {
        return;
    }
    let tail = part(value, 4, LENGTH);
    if distinct(tail) < 5 || value.ends_with(b"EXAMPLE") {
        return;
    }
    let base32 = tail
        .iter()
        .all(|byte| !matches!(byte, b'0' | b'1' | b'8' | b'9'));
    let in_base64 = matches!(before(text, start), b'+' | b'/')
        || matches!(byte(text, start + LENGTH), b'+' | b'/');
    let weight = if base32 { 22 } else { 14 } - if in_base64 { 16 } else { 0 };
    found.push(Found {
        start,
        end: start + LENGTH,
        kind: Kind::AwsAccessKey,
        weight,
    });
    // The secret usually follows its id.
    let end = start + LENGTH;
    if let Some((start, end)) = secret_run(text, end, end + 200) {
        found.push(Found {
            start,
            end,
            kind: Kind::AwsSecretKey,
            weight: 12,
        });
    }
}

/// `aws_secret_access_key = …` and its relatives.
pub(super) fn aws_secret_by_name(text: &[u8], at: usize) -> Option<Found> {
    if !part(text, at, at + 6).eq_ignore_ascii_case(b"secret")
        || before(text, at).is_ascii_lowercase() && byte(text, at) == b's'
    {
        return None;
    }
    let (start, end) = secret_run(text, at + 6, at + 6 + 80)?;
    let name = Words::of(field(text, start, start.saturating_sub(128))?);
    let context = Context::read(text, at, end, None);
    let named = name.has(&["secretaccesskey", "awssecret", "awssecretkey", "awskey"]);
    let weight = match (
        named,
        name.has(&["secret"]) && context.has(&["aws", "amazon", "s3"]),
    ) {
        (true, _) => 20,
        (false, true) => 12,
        (false, false) => return None,
    };
    Some(Found {
        start,
        end,
        kind: Kind::AwsSecretKey,
        weight,
    })
}

/// A run of exactly 40 base64 characters that is not a hash, first such between `from` and `to`.
fn secret_run(text: &[u8], from: usize, to: usize) -> Option<(usize, usize)> {
    const LENGTH: usize = 40;
    let of_key = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'+');
    let mut at = from;
    while at < to {
        let start = at;
        while of_key(byte(text, at)) && at - start <= LENGTH {
            at += 1;
        }
        let value = part(text, start, at);
        let mixed = value.iter().any(u8::is_ascii_uppercase)
            && value.iter().any(u8::is_ascii_lowercase)
            && value.iter().any(u8::is_ascii_digit);
        let ends = !is_word(byte(text, at)) && byte(text, at) != b'=' && byte(text, at) != b'-';
        if value.len() == LENGTH
            && mixed
            && ends
            && distinct(value) >= 16
            && !value.ends_with(b"EXAMPLEKEY")
        {
            return Some((start, at));
        }
        while of_key(byte(text, at)) {
            at += 1;
        }
        at += 1;
    }
    None
}

const PEM_BEGIN: &[u8] = b"-----BEGIN ";
/// `-----BEGIN` in base64.
const PEM_BASE64: &[u8] = b"LS0tLS1CRUdJTi";

pub(super) fn private_key(text: &[u8], start: usize) -> Option<Found> {
    if part(text, start, start + PEM_BASE64.len()) == PEM_BASE64 {
        return private_key_in_base64(text, start);
    }
    if part(text, start, start + PEM_BEGIN.len()) != PEM_BEGIN {
        return None;
    }
    let label = part(text, start + PEM_BEGIN.len(), start + PEM_BEGIN.len() + 48);
    let label = part(label, 0, memchr::memmem::find(label, b"-----")?);
    if !label.ends_with(b"PRIVATE KEY") && label != b"PGP PRIVATE KEY BLOCK" {
        return None;
    }
    let body = start + PEM_BEGIN.len() + label.len() + 5;
    let window = part(text, body, start + PEM_MAX);
    // The next dashes end the body: an `END` closes it, anything else means that it was cut. Looking
    // no further also keeps a text of nothing but openings from being read once per opening.
    let inside = memchr::memmem::find(window, b"-----").map_or(window, |at| part(window, 0, at));
    let rest = part(window, inside.len(), inside.len() + 9 + 64);
    let (inside, end) = match rest.strip_prefix(b"-----END ".as_slice()) {
        Some(label) => {
            let close = memchr::memmem::find(label, b"-----").map_or(0, |close| close + 5);
            (inside, body + inside.len() + 9 + close)
        }
        None => {
            let run = inside.iter().take_while(|byte| of_pem(**byte)).count();
            (part(inside, 0, run), body + run)
        }
    };
    let solid = inside
        .iter()
        .filter(|byte| byte.is_ascii_alphanumeric())
        .count();
    let weight = if solid >= 40 && distinct(inside) >= 16 {
        30
    } else {
        2
    };
    Some(Found {
        start,
        end,
        kind: Kind::PrivateKey,
        weight,
    })
}

const fn of_pem(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'+' | b'/' | b'=' | b'\n' | b'\r' | b' ' | b'\\' | b'"'
        )
}

fn private_key_in_base64(text: &[u8], start: usize) -> Option<Found> {
    use base64::Engine as _;
    let run = part(text, start, start + PEM_MAX)
        .iter()
        .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='))
        .count();
    let first = base64::engine::general_purpose::STANDARD_NO_PAD
        .decode(part(text, start, start + run.min(64) / 4 * 4))
        .ok()?;
    let names_key = memchr::memmem::find(&first, b"PRIVATE KEY").is_some();
    (names_key && run >= 120).then_some(Found {
        start,
        end: start + run,
        kind: Kind::PrivateKey,
        weight: 28,
    })
}

/// Whether a private key may begin here.
pub(super) fn opens_private_key(text: &[u8], at: usize) -> bool {
    let rest = part(text, at, text.len());
    rest.starts_with(PEM_BEGIN) || rest.starts_with(PEM_BASE64)
}
