//! Numbers in groups: payment cards and US social security numbers.

use super::super::context::{Context, Head, Weights};
use super::super::detector::Kind;
use super::super::text::{before, byte, distinct, is_word};
use super::super::validator::{Brand, card_brand, luhn, ssn};
use super::{Found, Tally};

/// Digits in groups with one and the same separator between them.
pub(super) struct Groups {
    digits: Vec<u8>,
    /// Per group: digits up to its end, and the position after it.
    ends: Vec<(usize, usize)>,
    separator: u8,
}

const CARD_DIGITS_MAX: usize = 19;

impl Groups {
    pub(super) fn read(text: &[u8], start: usize) -> Self {
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

pub(super) fn card(
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

pub(super) fn social_security(
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
