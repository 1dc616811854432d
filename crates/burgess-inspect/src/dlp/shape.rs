//! The shapes: what a card number, an IBAN, an e-mail address, a social security number and a
//! credential look like, and what each sign of it weighs. Weights are decibans: ten times the
//! logarithm of the odds, so a check digit that one number in ten passes weighs 10 and MOD 97 weighs
//! 20. The weights were set on samples of documents, exports, source code and server records.

use super::context::{Context, Head, Weights, Words, field};
use super::detector::Kind;
use super::scan::{PEM_MAX, begins_digits};
use super::text::{before, byte, distinct, is_word, part};
use super::validator::{Brand, card_brand, iban_length, luhn, mod97, ssn};

/// A candidate in the view: positions count from the start of the held text until `shifted`.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub start: usize,
    pub end: usize,
    pub kind: Kind,
    pub weight: i32,
}

impl Found {
    pub(crate) const fn shifted(self, base: usize) -> Self {
        Self {
            start: self.start + base,
            end: self.end + base,
            ..self
        }
    }
}

/// How the card-like numbers before this one fared: where most fail the check digit, the one that
/// passes it passed by chance.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    passed: u32,
    failed: u32,
}

impl Tally {
    fn weight(&self) -> i32 {
        if self.failed >= 3 && self.passed * 4 <= self.failed {
            -10
        } else if self.passed >= 4 && self.failed * 4 <= self.passed {
            8
        } else {
            0
        }
    }
}

/// Looks at a trigger byte.
pub(crate) fn at(text: &[u8], at: usize, head: Option<&Head>, tally: &mut Tally) -> Vec<Found> {
    let mut found = Vec::new();
    match byte(text, at) {
        b'0'..=b'9' if begins_digits(text, at) => {
            found.extend(iban(text, at, head));
            if !is_word(before(text, at)) {
                let groups = Groups::read(text, at);
                found.extend(card(text, at, &groups, head, tally));
                found.extend(social_security(text, at, &groups, head));
            }
        }
        b'@' => found.extend(email(text, at, head)),
        b'A' => aws_access_key(text, at, &mut found),
        b's' | b'S' => found.extend(aws_secret_by_name(text, at)),
        b'-' | b'L' => found.extend(private_key(text, at)),
        _ => {}
    }
    found
}

/// Whether a shape at `at` may need more than the usual horizon.
pub(crate) fn opens_long(text: &[u8], at: usize) -> bool {
    part(text, at, text.len()).starts_with(PEM_BEGIN)
        || part(text, at, text.len()).starts_with(PEM_BASE64)
}

/// Digits in groups with one and the same separator between them.
struct Groups {
    digits: Vec<u8>,
    /// Per group: digits up to its end, and the position after it.
    ends: Vec<(usize, usize)>,
    separator: u8,
}

const CARD_DIGITS_MAX: usize = 19;

impl Groups {
    fn read(text: &[u8], start: usize) -> Self {
        let mut groups = Self {
            digits: Vec::new(),
            ends: Vec::new(),
            separator: 0,
        };
        let mut at = start;
        loop {
            while byte(text, at).is_ascii_digit() && groups.digits.len() <= CARD_DIGITS_MAX {
                groups.digits.push(byte(text, at));
                at += 1;
            }
            groups.ends.push((groups.digits.len(), at));
            let next = byte(text, at);
            let joins = matches!(next, b' ' | b'-' | b'.')
                && (groups.separator == 0 || groups.separator == next)
                && byte(text, at + 1).is_ascii_digit();
            if !joins || groups.digits.len() > CARD_DIGITS_MAX {
                return groups;
            }
            groups.separator = next;
            at += 1;
        }
    }

    /// Lengths of the groups that make up the first `count` digits.
    fn lengths(&self, count: usize) -> Vec<usize> {
        let mut last = 0;
        self.ends
            .iter()
            .take_while(|(total, _)| *total <= count)
            .map(|(total, _)| {
                let length = total - last;
                last = *total;
                length
            })
            .collect()
    }
}

/// What stands directly around a number, for or against its standing for itself. `None` when it is
/// part of a longer number or word.
fn edges(text: &[u8], start: usize, end: usize, separator: u8) -> Option<i32> {
    let (left, right) = (before(text, start), byte(text, end));
    if is_word(left) || is_word(right) {
        return None;
    }
    let further_left = start.checked_sub(1).map_or(0, |at| before(text, at));
    let further_right = byte(text, end + 1);
    let mut weight = 0;
    match left {
        b'.' if further_left.is_ascii_digit() => return None,
        b'-' if is_word(further_left) => weight -= 15,
        b'+' => weight -= 15,
        b'/' | b'#' if is_word(further_left) || left == b'#' => weight -= 6,
        _ if left == separator && left != 0 && further_left.is_ascii_digit() => weight -= 6,
        _ => {}
    }
    match right {
        b'.' | b',' if separator == 0 && further_right.is_ascii_digit() && right == b'.' => {
            return None;
        }
        b'-' if is_word(further_right) => weight -= 10,
        b'=' | b'+' | b'/' if is_word(further_right) => weight -= 6,
        _ => {}
    }
    Some(weight)
}

fn card(
    text: &[u8],
    start: usize,
    groups: &Groups,
    head: Option<&Head>,
    tally: &mut Tally,
) -> Option<Found> {
    let (count, end, brand) = groups.ends.iter().rev().find_map(|(count, end)| {
        let digits = groups.digits.get(..*count)?;
        let brand = card_brand(digits)?;
        (luhn(digits) || groups.ends.len() == 1).then_some((*count, *end, brand))
    })?;
    let digits = groups.digits.get(..count)?;
    let lengths = groups.lengths(count);
    let separator = if lengths.len() > 1 {
        groups.separator
    } else {
        0
    };
    let edge = edges(text, start, end, separator)?;
    let passes = luhn(digits) && distinct(digits) > 1;
    let crowd = tally.weight();
    if lengths.len() == 1 {
        let side = if passes {
            &mut tally.passed
        } else {
            &mut tally.failed
        };
        *side = side.saturating_add(1);
    }
    if !passes {
        return None;
    }
    let grouping = match lengths.as_slice() {
        [_] => crowd,
        [4, 4, 4, 1..=4] | [4, 4, 4, 4, 1..=3] | [4, 6, 4 | 5] | [6, 13] => 10,
        short if short.iter().all(|length| *length <= 2) => -2,
        even if even.windows(2).all(|pair| pair.first() == pair.last()) => 0,
        _ => -10,
    };
    let brand = match (brand, count) {
        (Brand::Common, _) => 0,
        (Brand::Rare, 12 | 13) => -8,
        (Brand::Rare, _) => -4,
    };
    let context = Context::read(text, start, end, head);
    let weights = Weights {
        field: 24,
        near: 14,
        other_field: -16,
        other_near: -10,
        unnamed: -4,
    };
    let weight = -6 + 10 + grouping + brand + edge + context.weigh(Kind::CreditCard, &weights);
    Some(Found {
        start,
        end,
        kind: Kind::CreditCard,
        weight,
    })
}

fn social_security(
    text: &[u8],
    start: usize,
    groups: &Groups,
    head: Option<&Head>,
) -> Option<Found> {
    let (_, end) = *groups.ends.iter().find(|(count, _)| *count >= 9)?;
    let digits = groups.digits.get(..9)?;
    let lengths = groups.lengths(9);
    let shape = match (lengths.as_slice(), groups.separator) {
        ([3, 2, 4], b'-') => 8,
        ([3, 2, 4], _) => 2,
        ([3, 6] | [5, 4], b'-' | b' ') => 0,
        ([9], _) => -14,
        _ => return None,
    };
    let separator = if lengths.len() > 1 {
        groups.separator
    } else {
        0
    };
    let goes_on =
        separator != 0 && byte(text, end) == separator && byte(text, end + 1).is_ascii_digit();
    if !ssn(digits) || goes_on {
        return None;
    }
    let edge = edges(text, start, end, separator)?;
    let sample = if digits == b"123456789" { -12 } else { 0 };
    let context = Context::read(text, start, end, head);
    let weights = Weights {
        field: 24,
        near: 14,
        other_field: -16,
        other_near: -12,
        unnamed: -4,
    };
    let weight = shape + edge + sample + context.weigh(Kind::UsSsn, &weights);
    Some(Found {
        start,
        end,
        kind: Kind::UsSsn,
        weight,
    })
}

/// Two letters for the country stand before the digits at `digits`.
fn iban(text: &[u8], digits: usize, head: Option<&Head>) -> Option<Found> {
    let gap = usize::from(matches!(before(text, digits), b' ' | b'-'));
    let start = digits.checked_sub(2 + gap)?;
    let country = part(text, start, start + 2);
    if !country.iter().all(u8::is_ascii_alphabetic) || is_word(before(text, start)) {
        return None;
    }
    let length = iban_length(&country.to_ascii_uppercase())?;
    let (value, end, separators) = iban_value(text, start, length)?;
    if is_word(byte(text, end)) || !mod97(&value) {
        return None;
    }
    let case = match (
        value.iter().any(u8::is_ascii_uppercase),
        value.iter().any(u8::is_ascii_lowercase),
    ) {
        (true, true) => return None,
        (false, true) => -6,
        _ => 0,
    };
    let grouped = separators
        .iter()
        .enumerate()
        .all(|(index, place)| *place == 4 * (index + 1));
    let grouping = match (separators.is_empty(), grouped) {
        (true, _) => 0,
        (false, true) => 8,
        (false, false) => -4,
    };
    let empty = value.iter().skip(4).all(|byte| *byte == b'0');
    let context = Context::read(text, start, end, head);
    let weights = Weights {
        field: 20,
        near: 10,
        other_field: -10,
        other_near: -4,
        unnamed: 0,
    };
    let weight = -6 + 20 + grouping + case + context.weigh(Kind::Iban, &weights)
        - if empty { 20 } else { 0 };
    Some(Found {
        start,
        end,
        kind: Kind::Iban,
        weight,
    })
}

/// `length` letters and digits from `start`, single separators left out: the value, the position
/// after it, and after how many characters each separator stood.
fn iban_value(text: &[u8], start: usize, length: usize) -> Option<(Vec<u8>, usize, Vec<usize>)> {
    let mut value = Vec::with_capacity(length);
    let mut separators = Vec::new();
    let mut at = start;
    while value.len() < length {
        let found = byte(text, at);
        if found.is_ascii_alphanumeric() {
            value.push(found);
        } else if matches!(found, b' ' | b'-' | b'.') && byte(text, at + 1).is_ascii_alphanumeric()
        {
            separators.push(value.len());
        } else {
            return None;
        }
        at += 1;
    }
    Some((value, at, separators))
}

const fn is_local(byte: u8) -> bool {
    is_word(byte) || matches!(byte, b'.' | b'%' | b'+' | b'-' | b'\'') || byte >= 0x80
}

/// Longest local part and longest domain (RFC 5321, section 4.5.3.1), in bytes of UTF-8.
const LOCAL_MAX: usize = 64 * 4;
const DOMAIN_MAX: usize = 255;

fn email(text: &[u8], sign: usize, head: Option<&Head>) -> Option<Found> {
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

/// Access key ids, long-lived and temporary (AWS IAM user guide, "unique identifiers").
const AWS_PREFIXES: [&[u8]; 5] = [b"AKIA", b"ASIA", b"ABIA", b"ACCA", b"A3T"];

fn aws_access_key(text: &[u8], start: usize, found: &mut Vec<Found>) {
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
fn aws_secret_by_name(text: &[u8], at: usize) -> Option<Found> {
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

fn private_key(text: &[u8], start: usize) -> Option<Found> {
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
    let (inside, end) = match memchr::memmem::find(window, b"-----END ") {
        Some(at) => {
            let close = memchr::memmem::find(part(window, at + 9, at + 9 + 64), b"-----");
            (
                part(window, 0, at),
                body + at + close.map_or(9, |close| 9 + close + 5),
            )
        }
        None => {
            let run = window.iter().take_while(|byte| of_pem(**byte)).count();
            (part(window, 0, run), body + run)
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
