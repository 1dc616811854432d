//! Policies: which rule texts are in force, and every text that ever was.
//!
//! Not here: parsing, strict validation and the check of the bundle's signature, all of which
//! come before activation.

use burgess_core::digest::Digest;
use burgess_core::time::Timestamp;

use crate::change::Versioned;
use crate::error::StoreError;
use crate::row::{count, number, parsed};
use crate::sqlite::Connection;
use crate::store::Store;

/// Which rules a text holds. One text of each kind is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RuleKind {
    /// The Cedar policy set with its schema.
    Policy,
    /// The rubric of the risk score.
    Rubric,
    /// The connector catalogue.
    Catalogue,
}

impl RuleKind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Policy, Self::Rubric, Self::Catalogue];

    /// The name in tables, and the `resource_id` of events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::Rubric => "rubric",
            Self::Catalogue => "catalogue",
        }
    }
}

/// A rule text that is, or was, in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyBundle {
    /// Which rules.
    pub kind: RuleKind,
    /// The digest that decisions and approvals name.
    pub digest: Digest,
    /// The text, as the caller serialises it.
    pub text: String,
    /// Who activated it.
    pub activated_by: String,
    /// When.
    pub activated_at: Timestamp,
}

pub(crate) async fn put(
    connection: &mut Connection,
    it: &Versioned<PolicyBundle>,
) -> Result<(), StoreError> {
    let bundle = &it.record;
    sqlx::query(
        "INSERT INTO policies (id, state, revision) VALUES ($1, $2, $3)
         ON CONFLICT (id) DO UPDATE SET state = excluded.state, revision = excluded.revision",
    )
    .bind(bundle.kind.as_str())
    .bind(bundle.digest.to_string())
    .bind(number(it.revision)?)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "INSERT INTO policy_texts (kind, digest, text, activated_by, activated_at)
         VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (kind, digest) DO UPDATE SET
             activated_by = excluded.activated_by, activated_at = excluded.activated_at",
    )
    .bind(bundle.kind.as_str())
    .bind(bundle.digest.to_string())
    .bind(&bundle.text)
    .bind(&bundle.activated_by)
    .bind(bundle.activated_at.as_micros())
    .execute(connection)
    .await?;
    Ok(())
}

/// The digest of the policy set in force, inside a transaction.
pub(crate) async fn in_force(connection: &mut Connection) -> Result<Option<Digest>, StoreError> {
    let state: Option<String> = sqlx::query_scalar("SELECT state FROM policies WHERE id = $1")
        .bind(RuleKind::Policy.as_str())
        .fetch_optional(connection)
        .await?;
    state
        .map(|digest| parsed("policies", &digest, Digest::parse))
        .transpose()
}

type BundleRow = (String, i64, String, String, i64);

impl Store {
    /// The rule text in force of that kind, with the revision that its next change builds on.
    pub async fn policy_in_force(
        &self,
        kind: RuleKind,
    ) -> Result<Option<Versioned<PolicyBundle>>, StoreError> {
        let row: Option<BundleRow> = sqlx::query_as(
            "SELECT policies.state, policies.revision, text, activated_by, activated_at
             FROM policies JOIN policy_texts
               ON policy_texts.kind = policies.id AND policy_texts.digest = policies.state
             WHERE policies.id = $1",
        )
        .bind(kind.as_str())
        .fetch_optional(self.readers())
        .await?;
        row.map(|(digest, revision, text, activated_by, activated_at)| {
            Ok(Versioned {
                revision: count("policies", revision)?,
                record: PolicyBundle {
                    kind,
                    digest: parsed("policies", &digest, Digest::parse)?,
                    text,
                    activated_by,
                    activated_at: Timestamp::from_micros(activated_at),
                },
            })
        })
        .transpose()
    }

    /// The text of that digest, in force or not: what an old approval was decided by.
    pub async fn policy_text(
        &self,
        kind: RuleKind,
        digest: Digest,
    ) -> Result<Option<String>, StoreError> {
        Ok(
            sqlx::query_scalar("SELECT text FROM policy_texts WHERE kind = $1 AND digest = $2")
                .bind(kind.as_str())
                .bind(digest.to_string())
                .fetch_optional(self.readers())
                .await?,
        )
    }
}
