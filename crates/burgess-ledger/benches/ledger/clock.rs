//! The one place of the benches that reads clocks and prints.

use std::time::{Duration, Instant};

/// A running stop-watch.
#[derive(Clone, Copy)]
pub(crate) struct Watch(Instant);

impl Watch {
    #[expect(clippy::disallowed_methods, reason = "a bench measures time")]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }

    pub(crate) fn seconds(self) -> f64 {
        self.elapsed().as_secs_f64()
    }
}

#[expect(clippy::print_stdout, reason = "a bench prints what it measured")]
pub(crate) fn say(line: &str) {
    println!("{line}");
}

/// A count as a figure; counts here stay far below 2^53.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
pub(crate) fn figure(count: u64) -> f64 {
    count as f64
}

/// The middle of some figures; 0 of none.
pub(crate) fn median(figures: &[f64]) -> f64 {
    quantile(figures, 50, 100)
}

/// The figure below which `part` of `whole` lie; 0 of none.
pub(crate) fn quantile(figures: &[f64], part: usize, whole: usize) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = (sorted.len() * part / whole).min(sorted.len().saturating_sub(1));
    sorted.get(at).copied().unwrap_or(0.0)
}
