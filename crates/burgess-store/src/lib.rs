//! The state: all its SQL, blobs and migrations.
//!
//! One file per noun. No rule hides in SQL, and governed state changes only through
//! [`Store::commit`], with its event and under a permit. Not here: HTTP, decisions, keys that
//! open anything.

mod alerts;
mod approvals;
mod apps;
mod artifacts;
mod blobs;
mod catch_up;
mod change;
mod connectors;
mod credentials;
mod datasets;
mod deployments;
mod dossier;
mod erasures;
mod error;
mod holds;
mod idempotency;
mod keys;
mod locks;
mod outbox;
mod people;
mod policies;
mod reminders;
mod requests;
mod retirements;
mod reviews;
mod row;
mod sessions;
mod settings;
mod sqlite;
mod store;
mod telemetry;
mod tx;

pub use alerts::{Alert, AlertState};
pub use approvals::state as approval_state;
pub use apps::AppFilter;
pub use artifacts::{Artifact, EvidenceItem, EvidenceKind};
pub use blobs::{BLOB_BYTES_MAX, Blobs};
pub use catch_up::Since;
pub use change::{Change, Versioned};
pub use connectors::ConnectorSecret;
pub use deployments::state as deployment_state;
pub use dossier::Dossier;
pub use erasures::{Erasure, unfinished_erasures};
pub use error::StoreError;
pub use holds::{Covers, Hold};
pub use idempotency::{Answer, Attempt};
pub use keys::{KeyState, SubjectErasure, SubjectKey, WrappedKey};
pub use locks::{Locks, newest_checkpoints};
pub use outbox::{Backlog, OutboxLimit, Pending};
pub use people::PersonRecord;
pub use policies::{PolicyBundle, RuleKind};
pub use reminders::Reminder;
pub use retirements::Retirement;
pub use reviews::state as review_state;
pub use sessions::{Invite, Redeemed, Session, SessionTerms};
pub use settings::Setting;
pub use store::Store;
pub use tx::{CommitError, Committed, Write};
