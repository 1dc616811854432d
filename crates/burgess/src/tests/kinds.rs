//! The kinds of things that the server writes events about, read off its own sources, and what an
//! export makes of them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use burgess_trail::export::ocsf::{self, KINDS};

/// Where a kind is handed on before an event names it: the file that names it in `did`, the word that
/// it has there, and which argument of which call it is.
const HANDED_ON: [(&str, &str, &str, usize); 2] = [
    ("operations/attach.rs", "what", "commit(", 4),
    (
        "operations/trail/reads.rs",
        "read.resource_type",
        "opened(",
        3,
    ),
];

/// The sources of a crate, without its tests.
fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() && !path.ends_with("tests") {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|it| it == "rs") && !path.ends_with("tests.rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            found.push((path, text));
        }
    }
    found
}

/// The arguments of every call that begins so, split where they are.
fn calls(text: &str, begin: &str) -> Vec<Vec<String>> {
    let mut calls = Vec::new();
    for (at, _) in text.match_indices(begin) {
        let (mut depth, mut quoted, mut arguments) = (0, false, vec![String::new()]);
        for c in text[at + begin.len()..].chars() {
            match c {
                '"' => quoted = !quoted,
                '(' | '[' | '{' if !quoted => depth += 1,
                ')' | ']' | '}' if !quoted => depth -= 1,
                _ => {}
            }
            if depth < 0 {
                break;
            }
            if c == ',' && depth == 0 && !quoted {
                arguments.push(String::new());
            } else {
                arguments.last_mut().unwrap().push(c);
            }
        }
        calls.push(arguments.iter().map(|it| it.trim().to_owned()).collect());
    }
    calls
}

fn literal(argument: &str) -> Option<String> {
    let inner = argument.strip_prefix('"')?.strip_suffix('"')?;
    (!inner.contains('"')).then(|| inner.to_owned())
}

/// The kinds that our own sources name, and what could not be read off them.
fn written() -> (BTreeSet<String>, Vec<String>) {
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let gateway = sources(&ours.join("../../burgess-gateway/src"));
    let (mut kinds, mut unread) = (BTreeSet::new(), Vec::new());
    let all = sources(&ours);
    for (path, text) in &all {
        for arguments in calls(text, ".did(") {
            let kind = arguments[1].as_str();
            let handed_on = HANDED_ON
                .iter()
                .find(|it| path.ends_with(it.0) && it.1 == kind);
            if let Some(kind) = literal(kind) {
                kinds.insert(kind);
            } else if let Some((_, _, call, nth)) = handed_on {
                let given = all.iter().flat_map(|(_, text)| calls(text, call));
                kinds.extend(given.filter_map(|given| literal(given.get(*nth)?)));
            } else {
                unread.push(format!("`{kind}` in {}", path.display()));
            }
        }
    }
    // A question names fields, no kinds.
    let events = all
        .iter()
        .chain(&gateway)
        .filter(|(path, _)| !path.ends_with("http/api/narrow.rs"));
    for (_, text) in events {
        // Some are named by a function of that name.
        for body in text.split("fn resource_type(").skip(1) {
            let body = body.split("\n    }\n").next().unwrap();
            kinds.extend(body.split('"').skip(1).step_by(2).map(str::to_owned));
        }
        let lines = text.lines().map(str::trim);
        for line in lines.filter_map(|line| line.strip_prefix("resource_type: ")) {
            // Every literal of the line: some choose between a dataset and a kind of ours.
            kinds.extend(line.split('"').skip(1).step_by(2).map(str::to_owned));
        }
    }
    (kinds, unread)
}

#[test]
fn every_kind_that_the_server_writes_events_about_has_its_place_in_ocsf_and_no_other_has() {
    let (kinds, unread) = written();
    assert!(
        unread.is_empty(),
        "say in HANDED_ON where these kinds come from: {unread:?}"
    );
    let homeless: Vec<&String> = kinds
        .iter()
        .filter(|kind| ocsf::sort(kind).is_none())
        .collect();
    assert!(
        homeless.is_empty(),
        "put these into KINDS of burgess-trail: {homeless:?}"
    );
    let idle: Vec<&str> = KINDS
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| !kinds.contains(*name))
        .collect();
    assert!(idle.is_empty(), "nothing writes of these: {idle:?}");
}

#[test]
fn calls_are_read_as_they_are_written() {
    let text = r#"a.did(Action::Of(1, 2), "it, this", &format!("{}", b(c)))"#;
    assert_eq!(
        calls(text, ".did("),
        [["Action::Of(1, 2)", "\"it, this\"", "&format!(\"{}\", b(c))"]]
    );
    assert_eq!(literal("\"it, this\""), Some("it, this".to_owned()));
    assert_eq!(literal("what"), None);
}
