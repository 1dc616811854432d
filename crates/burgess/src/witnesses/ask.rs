//! One witness is asked: C2SP `tlog-witness` over HTTP, with one more try when it knows another size.

use burgess_ledger::policy::Party;
use burgess_ledger::witness::AddCheckpoint;
use burgess_ledger::{Ledger, SignedCheckpoint};
use http::StatusCode;

use crate::outward::Outward;

/// Why there is no cosignature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// It did not answer, or not as the standard says.
    Silent(String),
    /// It has cosigned something that this ledger does not continue to.
    History(String),
}

fn silent(cause: impl std::fmt::Display) -> Trouble {
    Trouble::Silent(cause.to_string())
}

/// What a witness said.
struct Reply {
    status: StatusCode,
    text: String,
}

pub(super) struct Asker {
    http: Outward,
}

impl Asker {
    pub(super) fn new() -> Self {
        Self {
            http: Outward::new(),
        }
    }

    /// Asks for a cosignature, and answers the witness's own line, checked. `known` is the size that
    /// it is believed to have cosigned last.
    pub(super) async fn ask(
        &self,
        witness: &Party,
        ledger: &Ledger,
        signed: &SignedCheckpoint,
        known: u64,
    ) -> Result<String, Trouble> {
        let size = signed.checkpoint.size;
        let mut old = known.min(size);
        for last_try in [false, true] {
            let reply = self
                .send(witness, request(ledger, signed, old).await?)
                .await?;
            match reply.status {
                StatusCode::OK => return own_line(witness, signed, &reply.text),
                StatusCode::CONFLICT => {
                    let theirs = size_of(&reply.text)?;
                    if theirs > size {
                        return Err(Trouble::History(format!(
                            "has cosigned {theirs} entries, this ledger has {size}"
                        )));
                    }
                    if theirs == old {
                        return Err(Trouble::History(format!(
                            "has cosigned another ledger of {theirs} entries"
                        )));
                    }
                    if last_try {
                        return Err(silent(
                            "somebody else hands it checkpoints at the same time",
                        ));
                    }
                    old = theirs;
                }
                StatusCode::UNPROCESSABLE_ENTITY => {
                    return Err(Trouble::History(format!(
                        "has cosigned {old} entries that this ledger does not continue"
                    )));
                }
                status => {
                    return Err(silent(format!(
                        "it answered {status}: {}",
                        reply.text.trim()
                    )));
                }
            }
        }
        Err(silent("it gave no answer"))
    }

    async fn send(&self, witness: &Party, body: String) -> Result<Reply, Trouble> {
        let url = witness.url.as_deref().unwrap_or_default();
        let url = format!("{}/add-checkpoint", url.trim_end_matches('/'));
        let kind = "text/plain; charset=utf-8";
        let reply = self.http.post(&url, kind, body.into_bytes()).await;
        let reply = reply.map_err(silent)?;
        Ok(Reply {
            status: reply.status,
            text: String::from_utf8(reply.body.to_vec()).map_err(silent)?,
        })
    }
}

/// The body of the request; making the proof reads tiles.
async fn request(ledger: &Ledger, signed: &SignedCheckpoint, old: u64) -> Result<String, Trouble> {
    let (ledger, size) = (ledger.clone(), signed.checkpoint.size);
    let proof = tokio::task::spawn_blocking(move || ledger.consistency_proof(old, size)).await;
    let request = AddCheckpoint {
        old,
        proof: proof.map_err(silent)?.map_err(silent)?,
        note: signed.note.clone(),
    };
    Ok(request.text())
}

fn size_of(text: &str) -> Result<u64, Trouble> {
    let digits = text.strip_suffix('\n').unwrap_or(text);
    let size = digits.parse::<u64>().ok();
    size.filter(|size| size.to_string() == digits)
        .ok_or_else(|| silent("its conflict does not say which size it has cosigned"))
}

/// The line by the key that the policy names; lines by other keys are ignored.
fn own_line(witness: &Party, signed: &SignedCheckpoint, text: &str) -> Result<String, Trouble> {
    for line in text.lines() {
        let line = format!("{line}\n");
        let note = format!("{}{line}", signed.note);
        match witness.verifier.signed_at(note.as_bytes()) {
            Ok(Some(_)) => return Ok(line),
            Ok(None) => {}
            Err(cause) => return Err(silent(cause)),
        }
    }
    Err(silent(format!(
        "it signed with another key than the policy says for `{}`",
        witness.name
    )))
}
