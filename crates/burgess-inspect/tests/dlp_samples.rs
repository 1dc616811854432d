//! The scanner on the labelled samples: figures are printed, floors are asserted.
//! The floors are a regression guard, somewhat below what is measured.

mod samples;

use std::collections::BTreeSet;
use std::io::Read as _;

use burgess_inspect::dlp::{Config, Grade, Kind, Scanner};
use samples::folder;

/// Kinds of the labelled rows that the scanner claims.
const CLAIMED: [Kind; 4] = [Kind::CreditCard, Kind::Iban, Kind::Email, Kind::UsSsn];

/// One labelled text; spans are bytes.
struct Row {
    text: String,
    spans: Vec<(usize, usize, String)>,
    asked: Vec<String>,
}

/// The rows of a labelled file.
fn rows(name: &str) -> Option<Vec<Row>> {
    let packed = std::fs::read(folder("dlp")?.join(name)).expect("readable");
    let mut text = String::new();
    flate2::read::GzDecoder::new(packed.as_slice())
        .read_to_string(&mut text)
        .expect("gzip");
    Some(text.lines().map(row).collect())
}

fn row(line: &str) -> Row {
    let value: serde_json::Value = serde_json::from_str(line).expect("JSON");
    let number = |span: &serde_json::Value, key: &str| {
        usize::try_from(
            span.get(key)
                .and_then(serde_json::Value::as_u64)
                .expect("number"),
        )
        .expect("small")
    };
    let string = |value: &serde_json::Value| value.as_str().expect("string").to_owned();
    let list = |key: &str| {
        value
            .get(key)
            .and_then(serde_json::Value::as_array)
            .cloned()
            .unwrap_or_default()
    };
    Row {
        text: string(value.get("text").expect("text")),
        spans: list("spans")
            .iter()
            .map(|span| {
                (
                    number(span, "bstart"),
                    number(span, "bend"),
                    string(span.get("type").expect("type")),
                )
            })
            .collect(),
        asked: list("asked").iter().map(string).collect(),
    }
}

#[derive(Default)]
struct Score {
    right: usize,
    wrong: usize,
    missed: usize,
}

impl Score {
    fn f1(&self) -> f64 {
        let double = 2 * self.right;
        f64::from(u32::try_from(double).expect("small"))
            / f64::from(u32::try_from(double + self.wrong + self.missed).expect("small"))
    }
}

fn compare(scanner: &Scanner, row: &Row, asked: &BTreeSet<&str>, score: &mut Score) {
    let spans = scanner.scan(row.text.as_bytes());
    let found: BTreeSet<_> = spans
        .iter()
        .filter(|span| asked.contains(span.kind))
        .map(|span| (span.start, span.end, span.kind))
        .collect();
    let wanted: BTreeSet<_> = row
        .spans
        .iter()
        .filter(|(_, _, kind)| asked.contains(kind.as_str()))
        .map(|(start, end, kind)| (*start, *end, kind.as_str()))
        .collect();
    score.right += found.intersection(&wanted).count();
    score.wrong += found.difference(&wanted).count();
    score.missed += wanted.difference(&found).count();
    if found != wanted {
        println!(
            "  differs: {:?} found {found:?} wanted {wanted:?}",
            row.text
        );
    }
}

#[test]
fn labelled_rows_are_found_at_one_threshold() {
    let Some(rows) = rows("presidio.jsonl.gz") else {
        return;
    };
    let scanner = Scanner::new(Config::default());
    let mut total = Score::default();
    for kind in CLAIMED {
        let mut score = Score::default();
        let mut count = 0;
        for row in rows
            .iter()
            .filter(|row| row.asked.iter().any(|asked| asked == kind.name()))
        {
            compare(&scanner, row, &BTreeSet::from([kind.name()]), &mut score);
            count += 1;
        }
        println!(
            "{:<14} {count:>4} rows: right {} wrong {} missed {} F1 {:.3}",
            kind.name(),
            score.right,
            score.wrong,
            score.missed,
            score.f1()
        );
        total.right += score.right;
        total.wrong += score.wrong;
        total.missed += score.missed;
    }
    println!("all claimed kinds: F1 {:.3}", total.f1());
    assert!(total.f1() >= 0.97, "F1 fell to {:.3}", total.f1());
}

#[test]
fn ordinary_numbers_do_not_block() {
    let Some(rows) = rows("negatives.jsonl.gz") else {
        return;
    };
    let scanner = Scanner::new(Config::default());
    let (mut bytes, mut block, mut note) = (0_usize, 0_u32, 0_u32);
    for row in &rows {
        bytes += row.text.len();
        for span in scanner.scan(row.text.as_bytes()) {
            let text = row.text.get(span.start..span.end).unwrap_or_default();
            match span.grade {
                Grade::Block => block += 1,
                Grade::Note => note += 1,
            }
            println!("  {} {:?} {} {text:?}", span.kind, span.grade, span.score);
        }
    }
    let megabytes = f64::from(u32::try_from(bytes).expect("small")) / 1e6;
    let (block, note) = (f64::from(block) / megabytes, f64::from(note) / megabytes);
    println!(
        "{megabytes:.2} MB of negatives: {block:.1} per MB at grade block, {note:.1} at grade note"
    );
    assert!(
        block <= 5.0 && note <= 40.0,
        "false positives rose: {block:.1} and {note:.1} per MB"
    );
}

#[test]
fn published_credentials_are_found() {
    let Some(rows) = rows("secrets.jsonl.gz") else {
        return;
    };
    let scanner = Scanner::new(Config::default());
    let claimed = [
        "SECRET:np.aws.1",
        "SECRET:np.aws.2",
        "SECRET:np.pem.1",
        "SECRET:np.pem.2",
        "SECRET:gl.aws-access-token",
        "SECRET:gl.private-key",
    ];
    let (mut wanted, mut found, mut wrong, mut clean) = (0_u32, 0_u32, 0_u32, 0_u32);
    for row in rows.iter().filter(|row| {
        row.asked
            .iter()
            .any(|asked| claimed.contains(&asked.as_str()))
    }) {
        let spans = scanner.scan(row.text.as_bytes());
        for (start, end, _) in &row.spans {
            wanted += 1;
            if spans
                .iter()
                .any(|span| span.start < *end && *start < span.end)
            {
                found += 1;
            } else {
                println!("  missed {:?}", row.text.get(*start..*end));
            }
        }
        if row.spans.is_empty() {
            clean += 1;
            if !spans.is_empty() {
                wrong += 1;
                println!("  wrong {:?} {spans:?}", row.text);
            }
        }
    }
    println!("credentials: {found} of {wanted} found; {wrong} of {clean} clean rows hit");
    assert!(wanted > 0 && f64::from(found) >= 0.9 * f64::from(wanted) && wrong == 0);
}
