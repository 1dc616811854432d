//! What is made of the log beside it: bytes of the search index and of the archive, per event.
//!
//! From a log of its own whose events are all different, because the archive is compressed and would
//! find the repetitions of a pool.

use std::path::Path;

use burgess_core::audit::Event;
use burgess_core::digest::Digest;
use burgess_ledger::tree::leaf_hash;
use burgess_trail::archive::Folder;
use burgess_trail::{Blind, Facts, Indexed, Opened, Token, Trail, parts};

use crate::clock::{Watch, figure, say};
use crate::events::{self, Sample};
use crate::growth::folder_bytes;
use crate::ours::{ORIGIN, Way, handed_in};
use crate::peer::Outcome;
use crate::report::Report;

/// Events handed in, indexed and archived at a time.
const PORTION: u64 = 1_000;

/// Fills a log with `rows` events, indexes and archives it, and compares with a table that takes
/// `table` bytes per event.
pub(crate) fn measure(rows: u64, folder: &Path, table: f64, report: &mut Report) -> Outcome<()> {
    let way = Way::open(&folder.join("outlets"))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let index = folder.join("index");
    std::fs::create_dir(&index)?;
    let trail = runtime.block_on(Trail::open(&index.join("trail.db")))?;
    let mut indexing = 0.0;
    for from in (0..rows).step_by(usize::try_from(PORTION)?) {
        let samples: Vec<Sample> = (from..from + PORTION)
            .map(events::sample)
            .collect::<Outcome<_>>()?;
        let first = way.record(&handed_in(&samples))?;
        let opened = (first..)
            .zip(&samples)
            .map(|(at, sample)| opened(&way, at, &sample.event))
            .collect::<Outcome<Vec<_>>>()?;
        let watch = Watch::start();
        runtime.block_on(trail.apply(&opened))?;
        indexing += watch.seconds();
    }
    runtime.block_on(trail.close());
    let index = figure(folder_bytes(&index)?) / figure(rows);
    let archive = figure(archived(&way, &folder.join("archive"))?) / figure(rows);
    say(&format!(
        "bytes per event: index {index:.1}, archive {archive:.1}; indexing took {:.1} µs per event",
        indexing * 1e6 / figure(rows)
    ));
    report.put("index_vs_sqlite_bytes", index / table);
    report.put("archive_vs_sqlite_bytes", archive / table);
    Ok(())
}

fn archived(way: &Way, folder: &Path) -> Outcome<u64> {
    let checkpoint = way.ledger.publish_blocking()?;
    let mut archive = Folder::open(folder)?;
    let sealed = archive.seal("2026-01-18", &checkpoint, &mut |range| {
        let leaves = way.ledger.entries(range.clone());
        let leaves = leaves.map_err(|cause| cause.to_string())?;
        let sides = way.ledger.sides(range);
        let sides = sides.map_err(|cause| cause.to_string())?;
        Ok(leaves.into_iter().zip(sides).collect())
    })?;
    sealed.ok_or("nothing was archived")?;
    Ok(folder_bytes(folder)?)
}

/// The entry as the index takes it, with tokens as the product makes them: of ids, and of the words
/// of every personal value.
fn opened(way: &Way, index: u64, event: &Event) -> Outcome<Opened> {
    let context = event.request_context.iter().flat_map(|it| it.values());
    let context: Vec<String> = context.map(ToString::to_string).collect();
    let texts = [
        Some(&event.actor_id),
        event.ip_address.as_ref(),
        event.user_agent.as_ref(),
    ];
    let texts = texts.into_iter().flatten().chain(&context);
    let blind = Blind {
        actor: Some(token(&event.actor_id)?),
        actor_words: texts
            .flat_map(|text| parts(text))
            .map(|word| token(&word))
            .collect::<Outcome<_>>()?,
        resource: Some(token(&event.resource_id)?),
        resource_words: parts(&event.resource_id)
            .map(|word| token(&word))
            .collect::<Outcome<_>>()?,
    };
    Ok(Opened {
        shard: ORIGIN.to_owned(),
        index,
        leaf_hash: leaf_hash(&way.ledger.entry(index)?),
        event: Some(Indexed {
            sequence: index + 1,
            facts: Facts::of(event),
            blind,
        }),
    })
}

fn token(text: &str) -> Outcome<Token> {
    let digest = Digest::of(text.as_bytes());
    let first = digest.as_bytes().first_chunk().ok_or("a short digest")?;
    Ok(Token::from_bytes(*first))
}
