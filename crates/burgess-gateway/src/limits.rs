//! Limits of the gateway itself, each with where its number comes from, and the counters that
//! enforce an app's own limits. Not here: what an app may use; its charter says that.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use burgess_core::id::AppId;
use burgess_core::limits::Limits;
use burgess_core::time::Timestamp;

/// Age beyond which a snapshot decides nothing: revocations and policies older than this must not
/// rule (house rule on numbers).
pub const SNAPSHOT_AGE_MAX: Duration = Duration::from_secs(10);
/// Bytes of a request's start line and headers: four times what browsers and proxies send.
pub const HEAD_BYTES_MAX: usize = 32 << 10;
/// Number of header fields: three times the most that a well-behaved client sends.
pub const HEADERS_MAX: usize = 100;
/// Bytes of a target (path and query); RFC 9110 §4.1 asks for 8000 at least.
pub const TARGET_BYTES_MAX: usize = 8_000;
/// Time to send a request's head: a person on a bad line needs less.
pub const HEAD_TIME_MAX: Duration = Duration::from_secs(10);
/// Hits that an app's unit of rate is measured over.
const MINUTE: Duration = Duration::from_secs(60);
/// Seconds of a day, UTC.
const DAY_SECONDS: i64 = 86_400;

/// What the gateway allows itself; the defaults suit one server with 2 GB of memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayLimits {
    /// Bytes of one body, as received and again as decoded. 10 MB: ten thousand records.
    pub body_bytes_max: usize,
    /// Bytes of all bodies that wait for a verdict together. A call counts twice its largest body.
    pub spool_bytes_max: usize,
    /// Open connections. Each costs about 64 kB of buffers.
    pub connections_max: usize,
    /// Time to receive a request's body whole.
    pub request_time_max: Duration,
    /// Time that a connector may take for its whole answer.
    pub upstream_time_max: Duration,
    /// Time to connect to a connector.
    pub connect_time_max: Duration,
    /// Refusals without a valid credential per source prefix and minute; beyond it the answer is
    /// 429. One client that retries once a second stays below it.
    pub anonymous_per_minute: u32,
}

impl Default for GatewayLimits {
    fn default() -> Self {
        Self {
            body_bytes_max: 10_000_000,
            spool_bytes_max: 256_000_000,
            connections_max: 1_024,
            request_time_max: Duration::from_secs(30),
            upstream_time_max: Duration::from_secs(30),
            connect_time_max: Duration::from_secs(5),
            anonymous_per_minute: 120,
        }
    }
}

/// Which limit of its charter an app has used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OverLimit {
    /// `requests_per_minute`.
    Requests,
    /// `rows_per_day`.
    Rows,
    /// `bytes_per_day`.
    Bytes,
}

impl OverLimit {
    /// The key in the charter.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Requests => "requests_per_minute",
            Self::Rows => "rows_per_day",
            Self::Bytes => "bytes_per_day",
        }
    }
}

/// What each app has used. Kept in memory: a restart begins the day's counts anew, which the
/// limits tolerate because they bound harm, not money.
#[derive(Debug, Default)]
pub struct Usage {
    apps: Mutex<BTreeMap<AppId, AppUsage>>,
}

#[derive(Debug, Default)]
struct AppUsage {
    calls: VecDeque<Duration>,
    day: i64,
    rows: u64,
    bytes: u64,
    admitted: u64,
    reached: u64,
}

impl Usage {
    /// Counts one call at `monotonic` if the app's limits leave room for it.
    pub fn take(
        &self,
        app: &AppId,
        limits: &Limits,
        monotonic: Duration,
        now: Timestamp,
    ) -> Option<OverLimit> {
        let mut apps = self.apps.lock().unwrap_or_else(PoisonError::into_inner);
        let usage = apps.entry(app.clone()).or_default();
        usage.turn_day(now);
        while usage
            .calls
            .front()
            .is_some_and(|at| at.saturating_add(MINUTE) <= monotonic)
        {
            usage.calls.pop_front();
        }
        if usage.rows >= limits.rows_per_day {
            return Some(OverLimit::Rows);
        }
        if usage.bytes >= limits.bytes_per_day.as_bytes() {
            return Some(OverLimit::Bytes);
        }
        let calls = u32::try_from(usage.calls.len()).unwrap_or(u32::MAX);
        if calls >= limits.requests_per_minute {
            return Some(OverLimit::Requests);
        }
        usage.calls.push_back(monotonic);
        None
    }

    /// Adds what a call would move, unless that exceeds a limit; then nothing is added, since
    /// nothing moves.
    pub fn add(
        &self,
        app: &AppId,
        limits: &Limits,
        rows: u64,
        bytes: u64,
        now: Timestamp,
    ) -> Option<OverLimit> {
        let mut apps = self.apps.lock().unwrap_or_else(PoisonError::into_inner);
        let usage = apps.entry(app.clone()).or_default();
        usage.turn_day(now);
        let (rows, bytes) = (
            usage.rows.saturating_add(rows),
            usage.bytes.saturating_add(bytes),
        );
        if rows > limits.rows_per_day {
            return Some(OverLimit::Rows);
        }
        if bytes > limits.bytes_per_day.as_bytes() {
            return Some(OverLimit::Bytes);
        }
        (usage.rows, usage.bytes) = (rows, bytes);
        None
    }

    pub(crate) fn count_admitted(&self, app: &AppId) {
        let mut apps = self.apps.lock().unwrap_or_else(PoisonError::into_inner);
        let usage = apps.entry(app.clone()).or_default();
        usage.admitted = usage.admitted.saturating_add(1);
    }

    pub(crate) fn count_reached(&self, app: &AppId) {
        let mut apps = self.apps.lock().unwrap_or_else(PoisonError::into_inner);
        let usage = apps.entry(app.clone()).or_default();
        usage.reached = usage.reached.saturating_add(1);
    }

    /// Actions admitted since the start: each has an intent and, once it ended, an outcome.
    pub fn admitted(&self, app: &AppId) -> u64 {
        let apps = self.apps.lock().unwrap_or_else(PoisonError::into_inner);
        apps.get(app).map_or(0, |usage| usage.admitted)
    }

    /// Requests handed to a connector since the start.
    pub fn reached(&self, app: &AppId) -> u64 {
        let apps = self.apps.lock().unwrap_or_else(PoisonError::into_inner);
        apps.get(app).map_or(0, |usage| usage.reached)
    }
}

impl AppUsage {
    fn turn_day(&mut self, now: Timestamp) {
        let day = now.as_seconds().div_euclid(DAY_SECONDS);
        if day != self.day {
            self.day = day;
            self.rows = 0;
            self.bytes = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burgess_core::limits::ByteSize;

    fn limits() -> Limits {
        Limits {
            requests_per_minute: 2,
            rows_per_day: 10,
            bytes_per_day: ByteSize::bytes(100),
            ..Limits::default()
        }
    }

    #[test]
    fn a_call_beyond_the_minute_is_refused_and_the_next_minute_allows_it() {
        let (usage, app, now) = (Usage::default(), AppId::organisation(), Timestamp::EPOCH);
        let at = Duration::from_secs;
        assert_eq!(usage.take(&app, &limits(), at(0), now), None);
        assert_eq!(usage.take(&app, &limits(), at(30), now), None);
        assert_eq!(
            usage.take(&app, &limits(), at(59), now),
            Some(OverLimit::Requests)
        );
        assert_eq!(usage.take(&app, &limits(), at(60), now), None);
        assert_eq!(
            usage.take(&app, &limits(), at(60), now),
            Some(OverLimit::Requests)
        );
    }

    #[test]
    fn rows_and_bytes_count_per_day() {
        let (usage, app) = (Usage::default(), AppId::organisation());
        let day = |n: i64| Timestamp::from_seconds(n * DAY_SECONDS);
        assert_eq!(usage.add(&app, &limits(), 10, 5, day(1)), None);
        assert_eq!(
            usage.take(&app, &limits(), Duration::ZERO, day(1)),
            Some(OverLimit::Rows)
        );
        assert_eq!(usage.take(&app, &limits(), Duration::ZERO, day(2)), None);
        assert_eq!(
            usage.add(&app, &limits(), 0, 101, day(2)),
            Some(OverLimit::Bytes)
        );
        assert_eq!(usage.add(&app, &limits(), 0, 100, day(2)), None);
        assert_eq!(
            usage.take(&app, &limits(), Duration::ZERO, day(2)),
            Some(OverLimit::Bytes)
        );
    }
}
