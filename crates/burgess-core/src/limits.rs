//! Limits: what an app may use, and what the rules themselves accept.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Bytes of a charter that are read at most. A full charter is about 3 kB; a thousand
/// times that leaves room for long lists and still parses in well under a second.
pub const CHARTER_BYTES_MAX: usize = 4_000_000;

/// Errors of one charter that are collected at most: more than a person mends in one sitting.
pub const CHARTER_ERRORS_MAX: usize = 100;

/// Entries of any one list of a charter. The longest real one is the files of an agent, some dozens.
pub const CHARTER_LIST_MAX: usize = 1_000;

/// Characters of one text of a charter: about two printed pages.
pub const CHARTER_TEXT_MAX: usize = 8_000;

/// Characters of a comment with a decision or a justification: about two printed pages.
pub const COMMENT_MAX: usize = 8_000;

/// A number of bytes. Shown as `50MB`; read with B, kB, MB, GB (powers of 1000) or KiB, MiB, GiB.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ByteSize(u64);

/// The text is not a size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a size: write a whole number and B, kB, MB, GB, KiB, MiB or GiB, as in 50MB")]
pub struct ByteSizeError(String);

/// Units from the greatest to the least, so that the first that divides is shown.
const UNITS: [(&str, u64); 7] = [
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("kB", 1_000),
    ("B", 1),
];

impl ByteSize {
    /// That many bytes.
    pub const fn bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// That many million bytes.
    pub const fn megabytes(megabytes: u64) -> Self {
        Self(megabytes.saturating_mul(1_000_000))
    }

    /// The number of bytes.
    pub const fn as_bytes(self) -> u64 {
        self.0
    }

    /// Reads `50MB`.
    pub fn parse(text: &str) -> Result<Self, ByteSizeError> {
        let bad = || ByteSizeError(text.chars().take(40).collect());
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at_checked(digits).ok_or_else(bad)?;
        let unit = unit.strip_prefix(' ').unwrap_or(unit);
        let factor = UNITS
            .into_iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(unit))
            .map(|(_, factor)| factor)
            .ok_or_else(bad)?;
        number
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(factor))
            .map(Self)
            .ok_or_else(bad)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Zero divides by everything and says so plainly.
        if self.0 == 0 {
            return f.write_str("0B");
        }
        let (unit, factor) = UNITS
            .into_iter()
            .find(|(_, factor)| self.0.is_multiple_of(*factor))
            .unwrap_or(("B", 1));
        write!(f, "{}{unit}", self.0 / factor)
    }
}

impl TryFrom<String> for ByteSize {
    type Error = ByteSizeError;
    fn try_from(text: String) -> Result<Self, ByteSizeError> {
        Self::parse(&text)
    }
}

impl From<ByteSize> for String {
    fn from(size: ByteSize) -> Self {
        size.to_string()
    }
}

/// What one app may use at most, enforced by the gateway and the sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Calls through the gateway in any minute.
    pub requests_per_minute: u32,
    /// Rows read through connectors in a day, UTC.
    pub rows_per_day: u64,
    /// Bytes through connectors in a day, UTC, both directions together.
    pub bytes_per_day: ByteSize,
    /// Memory of a sandboxed run.
    pub memory: ByteSize,
}

impl Default for Limits {
    /// What a small app for one person needs; more has to be declared.
    fn default() -> Self {
        Self {
            requests_per_minute: 60,
            rows_per_day: 1_000,
            bytes_per_day: ByteSize::megabytes(10),
            memory: ByteSize::megabytes(256),
        }
    }
}
