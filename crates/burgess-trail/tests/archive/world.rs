//! A ledger with events as the product writes them, and its archive.

use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use burgess_core::audit::{ActionType, Event, Outcome, Place, leaf};
use burgess_core::data::Classification;
use burgess_core::digest::Digest;
use burgess_core::id::{AppId, ApprovalId, EventId};
use burgess_core::time::{Span, Timestamp};
use burgess_ledger::{Draft, Ledger, NoteSigner, NoteVerifier, Options, Piece, SignedCheckpoint};
use burgess_trail::archive::{ArchiveError, Folder, Manifest};

pub const ORIGIN: &str = "burgess/acme";
/// 2026-01-18T00:00:00Z
pub const START: Timestamp = Timestamp::from_seconds(1_768_694_400);
/// A personal value that must never be in an archive.
pub const CANARY: &str = "canary-person@example.com";

pub struct World {
    pub folder: tempfile::TempDir,
    pub ledger: Ledger,
    written: u64,
}

impl World {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let signer = NoteSigner::from_seed(ORIGIN, [7; 32]).unwrap();
        let options = Options {
            checkpoint_interval: Duration::from_secs(3600),
            ..Options::default()
        };
        let ledger = Ledger::open(&folder.path().join("ledger"), ORIGIN, signer, options).unwrap();
        Self {
            folder,
            ledger,
            written: 0,
        }
    }

    pub fn key(&self) -> NoteVerifier {
        NoteVerifier::parse(self.ledger.vkey()).unwrap()
    }

    pub fn archive(&self) -> PathBuf {
        self.folder.path().join("archive/main")
    }

    pub fn open(&self) -> Result<Folder, ArchiveError> {
        Folder::open(&self.archive())
    }

    /// Makes the next events those of a later number.
    pub fn skip(&mut self, count: u64) {
        self.written += count;
    }

    /// Appends that many events of one day.
    pub fn events(&mut self, count: u64) {
        let range = self.written..self.written + count;
        self.written = range.end;
        for start in range.clone().step_by(256) {
            let drafts = (start..range.end.min(start + 256)).map(draft).collect();
            self.ledger.append_all_blocking(drafts).unwrap();
        }
    }

    pub fn checkpoint(&self) -> SignedCheckpoint {
        (*self.ledger.publish_blocking().unwrap()).clone()
    }

    pub fn rows(&self, range: Range<u64>) -> Result<Vec<(Vec<u8>, Vec<u8>)>, String> {
        let leaves = self.ledger.entries(range.clone());
        let leaves = leaves.map_err(|cause| cause.to_string())?;
        Ok(leaves
            .into_iter()
            .zip(range)
            .map(|(leaf, index)| (leaf, self.ledger.side(index).unwrap()))
            .collect())
    }

    /// Publishes and seals what is there.
    pub fn seal(&self, folder: &mut Folder, day: &str) -> Option<Manifest> {
        let checkpoint = self.checkpoint();
        let sealed = folder.seal(day, &checkpoint, &mut |range| self.rows(range));
        sealed.unwrap().cloned()
    }
}

/// Bytes that look random and are the same in every run.
fn noise(of: u64, length: usize) -> Vec<u8> {
    (0..=length / 32)
        .flat_map(|block| *Digest::of(format!("{of}/{block}").as_bytes()).as_bytes())
        .take(length)
        .collect()
}

fn draft(number: u64) -> Draft {
    let event = event(number);
    let seed: [u8; 32] = noise(number, 32).try_into().unwrap();
    let leaf = leaf(&event, "gateway", seed).unwrap();
    let [head, middle, tail] = leaf.pieces().map(|bytes| Piece::Bytes(bytes.to_vec()));
    let maybe = [&event.ip_address, &event.user_agent];
    let personal = event.actor_id.len()
        + event.resource_id.len()
        + maybe.into_iter().flatten().map(String::len).sum::<usize>()
        + leaf.context().map_or(0, <[u8]>::len);
    Draft {
        source: "gateway".to_owned(),
        source_seq: None,
        stream: event.app_id.to_string(),
        template: vec![head, Piece::Sequence, middle, Piece::SourceSeq, tail],
        // What sealing makes of the personal values: as many bytes, a nonce, aliases and tags.
        side: noise(number + 1_000_000, personal + 82),
    }
}

pub fn event(number: u64) -> Event {
    let pick = |n: u64| usize::try_from(number % n).unwrap();
    let outcome = Outcome::ALL[[0, 0, 0, 0, 0, 0, 0, 1, 0, 2][pick(10)]];
    let id = noise(number + 2_000_000, 10);
    let hex: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
    let time = START.plus(Span::seconds(i64::try_from(number).unwrap() / 20));
    Event {
        event_id: EventId::parse(&format!("evt_019bd06f-{:04x}-7{hex}", number / 65_536)).unwrap(),
        timestamp: time,
        actor_id: CANARY.to_owned(),
        actor_role: "app".to_owned(),
        app_id: AppId::parse(["microapp-quoting", "microapp-invoices"][pick(2)]).unwrap(),
        version: "1.2.0".to_owned(),
        environment: Place::Production,
        action_type: ActionType::ALL[pick(6)],
        resource_type: "customer_record".to_owned(),
        resource_id: format!("customer-{number}"),
        data_classification: Classification::Pii,
        outcome,
        error_code: (outcome != Outcome::Success).then(|| "DLP_BLOCK_PII".to_owned()),
        ip_address: Some("192.0.2.7".to_owned()),
        user_agent: Some("n8n/1.80".to_owned()),
        request_context: None,
        risk_score_at_time: 60,
        approval_id: Some(ApprovalId::parse("apr_20260110_55").unwrap()),
        source: "gateway".to_owned(),
        charter_digest: None,
        policy_digest: None,
        decision: None,
        previous_state: None,
        next_state: None,
    }
}
