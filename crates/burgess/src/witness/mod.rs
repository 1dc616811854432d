//! `burgess witness`: looks after ledgers of others, and signs a checkpoint only if it continues the
//! last one that it signed (C2SP `tlog-witness`).
//!
//! It shares nothing with a server but the binary: a folder of its own, keys of its own, no
//! database, no policy. What may be signed is decided in `burgess_ledger::witness`.

mod door;
mod keys;
mod memory;
mod origins;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use burgess_core::time::Span;
use burgess_ledger::witness::{AddCheckpoint, Refusal, claimed_origin, decide};
use burgess_ledger::{Cosigner, KeyKind, NoteVerifier};

use crate::ambient::Ambient;
use crate::cli::run::{Failure, Outcome, say};
use crate::serve;
use memory::Memory;

/// How a witness is started.
#[derive(Debug, Clone)]
pub struct Start {
    /// Its folder.
    pub state: PathBuf,
    /// Verifier keys of logs, or files that hold them.
    pub logs: Vec<String>,
    /// Where it listens.
    pub listen: SocketAddr,
    /// Its name, when its keys are made.
    pub name: Option<String>,
    /// Where its keys lie, when not in its folder.
    pub key_file: Option<PathBuf>,
}

impl Start {
    /// The file of its keys.
    fn keys(&self) -> PathBuf {
        let own = || self.state.join("key");
        self.key_file.clone().unwrap_or_else(own)
    }
}

/// A verifier key is one line; an ML-DSA-44 key has 1.8 kB.
const KEYS_BYTES_MAX: u64 = 64 * 1024;

/// Why a checkpoint was not cosigned.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotSigned {
    /// It may not be signed.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// What was signed cannot be kept any more, so nothing is signed.
    #[error("this witness cannot keep what it signs: {0}, repair its disk and restart it")]
    Broken(String),
}

/// A witness at work.
pub(crate) struct Witness {
    logs: Vec<NoteVerifier>,
    keys: Vec<Cosigner>,
    /// One lock over check, keep and sign: see "race" in the standard.
    memory: Mutex<Memory>,
    ambient: Ambient,
}

impl Witness {
    pub(crate) fn open(start: &Start) -> Result<Self, Failure> {
        let logs = logs(&start.logs)?;
        let memory = Memory::open(&start.state, &start.keys(), &logs)?;
        let keys = keys::open(start, memory.is_new())?;
        Ok(Self {
            logs,
            keys,
            memory: Mutex::new(memory),
            ambient: Ambient::behind(Span::ZERO),
        })
    }

    /// The keys that check what it signs.
    pub(crate) fn vkeys(&self) -> Vec<&NoteVerifier> {
        self.keys.iter().map(Cosigner::verifier).collect()
    }

    /// Answers the signature lines for a request. The checkpoint is durable before it is signed.
    pub(crate) fn add(&self, body: &[u8]) -> Result<String, NotSigned> {
        let request = AddCheckpoint::parse(body)?;
        let origin = claimed_origin(&request)?;
        let Ok(mut memory) = self.memory.lock() else {
            return Err(NotSigned::Broken("an earlier request failed".to_owned()));
        };
        if let Some(cause) = memory.broken() {
            return Err(NotSigned::Broken(cause.to_owned()));
        }
        let accepted = decide(&request, &self.logs, &memory.seen(origin))?;
        memory
            .keep(&accepted, &request.note)
            .map_err(|cause| NotSigned::Broken(cause.to_string()))?;
        let now = u64::try_from(self.ambient.now().as_micros() / 1_000_000).unwrap_or_default();
        let lines = accepted.cosign(&self.keys, now);
        lines.map_err(|cause| NotSigned::Broken(cause.to_string()))
    }
}

/// The logs' keys, each given as text or as a file with one key a line.
fn logs(given: &[String]) -> Result<Vec<NoteVerifier>, Failure> {
    let mut keys: Vec<NoteVerifier> = Vec::new();
    for text in given {
        let held = if Path::new(text).is_file() {
            if std::fs::metadata(text)?.len() > KEYS_BYTES_MAX {
                return Err(Failure(format!("`{text}` is too large to hold keys")));
            }
            std::fs::read_to_string(text)?
        } else {
            text.clone()
        };
        for line in held.lines().filter(|line| !line.is_empty()) {
            let key =
                NoteVerifier::parse(line).map_err(|cause| Failure(format!("--log: {cause}")))?;
            if key.kind() == KeyKind::CosignatureEd25519 {
                return Err(Failure(format!(
                    "--log: the key of `{}` is a witness's, give the log's own",
                    key.name()
                )));
            }
            keys.push(key);
        }
    }
    if keys.is_empty() {
        return Err(Failure(
            "no log is named: add `--log` with the verifier key of each ledger to look after"
                .to_owned(),
        ));
    }
    Ok(keys)
}

/// Runs a witness until it is asked to stop.
pub async fn run(start: Start) -> Outcome {
    let listener = tokio::net::TcpListener::bind(start.listen)
        .await
        .map_err(|cause| {
            Failure(format!(
                "`{}` cannot be listened on: {cause}; choose another with --listen",
                start.listen
            ))
        })?;
    let address = listener.local_addr()?;
    let stop = serve::stop_on_signals();
    let witness = Arc::new(Witness::open(&start)?);
    let mut text = format!(
        "Burgess witness is up\n  address  http://{address}\n  folder   {}\n",
        start.state.display()
    );
    text.push_str("\nFor the policy of a ledger (use the second key, or both in a group):\n");
    for key in witness.vkeys() {
        let kind = match key.kind() {
            KeyKind::MlDsa44 => "pq",
            _ => "ed",
        };
        text.push_str(&format!("witness NAME-{kind} {key} http://{address}\n"));
    }
    say(&text);
    door::serve(witness, listener, stop).await?;
    say("stopped\n");
    Ok(true)
}
