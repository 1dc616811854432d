//! What an auditor checks of a log's folder: the log itself, and how far witnesses stand behind it.
//!
//! Pure, as `verify` is. Cosignatures are looked for under the published checkpoint and in the file
//! `witnessed`, which is a little older and must be a prefix of the same log.

use crate::checkpoint::SignedCheckpoint;
use crate::policy::Standing;
use crate::tile::node;
use crate::tree::range_root;
use crate::trust::Trust;
use crate::verify::{self, Flaw};
use std::io;

/// A log that holds.
#[derive(Debug, Clone)]
pub struct Audited {
    /// What was published.
    pub signed: SignedCheckpoint,
    /// The newest checkpoint that a quorum cosigned, or what was published where none is.
    pub best: SignedCheckpoint,
    /// Who cosigned that one.
    pub standing: Standing,
}

/// Checks the log that `read` gives access to as [`verify::log`] does, under every given key, and
/// how it stands under the policy.
///
/// # Errors
/// The first [`Flaw`].
pub fn log(
    read: &mut impl FnMut(&str) -> io::Result<Vec<u8>>,
    trust: &Trust,
    older: Option<&[u8]>,
) -> Result<Audited, Flaw> {
    let flaw = |file: &str, cause: &dyn std::fmt::Display| Flaw {
        file: file.to_owned(),
        index: None,
        what: cause.to_string(),
    };
    // A key is chosen by what the file claims; `verify::log` reads it again and believes nothing.
    let claimed = read("checkpoint").map_err(|cause| verify::unread("checkpoint", &cause))?;
    let key = trust.key_for(&claimed);
    let key = key.map_err(|cause| flaw("checkpoint", &cause))?;
    let signed = verify::log(read, key, older)?;
    let judged = trust.judge(&signed);
    let standing = judged.map_err(|cause| flaw("checkpoint", &cause))?;
    let published = Audited {
        best: signed.clone(),
        signed,
        standing,
    };
    if published.standing.witnessed || !trust.has_policy() {
        return Ok(published);
    }
    let note = match read("witnessed") {
        Ok(note) => note,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(published),
        Err(cause) => return Err(flaw("witnessed", &cause)),
    };
    let opened = trust.open(&note);
    let (best, standing) = opened.map_err(|cause| flaw("witnessed", &cause))?;
    let (cosigned, size) = (&best.checkpoint, published.signed.checkpoint.size);
    if cosigned.origin != published.signed.checkpoint.origin {
        return Err(flaw("witnessed", &"is about another log"));
    }
    if cosigned.size > size {
        let what = format!(
            "covers {} entries, the log has {size}: the newest were cut off",
            cosigned.size
        );
        return Err(Flaw {
            index: Some(size),
            ..flaw("checkpoint", &what)
        });
    }
    let root = range_root(0, cosigned.size, &mut |height, n| {
        node(read, size, height, n)
    })?;
    if root != cosigned.root {
        let what = format!(
            "the log's first {} entries are not those that were cosigned",
            cosigned.size
        );
        return Err(flaw("witnessed", &what));
    }
    Ok(if standing.witnessed {
        Audited {
            best,
            standing,
            ..published
        }
    } else {
        published
    })
}
