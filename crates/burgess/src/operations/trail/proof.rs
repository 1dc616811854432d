//! What proves an event to somebody who does not trust this server: its receipt in one file, or the
//! C2SP tlog-proof and the entry's bytes as two.
//!
//! All of it is taken out of the house, so it is on record before it is made. Not here: checking it
//! (`burgess-verify`).

use burgess_core::policy::action::{ReadEntries, ReadTrail};
use burgess_core::policy::facts::NoContext;
use burgess_ledger::Ledger;
use serde_json::{Value, json};

use super::{WHOLE, by_id, ledger_of, may_open, project, reads, reads::Shows};
use crate::http::problem::Problem;
use crate::operations::{Caller, permit};
use crate::server::Server;

/// In which form the proof of an event is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    /// One file that `burgess-verify proof` takes, with the values that you may see.
    #[default]
    Receipt,
    /// The C2SP tlog-proof: index, path and checkpoint; it is checked together with the entry.
    TlogProof,
    /// The entry's bytes, for `burgess-verify proof X.tlog-proof --entry FILE`; auditors only.
    Entry,
}

impl Form {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Receipt, Self::TlogProof, Self::Entry];

    /// The name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Receipt => "receipt",
            Self::TlogProof => "tlog-proof",
            Self::Entry => "entry",
        }
    }

    /// What a file of it ends with.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Receipt => "receipt.json",
            Self::TlogProof => "tlog-proof",
            Self::Entry => "entry",
        }
    }

    /// What it is sent as.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Receipt => "application/json",
            Self::TlogProof => "text/plain; charset=utf-8",
            Self::Entry => "application/octet-stream",
        }
    }

    /// What the event of its reading says was read.
    const fn resource_type(self) -> &'static str {
        match self {
            Self::Receipt => "receipt",
            Self::TlogProof => "proof",
            Self::Entry => "entry",
        }
    }

    /// The one with that name.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let found = Self::ALL.into_iter().find(|it| it.as_str() == text);
        found.ok_or_else(|| {
            let known = Self::ALL.map(Self::as_str).join(", ");
            Problem::input(format!("`{text}` is not a form of a proof: choose {known}"))
        })
    }
}

/// The proof of an event in that form, as the bytes of a file.
pub async fn file(
    server: &Server,
    caller: &Caller,
    id: &str,
    form: Form,
) -> Result<Vec<u8>, Problem> {
    let internal = |e: burgess_ledger::ReadError| Problem::internal(&e);
    match form {
        Form::Receipt => {
            let receipt = super::receipt(server, caller, id).await?;
            serde_json::to_vec_pretty(&receipt).map_err(|e| Problem::internal(&e))
        }
        Form::TlogProof => {
            let (ledger, index) = take(server, caller, id, form).await?;
            let text = ledger.tlog_proof(index).map_err(internal)?;
            Ok(text.into_bytes())
        }
        Form::Entry => {
            let (ledger, index) = take(server, caller, id, form).await?;
            ledger.entry(index).map_err(internal)
        }
    }
}

/// The receipt of an event: its leaf, its proof, and the personal values that its reader may see.
pub async fn receipt(server: &Server, caller: &Caller, id: &str) -> Result<Value, Problem> {
    let (ledger, index) = take(server, caller, id, Form::Receipt).await?;
    receipt_of(server, &ledger, index, may_open(server, caller)).await
}

/// Asks for the right, puts the reading on record, and brings the event under a checkpoint.
async fn take(
    server: &Server,
    caller: &Caller,
    id: &str,
    form: Form,
) -> Result<(Ledger, u64), Problem> {
    let now = server.now()?;
    permit::<ReadTrail>(server, &caller.principal(), &WHOLE, &NoContext, now)?;
    if form == Form::Entry {
        permit::<ReadEntries>(server, &caller.principal(), &WHOLE, &NoContext, now)?;
    }
    project(server).await?;
    let row = by_id(server, id, false).await?;
    reads::opened(server, caller, &row, form.resource_type(), Shows::Open).await?;
    let ledger = ledger_of(server, &row.shard)?;
    ledger.publish().await.map_err(|e| Problem::internal(&e))?;
    Ok((ledger, row.index))
}

/// The receipt of an entry that is under the checkpoint.
pub(super) async fn receipt_of(
    server: &Server,
    ledger: &Ledger,
    index: u64,
    open: bool,
) -> Result<Value, Problem> {
    let leaf = ledger.entry(index).map_err(|e| Problem::internal(&e))?;
    let proof = ledger
        .tlog_proof(index)
        .map_err(|e| Problem::internal(&e))?;
    let entry = server
        .journal
        .open_in(ledger, index)
        .await
        .map_err(|e| Problem::internal(&e))?;
    use base64::Engine as _;
    let leaf = base64::engine::general_purpose::STANDARD.encode(&leaf);
    let mut receipt = json!({ "schema": "burgess.receipt/1", "leaf": leaf, "proof": proof });
    // Of what is closed for good there is nothing to say, and the leaf is proved all the same.
    if let Some(opening) = &entry.opening {
        let partial = opening
            .partial(|_| open)
            .map_err(|e| Problem::internal(&e))?;
        let opened = serde_json::to_value(partial).map_err(|e| Problem::internal(&e))?;
        if let Some(members) = receipt.as_object_mut() {
            members.insert("opened".to_owned(), opened);
        }
    }
    Ok(receipt)
}

/// The line that verifies a receipt offline.
pub fn verify_line(vkey: &str, id: &str) -> String {
    format!("burgess-verify proof {id}.receipt.json --key '{vkey}'")
}
