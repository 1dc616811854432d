//! Texts of an XML file by their element path, as `/ImportExportXml/SolutionManifest/UniqueName`.
//!
//! Entities other than the five of XML itself are not expanded: nothing grows here.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use crate::error::InspectError;

/// One text or attribute (`…/@name`).
pub(super) struct Text {
    pub(super) path: String,
    pub(super) text: String,
}

/// Reads all texts and attributes.
///
/// # Errors
/// [`InspectError::Xml`] with line and column.
pub(super) fn texts(file: &str, bytes: &[u8]) -> Result<Vec<Text>, InspectError> {
    let whole = String::from_utf8_lossy(bytes);
    let source = whole.trim_start_matches('\u{feff}');
    let mut reader = Reader::from_str(source);
    let mut path: Vec<String> = Vec::new();
    let mut text = String::new();
    let mut out = Vec::new();
    loop {
        let event = reader.read_event().map_err(|error| {
            let at = usize::try_from(reader.error_position()).unwrap_or(usize::MAX);
            broken(file, source, at, &error.to_string())
        })?;
        match event {
            Event::Eof => break,
            Event::Start(tag) => {
                text.clear();
                path.push(tag.name().as_ref().to_owned());
                attributes(&tag, &path, &mut out);
            }
            Event::Empty(tag) => {
                path.push(tag.name().as_ref().to_owned());
                attributes(&tag, &path, &mut out);
                path.pop();
            }
            Event::Text(part) => text.push_str(&part),
            Event::CData(part) => text.push_str(&part),
            Event::GeneralRef(name) => text.push_str(entity(&name)),
            Event::End(_) => {
                if !text.trim().is_empty() {
                    out.push(Text {
                        path: joined(&path),
                        text: text.trim().to_owned(),
                    });
                }
                text.clear();
                path.pop();
            }
            _ => {}
        }
    }
    if path.is_empty() {
        return Ok(out);
    }
    Err(broken(
        file,
        source,
        source.len(),
        "an element is not closed",
    ))
}

fn attributes(tag: &BytesStart<'_>, path: &[String], out: &mut Vec<Text>) {
    for attribute in tag.attributes().flatten() {
        let path = format!("{}/@{}", joined(path), attribute.key.as_ref());
        out.push(Text {
            path,
            text: attribute.value.to_string(),
        });
    }
}

fn joined(path: &[String]) -> String {
    path.iter().map(|part| format!("/{part}")).collect()
}

fn entity(name: &str) -> &'static str {
    match name {
        "lt" => "<",
        "gt" => ">",
        "amp" => "&",
        "quot" => "\"",
        "apos" => "'",
        _ => "",
    }
}

fn broken(file: &str, source: &str, at: usize, why: &str) -> InspectError {
    let before = source.get(..at.min(source.len())).unwrap_or(source);
    let line = before.matches('\n').count().saturating_add(1);
    let column = before
        .rsplit('\n')
        .next()
        .unwrap_or_default()
        .chars()
        .count()
        .saturating_add(1);
    InspectError::Xml {
        place: file.to_owned(),
        line,
        column,
        why: crate::error::shown(why),
    }
}
