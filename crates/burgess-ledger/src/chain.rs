//! The chain of shards: entry 0 of a shard that follows another is that one's last checkpoint, byte
//! for byte the signed note. Pure checks; whoever has the folders reads the bytes.

use crate::checkpoint::SignedCheckpoint;
use crate::note::NoteVerifier;

/// Why two shards are not one log in two parts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// What stands for the older shard does not verify.
    #[error("the last checkpoint of the shard before: {0}")]
    Previous(String),
    /// Entry 0 is another text.
    #[error("entry 0 is not the last checkpoint of `{0}`, the shards are not of one log")]
    NotContinued(String),
}

/// Checks that the shard whose entry 0 is `entry` continues the one whose `checkpoint` file is
/// `previous`, under that one's key. Answers what was signed last there: all of that shard, since
/// nothing that came after it could stand in a chain.
///
/// # Errors
/// [`ChainError`].
pub fn continues(
    entry: &[u8],
    previous: &[u8],
    verifier: &NoteVerifier,
) -> Result<SignedCheckpoint, ChainError> {
    let last = SignedCheckpoint::open(previous, verifier)
        .map_err(|cause| ChainError::Previous(cause.to_string()))?;
    if entry != previous {
        return Err(ChainError::NotContinued(last.checkpoint.origin));
    }
    Ok(last)
}

/// The origin of the shard before, where `entry` is a link and no event: a checkpoint's first line,
/// followed by a size and a signature. Says nothing about who signed it.
#[must_use]
pub fn previous_origin(entry: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(entry).ok()?;
    let (body, signatures) = text.split_once("\n\n")?;
    let mut lines = body.split('\n');
    let (origin, size, root) = (lines.next()?, lines.next()?, lines.next()?);
    let is_note = !root.is_empty()
        && lines.next().is_none()
        && size.parse::<u64>().is_ok()
        && signatures.starts_with("\u{2014} ");
    (is_note && !origin.is_empty()).then_some(origin)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::Checkpoint;
    use crate::note::NoteSigner;

    fn note(origin: &str, size: u64) -> (String, NoteVerifier) {
        let signer = NoteSigner::from_seed(origin, [3; 32]).unwrap();
        let root = [size.to_le_bytes()[0]; 32];
        let origin = origin.to_owned();
        let signed = Checkpoint { origin, size, root }.sign(&signer).unwrap();
        (signed.note, signer.verifier())
    }

    #[test]
    fn only_the_last_checkpoint_itself_continues_a_shard() {
        let (last, verifier) = note("example/ledger", 7);
        let (earlier, _) = note("example/ledger", 6);
        let (stranger, _) = note("example/other", 7);
        assert!(continues(last.as_bytes(), last.as_bytes(), &verifier).is_ok());
        for entry in [&earlier, &stranger] {
            let refused = continues(entry.as_bytes(), last.as_bytes(), &verifier);
            assert!(matches!(refused, Err(ChainError::NotContinued(_))));
        }
        let refused = continues(stranger.as_bytes(), stranger.as_bytes(), &verifier);
        assert!(matches!(refused, Err(ChainError::Previous(_))));
    }

    #[test]
    fn a_link_is_told_from_an_event() {
        let (last, _) = note("example/ledger", 7);
        assert_eq!(previous_origin(last.as_bytes()), Some("example/ledger"));
        for event in [
            "{}",
            "{\"a\":\"x\\n\\n\"}",
            "",
            "a\n1\nb\n\nc",
            "a\nx\nb\n\n\u{2014} c",
        ] {
            assert_eq!(previous_origin(event.as_bytes()), None, "{event}");
        }
    }
}
