//! Looking at bytes by position without ever leaving the slice.

/// The byte at `index`, 0 outside.
pub(crate) fn byte(text: &[u8], index: usize) -> u8 {
    text.get(index).copied().unwrap_or_default()
}

/// The byte before `index`, 0 at the start.
pub(crate) fn before(text: &[u8], index: usize) -> u8 {
    index.checked_sub(1).map_or(0, |place| byte(text, place))
}

/// The part from `start` to `end`, cut to what is there.
pub(crate) fn part(text: &[u8], start: usize, end: usize) -> &[u8] {
    let end = end.min(text.len());
    text.get(start.min(end)..end).unwrap_or_default()
}

/// Letter, digit or underscore: what makes a number part of a longer word.
pub(crate) const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// How many different bytes a value has: a cheap measure of how random it is.
pub(crate) fn distinct(value: &[u8]) -> usize {
    let seen = value
        .iter()
        .fold(0_u128, |seen, byte| seen | 1_u128 << (byte & 127));
    usize::try_from(seen.count_ones()).unwrap_or_default()
}
