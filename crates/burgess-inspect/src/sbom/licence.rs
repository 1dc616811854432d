//! Licences as CycloneDX wants them: an id of the SPDX list, an expression of such ids, or a name.

use serde_json::{Value, json};

/// Ids of the SPDX licence list that packages of npm and PyPI usually carry. An id that is missing
/// here is written as a name, which is valid too.
const SPDX: &[&str] = &[
    "0BSD",
    "AFL-2.1",
    "AFL-3.0",
    "AGPL-3.0",
    "AGPL-3.0-only",
    "AGPL-3.0-or-later",
    "Apache-1.1",
    "Apache-2.0",
    "Artistic-1.0",
    "Artistic-2.0",
    "BlueOak-1.0.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSD-3-Clause-Clear",
    "BSD-4-Clause",
    "BSL-1.0",
    "CC-BY-3.0",
    "CC-BY-4.0",
    "CC-BY-SA-3.0",
    "CC-BY-SA-4.0",
    "CC0-1.0",
    "CDDL-1.0",
    "CDDL-1.1",
    "CPL-1.0",
    "ECL-2.0",
    "EPL-1.0",
    "EPL-2.0",
    "EUPL-1.1",
    "EUPL-1.2",
    "GPL-2.0",
    "GPL-2.0-only",
    "GPL-2.0-or-later",
    "GPL-3.0",
    "GPL-3.0-only",
    "GPL-3.0-or-later",
    "HPND",
    "ISC",
    "LGPL-2.0",
    "LGPL-2.1",
    "LGPL-2.1-only",
    "LGPL-2.1-or-later",
    "LGPL-3.0",
    "LGPL-3.0-only",
    "LGPL-3.0-or-later",
    "MIT",
    "MIT-0",
    "MPL-1.1",
    "MPL-2.0",
    "MS-PL",
    "NCSA",
    "OFL-1.1",
    "OSL-3.0",
    "PostgreSQL",
    "PSF-2.0",
    "Python-2.0",
    "Ruby",
    "Unicode-3.0",
    "Unicode-DFS-2016",
    "Unlicense",
    "UPL-1.0",
    "W3C",
    "WTFPL",
    "X11",
    "Zlib",
    "ZPL-2.1",
];

/// The `licenses` array of a component.
pub(super) fn licences(text: &str) -> Value {
    let text = text.trim();
    if SPDX.contains(&text) {
        return json!([{ "license": { "id": text } }]);
    }
    let words: Vec<&str> = text
        .split(|found: char| found.is_whitespace() || matches!(found, '(' | ')'))
        .filter(|word| !word.is_empty())
        .collect();
    let alternating = words.len() > 2
        && words
            .iter()
            .enumerate()
            .all(|(index, word)| match index % 2 {
                0 => SPDX.contains(word),
                _ => matches!(*word, "OR" | "AND"),
            });
    if alternating && text.matches('(').count() == text.matches(')').count() {
        return json!([{ "expression": text }]);
    }
    json!([{ "license": { "name": text } }])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_licence_is_an_id_an_expression_or_a_name() {
        assert_eq!(licences("MIT"), json!([{ "license": { "id": "MIT" } }]));
        assert_eq!(
            licences("(MIT OR Apache-2.0)"),
            json!([{ "expression": "(MIT OR Apache-2.0)" }])
        );
        assert_eq!(
            licences("SEE LICENSE IN X"),
            json!([{ "license": { "name": "SEE LICENSE IN X" } }])
        );
    }
}
