//! Inspection: what is in a message, as facts for the release decision, and the message with it
//! blacked out. Not here: deciding, and how values are recognised (`burgess-inspect`).

use std::collections::BTreeSet;

use burgess_core::data::Classification;
use burgess_core::policy::facts::Found;
use burgess_inspect::dlp::{Class, Grade, Scanner, Span, Summary, redact};
use bytes::Bytes;

use crate::decode::{self, Opaque};
use crate::flow;

/// A body of this size or more is inspected on a thread of its own, so that it does not hold up
/// other calls: at 100 MB/s this takes about 1 ms.
pub(crate) const INLINE_BYTES_MAX: usize = 100_000;

/// A message as it came.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    /// Address and headers as text.
    pub(crate) head: Vec<u8>,
    /// The body as received.
    pub(crate) body: Bytes,
    /// Its content encoding.
    pub(crate) encoding: String,
    /// Its media type.
    pub(crate) media_type: String,
}

/// What inspection says about a message. Holds no value that was found, but for the bodies.
#[derive(Debug)]
pub(crate) struct Inspected {
    /// Counts per kind, for people.
    pub(crate) summary: Summary,
    /// Counts per class, for policy.
    pub(crate) found: Found,
    /// Why the body could not be read whole.
    pub(crate) opaque: Option<Opaque>,
    /// The body without its content encoding: exactly what was inspected, and what is sent.
    pub(crate) plain: Bytes,
    /// The same with everything blacked out, when that leaves a body of its kind.
    pub(crate) redacted: Option<Bytes>,
    /// Records in the body.
    pub(crate) records: u64,
}

impl Inspected {
    /// The highest class of what was found.
    pub(crate) fn classification(&self) -> Option<Classification> {
        self.found.classes().into_iter().max()
    }

    /// Names of the kinds found.
    pub(crate) fn kinds(&self) -> BTreeSet<&'static str> {
        self.summary
            .kinds
            .iter()
            .filter(|(_, count)| count.block > 0)
            .map(|(name, _)| *name)
            .collect()
    }
}

/// Inspects a message. `budget` bounds every decoding, in bytes.
pub(crate) fn inspect(scanner: &Scanner, message: &Message, budget: usize) -> Inspected {
    let head = scanner.scan(&message.head);
    let (plain, opaque) = match decode::content(&message.body, &message.encoding, budget) {
        Ok(plain) => (plain, None),
        Err(opaque) => (message.body.clone(), Some(opaque)),
    };
    let spans = scanner.scan(&plain);
    let (hidden, opaque) = match decode::readings(&plain, budget) {
        Ok(readings) => (readings, opaque),
        Err(reason) => (Vec::new(), opaque.or(Some(reason))),
    };
    let hidden: Vec<Span> = hidden.iter().flat_map(|text| scanner.scan(text)).collect();
    let mut summary = Summary::of(&head);
    summary.add(&spans);
    summary.add(&hidden);
    let everything_in_sight = !blocks(&head) && !blocks(&hidden) && opaque.is_none();
    let redacted = (blocks(&spans) && everything_in_sight)
        .then(|| black_out(scanner, &plain, &spans, &message.media_type))
        .flatten();
    let records = if opaque.is_some() {
        0
    } else {
        flow::records(&plain, &message.media_type)
    };
    Inspected {
        found: found(&summary),
        summary,
        opaque,
        plain,
        redacted,
        records,
    }
}

fn blocks(spans: &[Span]) -> bool {
    spans.iter().any(|span| span.grade == Grade::Block)
}

/// The body with every certain span replaced, if JSON stays JSON and a second look finds nothing.
fn black_out(scanner: &Scanner, plain: &Bytes, spans: &[Span], media_type: &str) -> Option<Bytes> {
    let certain: Vec<Span> = spans
        .iter()
        .filter(|span| span.grade == Grade::Block)
        .cloned()
        .collect();
    let out = redact(plain, &certain);
    let json = media_type.contains("json");
    if json && serde_json::from_slice::<serde_json::Value>(&out).is_err() {
        return None;
    }
    (!blocks(&scanner.scan(&out))).then(|| out.into())
}

fn found(summary: &Summary) -> Found {
    let mut found = Found::default();
    for count in summary.kinds.values() {
        let block = u32::try_from(count.block).unwrap_or(u32::MAX);
        let slot = match count.class {
            Class::Pii => &mut found.pii,
            Class::Phi => &mut found.phi,
            Class::Financial => &mut found.financial,
            Class::Secret => &mut found.secret,
        };
        *slot = slot.saturating_add(block);
    }
    found
}

/// Text for an event: what was found in it is blacked out, so that no ledger keeps a value that a
/// call tried to carry in its address or its name.
pub(crate) fn clean(scanner: &Scanner, text: &str) -> String {
    let spans = scanner.scan(text.as_bytes());
    String::from_utf8_lossy(&redact(text.as_bytes(), &spans))
        .chars()
        .take(1_000)
        .collect()
}

/// Whether `secret` stands in a message, plain, in base64 or percent-encoded.
pub(crate) fn echoes(secret: &[u8], head: &[u8], body: &[u8]) -> bool {
    use base64::Engine as _;
    // Shorter ones would be found everywhere; they protect nothing anyway.
    if secret.len() < 8 {
        return false;
    }
    let percent: Vec<u8> = secret
        .iter()
        .flat_map(|byte| {
            if byte.is_ascii_alphanumeric() {
                vec![*byte]
            } else {
                format!("%{byte:02X}").into_bytes()
            }
        })
        .collect();
    let base64 = base64::engine::general_purpose::STANDARD_NO_PAD.encode(secret);
    let escaped = serde_json::to_vec(&String::from_utf8_lossy(secret)).unwrap_or_default();
    let escaped = escaped
        .get(1..escaped.len().saturating_sub(1))
        .unwrap_or_default();
    [secret, base64.as_bytes(), &percent, escaped]
        .into_iter()
        .filter(|needle| !needle.is_empty())
        .any(|needle| {
            [head, body]
                .into_iter()
                .any(|text| memchr::memmem::find(text, needle).is_some())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(media_type: &str, body: &str) -> Message {
        Message {
            head: Vec::new(),
            body: body.to_owned().into(),
            encoding: String::new(),
            media_type: media_type.to_owned(),
        }
    }

    #[test]
    fn what_is_found_can_be_blacked_out_only_where_the_body_stays_whole() {
        let scanner = Scanner::default();
        let strings = message(
            "application/json",
            r#"{"email":"dana@corp.example.com","name":"Dana"}"#,
        );
        let seen = inspect(&scanner, &strings, 1_000);
        assert_eq!((seen.found.pii, seen.records), (1, 1));
        let redacted = seen.redacted.unwrap();
        assert!(!String::from_utf8_lossy(&redacted).contains("dana@"));
        let number = message("application/json", r#"{"card_number":4111111111111111}"#);
        let seen = inspect(&scanner, &number, 1_000);
        assert_eq!((seen.found.financial, seen.redacted), (1, None));
    }

    #[test]
    fn a_secret_that_comes_back_is_recognised_in_its_usual_disguises() {
        let secret = b"key-0123/4567";
        for body in ["x key-0123/4567", "key%2D0123%2F4567", "a2V5LTAxMjMvNDU2Nw"] {
            assert!(echoes(secret, b"", body.as_bytes()), "{body}");
        }
        assert!(echoes(secret, b"x-echo: key-0123/4567", b""));
        assert!(!echoes(secret, b"", b"key-0123-4567"));
    }
}
