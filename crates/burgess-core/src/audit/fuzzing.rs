//! The door for hostile bytes: what is read of the ledger and of those who submit events, behind
//! one function of bytes each. Compiled for tests, which replay the kept inputs of `fuzz/corpus`,
//! and for the fuzzers in `fuzz/`; it is in no build that ships.
#![expect(
    clippy::unwrap_used,
    reason = "a broken invariant is to end the fuzzer"
)]

use super::{Opening, PartialOpening, SubmittedEvent, open, open_partial};
use crate::digest::Digest;

/// Every target: the name of its fuzzer and of its corpus, and what it does with an input.
pub const TARGETS: &[(&str, fn(&[u8]))] = &[("event", event), ("leaf", leaf)];

/// One submitted event, or an array of them.
pub fn event(bytes: &[u8]) {
    let one = SubmittedEvent::parse(bytes);
    let all = SubmittedEvent::parse_batch(bytes);
    if one.is_ok() {
        assert_eq!(all.unwrap().len(), 1);
    }
}

/// A leaf and, on the next line, a partial opening of it.
pub fn leaf(bytes: &[u8]) {
    let mut lines = bytes.splitn(2, |byte| *byte == b'\n');
    let (leaf, opening) = (
        lines.next().unwrap_or_default(),
        lines.next().unwrap_or_default(),
    );
    let partial = serde_json::from_slice(opening).unwrap_or(PartialOpening(Vec::new()));
    if let Ok(values) = open_partial(leaf, &partial) {
        assert!(values.len() <= partial.0.len());
    }
    let opening = Opening {
        actor_id: "user-1234".to_owned(),
        ip_address: None,
        request_context: None,
        resource_id: "cust-9876".to_owned(),
        user_agent: None,
        seed: Digest::from_bytes([7; 32]),
    };
    if let Ok(opened) = open(leaf, &opening) {
        assert_eq!(opened.event.actor_id, opening.actor_id);
        assert_eq!(opened.event.resource_id, opening.resource_id);
    }
}

#[cfg(test)]
mod tests {
    use super::TARGETS;
    use std::path::Path;

    #[test]
    fn every_kept_input_of_every_reader_of_events_holds() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
        for (target, run) in TARGETS {
            let kept = std::fs::read_dir(corpus.join(target)).unwrap();
            let mut count = 0;
            for file in kept {
                run(&std::fs::read(file.unwrap().path()).unwrap());
                count += 1;
            }
            assert!(count > 0, "fuzz/corpus/{target} is empty");
        }
    }
}
