//! Whether a version lies in a range of an OSV record: the evaluation algorithm of the OSV schema,
//! on PEP 440 for PyPI and on Semantic Versioning as npm reads it.

use std::cmp::Ordering;
use std::str::FromStr as _;

use super::record::{Event, Range};
use crate::lockfile::Ecosystem;

/// A version that can be compared within its ecosystem.
#[derive(Debug, Clone)]
pub(super) enum Version {
    PyPI(Box<pep440_rs::Version>),
    Npm(Box<nodejs_semver::Version>),
}

impl Version {
    /// Reads a version; `None` when the ecosystem's rules do not know it.
    pub(super) fn parse(ecosystem: Ecosystem, text: &str) -> Option<Self> {
        match ecosystem {
            Ecosystem::PyPI => pep440_rs::Version::from_str(text)
                .ok()
                .map(Box::new)
                .map(Self::PyPI),
            Ecosystem::Npm => nodejs_semver::Version::parse(text)
                .ok()
                .map(Box::new)
                .map(Self::Npm),
        }
    }

    fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::PyPI(one), Self::PyPI(two)) => one.cmp(two),
            (Self::Npm(one), Self::Npm(two)) => one.cmp(two),
            (Self::PyPI(_), Self::Npm(_)) | (Self::Npm(_), Self::PyPI(_)) => Ordering::Equal,
        }
    }
}

/// Whether `text` is one of the enumerated versions, as a version or, failing that, as written.
pub(super) fn enumerated(ecosystem: Ecosystem, text: &str, versions: &[String]) -> bool {
    if versions.iter().any(|listed| listed == text) {
        return true;
    }
    let Some(version) = Version::parse(ecosystem, text) else {
        return false;
    };
    versions
        .iter()
        .filter_map(|listed| Version::parse(ecosystem, listed))
        .any(|listed| listed.compare(&version) == Ordering::Equal)
}

/// Whether `version` lies in `range`.
pub(super) fn contains(ecosystem: Ecosystem, version: &Version, range: &Range) -> bool {
    let parsed: Vec<(&Event, Option<Version>)> = range
        .events
        .iter()
        .map(|event| (event, Version::parse(ecosystem, text_of(event))))
        .collect();
    let mut limits = parsed
        .iter()
        .filter(|(event, _)| matches!(event, Event::Limit(text) if text != "*"))
        .peekable();
    let limited = limits.peek().is_some();
    let below = |limit: &Option<Version>| {
        limit
            .as_ref()
            .is_some_and(|limit| version.compare(limit).is_lt())
    };
    if limited && !limits.any(|(_, limit)| below(limit)) {
        return false;
    }
    let mut bounds = parsed;
    bounds.sort_by(order);
    let mut inside = false;
    for (event, bound) in &bounds {
        let at = match bound {
            Some(bound) => version.compare(bound),
            None if matches!(event, Event::Introduced(text) if text == "0") => Ordering::Greater,
            None => continue,
        };
        match event {
            Event::Introduced(text) if text == "0" => inside = true,
            Event::Introduced(_) if at.is_ge() => inside = true,
            Event::Fixed(_) if at.is_ge() => inside = false,
            Event::LastAffected(_) if at.is_gt() => inside = false,
            _ => {}
        }
    }
    inside
}

/// The version of an event as written.
pub(super) fn text_of(event: &Event) -> &str {
    match event {
        Event::Introduced(text)
        | Event::Fixed(text)
        | Event::LastAffected(text)
        | Event::Limit(text) => text,
    }
}

/// By version, `0` first. At one version a fix stands before the next beginning, and a beginning
/// before "up to and with", so that a range of a single version is not lost.
fn order(one: &(&Event, Option<Version>), two: &(&Event, Option<Version>)) -> Ordering {
    let is_zero = |event: &Event| matches!(event, Event::Introduced(text) if text == "0");
    let rank = |event: &Event| match event {
        Event::Fixed(_) | Event::Limit(_) => 0,
        Event::Introduced(_) => 1,
        Event::LastAffected(_) => 2,
    };
    match (is_zero(one.0), is_zero(two.0)) {
        (true, false) => return Ordering::Less,
        (false, true) => return Ordering::Greater,
        _ => {}
    }
    match (&one.1, &two.1) {
        (Some(first), Some(second)) => first
            .compare(second)
            .then_with(|| rank(one.0).cmp(&rank(two.0))),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => Ordering::Equal,
    }
}

/// Versions above `version` in which the record says it is fixed, lowest first.
pub(super) fn fixes(
    ecosystem: Ecosystem,
    version: Option<&Version>,
    ranges: &[Range],
) -> Vec<String> {
    let mut fixes: Vec<(Version, &str)> = ranges
        .iter()
        .flat_map(|range| &range.events)
        .filter_map(|event| match event {
            Event::Fixed(text) => Some((Version::parse(ecosystem, text)?, text.as_str())),
            _ => None,
        })
        .filter(|(fix, _)| version.is_none_or(|version| fix.compare(version).is_gt()))
        .collect();
    fixes.sort_by(|one, two| one.0.compare(&two.0));
    fixes.dedup_by(|one, two| one.1 == two.1);
    fixes.into_iter().map(|(_, text)| text.to_owned()).collect()
}

/// The highest of some versions.
pub(super) fn highest<'a>(
    ecosystem: Ecosystem,
    texts: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    texts
        .filter_map(|text| Some((Version::parse(ecosystem, text)?, text)))
        .max_by(|one, two| one.0.compare(&two.0))
        .map(|(_, text)| text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn within(ecosystem: Ecosystem, version: &str, events: &[Event]) -> bool {
        let version = Version::parse(ecosystem, version).expect("a version");
        contains(
            ecosystem,
            &version,
            &Range {
                events: events.to_vec(),
            },
        )
    }

    #[test]
    fn ranges_open_and_close_at_their_events() {
        let of = |text: &str| text.to_owned();
        let two = [
            Event::Introduced(of("2.0")),
            Event::Fixed(of("2.3")),
            Event::Introduced(of("0")),
            Event::Fixed(of("1.5")),
        ];
        for (version, inside) in [
            ("1.5rc1", true),
            ("1.4", true),
            ("1.5", false),
            ("1.9", false),
            ("2.0", true),
            ("2.2.post1", true),
            ("2.3", false),
            ("2.3+local", false),
        ] {
            assert_eq!(within(Ecosystem::PyPI, version, &two), inside, "{version}");
        }
        let last = [Event::Introduced(of("0")), Event::LastAffected(of("1.2.0"))];
        assert!(within(Ecosystem::Npm, "1.2.0", &last) && !within(Ecosystem::Npm, "1.2.1", &last));
        assert!(within(Ecosystem::Npm, "1.2.0-rc.1", &last));
        let single = [
            Event::Introduced(of("3.0.0-rc.1")),
            Event::LastAffected(of("3.0.0-rc.1")),
        ];
        assert!(
            within(Ecosystem::Npm, "3.0.0-rc.1", &single)
                && !within(Ecosystem::Npm, "3.3.1", &single)
        );
        let limit = [Event::Introduced(of("0")), Event::Limit(of("1.0.0"))];
        assert!(
            within(Ecosystem::Npm, "0.9.0", &limit) && !within(Ecosystem::Npm, "1.0.0", &limit)
        );
    }

    #[test]
    fn versions_outside_the_rules_match_only_as_written() {
        let listed = ["0.8.3p1".to_owned(), "6.0".to_owned()];
        assert!(enumerated(Ecosystem::PyPI, "0.8.3p1", &listed));
        assert!(enumerated(Ecosystem::PyPI, "6.0.0", &listed));
        assert!(!enumerated(Ecosystem::PyPI, "0.8.3p2", &listed));
    }
}
