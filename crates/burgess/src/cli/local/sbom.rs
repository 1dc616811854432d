//! `sbom`: a software bill of materials of whatever lies at a path.

use std::path::Path;

use burgess_inspect::advisories::Database;

use super::{World, no_format, reading, say_json};
use crate::cli::Format;
use crate::cli::run::Outcome;
use crate::operations::evidence::read_tree;

/// Prints a CycloneDX bill of materials.
pub(super) fn run(path: &Path, format: Format) -> Outcome {
    if format != Format::Cyclonedx {
        return Err(no_format("sbom", format, "cyclonedx"));
    }
    let world = World::here()?;
    let read = reading::path(path)?;
    let reading = read_tree(
        read.tree,
        &read.name,
        &world.catalogue,
        &Database::default(),
        world.serial,
        world.now,
    )?;
    say_json(&reading.sbom)?;
    Ok(true)
}
