//! Durable ingest in turns: ours, the floor, SQLite, PostgreSQL, and again.
//!
//! A ratio is the median over the rounds of ours divided by the peer's, both of the same round, so
//! that a disk that is throttled for a while does not favour anyone.

use std::path::Path;
use std::time::Duration;

use crate::Plan;
use crate::clock::{figure, median, say};
use crate::events::Sample;
use crate::floor::{Floor, Stored};
use crate::ours::{Ours, Way};
use crate::peer::{Outcome, Peer};
use crate::report::Report;
use crate::{postgres, sqlite};

/// A peer counts when it reaches this share of what it reached when the goals were set.
const SHARE: f64 = 0.7;

/// A peer among others: what it is measured for, and how fast it was on a like machine.
pub(crate) struct Entrant<'a> {
    pub(crate) key: &'static str,
    /// Events per second that were measured when the goals were set; `None`: not a yardstick.
    pub(crate) known: Option<f64>,
    pub(crate) peer: Box<dyn Peer + 'a>,
}

/// Rates of each peer, one per round.
pub(crate) type Rates = Vec<(&'static str, Vec<f64>)>;

pub(crate) fn take_turns(plan: Plan, entrants: &mut [Entrant<'_>]) -> Outcome<Rates> {
    let (rounds, slice) = if plan.quick {
        (3, Duration::from_millis(700))
    } else {
        (10, Duration::from_millis(1_500))
    };
    let mut rates: Rates = entrants.iter().map(|e| (e.key, Vec::new())).collect();
    // Everybody begins with files that are there and memory that is warm.
    for entrant in entrants.iter_mut() {
        entrant.peer.slice(slice / 2)?;
    }
    for _ in 0..rounds {
        for (entrant, (_, rates)) in entrants.iter_mut().zip(&mut rates) {
            // What the one before left unwritten is nobody else's to pay for.
            rustix::fs::sync();
            let slice = entrant.peer.slice(slice)?;
            rates.push(figure(slice.events) / slice.seconds);
        }
    }
    Ok(rates)
}

/// The median ratio of two peers' rates, round by round.
pub(crate) fn ratio(rates: &Rates, one: &str, other: &str) -> Option<f64> {
    let of = |key: &str| rates.iter().find(|(name, _)| *name == key).map(|(_, r)| r);
    let pairs = of(one)?.iter().zip(of(other)?);
    let ratios: Vec<f64> = pairs.map(|(one, other)| one / other).collect();
    Some(median(&ratios))
}

/// Prints each peer's figures and whether the run counts.
pub(crate) fn judge(entrants: &[Entrant<'_>], rates: &Rates, report: &mut Report) {
    say("events per second, durable: median (least to most) of the rounds");
    for (entrant, (_, rates)) in entrants.iter().zip(rates) {
        let middle = median(rates);
        let least = rates.iter().copied().fold(f64::INFINITY, f64::min);
        let most = rates.iter().copied().fold(0.0, f64::max);
        say(&format!(
            "  {:<48} {middle:>9.0}  ({least:.0} to {most:.0})",
            entrant.peer.name()
        ));
        let Some(known) = entrant.known else { continue };
        let counts = middle >= SHARE * known;
        report.hold("peers_ok", counts);
        if !counts {
            say(&format!(
                "    less than 70 % of the {known:.0} that it reached on a like machine: this run does not count"
            ));
        }
    }
}

/// Answers how many events per second ours sustains at groups of 1,024.
pub(crate) fn measure(
    plan: Plan,
    folder: &Path,
    way: &Way,
    pool: &[Sample],
    stored: &[Stored],
    report: &mut Report,
) -> Outcome<f64> {
    let cluster = postgres::Cluster::start(folder);
    let mut entrants = Vec::new();
    for (key, group, threads) in OURS {
        entrants.push(Entrant {
            key,
            known: None,
            peer: Box::new(Ours {
                way,
                pool,
                group,
                threads,
            }),
        });
    }
    entrants.push(Entrant {
        key: "floor_1024",
        known: Some(812_000.0),
        peer: Box::new(Floor::new(folder, stored, 1_024)?),
    });
    entrants.push(Entrant {
        key: "floor_64",
        known: Some(355_624.0),
        peer: Box::new(Floor::new(folder, stored, 64)?),
    });
    entrants.push(Entrant {
        key: "sqlite",
        known: Some(31_000.0),
        peer: Box::new(sqlite::Chained::new(folder, pool)?),
    });
    if let Ok(cluster) = &cluster {
        entrants.push(Entrant {
            key: "postgres",
            known: Some(4_284.0),
            peer: Box::new(postgres::Chained::new(cluster, pool)?),
        });
        entrants.push(Entrant {
            key: "copy",
            known: Some(148_000.0),
            peer: Box::new(postgres::Copied::new(cluster, pool)?),
        });
    }
    let rates = take_turns(plan, &mut entrants)?;
    judge(&entrants, &rates, report);
    if let Err(cause) = &cluster {
        report.hold("peers_ok", false);
        let keys = ["ingest_vs_postgres_chained", "ingest_vs_postgres_copy"];
        report.skip(&keys, &cause.to_string());
    }
    for (key, one, other) in RATIOS {
        if let Some(ratio) = ratio(&rates, one, other) {
            report.put(key, ratio);
        }
    }
    let sustained = rates.iter().find(|(key, _)| *key == "ours_1024");
    Ok(sustained.map_or(0.0, |(_, rates)| median(rates)))
}

/// As [`measure`], of ours alone and in one slice.
pub(crate) fn sustained(way: &Way, pool: &[Sample]) -> Outcome<f64> {
    let [(_, group, threads), _] = OURS;
    let mut ours = Ours {
        way,
        pool,
        group,
        threads,
    };
    let slice = ours.slice(Duration::from_millis(1_500))?;
    Ok(figure(slice.events) / slice.seconds)
}

/// Ours: key, events that one thread hands in at once, threads that do so.
const OURS: [(&str, usize, usize); 2] = [("ours_1024", 1_024, 4), ("ours_64", 64, 6)];

/// Key, ours, the peer. The goals for groups of 64 have keys of their own.
const RATIOS: [(&str, &str, &str); 6] = [
    ("ingest_vs_floor", "ours_1024", "floor_1024"),
    ("ingest_vs_floor_64", "ours_64", "floor_64"),
    ("ingest_vs_sqlite_chained", "ours_1024", "sqlite"),
    ("ingest_vs_sqlite_chained_64", "ours_64", "sqlite"),
    ("ingest_vs_postgres_chained", "ours_1024", "postgres"),
    ("ingest_vs_postgres_copy", "ours_1024", "copy"),
];
