//! E-mail addresses in the dot-atom form of RFC 5321.

use super::super::context::{Context, Head, Weights};
use super::super::detector::Kind;
use super::super::text::{before, byte, is_word, part};
use super::Found;

const fn is_local(byte: u8) -> bool {
    is_word(byte) || matches!(byte, b'.' | b'%' | b'+' | b'-' | b'\'') || byte >= 0x80
}

/// Longest local part and longest domain (RFC 5321, section 4.5.3.1), in bytes of UTF-8.
const LOCAL_MAX: usize = 64 * 4;
const DOMAIN_MAX: usize = 255;

pub(super) fn email(text: &[u8], sign: usize, head: Option<&Head>) -> Option<Found> {
    let mut start = sign;
    while sign - start < LOCAL_MAX && is_local(before(text, start)) {
        start -= 1;
    }
    while start < sign && matches!(byte(text, start), b'.' | b'-' | b'+' | b'%' | b'\'') {
        start += 1;
    }
    let local = part(text, start, sign);
    let scalars = local.iter().filter(|byte| **byte & 0xC0 != 0x80).count();
    let doubled = local.windows(2).any(|pair| pair == b"..");
    if local.is_empty()
        || local.ends_with(b".")
        || scalars > 64
        || doubled
        || before(text, start) == b'@'
    {
        return None;
    }
    let (end, suffix) = domain(text, sign + 1)?;
    if byte(text, end) == b'@' {
        return None;
    }
    let mut weight = 14 + top_level(suffix)?;
    match byte(text, end) {
        b'(' | b'[' => weight -= 16,
        b':' if matches!(local, b"git" | b"hg" | b"svn") => weight -= 16,
        b'/' if local == b"git" => weight -= 16,
        _ => {}
    }
    if before(text, start) == b':' || before(text, start) == b'/' {
        weight -= credential_in_url(text, start);
    }
    let context = Context::read(text, start, end, head);
    let weights = Weights {
        field: 8,
        near: 4,
        other_field: 0,
        other_near: 0,
        unnamed: 0,
    };
    weight += context.weigh(Kind::Email, &weights);
    Some(Found {
        start,
        end,
        kind: Kind::Email,
        weight,
    })
}

/// `scheme://name:password@host` is a credential in a URL, not an address.
fn credential_in_url(text: &[u8], start: usize) -> i32 {
    let left = part(text, start.saturating_sub(96), start);
    let word = left
        .iter()
        .rposition(u8::is_ascii_whitespace)
        .map_or(0, |at| at + 1);
    let left = part(left, word, left.len());
    let scheme = memchr::memmem::rfind(left, b"://");
    if scheme.is_some_and(|at| !part(left, at + 3, left.len()).contains(&b'/')) {
        16
    } else {
        0
    }
}

/// Reads labels from `start`; the position after the domain, and its last label.
fn domain(text: &[u8], start: usize) -> Option<(usize, &[u8])> {
    let mut end = start;
    let mut labels = 0;
    let mut last = start;
    let mut at = start;
    while at - start <= DOMAIN_MAX {
        let from = at;
        while byte(text, at).is_ascii_alphanumeric()
            || byte(text, at) == b'-'
            || byte(text, at) >= 0x80
        {
            at += 1;
            if at - start > DOMAIN_MAX {
                return None;
            }
        }
        let label = part(text, from, at);
        if label.is_empty() || label.starts_with(b"-") || label.ends_with(b"-") || label.len() > 63
        {
            break;
        }
        labels += 1;
        (last, end) = (from, at);
        if byte(text, at) != b'.' {
            break;
        }
        at += 1;
    }
    (labels >= 2 && byte(text, end) != b'_').then(|| (end, part(text, last, end)))
}

/// Top-level domains that are usual in addresses; two letters are a country.
const USUAL: &[&str] = &[
    "com",
    "org",
    "net",
    "edu",
    "gov",
    "mil",
    "int",
    "info",
    "biz",
    "name",
    "pro",
    "museum",
    "coop",
    "aero",
    "jobs",
    "mobi",
    "travel",
    "app",
    "dev",
    "cloud",
    "online",
    "site",
    "store",
    "tech",
    "shop",
    "xyz",
    "club",
    "email",
    "agency",
    "company",
    "solutions",
    "example",
    "test",
    "invalid",
    "health",
    "bank",
    "finance",
    "consulting",
    "digital",
    "group",
    "live",
    "life",
    "media",
    "network",
    "space",
    "systems",
    "team",
    "today",
    "wiki",
    "work",
    "world",
    "berlin",
    "london",
    "paris",
    "tokyo",
    "swiss",
];

/// File endings that follow an `@` in asset names, as in `logo@2x.png`.
const ENDINGS: &[&str] = &[
    "png", "jpg", "jpeg", "gif", "svg", "webp", "js", "mjs", "css", "json", "html", "htm", "xml",
    "txt", "rb", "toml", "yaml", "yml", "lock", "gz", "tgz", "tar", "pdf", "csv", "whl", "jar",
    "local",
];

fn top_level(suffix: &[u8]) -> Option<i32> {
    let suffix = suffix.to_ascii_lowercase();
    let name = std::str::from_utf8(&suffix).ok()?;
    if name.starts_with("xn--") {
        return Some(0);
    }
    if !name.chars().all(char::is_alphabetic) || name.chars().count() < 2 || ENDINGS.contains(&name)
    {
        return None;
    }
    Some(
        if suffix.len() == 2 || USUAL.contains(&name) || !name.is_ascii() {
            0
        } else {
            -10
        },
    )
}
