//! The shapes: what a card number, an IBAN, an e-mail address, a social security number and a
//! credential look like, and what each sign of it weighs. Weights are decibans: ten times the
//! logarithm of the odds, so a check digit that one number in ten passes weighs 10 and MOD 97 weighs
//! 20. The weights were set on samples of documents, exports, source code and server records.

mod credential;
mod email;
mod iban;
mod number;

use super::context::Head;
use super::detector::Kind;
use super::scan::begins_digits;
use super::text::{before, byte, is_word};

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
            found.extend(iban::iban(text, at, head));
            if !is_word(before(text, at)) {
                let groups = number::Groups::read(text, at);
                found.extend(number::card(text, at, &groups, head, tally));
                found.extend(number::social_security(text, at, &groups, head));
            }
        }
        b'@' => found.extend(email::email(text, at, head)),
        b'A' => credential::aws_access_key(text, at, &mut found),
        b's' | b'S' => found.extend(credential::aws_secret_by_name(text, at)),
        b'-' | b'L' => found.extend(credential::private_key(text, at)),
        _ => {}
    }
    found
}

/// Whether a shape at `at` may need more than the usual horizon.
pub(crate) fn opens_long(text: &[u8], at: usize) -> bool {
    credential::opens_private_key(text, at)
}
