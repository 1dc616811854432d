//! `burgess audit …`: what can be asked of the trail, and of a ledger's folder.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{Place, Printing};
use crate::operations::trail::proof::Form;

/// What a search of the trail is narrowed by.
#[derive(Debug, Args)]
pub struct Narrow {
    /// Words, or nothing for the newest
    pub text: Option<String>,
    /// The app's id
    #[arg(long, alias = "app-id")]
    pub app: Option<String>,
    /// Who acted
    #[arg(long, alias = "actor-id")]
    pub actor: Option<String>,
    /// The resource's id
    #[arg(long, alias = "resource-id")]
    pub resource: Option<String>,
    /// Its kind, as `approval` or a dataset's name
    #[arg(long)]
    pub resource_type: Option<String>,
    /// create, read, update, delete, execute or export
    #[arg(long, alias = "action-type")]
    pub action: Option<String>,
    /// success, failure or blocked
    #[arg(long)]
    pub outcome: Option<String>,
    /// Why not, as a stable code
    #[arg(long)]
    pub error_code: Option<String>,
    /// none, public, internal, sensitive, pii or phi
    #[arg(long, aliases = ["classification", "data-classification"])]
    pub class: Option<String>,
    /// The approval's id
    #[arg(long, alias = "approval-id")]
    pub approval: Option<String>,
    /// sandbox, staging, production or control
    #[arg(long)]
    pub environment: Option<String>,
    /// From this time on: a date, or a time in UTC
    #[arg(long)]
    pub from: Option<String>,
    /// Before this time
    #[arg(long)]
    pub to: Option<String>,
}

/// What an export is written as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ExportForm {
    /// A table (RFC 4180).
    Csv,
    /// One JSON object a line.
    #[default]
    Jsonl,
    /// One OCSF event a line.
    Ocsf,
    /// One syslog message (RFC 5424) a line.
    Syslog,
    /// Events, receipts and checkpoint in one file that verifies offline; needs --reason.
    Case,
}

impl ExportForm {
    /// The name in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
            Self::Ocsf => "ocsf",
            Self::Syslog => "syslog",
            Self::Case => "case",
        }
    }
}

/// What can be asked of the trail.
#[derive(Debug, Subcommand)]
pub enum AuditVerb {
    /// Search events on a server
    Search {
        /// What to look for
        #[command(flatten)]
        narrow: Narrow,
        /// Go on where an earlier answer ended: its `next`
        #[arg(long)]
        after: Option<String>,
        /// Events at most, 1 to 500 [default: 50]
        #[arg(long)]
        limit: Option<u32>,
        /// How to print
        #[command(flatten)]
        printing: Printing,
    },
    /// One event with its app, approval, data, credential and neighbours
    Incident {
        /// The event's id
        event: String,
        /// How many minutes before and after it are near [default: 60]
        #[arg(long, value_name = "MINUTES")]
        around: Option<u32>,
        /// How to print
        #[command(flatten)]
        printing: Printing,
    },
    /// Download what proves an event offline: its receipt, or a tlog-proof and the entry
    Proof {
        /// The event's id
        event: String,
        /// In which form
        #[arg(long, value_enum, default_value_t)]
        r#as: Form,
        /// Where to write it [default: EVENT.receipt.json, EVENT.tlog-proof or EVENT.entry]
        #[arg(long)]
        out: Option<PathBuf>,
        /// How to print what was written
        #[command(flatten)]
        printing: Printing,
    },
    /// Download the events that match, or a case file of them
    Export {
        /// In which form
        #[arg(long, value_enum, default_value_t)]
        r#as: ExportForm,
        /// What to look for
        #[command(flatten)]
        narrow: Narrow,
        /// Why; a case needs it
        #[arg(long)]
        reason: Option<String>,
        /// For a case: one event and what happened around it
        #[arg(long)]
        event: Option<String>,
        /// Where to write it [default: standard output]
        #[arg(long)]
        out: Option<PathBuf>,
        /// How to print what was written; json needs --out
        #[command(flatten)]
        printing: Printing,
    },
    /// Seal what waits as Parquet files and send their copies, on the machine itself; the server
    /// does it by itself after midnight UTC
    Archive {
        /// Only where something of this day or of one before waits, as 2026-01-18 in UTC; a file
        /// ends with the newest checkpoint all the same [default: yesterday]
        #[arg(long, value_name = "DATE")]
        until: Option<String>,
        /// Where the server lives
        #[command(flatten)]
        place: Place,
        /// How to print
        #[command(flatten)]
        printing: Printing,
    },
    /// Verify a ledger shard's folder, as burgess-verify does
    Verify {
        /// The ledger shard's folder, as DATA/ledger/main
        dir: PathBuf,
        /// A verifier key, or a file outside the folder that holds them (repeatable)
        #[arg(long, value_name = "VKEY")]
        key: Vec<String>,
        /// The witnesses that you trust (C2SP tlog-policy); without their quorum the answer is no
        #[arg(long, value_name = "FILE")]
        policy: Option<PathBuf>,
        /// How to print
        #[command(flatten)]
        printing: Printing,
    },
}
