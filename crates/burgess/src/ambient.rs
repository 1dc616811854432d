//! Time, ids and random bytes: the only place that asks the machine for them.
//!
//! Everything else gets them as arguments. Event time never goes back: it is the
//! later of the last one and the wall clock, and a wall clock that has fallen more
//! than [`CLOCK_BEHIND_MAX`] behind is reported, so that governed actions stop.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use burgess_core::time::{Span, Timestamp};

/// How far the wall clock may fall behind the last event time before governed actions stop.
pub const CLOCK_BEHIND_MAX: Span = Span::seconds(5);

/// The machine's clocks and randomness, with an offset for the demo's jump in time.
#[derive(Debug)]
pub struct Ambient {
    started: Instant,
    last: AtomicI64,
    offset: AtomicI64,
}

/// The machine could not give what was asked.
#[derive(Debug, thiserror::Error)]
pub enum AmbientError {
    /// No randomness.
    #[error("the machine gives no random bytes: {0}")]
    Random(String),
    /// The clock went back.
    #[error(
        "the wall clock is {0} behind the last recorded event: set it right (for example with an NTP service), then try again"
    )]
    ClockBehind(Span),
}

impl Ambient {
    /// Starts the clocks, `span` behind the wall clock: zero but in the demo, whose history lies in the past.
    #[expect(
        clippy::disallowed_methods,
        reason = "the composition root's monotonic clock"
    )]
    pub fn behind(span: Span) -> Self {
        Self {
            started: Instant::now(),
            last: AtomicI64::new(0),
            offset: AtomicI64::new(span.as_seconds().saturating_mul(-1_000_000)),
        }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the composition root's wall clock"
    )]
    fn wall(&self) -> i64 {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        i64::try_from(since.as_micros())
            .unwrap_or(i64::MAX)
            .saturating_add(self.offset.load(Ordering::Acquire))
    }

    /// The time for an event: never before an earlier answer.
    pub fn now(&self) -> Timestamp {
        let wall = self.wall();
        let last = self.last.fetch_max(wall, Ordering::AcqRel);
        Timestamp::from_micros(wall.max(last))
    }

    /// Like [`Self::now`], but refuses when the wall clock has fallen too far behind.
    pub fn event_time(&self) -> Result<Timestamp, AmbientError> {
        let now = self.now();
        let behind = now.since(Timestamp::from_micros(self.wall()));
        if behind > CLOCK_BEHIND_MAX {
            return Err(AmbientError::ClockBehind(behind));
        }
        Ok(now)
    }

    /// Tells the clock of a time that is already recorded, so that it never answers an earlier one.
    pub fn observe(&self, time: Timestamp) {
        self.last.fetch_max(time.as_micros(), Ordering::AcqRel);
    }

    /// Moves the clock forward (the demo's jump).
    pub fn jump(&self, span: Span) {
        let micros = span.as_seconds().saturating_mul(1_000_000);
        self.offset.fetch_add(micros, Ordering::AcqRel);
    }

    /// Time since the start, which never jumps.
    pub fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }

    /// 32 random bytes from the operating system.
    pub fn random(&self) -> Result<[u8; 32], AmbientError> {
        let mut bytes = [0u8; 32];
        getrandom::fill(&mut bytes).map_err(|e| AmbientError::Random(e.to_string()))?;
        Ok(bytes)
    }

    /// A UUID version 7 (RFC 9562 §5.7) of now.
    pub fn uuid(&self) -> Result<u128, AmbientError> {
        let mut random = [0u8; 10];
        getrandom::fill(&mut random).map_err(|e| AmbientError::Random(e.to_string()))?;
        let millis = u64::try_from(self.now().as_micros().max(0) / 1_000).unwrap_or_default();
        Ok(uuid::Builder::from_unix_timestamp_millis(millis, &random)
            .into_uuid()
            .as_u128())
    }

    /// 256 random bits as URL-safe text: the secret of a session, a link or a client.
    pub fn secret(&self) -> Result<String, AmbientError> {
        use base64::Engine as _;
        Ok(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(self.random()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_time_never_goes_back_and_a_clock_far_behind_stops_governed_actions() {
        let ambient = Ambient::behind(Span::ZERO);
        let first = ambient.event_time().unwrap();
        ambient.observe(first.plus(Span::seconds(3)));
        assert!(ambient.event_time().unwrap() >= first.plus(Span::seconds(3)));
        ambient.observe(first.plus(Span::minutes(10)));
        assert!(matches!(
            ambient.event_time(),
            Err(AmbientError::ClockBehind(_))
        ));
        assert!(ambient.now() >= first.plus(Span::minutes(10)));
    }
}
