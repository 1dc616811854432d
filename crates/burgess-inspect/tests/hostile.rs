//! Hostile bytes: bombs, path tricks, damage. Always a clear error within the budget,
//! never a panic.

use std::io::Write as _;

use burgess_inspect::error::InspectError;
use burgess_inspect::{artifact, exports, readme, unpack};
use proptest::prelude::*;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// A zip archive of these entries.
fn zipped(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    for (name, bytes) in entries {
        writer.start_file(*name, options).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn code(bytes: Vec<u8>) -> &'static str {
    match unpack::file("export.zip", bytes) {
        Ok(_) => "read",
        Err(error) => {
            assert!(!error.remedy().is_empty() && !error.place().is_empty());
            error.code()
        }
    }
}

/// The same archive with every `from` replaced by `to`, of equal length.
fn patched(mut bytes: Vec<u8>, from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut at = 0;
    while let Some(found) = bytes[at..]
        .windows(from.len())
        .position(|window| window == from)
    {
        bytes[at + found..at + found + to.len()].copy_from_slice(to);
        at += found + to.len();
    }
    bytes
}

#[test]
fn names_that_leave_their_folder_are_refused_and_backslashes_are_read() {
    for name in [
        "../evil",
        "a/../../evil",
        "/etc/passwd",
        "..\\evil",
        "a\\..\\..\\b",
        "C:\\evil",
        "c:evil",
        "a/.. /b",
        "a\u{0}b",
        "\\\\host\\share",
    ] {
        let placeholder = "x".repeat(name.len());
        let bytes = patched(
            zipped(&[(&placeholder, b"1")]),
            placeholder.as_bytes(),
            name.as_bytes(),
        );
        assert_eq!(code(bytes), "ARCHIVE_PATH", "{name:?}");
    }
    let tree = unpack::file(
        "app.msapp",
        zipped(&[("Controls\\3.json", b"{}"), ("./b//c.json", b"{}")]),
    )
    .unwrap();
    assert_eq!(
        tree.files.keys().collect::<Vec<_>>(),
        ["Controls/3.json", "b/c.json"]
    );
    assert_eq!(
        unpack::folder(vec![("../x".into(), vec![1])])
            .unwrap_err()
            .code(),
        "ARCHIVE_PATH"
    );
}

#[test]
fn two_entries_of_one_name_are_refused_also_in_other_capitals() {
    let twice = patched(
        zipped(&[("a.json", b"1"), ("b.json", b"2")]),
        b"b.json",
        b"a.json",
    );
    assert_eq!(code(twice), "ARCHIVE_DUPLICATE_NAME");
    assert_eq!(
        code(zipped(&[("a.json", b"1"), ("A.JSON", b"2")])),
        "ARCHIVE_DUPLICATE_NAME"
    );
    assert_eq!(
        code(zipped(&[("d/a", b"1"), ("d\\a", b"2")])),
        "ARCHIVE_DUPLICATE_NAME"
    );
}

#[test]
fn links_and_encrypted_entries_are_refused() {
    let mut writer = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    writer
        .add_symlink("link", "/etc/passwd", SimpleFileOptions::default())
        .unwrap();
    assert_eq!(
        code(writer.finish().unwrap().into_inner()),
        "ARCHIVE_SPECIAL_FILE"
    );
    let mut bytes = zipped(&[("a.json", b"1")]);
    let central = bytes.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    bytes[central + 8] |= 1;
    assert_eq!(code(bytes), "ARCHIVE_ENCRYPTED");
}

#[test]
fn bombs_are_stopped_by_what_really_comes_out() {
    let zeros = vec![0u8; 20_000_000];
    assert_eq!(code(zipped(&[("a.json", &zeros)])), "ARCHIVE_BOMB");
    // The archive says one byte; the stream says otherwise.
    let mut bytes = zipped(&[("a.json", b"hello hello hello hello hello")]);
    let central = bytes.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    bytes[central + 24..central + 28].copy_from_slice(&1u32.to_le_bytes());
    assert_eq!(code(bytes), "ARCHIVE_LYING_SIZE");
}

#[test]
fn entries_that_share_bytes_are_refused() {
    // Two directory entries that point at one local header, as the densest bombs do.
    let one = zipped(&[("a.json", &[b'x'; 1000])]);
    let central = one.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    let end = one.windows(4).position(|w| w == b"PK\x05\x06").unwrap();
    let header = &one[central..end];
    let mut bytes = one[..end].to_vec();
    bytes.extend_from_slice(header);
    let mut tail = one[end..].to_vec();
    tail[8..10].copy_from_slice(&2u16.to_le_bytes());
    tail[10..12].copy_from_slice(&2u16.to_le_bytes());
    let length = u32::try_from(header.len() * 2).unwrap();
    tail[12..16].copy_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(&tail);
    assert_eq!(code(bytes), "ARCHIVE_OVERLAP");
}

#[test]
fn archives_are_opened_two_deep_and_no_deeper() {
    let app = zipped(&[("Header.json", b"{}")]);
    let solution = zipped(&[("CanvasApps/a.msapp", &app)]);
    let tree = unpack::file("solution.zip", solution.clone()).unwrap();
    assert!(tree.files.contains_key("CanvasApps/a.msapp/Header.json"));
    let too_deep = zipped(&[("solution.zip", &solution)]);
    assert_eq!(code(too_deep), "ARCHIVE_NESTED_TOO_DEEP");
    // Its name does not hide an archive.
    let hidden = zipped(&[("b.zip", &zipped(&[("c.png", &app)]))]);
    assert_eq!(code(hidden), "ARCHIVE_NESTED_TOO_DEEP");
}

#[test]
fn too_much_is_refused_before_it_is_unpacked() {
    let limit = usize::try_from(unpack::UPLOAD_BYTES_MAX).unwrap();
    assert_eq!(code(vec![b'x'; limit + 1]), "ARCHIVE_TOO_LARGE");
    let mut bytes = zipped(&[("a", b"1")]);
    let end = bytes.windows(4).position(|w| w == b"PK\x05\x06").unwrap();
    for at in [8, 10] {
        bytes[end + at..end + at + 2].copy_from_slice(&20_000u16.to_le_bytes());
    }
    assert_eq!(code(bytes), "ARCHIVE_TOO_MANY_ENTRIES");
    let many = (0..=unpack::ENTRIES_MAX)
        .map(|n| (format!("f{n}"), Vec::new()))
        .collect();
    assert_eq!(
        unpack::folder(many).unwrap_err().code(),
        "ARCHIVE_TOO_MANY_ENTRIES"
    );
    assert_eq!(
        unpack::folder(Vec::new()).unwrap_err().code(),
        "ARCHIVE_EMPTY"
    );
    assert_eq!(code(b"not a zip".to_vec()), "ARCHIVE_NOT_ZIP");
    assert_eq!(code(zipped(&[])), "ARCHIVE_EMPTY");
}

#[test]
fn broken_and_bottomless_json_is_an_error_with_its_place() {
    let tree = unpack::file("workflow.json", b"{\n \"nodes\": [,]\n}".to_vec()).unwrap();
    let error = exports::inspect(&tree).unwrap_err();
    assert!(
        matches!(&error, InspectError::Json { place, line: 2, column: 12, .. } if place == "workflow.json"),
        "{error}"
    );
    let deep = [b"[".repeat(1_000_000), b"]".repeat(1_000_000)].concat();
    let tree = unpack::file("workflow.json", deep).unwrap();
    assert_eq!(exports::inspect(&tree).unwrap_err().code(), "EXPORT_JSON");
    let xml = zipped(&[
        ("solution.xml", b"<a>\n<b></a>"),
        ("customizations.xml", b"<a/>"),
    ]);
    let error = exports::inspect(&unpack::file("s.zip", xml).unwrap()).unwrap_err();
    assert!(
        matches!(&error, InspectError::Xml { line: 2, .. }),
        "{error}"
    );
    let half = zipped(&[("Microsoft.Flow/flows/manifest.json", b"{}")]);
    assert_eq!(
        exports::inspect(&unpack::file("p.zip", half).unwrap())
            .unwrap_err()
            .code(),
        "EXPORT_INCOMPLETE"
    );
}

#[test]
fn an_unknown_format_is_no_error_and_still_shows_hosts_and_secrets() {
    let text = b"url = https://api.example.com/v1\npassword = hunter2hunter2\n".to_vec();
    let facts = exports::inspect(&unpack::file("app.conf", text).unwrap()).unwrap();
    assert_eq!(facts.platform.as_str(), "unknown");
    assert_eq!(facts.external_hosts, ["api.example.com"]);
    assert_eq!(
        (facts.secrets_inline, facts.secrets[0].pointer.as_str()),
        (1, "2:1")
    );
    assert!(!facts.notes.is_empty());
    assert!(!serde_json::to_string(&facts).unwrap().contains("hunter2"));
}

/// Everything that can be done with bytes, done.
fn everything(name: &str, bytes: Vec<u8>) {
    if let Ok(tree) = unpack::file(name, bytes) {
        for file in tree.files.keys() {
            assert!(
                !file.starts_with('/')
                    && !file.contains('\\')
                    && !file.split('/').any(|part| part == "..")
            );
        }
        if let Ok(facts) = exports::inspect(&tree) {
            let _ = artifact::digest(&tree, facts.platform);
            let _ = readme::skeleton(&facts);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        everything("x.zip", bytes.clone());
        everything("x.json", bytes.clone());
        let _ = readme::lint(&String::from_utf8_lossy(&bytes), true);
    }

    #[test]
    fn a_cut_or_damaged_archive_never_panics(cut in 0usize..600, flip in 0usize..600, with in any::<u8>()) {
        let mut bytes = zipped(&[
            ("solution.xml", b"<a><b>text</b></a>"),
            ("customizations.xml", b"<a/>"),
            ("Workflows/a.json", br#"{"properties":{"definition":{"triggers":{},"actions":{}}}}"#),
        ]);
        let length = bytes.len();
        bytes[flip % length] ^= with;
        everything("s.zip", bytes.clone());
        bytes.truncate(cut % length);
        everything("s.zip", bytes);
    }

    #[test]
    fn a_workflow_with_any_strings_never_panics(text in "\\PC{0,200}", kind in "[a-zA-Z.@/-]{0,40}") {
        let value = serde_json::json!({
            "name": text, "connections": {},
            "nodes": [
                {"type": format!("n8n-nodes-base.{kind}"), "parameters": {"url": text, "jsCode": text, "query": text, "command": text, "operation": text, "resource": text, "value": 7}},
                {"type": "n8n-nodes-base.code", "parameters": {"jsCode": text}},
                {"type": "n8n-nodes-base.mySql", "parameters": {"query": text}},
                {"type": "n8n-nodes-base.httpRequest", "parameters": {"url": text}},
                {"type": "n8n-nodes-base.scheduleTrigger", "parameters": {"rule": {"interval": [{"field": text}]}}},
            ],
        });
        everything("w.json", value.to_string().into_bytes());
    }
}
