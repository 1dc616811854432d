//! Points in time and spans of it. Nobody here asks what time it is.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One second in the unit of [`Timestamp`].
const MICROS: i64 = 1_000_000;

/// A point in time: microseconds since the Unix epoch, UTC. Shown as RFC 3339 with a `Z`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Timestamp(i64);

/// A span of time in whole seconds, never negative. Shown as `90d`, `48h`, `15m` or `30s`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Span(i64);

/// The text is not a time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// Not an RFC 3339 time.
    #[error("`{0}` is not a time: write it as 2026-01-18T14:22:30Z")]
    Timestamp(String),
    /// Not a span.
    #[error("`{0}` is not a span of time: write a whole number and d, h, m or s, as in 5d")]
    Span(String),
}

impl Timestamp {
    /// The beginning of 1970, UTC.
    pub const EPOCH: Self = Self(0);

    /// From microseconds since the Unix epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// From whole seconds since the Unix epoch.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(MICROS))
    }

    /// Microseconds since the Unix epoch.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, rounded down.
    pub const fn as_seconds(self) -> i64 {
        self.0.div_euclid(MICROS)
    }

    /// Reads an RFC 3339 time with any offset.
    pub fn parse(text: &str) -> Result<Self, TimeError> {
        text.parse::<jiff::Timestamp>()
            .map(|time| Self(time.as_microsecond()))
            .map_err(|_| TimeError::Timestamp(text.chars().take(40).collect()))
    }

    /// This time and `span` more.
    pub const fn plus(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.0.saturating_mul(MICROS)))
    }

    /// This time less `span`.
    pub const fn minus(self, span: Span) -> Self {
        Self(self.0.saturating_sub(span.0.saturating_mul(MICROS)))
    }

    /// How long after `earlier` this is; zero when it is not after.
    pub fn since(self, earlier: Self) -> Span {
        Span(self.0.saturating_sub(earlier.0).max(0) / MICROS)
    }

    /// The date, as `2026-01-18`.
    pub fn date(self) -> String {
        self.to_string().chars().take(10).collect()
    }
}

impl Span {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// `seconds` seconds; a negative number counts as none.
    pub const fn seconds(seconds: i64) -> Self {
        Self(if seconds < 0 { 0 } else { seconds })
    }

    /// `minutes` minutes.
    pub const fn minutes(minutes: i64) -> Self {
        Self::seconds(minutes.saturating_mul(60))
    }

    /// `hours` hours.
    pub const fn hours(hours: i64) -> Self {
        Self::seconds(hours.saturating_mul(3_600))
    }

    /// `days` days of 24 hours.
    pub const fn days(days: i64) -> Self {
        Self::seconds(days.saturating_mul(86_400))
    }

    /// Whole seconds.
    pub const fn as_seconds(self) -> i64 {
        self.0
    }

    /// Whole days, rounded down.
    pub const fn as_days(self) -> i64 {
        self.0 / 86_400
    }

    /// Reads `5d`, `48h`, `15m` or `30s`.
    pub fn parse(text: &str) -> Result<Self, TimeError> {
        let bad = || TimeError::Span(text.chars().take(40).collect());
        let (number, unit) = text
            .split_at_checked(text.len().saturating_sub(1))
            .ok_or_else(bad)?;
        let unit = match unit {
            "d" => 86_400,
            "h" => 3_600,
            "m" => 60,
            "s" => 1,
            _ => return Err(bad()),
        };
        if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(bad());
        }
        number
            .parse::<i64>()
            .ok()
            .and_then(|n| n.checked_mul(unit))
            .map(Self)
            .ok_or_else(bad)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(time) => write!(f, "{time}"),
            Err(_) => write!(f, "out of range"),
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            s if s != 0 && s % 86_400 == 0 => write!(f, "{}d", s / 86_400),
            s if s != 0 && s % 3_600 == 0 => write!(f, "{}h", s / 3_600),
            s if s != 0 && s % 60 == 0 => write!(f, "{}m", s / 60),
            s => write!(f, "{s}s"),
        }
    }
}

impl TryFrom<String> for Timestamp {
    type Error = TimeError;
    fn try_from(text: String) -> Result<Self, TimeError> {
        Self::parse(&text)
    }
}

impl From<Timestamp> for String {
    fn from(time: Timestamp) -> Self {
        time.to_string()
    }
}

impl Serialize for Span {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_spans_read_back_what_they_print() {
        let time = Timestamp::parse("2026-01-18T14:22:30Z").unwrap();
        assert_eq!(time.to_string(), "2026-01-18T14:22:30Z");
        assert_eq!(time.plus(Span::days(2)).since(time), Span::hours(48));
        assert_eq!(time.since(time.plus(Span::days(1))), Span::ZERO);
        for text in ["5d", "49h", "15m", "30s"] {
            assert_eq!(Span::parse(text).unwrap().to_string(), text);
        }
        for text in ["", "5", "d", "5 d", "-5d", "5w", "٥d"] {
            assert!(Span::parse(text).is_err(), "{text}");
        }
    }
}
