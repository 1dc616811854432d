//! The command line: what can be called, and with what.
//!
//! One file per group of verbs. Exit codes: 0 yes, 1 no, 2 the call or its input was wrong.

pub mod audit;
pub mod doctor;
pub mod host;
pub mod local;
pub mod remote;
pub mod run;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use audit::AuditVerb;

/// Governance for the apps that people who are not engineers build.
#[derive(Debug, Parser)]
#[command(
    name = "burgess",
    version,
    propagate_version = true,
    max_term_width = 100
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// How to print.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
    /// One JSON object a line.
    Jsonl,
    /// Static analysis results (SARIF 2.1.0), for `scan`.
    Sarif,
    /// CycloneDX 1.6, for `sbom`.
    Cyclonedx,
}

/// Where a running server is.
#[derive(Debug, Clone, Args)]
pub struct Printing {
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// Where the server keeps its data and listens.
#[derive(Debug, Clone, Default, Args)]
pub struct Place {
    /// Configuration file [default: burgess.toml, if it exists]
    #[arg(long)]
    pub config: Option<PathBuf>,
    /// Data folder [default: burgess-data]
    #[arg(long)]
    pub data: Option<PathBuf>,
    /// Console's address [default: 127.0.0.1:8080]
    #[arg(long)]
    pub listen: Option<String>,
    /// Gateway's address [default: 127.0.0.1:8081]
    #[arg(long)]
    pub gateway: Option<String>,
    /// File that holds the key-encryption key, outside the data folder
    #[arg(long)]
    pub kek_file: Option<PathBuf>,
}

/// Everything that can be asked of the binary.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Show a seeded organisation on a throwaway folder, with one-time sign-in links
    Demo {
        /// An empty folder to use instead of a throwaway one
        #[arg(long)]
        data: Option<PathBuf>,
        /// Console's address [default: 127.0.0.1:8080]
        #[arg(long)]
        listen: Option<String>,
        /// Gateway's address [default: 127.0.0.1:8081]
        #[arg(long)]
        gateway: Option<String>,
    },
    /// Run the server
    Up {
        /// Where it lives
        #[command(flatten)]
        place: Place,
    },
    /// Look after other ledgers: cosign their checkpoints, and only if they continue what was cosigned
    Witness {
        /// Its folder: what it has signed, and its keys
        #[arg(long, value_name = "DIR")]
        state: PathBuf,
        /// Verifier key of a ledger to look after, or a file with one a line (repeatable)
        #[arg(long = "log", value_name = "VKEY", required = true)]
        logs: Vec<String>,
        /// Where to listen
        #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8082")]
        listen: std::net::SocketAddr,
        /// Its name, when its keys are made [default: burgess-witness/ and random digits]
        #[arg(long)]
        name: Option<String>,
        /// File with its keys, made by an earlier start [default: `key` in its folder]
        #[arg(long, value_name = "FILE")]
        key_file: Option<PathBuf>,
    },
    /// Have the newest checkpoint stamped by the configured time stamping authority (RFC 3161)
    Timestamp {
        /// Where the server lives
        #[command(flatten)]
        place: Place,
        /// How to print
        #[command(flatten)]
        printing: Printing,
    },
    /// Print a one-time sign-in link for somebody, on the machine itself
    Invite {
        /// Their e-mail address
        email: String,
        /// citizen_developer, sponsor, platform_security, operations, auditor or administrator
        #[arg(long)]
        role: String,
        /// Their name (default: what stands before the @)
        #[arg(long)]
        name: Option<String>,
        /// Their manager's e-mail address, who becomes the proposed owner of what they build
        #[arg(long)]
        manager: Option<String>,
        /// Their unit
        #[arg(long)]
        unit: Option<String>,
        /// Where the server lives
        #[command(flatten)]
        place: Place,
    },
    /// Take all roles away from somebody who leaves, on the machine itself: their sessions end at once
    Dismiss {
        /// Their e-mail address
        email: String,
        /// Where the server lives
        #[command(flatten)]
        place: Place,
        /// How to print
        #[command(flatten)]
        printing: Printing,
    },
    /// Store a connector's secret for one environment, read from standard input
    Secret {
        /// The connector
        connector: String,
        /// sandbox, staging or production
        #[arg(long)]
        environment: String,
        /// Where the server lives
        #[command(flatten)]
        place: Place,
    },
    /// Make a key-encryption key in a new file
    Keygen {
        /// The file to write, outside the data folder
        path: PathBuf,
    },
    /// Repair the ledger of a stopped server: after a full disk, or a restored backup
    ///
    /// Gives the ledger's disk reserve back to the file system, and moves the lock table to where
    /// the ledger stands if the ledger continues what the table holds. The repair becomes an event.
    /// Nothing is served; start the server afterwards.
    Recover {
        /// Also prune the entries that are due under the written retention policy, which frees disk
        #[arg(long)]
        prune: bool,
        /// Where the server lives
        #[command(flatten)]
        place: Place,
    },
    /// What is missing or unsafe, each with its fix
    Doctor {
        /// Where the server lives
        #[command(flatten)]
        place: Place,
        /// How to print
        #[command(flatten)]
        printing: Printing,
    },
    /// What an export, folder or archive is and does
    Inspect {
        /// File or folder
        path: PathBuf,
        /// How to print
        #[command(flatten)]
        printing: Printing,
    },
    /// Draft, validate or digest a charter
    #[command(subcommand)]
    Charter(CharterVerb),
    /// Score, band, route, addends, and the cheapest path to yes
    Risk {
        /// A charter.toml
        file: PathBuf,
        /// How to print
        #[command(flatten)]
        printing: Printing,
    },
    /// Everything a developer can know before asking
    Check {
        /// Folder with charter.toml, README.md and the app
        path: PathBuf,
        /// Folder or file with OSV archives
        #[arg(long)]
        advisories: Option<PathBuf>,
        /// How to print
        #[command(flatten)]
        printing: Printing,
    },
    /// Known vulnerabilities in manifests
    Scan {
        /// Manifest, folder or archive
        path: PathBuf,
        /// Folder with OSV archives (PyPI.zip, npm.zip)
        #[arg(long)]
        advisories: PathBuf,
        /// How to print
        #[command(flatten)]
        printing: Printing,
    },
    /// OSV archives into the local database
    #[command(subcommand)]
    Advisories(AdvisoriesVerb),
    /// Software bill of materials
    Sbom {
        /// Manifest, export, folder or archive
        path: PathBuf,
        /// How to print
        #[arg(long, value_enum, default_value = "cyclonedx")]
        format: Format,
    },
    /// Sensitive data and secrets
    #[command(subcommand)]
    Dlp(DlpVerb),
    /// Validate the policy set
    #[command(subcommand)]
    Policy(PolicyVerb),
    /// Keep a session with a server: paste the one-time link that `invite` or `demo` printed
    Login {
        /// The sign-in link
        link: String,
    },
    /// Ask for approval of an app
    Request {
        /// Its charter.toml
        #[arg(long)]
        charter: PathBuf,
        /// Its export, folder or archive
        #[arg(long)]
        artifact: Option<PathBuf>,
        /// Its README
        #[arg(long)]
        readme: Option<PathBuf>,
        /// How to print
        #[command(flatten)]
        printing: Printing,
    },
    /// Where an app stands, and whose turn it is
    Status {
        /// The app's id; all of them without
        app: Option<String>,
        /// How to print
        #[command(flatten)]
        printing: Printing,
    },
    /// Decide a request
    Approve {
        /// The request's id
        request: String,
        /// Say no instead
        #[arg(long)]
        reject: bool,
        /// Why
        #[arg(long, default_value = "")]
        comment: String,
    },
    /// Ask for promotion into an environment
    Deploy {
        /// The app's id
        app: String,
        /// sandbox, staging or production
        #[arg(long)]
        to: String,
    },
    /// Go back to the version before
    Rollback {
        /// The app's id
        app: String,
        /// sandbox, staging or production
        #[arg(long)]
        environment: String,
    },
    /// Retire an app with its exit checklist
    Retire {
        /// The app's id
        app: String,
        /// What was learned
        #[arg(long)]
        lessons: String,
    },
    /// The trail
    #[command(subcommand)]
    Audit(AuditVerb),
    /// Erase a person's or a record's values from the trail, for good
    Erase {
        /// An actor's id, as an e-mail address, or a record as TYPE:ID
        subject: String,
        /// The number of the case, without names
        #[arg(long)]
        reason: String,
        /// Only say what would go
        #[arg(long)]
        preview: bool,
        /// How to print
        #[command(flatten)]
        printing: Printing,
    },
    /// Legal holds: what they cover is neither pruned nor erased nor destroyed
    #[command(subcommand)]
    Hold(HoldVerb),
    /// The ledger's shards, keys and retention
    #[command(subcommand)]
    Ledger(LedgerVerb),
    /// Completions for a shell
    Completions {
        /// bash, zsh, fish, elvish or powershell
        shell: clap_complete::Shell,
    },
    /// The manual page
    Man,
}

/// What can be done about legal holds.
#[derive(Debug, Subcommand)]
pub enum HoldVerb {
    /// Place one
    Place {
        /// app, shard or subject
        kind: String,
        /// The app's id, the shard's name, or the subject as for `erase`
        of: String,
        /// The number of the case, without names
        #[arg(long)]
        reason: String,
        /// How to print
        #[command(flatten)]
        printing: Printing,
    },
    /// Release one
    Release {
        /// Its id
        hold: String,
        /// Why
        #[arg(long)]
        reason: String,
        /// How to print
        #[command(flatten)]
        printing: Printing,
    },
    /// All of them
    List {
        /// How to print
        #[command(flatten)]
        printing: Printing,
    },
}

/// What can be done with the ledger.
#[derive(Debug, Subcommand)]
pub enum LedgerVerb {
    /// The shards, their origins and the keys that check them
    Shards {
        /// How to print
        #[command(flatten)]
        printing: Printing,
    },
    /// Seal the open shard and begin the next with a new key, on the machine itself
    Rotate {
        /// The retention class whose shard it is
        #[arg(long, default_value = "main")]
        class: String,
        /// Where the server lives
        #[command(flatten)]
        place: Place,
        /// How to print
        #[command(flatten)]
        printing: Printing,
    },
    /// The written retention policy of each log
    RetentionPolicy {
        /// md or json
        #[arg(long, default_value = "md", value_parser = ["md", "json"])]
        format: String,
        /// Where the server lives
        #[command(flatten)]
        place: Place,
    },
}

/// What can be done with a charter.
#[derive(Debug, Subcommand)]
pub enum CharterVerb {
    /// Draft a charter from an export
    Draft {
        /// File or folder
        path: PathBuf,
    },
    /// Validate a charter
    Check {
        /// A charter.toml
        file: PathBuf,
        /// How to print
        #[command(flatten)]
        printing: Printing,
    },
    /// Digest of a charter
    Digest {
        /// A charter.toml
        file: PathBuf,
    },
}

/// What can be done with advisories.
#[derive(Debug, Subcommand)]
pub enum AdvisoriesVerb {
    /// Copy OSV archives into the data folder
    Sync {
        /// Archive files (PyPI.zip, npm.zip)
        #[arg(long, required = true, num_args = 1..)]
        from: Vec<PathBuf>,
        /// Where the server lives
        #[command(flatten)]
        place: Place,
    },
}

/// What can be done about sensitive data.
#[derive(Debug, Subcommand)]
pub enum DlpVerb {
    /// Scan files: JSON lines with a `text` key, or whole files with --raw
    Scan {
        /// The files
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Scan each file as one text
        #[arg(long)]
        raw: bool,
        /// How to print
        #[arg(long, value_enum, default_value = "jsonl")]
        format: Format,
    },
    /// What is looked for, and how it is judged
    Explain,
}

/// What can be done with policies.
#[derive(Debug, Subcommand)]
pub enum PolicyVerb {
    /// Validate a folder of Cedar policies against the schema
    Check {
        /// The folder
        dir: PathBuf,
    },
}
