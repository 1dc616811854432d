//! Evidence: disguises that must not hide a value, context that raises and lowers, and what is said
//! about findings without saying the value.

use burgess_core::data::Classification;
use burgess_inspect::dlp::{Class, Grade, Kind, Scanner, Span, Summary, cli_spans, redact};

fn scan(text: &str) -> Vec<Span> {
    Scanner::default().scan(text.as_bytes())
}

/// The kind and grade of the heaviest span, or `-`.
fn verdict(text: &str) -> String {
    scan(text)
        .into_iter()
        .max_by(|one, two| one.score.total_cmp(&two.score))
        .map_or_else(
            || "-".to_owned(),
            |span| format!("{} {}", span.kind, span.grade.as_str()),
        )
}

// R60
#[test]
fn attempts_to_disguise_a_value_are_detected() {
    // Each line of the golden file: kind, tab, what is sent.
    let attacks = include_str!("fixtures/dlp/attacks.tsv");
    let mut count = 0;
    for line in attacks
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
    {
        let (kind, text) = line.split_once('\t').expect("kind, tab, text");
        let spans = scan(text);
        let found = spans
            .iter()
            .any(|span| span.kind == kind && span.grade == Grade::Block);
        assert!(found, "{kind} passes as {text}: {spans:?}");
        count += 1;
    }
    assert!(count >= 20);
}

#[test]
fn context_raises_and_lowers_the_same_digits() {
    let table = include_str!("golden/dlp_context.tsv");
    for line in table
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
    {
        let (expected, text) = line.split_once('\t').expect("verdict, tab, text");
        let text = text.replace("⏎", "\n");
        assert_eq!(verdict(&text), expected, "{text}");
    }
}

#[test]
fn a_passed_check_digit_alone_is_never_enough_to_block() {
    for text in [
        "4111111111111111",
        "5555555555554444",
        "378282246310005",
        "078-05-1123",
    ] {
        assert!(
            scan(text).iter().all(|span| span.grade == Grade::Note),
            "{text}"
        );
    }
}

#[test]
fn numbers_among_many_that_fail_the_check_digit_are_ordinary_ids() {
    let ids: String = (0..40)
        .map(|n| format!("4{:015}\n", 982_451_653_u64 * (n + 7)))
        .collect();
    assert!(scan(&format!("{ids}4111111111111111\n")).is_empty());
    let cards = "4111111111111111\n4012888888881881\n5555555555554444\n5105105105105100\n6011111111111117\n";
    assert!(
        scan(cards).iter().any(|span| span.grade == Grade::Block),
        "five cards in a row are cards"
    );
}

#[test]
fn what_was_found_is_told_without_its_value() {
    let text = r#"{"email": "dana@example.com", "card_number": "4111 1111 1111 1111", "email2": "mei@example.org"}"#;
    let spans = scan(text);
    let summary = Summary::of(&spans);
    assert_eq!(
        summary.sentence(),
        "1 payment card numbers and 2 e-mail addresses"
    );
    assert_eq!(summary.blocking(), 3);
    assert_eq!(summary.classification(), Some(Classification::Pii));
    assert_eq!(summary.error_code(), Some("DLP_BLOCK_FINANCIAL"));
    let said = format!("{summary:?} {spans:?} {:?}", summary.findings("a.json"));
    assert!(!said.contains("4111") && !said.contains("dana"));
    let redacted = String::from_utf8(redact(text.as_bytes(), &spans)).expect("UTF-8");
    assert_eq!(
        redacted,
        r#"{"email": "[EMAIL_ADDRESS]", "card_number": "[CREDIT_CARD]", "email2": "[EMAIL_ADDRESS]"}"#
    );
}

#[test]
fn classes_map_to_the_classifications_of_a_charter() {
    for (class, classification) in [
        (Class::Phi, Classification::Phi),
        (Class::Pii, Classification::Pii),
        (Class::Financial, Classification::Pii),
        (Class::Secret, Classification::Sensitive),
    ] {
        assert_eq!(class.classification(), classification);
    }
    assert!(
        Kind::ALL
            .into_iter()
            .all(|kind| Kind::parse(kind.name()) == Some(kind))
    );
    assert_eq!(Summary::default().error_code(), None);
}

#[test]
fn the_command_line_counts_unicode_scalar_values() {
    let text = "Grüße 😀 an dana@example.com";
    let spans = cli_spans(&Scanner::default(), text);
    let span = &spans["spans"][0];
    assert_eq!(
        (span["start"].as_u64(), span["end"].as_u64()),
        (Some(11), Some(27))
    );
    assert_eq!(
        text.chars().skip(11).take(16).collect::<String>(),
        "dana@example.com"
    );
    assert_eq!(
        (&span["type"], &span["class"], &span["grade"]),
        (&"EMAIL_ADDRESS".into(), &"pii".into(), &"block".into())
    );
    assert!(
        span["score"].as_f64().is_some_and(|score| score > 0.9) && span["alternatives"].is_array()
    );
}

#[test]
fn a_span_of_an_escaped_value_covers_the_escapes() {
    let text = r#"{"card": "\u0034111 1111 1111 1111"}"#;
    let span = scan(text).into_iter().next().expect("found");
    assert_eq!(
        text.get(span.start..span.end),
        Some(r"\u0034111 1111 1111 1111")
    );
    assert_eq!(
        String::from_utf8(redact(text.as_bytes(), &[span])).expect("UTF-8"),
        r#"{"card": "[CREDIT_CARD]"}"#
    );
}
