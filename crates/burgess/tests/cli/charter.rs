//! `charter` and `risk`: good, wrong and hostile charters.

use serde_json::{Value, json};

use crate::calling::{burgess, code, err, example, out, parsed, text};

/// The example's charter with some lines replaced.
fn charter(changes: &[(&str, &str)]) -> String {
    let mut charter = std::fs::read_to_string(example("sales-quoting/charter.toml")).unwrap();
    for (from, to) in changes {
        assert!(charter.contains(from), "{from}");
        charter = charter.replace(from, to);
    }
    charter
}

fn risk_of(charter: &str) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("charter.toml");
    std::fs::write(&file, charter).unwrap();
    let output = burgess(&["risk", text(&file), "--format", "json"]);
    assert_eq!(code(&output), 0, "{}", err(&output));
    parsed(&output)
}

// R145
#[test]
fn the_addends_that_risk_prints_sum_to_the_score_and_each_has_its_reason() {
    for (users, band) in [("5", "medium"), ("45", "high"), ("450", "high")] {
        let risk = risk_of(&charter(&[("users = 45", &format!("users = {users}"))]));
        let addends = risk["addends"].as_array().unwrap();
        let sum: u64 = addends
            .iter()
            .map(|addend| addend["points"].as_u64().unwrap())
            .sum();
        assert_eq!(risk["score"].as_u64().unwrap(), sum);
        assert_eq!(addends.len(), 4);
        assert!(addends.iter().all(|addend| {
            addend["reason"]
                .as_str()
                .is_some_and(|reason| reason.len() > 8)
        }));
        assert_eq!(
            (&risk["band"], &risk["route"]),
            (&json!(band), &json!("review"))
        );
        let path = risk["cheapest_path"].as_array().unwrap();
        assert!(
            !path.is_empty()
                && path.iter().all(|step| step["change"].is_string()
                    && step["score_after"].is_u64()
                    && step["route_after"].is_string())
        );
        assert!(
            risk["missing_controls"]
                .as_array()
                .unwrap()
                .iter()
                .any(|control| control["id"] == "readme")
        );
    }
}

// R30
#[test]
fn the_printed_score_never_falls_when_the_charter_asks_for_more() {
    let score = |changes: &[(&str, &str)]| risk_of(&charter(changes))["score"].as_u64().unwrap();
    let class = "classification = \"pii\"";
    let classes = ["public", "internal", "sensitive", "pii", "phi"]
        .map(|word| score(&[(class, &format!("classification = \"{word}\""))]));
    let users = ["1", "9", "10", "100", "101"]
        .map(|count| score(&[("users = 45", &format!("users = {count}"))]));
    let desktop = (
        "[limits]",
        "[capabilities]\nagent = true\njustification = \"reads the basket\"\n\n[limits]",
    );
    let machine = [score(&[]), score(&[desktop])];
    let hosts = (
        "id = \"crm\"",
        "id = \"elsewhere\"\nhosts = { production = [\"api.example.com\"] }",
    );
    let connected = [score(&[]), score(&[hosts])];
    for rising in [classes.as_slice(), &users, &machine, &connected] {
        assert!(
            rising.is_sorted() && rising.first() < rising.last(),
            "{rising:?}"
        );
    }
}

#[test]
fn an_unknown_key_is_named_with_line_column_and_the_nearest_spelling() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("charter.toml");
    std::fs::write(&file, charter(&[("users = 45", "usrs = 45")])).unwrap();
    let output = burgess(&["charter", "check", text(&file)]);
    assert_eq!(code(&output), 1);
    assert!(
        out(&output).contains("line 12, column 1")
            && out(&output).contains("did you mean `users`?"),
        "{}",
        out(&output)
    );
    let printed = parsed(&burgess(&[
        "charter",
        "check",
        text(&file),
        "--format",
        "json",
    ]));
    assert_eq!(printed["valid"], false);
    assert_eq!(
        (
            &printed["errors"][0]["line"],
            &printed["errors"][0]["column"],
            &printed["errors"][0]["nearest"]
        ),
        (&json!(12), &json!(1), &json!("users"))
    );
    let output = burgess(&["risk", text(&file)]);
    assert_eq!((code(&output), out(&output).as_str()), (2, ""));
    assert!(err(&output).contains("did you mean `users`?"));
}

#[test]
fn what_is_no_charter_at_all_is_a_wrong_call_with_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let mut noise = vec![0u8; 100_000];
    let mut state = 1u32;
    for byte in &mut noise {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *byte = state.to_be_bytes()[0];
    }
    let large = format!("{}# {}", charter(&[]), "x".repeat(10_000_000));
    for (name, bytes, says) in [
        ("large", large.as_bytes(), "4000000 are the most"),
        ("noise", &noise, "is not UTF-8 text"),
    ] {
        let file = folder.path().join(name);
        std::fs::write(&file, bytes).unwrap();
        for verb in [
            vec!["charter", "check"],
            vec!["charter", "digest"],
            vec!["risk"],
        ] {
            let output = burgess(&[verb.as_slice(), &[text(&file)]].concat());
            assert_eq!(code(&output), 2, "{verb:?} {name}");
            assert!(
                err(&output).contains(says) && err(&output).lines().count() == 1,
                "{}",
                err(&output)
            );
        }
    }
    assert_eq!(
        code(&burgess(&["risk", text(folder.path())])),
        2,
        "a folder is no charter"
    );
    assert_eq!(code(&burgess(&["risk", "/nowhere/charter.toml"])), 2);
}

#[test]
fn a_charter_has_one_digest_however_it_is_spaced() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("charter.toml");
    std::fs::write(&file, charter(&[("users = 45", "# people\nusers  =  45")])).unwrap();
    let digest = |file: &str| out(&burgess(&["charter", "digest", file]));
    let first = digest(&example("sales-quoting/charter.toml"));
    assert_eq!(first.trim().len(), 64);
    assert_eq!(first, digest(text(&file)));
    std::fs::write(&file, charter(&[("users = 45", "users = 46")])).unwrap();
    assert_ne!(first, digest(text(&file)));
}

// R14
#[test]
fn the_draft_of_an_export_is_a_valid_charter_with_its_questions() {
    let folder = tempfile::tempdir().unwrap();
    for app in ["sales-quoting/workflow.json", "quote-approval/export"] {
        let draft = burgess(&["charter", "draft", &example(app)]);
        assert_eq!(code(&draft), 0, "{}", err(&draft));
        assert!(out(&draft).contains("# ? owner = "));
        let file = folder.path().join("charter.toml");
        std::fs::write(&file, &draft.stdout).unwrap();
        let check = parsed(&burgess(&[
            "charter",
            "check",
            text(&file),
            "--format",
            "json",
        ]));
        assert_eq!(check["valid"], true, "{check}");
        assert!(
            check["missing"]
                .as_array()
                .unwrap()
                .iter()
                .any(|missing| missing["field"] == "app.owner")
        );
    }
}
