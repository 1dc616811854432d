//! A stream gives the spans of the whole, wherever it is cut.

use burgess_inspect::dlp::{Kind, Scanner, Span};
use proptest::prelude::*;

/// A private key of the usual length whose bytes mean nothing.
fn private_key() -> String {
    let line = "MIIEpAIBAAKCAQEAq3Zr9s1f7LxT5cVbN2mKd8WgYh0JpQeUoIiXnRtS6uEv4aHk\n";
    format!(
        "-----BEGIN RSA PRIVATE KEY-----\n{}-----END RSA PRIVATE KEY-----",
        line.repeat(24)
    )
}

/// One sample of every kind and every disguise, between ordinary text.
fn samples() -> Vec<String> {
    let mut samples: Vec<String> = [
        r#"{"card_number": "4111 1111 1111 1111", "order_no": "4111111111111112"}"#,
        r#"{"rows": [{"iban": "DE89370400440532013000"}, {"iban": "GB82 WEST 1234 5698 7654 32"}]}"#,
        r#"{"note": "write to dana.o'neill+x@mail.example.com, or call 212-555-0100"}"#,
        r#"{"ssn": "078-05-1123", "id": "078-05-1124", "socialSecurity": 899010001}"#,
        "aws_access_key_id = AKIAQYLPMN5HZ7XWVT3K\naws_secret_access_key = q8Zr41kLmP0s9dXwUe7TgB2nVc5YhJ3aKf6RtQ+/\n",
        "name,email,card_number\nDana,dana@example.com,4111111111111111\nMei,mei@example.org,5555555555554444\n",
        r#"{"a": "\u0034111\u00201111 1111 1111", "b": "dana\u0040example.com", "c": "x\\u0040y.example"}"#,
        "q=dana%40example.com&card=4111%201111%201111%201111&n=&#52;111111111111111",
        "４１１１ １１１１ １１１１ １１１１ and 4\u{200B}111-1111\u{2011}1111-1111 é DE89\u{A0}3704\u{A0}0440\u{A0}0532\u{A0}0130\u{A0}00",
    ]
    .into_iter()
    .map(str::to_owned)
    .collect();
    samples.push(format!("{{\"key\": {}}}", serde_json::json!(private_key())));
    samples.push(format!("before\n{}\nafter dana@example.com", private_key()));
    samples
}

fn in_chunks<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<Span> {
    let mut stream = Scanner::default().stream();
    let mut spans = Vec::new();
    for chunk in chunks {
        spans.extend(stream.push(chunk));
    }
    spans.extend(stream.finish());
    spans
}

// R60
#[test]
fn a_value_that_straddles_two_chunks_is_found_at_every_split() {
    for sample in samples() {
        let whole = Scanner::default().scan(sample.as_bytes());
        assert!(!whole.is_empty(), "{sample}");
        for split in 0..=sample.len() {
            let (head, tail) = sample.as_bytes().split_at(split);
            assert_eq!(
                in_chunks([head, tail]),
                whole,
                "split at {split} of {sample}"
            );
        }
        assert_eq!(
            in_chunks(sample.as_bytes().chunks(1)),
            whole,
            "byte by byte: {sample}"
        );
    }
}

// R60
#[test]
fn every_kind_is_found_in_the_samples() {
    let found: Vec<&str> = samples()
        .iter()
        .flat_map(|sample| Scanner::default().scan(sample.as_bytes()))
        .map(|span| span.kind)
        .collect();
    for kind in Kind::ALL {
        assert!(found.contains(&kind.name()), "{}", kind.name());
    }
}

// R60
#[test]
fn long_text_around_a_value_does_not_hide_it_and_nothing_is_cleared_too_early() {
    let filler = "lorem ipsum 17 dolor sit amet\n".repeat(9_000);
    let text = format!("{filler}{{\"card_number\": \"4111 1111 1111 1111\"}}\n{filler}");
    let whole = Scanner::default().scan(text.as_bytes());
    assert_eq!(whole.len(), 1);
    for size in [997, 4_096, 65_536] {
        let mut stream = Scanner::default().stream();
        let mut spans = Vec::new();
        for chunk in text.as_bytes().chunks(size) {
            let cleared = stream.cleared();
            let fresh = stream.push(chunk);
            assert!(
                fresh.iter().all(|span| span.start >= cleared),
                "a span begins in what was let through"
            );
            spans.extend(fresh);
        }
        let held = text.len() - stream.cleared();
        assert!(held <= 1_024, "{held} bytes are held back");
        let cleared = stream.cleared();
        let last = stream.finish();
        assert!(last.iter().all(|span| span.start >= cleared));
        spans.extend(last);
        assert_eq!(spans, whole, "chunks of {size}");
    }
}

#[test]
fn hostile_repetition_gives_disjoint_spans_and_an_end() {
    // A scanner that looks back or ahead without a bound would take minutes for these.
    for piece in [
        "-----BEGIN PRIVATE KEY-----",
        "a@",
        "4 ",
        "4111 1111 1111 1111 ",
        "secret",
        "[[[,",
        "\\\\",
        "{\"a\": \"",
        "AKIA",
    ] {
        let text = piece.repeat(150_000 / piece.len());
        let spans = Scanner::default().scan(text.as_bytes());
        assert!(
            spans.windows(2).all(|pair| pair[0].end <= pair[1].start),
            "{piece}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Arbitrary bytes, seeded with pieces of values and escapes, cut twice.
    #[test]
    fn any_bytes_cut_anywhere_give_the_spans_of_the_whole(
        pieces in prop::collection::vec(
            prop_oneof![
                Just("4111 1111 1111 1111".to_owned()), Just("\\u003".to_owned()), Just("4111".to_owned()),
                Just("dana@example.com".to_owned()), Just("DE89 3704 0044 0532 0130 00".to_owned()),
                Just("\"ssn\": \"".to_owned()), Just("078-05-1123".to_owned()), Just("%4".to_owned()),
                Just("-----BEGIN PRIVATE KEY-----".to_owned()), Just("\u{200B}".to_owned()), Just("\n".to_owned()),
                Just("AKIAQYLPMN5HZ7XWVT3K".to_owned()), Just("secret_access_key=".to_owned()),
                "[ -~]{0,40}", "\\PC{0,8}",
            ],
            0..40,
        ),
        one in 0.0..1.0_f64,
        two in 0.0..1.0_f64,
    ) {
        let text = pieces.concat();
        let bytes = text.as_bytes();
        let place = |part: f64| {
            let index = (0..=bytes.len()).take_while(|at| f64::from(u32::try_from(*at).expect("small")) <= part * f64::from(u32::try_from(bytes.len()).expect("small"))).count();
            index.min(bytes.len())
        };
        let (first, second) = (place(one).min(place(two)), place(one).max(place(two)));
        let whole = Scanner::default().scan(bytes);
        let parts = in_chunks([&bytes[..first], &bytes[first..second], &bytes[second..]]);
        prop_assert_eq!(&parts, &whole);
        let mut at = 0;
        for span in &whole {
            prop_assert!(span.start >= at && span.end > span.start && span.end <= bytes.len());
            prop_assert!((0.0..=1.0).contains(&span.score));
            at = span.end;
        }
    }
}
