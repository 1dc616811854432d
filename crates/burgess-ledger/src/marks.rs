//! The marks that a shard's folder may carry: that it is sealed, that its beginning is pruned, and
//! that its write-ahead segments hold what was taken away. Each is one small file that is either
//! absent or whole, and durable once written.
//!
//! The first two are the operator's word about the folder; neither is bound by the log. A verifier
//! reports them, it does not trust them. The third is a note to whoever opens the folder next.

use crate::disk::Disk;
use std::io;

/// The last checkpoint of a sealed shard, byte for byte.
pub(crate) const SEALED: &str = "sealed";
/// What was pruned, and under which policy.
pub const PRUNED: &str = "pruned";
/// There is something in write-ahead segments that must not be there any more.
pub(crate) const CLEARING: &str = "clearing";
const HEAD: &str = "burgess.pruned/1";
/// Bytes of a policy's name at most: a digest with its prefix, with room for a name.
const POLICY_BYTES_MAX: usize = 256;

/// Entries that the log does not hold any more. <https://c2sp.org/tlog-tiles#pruning>
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pruned {
    /// The first entry that is still there.
    pub minimum_index: u64,
    /// The written retention policy under which the others went; usually its digest.
    pub policy: String,
}

impl Pruned {
    pub(crate) fn encode(&self) -> Vec<u8> {
        format!(
            "{HEAD}\nminimum_index {}\npolicy {}\n",
            self.minimum_index, self.policy
        )
        .into_bytes()
    }

    /// Reads the mark back; the error says what is wrong with it.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(bytes).map_err(|_| "is not UTF-8")?;
        let body = text.strip_prefix(HEAD).and_then(|t| t.strip_prefix('\n'));
        let body = body.and_then(|text| text.strip_suffix('\n'));
        let (minimum, policy) = body
            .and_then(|text| text.split_once('\n'))
            .ok_or("is not a mark of pruned entries")?;
        let index = minimum.strip_prefix("minimum_index ").unwrap_or_default();
        let minimum_index: u64 = index
            .parse()
            .map_err(|_| format!("has the line `{minimum}`"))?;
        let policy = policy.strip_prefix("policy ").unwrap_or_default();
        if !policy_is_usable(policy) || minimum_index.to_string() != index {
            return Err(format!("has the line `policy {policy}`"));
        }
        Ok(Self {
            minimum_index,
            policy: policy.to_owned(),
        })
    }
}

pub(crate) fn policy_is_usable(policy: &str) -> bool {
    !policy.is_empty()
        && policy.len() <= POLICY_BYTES_MAX
        && !policy.chars().any(|c| c.is_control())
}

/// Writes a mark: durable and whole when it returns. One writer at a time is the caller's to see to.
pub(crate) fn put(disk: &dyn Disk, name: &str, bytes: &[u8]) -> io::Result<()> {
    let staged = format!("{name}.new");
    let file = disk.create(&staged)?;
    file.write_at(0, bytes)?;
    file.sync()?;
    disk.rename(&staged, name)?;
    disk.sync_folder("")
}

/// The mark's bytes, if there is one.
pub(crate) fn get(disk: &dyn Disk, name: &str) -> io::Result<Option<Vec<u8>>> {
    match disk.read(name) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(cause),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_reads_back_and_nothing_else_reads_as_one() {
        let mark = Pruned {
            minimum_index: 512,
            policy: "sha256:ab".to_owned(),
        };
        assert_eq!(Pruned::decode(&mark.encode()), Ok(mark.clone()));
        for bad in [
            "",
            "burgess.pruned/1\n",
            "burgess.pruned/1\nminimum_index 05\npolicy p\n",
            "burgess.pruned/1\nminimum_index 5\npolicy \n",
            "burgess.pruned/1\nminimum_index 5\npolicy a\nb\n",
            "burgess.pruned/2\nminimum_index 5\npolicy p\n",
            "burgess.pruned/1\nminimum_index 5\npolicy p",
        ] {
            assert!(Pruned::decode(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }
}
