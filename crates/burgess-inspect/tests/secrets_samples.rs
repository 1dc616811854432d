//! Inline credentials in real exports and in published samples.

mod samples;

use std::collections::BTreeMap;
use std::io::{Cursor, Read as _};
use std::path::Path;

use burgess_inspect::secrets::{SecretHit, scan};
use samples::folder;
use serde_json::Value;
use zip::ZipArchive;

type Files = BTreeMap<String, Vec<u8>>;

fn unpack(name: &str, bytes: Vec<u8>, files: &mut Files) {
    if !bytes.starts_with(b"PK\x03\x04") {
        files.insert(name.to_owned(), bytes);
        return;
    }
    let mut archive = ZipArchive::new(Cursor::new(bytes)).expect("a zip");
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).expect("an entry");
        let path = format!(
            "{name}/{}",
            entry.name().expect("a name").replace('\\', "/")
        );
        let mut inside = Vec::new();
        if !entry.is_dir() {
            entry.read_to_end(&mut inside).expect("inflated");
            unpack(&path, inside, files);
        }
    }
}

fn collect(folder: &Path, prefix: &str, files: &mut Files) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            collect(&entry.path(), &format!("{name}/"), files);
        } else if name != "expected.json" {
            unpack(&name, std::fs::read(entry.path()).expect("readable"), files);
        }
    }
}

fn scanned(files: &Files) -> Vec<SecretHit> {
    scan(
        files
            .iter()
            .map(|(name, bytes)| (name.as_str(), bytes.as_slice())),
    )
}

// R40
#[test]
fn every_labelled_export_has_as_many_credentials_as_its_expectation_says() {
    let Some(exports) = folder("lowcode/open") else {
        return;
    };
    let mut count = 0;
    for export in std::fs::read_dir(exports).expect("a folder").flatten() {
        let expected: Value = serde_json::from_slice(
            &std::fs::read(export.path().join("expected.json")).expect("readable"),
        )
        .expect("JSON");
        let mut files = Files::new();
        collect(&export.path(), "", &mut files);
        let hits = scanned(&files);
        let name = export.file_name().to_string_lossy().into_owned();
        assert_eq!(
            u64::try_from(hits.len()).ok(),
            expected["secrets_inline"].as_u64(),
            "{name}: {hits:?}"
        );
        for hit in &hits {
            println!("{name}: {} {} {}", hit.kind, hit.file, hit.pointer);
        }
        count += 1;
    }
    assert!(count >= 15);
}

/// Rules of the published samples that stand for kinds that are claimed here.
const CLAIMED: [&str; 9] = [
    "np.aws.1",
    "np.aws.2",
    "np.pem.1",
    "np.pem.2",
    "np.jwt.1",
    "gl.azure-ad-client-secret",
    "gl.curl-auth-header",
    "np.generic.5",
    "np.generic.6",
];

#[test]
fn published_credentials_of_the_claimed_kinds_are_found() {
    let Some(folder) = folder("dlp") else { return };
    let packed = std::fs::read(folder.join("secrets.jsonl.gz")).expect("readable");
    let mut text = String::new();
    flate2::read::GzDecoder::new(packed.as_slice())
        .read_to_string(&mut text)
        .expect("gzip");
    let (mut wanted, mut found) = (0_u32, 0_u32);
    for row in text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"))
    {
        let asked = row["asked"][0]
            .as_str()
            .unwrap_or_default()
            .trim_start_matches("SECRET:");
        if !CLAIMED.contains(&asked) || row["spans"].as_array().is_none_or(Vec::is_empty) {
            continue;
        }
        wanted += 1;
        let text = row["text"].as_str().expect("text");
        if scan([("sample.txt", text.as_bytes())]).is_empty() {
            println!("  missed {asked}: {text:?}");
        } else {
            found += 1;
        }
    }
    println!("{found} of {wanted} published credentials of the claimed kinds found");
    assert!(wanted > 15 && f64::from(found) >= 0.8 * f64::from(wanted));
}

#[test]
fn placeholders_source_code_and_records_hold_no_credential() {
    let Some(folder) = folder("dlp") else { return };
    let packed = std::fs::read(folder.join("negatives.jsonl.gz")).expect("readable");
    let mut text = String::new();
    flate2::read::GzDecoder::new(packed.as_slice())
        .read_to_string(&mut text)
        .expect("gzip");
    let mut wrong = 0_u32;
    for row in text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"))
    {
        let text = row["text"].as_str().expect("text");
        for hit in scan([("sample.txt", text.as_bytes())]) {
            wrong += 1;
            let line = hit
                .pointer
                .split(':')
                .next()
                .and_then(|line| line.parse::<usize>().ok())
                .unwrap_or(1);
            println!(
                "  {} at {}: {:?}",
                hit.kind,
                hit.pointer,
                text.lines().nth(line - 1)
            );
        }
    }
    println!("{wrong} false hits in the negatives");
    assert!(wrong <= 2, "{wrong} false hits");
}
