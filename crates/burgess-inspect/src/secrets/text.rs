//! Assignments in text that is not JSON: source code, settings files, headers, connection strings.
//! `name = "value"`, `name: value`, `"name" => 'value'`, `name=value;`.

use super::value::{Literal, is_name_of_secret, judge};

/// Longest name and longest value that are looked at.
const NAME_MAX: usize = 80;
const VALUE_MAX: usize = 4096;

/// Whether a string may hold an assignment at all; prose and identifiers do not.
pub(super) fn may_assign(text: &str) -> bool {
    text.contains(['=', ':'])
}

/// Credentials in assignments: their kind and where the value begins, in bytes.
pub(super) fn assigned(text: &str) -> Vec<(&'static str, usize)> {
    memchr::memchr2_iter(b'=', b':', text.as_bytes())
        .filter_map(|sign| {
            let name = name_before(text, sign)?;
            if !is_name_of_secret(name) {
                return None;
            }
            let (at, literal, value) = value_after(text, sign + 1)?;
            Some((judge(name, value, literal)?, at))
        })
        .collect()
}

/// The name that ends before `sign`, in quotes or bare.
fn name_before(text: &str, sign: usize) -> Option<&str> {
    let before = text.get(..sign)?;
    let before = before.trim_end_matches(['=', '!', '?', '+']).trim_end();
    let line = before.rsplit('\n').next().unwrap_or(before);
    let line = tail(line, NAME_MAX);
    for quote in ['"', '\'', '`'] {
        if let Some(inside) = line.strip_suffix(quote) {
            // `\"name\"` in a quoted document ends in a backslash.
            let inside = inside.trim_end_matches('\\');
            return inside.rsplit(quote).next();
        }
    }
    let line = line
        .strip_suffix(']')
        .map_or(line, |inside| inside.trim_end_matches(['"', '\'']));
    let start =
        line.rfind(|found: char| !(found.is_alphanumeric() || matches!(found, '_' | '-' | '.')));
    let name = match start {
        Some(start) => line
            .get(start..)?
            .trim_start_matches(|found: char| !(found.is_alphanumeric() || found == '_')),
        None => line,
    };
    (!name.is_empty()).then_some(name)
}

fn tail(text: &str, count: usize) -> &str {
    let mut start = text.len().saturating_sub(count);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    text.get(start..).unwrap_or(text)
}

/// The value that follows `from`: where it begins, whether it is quoted, and its text.
fn value_after(text: &str, from: usize) -> Option<(usize, Literal, &str)> {
    let rest = text.get(from..)?;
    let skipped = rest.trim_start_matches(['=', '>', ' ', '\t']);
    let mut at = from + (rest.len() - skipped.len());
    let mut rest = skipped;
    // Prefixes of string literals, and the backslash of a quoted document.
    for prefix in [
        "\\", "b\"", "r\"", "f\"", "b'", "r'", "f'", "@\"", "u\"", "u'",
    ] {
        if rest.starts_with(prefix) {
            at += 1;
            rest = rest.get(1..)?;
            break;
        }
    }
    let quote = rest.chars().next()?;
    if matches!(quote, '"' | '\'' | '`') {
        let inside = rest.get(1..)?;
        let end = inside.find(quote).or_else(|| inside.find('\n'))?;
        let value = inside.get(..end.min(VALUE_MAX))?.trim_end_matches('\\');
        return Some((at + 1, Literal::Quoted, value));
    }
    let line = rest.split(['\n', '\r']).next()?;
    let end = line
        .find(['"', '\'', '`', ';', ',', '<', '&'])
        .unwrap_or(line.len());
    let value = line
        .get(..end.min(VALUE_MAX))
        .unwrap_or_default()
        .trim_end();
    (!value.is_empty()).then_some((at, Literal::Bare, value))
}
