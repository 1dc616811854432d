//! Facts about a tree of no known platform: the hosts, environment names and secrets that
//! can be seen in its texts. It claims nothing that it cannot show.

use super::{inline_secret, url};
use crate::facts::{Collector, Facts, Field, Platform};
use crate::json;
use crate::unpack::Tree;

/// Longest text file that is read line by line; a longer one is data, and a note says so.
const TEXT_BYTES_MAX: usize = 2_000_000;

/// Reads what can be seen without knowing the format.
pub(super) fn inspect(tree: &Tree) -> Facts {
    let first = tree
        .files
        .keys()
        .next()
        .map(String::as_str)
        .unwrap_or_default();
    let mut collector = Collector::new(Platform::Unknown, first);
    collector.note(
        "no known export: n8n workflows, Power Automate packages, Power Platform solutions and canvas apps are read in full; \
         of anything else only hosts, environment variables and secrets are listed, and it counts as external"
            .to_owned(),
    );
    for (path, bytes) in &tree.files {
        if let Ok(value) = json::parse(path, bytes) {
            document(&mut collector, path, &value);
        } else if let Ok(text) = std::str::from_utf8(bytes)
            && bytes.len() <= TEXT_BYTES_MAX
        {
            lines(&mut collector, path, text);
        } else {
            collector.note(format!("`{path}` is not text, and was not read"));
        }
    }
    collector.finish()
}

fn document(collector: &mut Collector, file: &str, value: &serde_json::Value) {
    json::strings(value, "", &mut |pointer, key, text| {
        seen(collector, file, key, text, pointer);
    });
}

fn lines(collector: &mut Collector, file: &str, text: &str) {
    for (index, line) in text.lines().enumerate() {
        let (key, value) = line.split_once(['=', ':']).unwrap_or(("", line));
        let value = value.trim().trim_matches(['"', '\'', ',', ';']);
        let column = line
            .len()
            .saturating_sub(line.trim_start().len())
            .saturating_add(1);
        let place = format!("{}:{column}", index.saturating_add(1));
        seen(collector, file, "", line, &place);
        inline_secret::report(
            collector,
            key.trim().trim_matches(['"', '\'']),
            value,
            file,
            &place,
        );
    }
}

fn seen(collector: &mut Collector, file: &str, key: &str, text: &str, place: &str) {
    for host in url::literal_urls(text) {
        collector.add(Field::ExternalHosts, &host, file, place);
    }
    inline_secret::env_refs(collector, text, file, place);
    inline_secret::report(collector, key, text, file, place);
}
