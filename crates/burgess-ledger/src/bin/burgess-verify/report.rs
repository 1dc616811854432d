//! What the program answers: sentences or one JSON object, and the exit status.

use burgess_ledger::{SignedCheckpoint, Standing, Trust, note};
use serde_json::{Value, json};
use std::process::ExitCode;

/// Until witnesses cosign, the operator's signature is all there is.
pub(crate) const NOT_WITNESSED: &str = "not witnessed, the operator could rewrite history";

/// What was found to hold.
pub(crate) struct Finding {
    pub(crate) sentences: Vec<String>,
    pub(crate) json: Vec<(&'static str, Value)>,
    /// Whether it also holds under the policy, where one was given.
    pub(crate) holds: bool,
}

impl Finding {
    /// About one log: what was signed, and who stands behind which checkpoint of it.
    pub(crate) fn about(
        signed: &SignedCheckpoint,
        best: &SignedCheckpoint,
        standing: Standing,
        trust: &Trust,
    ) -> Self {
        let tree = &signed.checkpoint;
        let root = note::encode_base64(&tree.root);
        let witnesses = sentence(best, &standing, trust);
        let mut json = vec![
            ("origin", json!(tree.origin)),
            ("size", json!(tree.size)),
            ("root", json!(root)),
            ("witnessed", json!(standing.witnessed)),
            ("note", json!(witnesses)),
        ];
        if trust.has_policy() {
            json.push(("witnessed_by", json!(standing.by)));
        }
        if standing.witnessed {
            json.push(("witnessed_size", json!(best.checkpoint.size)));
            json.push(("cosigned_at", json!(standing.since)));
        }
        Self {
            sentences: vec![format!(
                "origin {}\nsize   {}\nroot   {root}\n{witnesses}",
                tree.origin, tree.size
            )],
            json,
            holds: standing.witnessed || !trust.has_policy(),
        }
    }
}

fn sentence(best: &SignedCheckpoint, standing: &Standing, trust: &Trust) -> String {
    let (by, of) = (standing.by.len(), standing.of);
    let names = standing.by.join(", ");
    match best.checkpoint.size.checked_sub(1) {
        _ if !trust.has_policy() => NOT_WITNESSED.to_owned(),
        _ if !standing.witnessed => {
            format!("{NOT_WITNESSED}: {by} of {of} witnesses cosigned, which is no quorum")
        }
        None => format!("witnessed, while empty, by {by} of {of}: {names}"),
        Some(last) => format!(
            "witnessed up to entry {last} by {by} of {of}: {names}; cosigned at {}",
            date(standing.since)
        ),
    }
}

/// RFC 3339 in UTC, from seconds since 1970: the civil calendar, by days in eras of 400 years.
fn date(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + u64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
        second / 3_600,
        second / 60 % 60,
        second % 60
    )
}

/// A checkpoint as JSON.
pub(crate) fn checkpoint_json(signed: &SignedCheckpoint) -> Value {
    let tree = &signed.checkpoint;
    json!({ "origin": tree.origin, "size": tree.size, "root": note::encode_base64(&tree.root) })
}

pub(crate) fn found(finding: &Finding, as_json: bool) -> ExitCode {
    if as_json {
        let members = finding.json.iter();
        let members = members.map(|(key, value)| ((*key).to_owned(), value.clone()));
        let mut object: serde_json::Map<String, Value> = members.collect();
        object.insert("ok".to_owned(), json!(finding.holds));
        println!("{}", Value::Object(object));
    } else {
        for sentence in &finding.sentences {
            println!("{sentence}");
        }
    }
    if finding.holds {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

pub(crate) fn refused(file: &str, index: Option<u64>, what: &str, as_json: bool) -> ExitCode {
    if as_json {
        println!(
            "{}",
            json!({ "ok": false, "file": file, "index": index, "what": what })
        );
    } else {
        eprintln!("{}", sentence_of(file, index, what));
    }
    ExitCode::FAILURE
}

/// File, entry and what is wrong; the entry once.
fn sentence_of(file: &str, index: Option<u64>, what: &str) -> String {
    let entry = index.map(|index| format!("entry {index}"));
    let told = |entry: &String| {
        let mut after = what.split(entry.as_str()).skip(1);
        after.any(|rest| !rest.starts_with(|next: char| next.is_ascii_digit()))
    };
    match entry.filter(|entry| !told(entry)) {
        Some(entry) => format!("{file} ({entry}): {what}"),
        None => format!("{file}: {what}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{date, sentence_of};

    // R124
    #[test]
    fn what_is_wrong_is_told_with_the_file_and_once_with_the_entry() {
        let told = |index, what| sentence_of("tile/entries/001", index, what);
        assert_eq!(told(None, "is odd"), "tile/entries/001: is odd");
        assert_eq!(
            told(Some(256), "is missing"),
            "tile/entries/001 (entry 256): is missing"
        );
        assert_eq!(
            told(Some(259), "entry 259 is cut off"),
            "tile/entries/001: entry 259 is cut off"
        );
        assert_eq!(
            told(Some(25), "entry 259 is cut off"),
            "tile/entries/001 (entry 25): entry 259 is cut off"
        );
    }

    #[test]
    fn seconds_become_dates_also_around_leap_days() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (1_709_251_200, "2024-03-01T00:00:00Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(date(seconds), text);
        }
    }
}
