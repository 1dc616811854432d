//! A peer: something that takes events and makes them durable, and is measured for a slice of time.

use std::error::Error;
use std::time::Duration;

/// Benches end at the first error, with its message.
pub(crate) type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// What one slice of time brought.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Slice {
    /// Events that were durable at its end.
    pub(crate) events: u64,
    /// How long it took.
    pub(crate) seconds: f64,
}

/// Takes events, the next whenever the last are durable.
pub(crate) trait Peer {
    /// Its name in tables.
    fn name(&self) -> String;
    /// Takes events for about `time`, and answers when all of them are durable.
    fn slice(&mut self, time: Duration) -> Outcome<Slice>;
}
