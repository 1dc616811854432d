//! Artifacts: what was uploaded, and the evidence that is bound to it.
//!
//! The bytes are blobs under the raw digest; evidence is bound to the normalised digest, so
//! an unchanged app exported twice keeps its evidence. Not here: the checks that produce
//! evidence, and which controls it meets.

use burgess_core::digest::Digest;
use burgess_core::id::{AppId, ArtifactId};
use burgess_core::intake::ArtifactRef;
use burgess_core::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::change::Versioned;
use crate::error::StoreError;
use crate::row::{RecordRow, all_versioned, json, number, versioned};
use crate::sqlite::Connection;
use crate::store::Store;

/// One upload of an app's artifact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// Id, digests, file name and size. The bytes are the blob `reference.raw`.
    pub reference: ArtifactRef,
    /// The app.
    pub app: AppId,
    /// Who uploaded it: an e-mail address or a credential id.
    pub uploaded_by: String,
    /// When.
    pub uploaded_at: Timestamp,
}

/// What sort of evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EvidenceKind {
    /// What the artifact shows.
    Facts,
    /// The README and what its linter saw.
    Readme,
    /// How one test case of the README went.
    TestResult,
    /// What the search for secrets saw.
    Secrets,
    /// What the scan of third-party packages saw.
    Packages,
    /// A software bill of materials.
    Sbom,
    /// A finding of another check, or of a person.
    Finding,
    /// A timing report.
    Timing,
}

impl EvidenceKind {
    /// All kinds.
    pub const ALL: [Self; 8] = [
        Self::Facts,
        Self::Readme,
        Self::TestResult,
        Self::Secrets,
        Self::Packages,
        Self::Sbom,
        Self::Finding,
        Self::Timing,
    ];

    /// The name in tables and events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Facts => "facts",
            Self::Readme => "readme",
            Self::TestResult => "test_result",
            Self::Secrets => "secrets",
            Self::Packages => "packages",
            Self::Sbom => "sbom",
            Self::Finding => "finding",
            Self::Timing => "timing",
        }
    }
}

/// Something that was seen on one artifact of one app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceItem {
    /// The app.
    pub app: AppId,
    /// Normalised digest of the artifact; none for what was there before any artifact.
    pub artifact: Option<Digest>,
    /// What sort.
    pub kind: EvidenceKind,
    /// Tells apart several of one kind, as the name of a test case; empty when there is one.
    pub name: String,
    /// The core's own type for this kind, as JSON.
    pub body: serde_json::Value,
    /// Where the document itself lies, if there is one.
    pub blob: Option<Digest>,
    /// Who recorded it: an e-mail address, a credential id, or the name of a job.
    pub recorded_by: String,
    /// When.
    pub recorded_at: Timestamp,
}

impl EvidenceItem {
    /// The record's id: the same app, artifact, kind and name are one record, and later evidence
    /// takes the place of earlier.
    pub fn id(&self) -> String {
        let artifact = self
            .artifact
            .map(|digest| digest.to_string())
            .unwrap_or_default();
        let name = Digest::of(self.name.as_bytes()).to_string();
        let name: String = name.chars().take(32).collect();
        format!("{}/{artifact}/{}/{name}", self.app, self.kind.as_str())
    }
}

pub(crate) async fn put(
    connection: &mut Connection,
    it: &Versioned<Artifact>,
) -> Result<(), StoreError> {
    let artifact = &it.record;
    sqlx::query(
        "INSERT INTO artifacts (id, app, normalised, raw, uploaded_at, revision, record)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (id) DO UPDATE SET
             normalised = excluded.normalised, raw = excluded.raw,
             uploaded_at = excluded.uploaded_at, revision = excluded.revision,
             record = excluded.record",
    )
    .bind(artifact.reference.id.as_str())
    .bind(artifact.app.as_str())
    .bind(artifact.reference.normalised.to_string())
    .bind(artifact.reference.raw.to_string())
    .bind(artifact.uploaded_at.as_micros())
    .bind(number(it.revision)?)
    .bind(json("artifacts", artifact.reference.id.as_str(), artifact)?)
    .execute(connection)
    .await?;
    Ok(())
}

pub(crate) async fn put_evidence(
    connection: &mut Connection,
    it: &Versioned<EvidenceItem>,
) -> Result<(), StoreError> {
    let item = &it.record;
    let id = item.id();
    sqlx::query(
        "INSERT INTO evidence (id, app, artifact, kind, name, recorded_at, revision, record)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (id) DO UPDATE SET
             recorded_at = excluded.recorded_at, revision = excluded.revision,
             record = excluded.record",
    )
    .bind(&id)
    .bind(item.app.as_str())
    .bind(item.artifact.map(|digest| digest.to_string()))
    .bind(item.kind.as_str())
    .bind(&item.name)
    .bind(item.recorded_at.as_micros())
    .bind(number(it.revision)?)
    .bind(json("evidence", &id, item)?)
    .execute(connection)
    .await?;
    Ok(())
}

impl Store {
    /// The upload of that id.
    pub async fn artifact(
        &self,
        id: &ArtifactId,
    ) -> Result<Option<Versioned<Artifact>>, StoreError> {
        let row: Option<RecordRow> =
            sqlx::query_as("SELECT id, revision, record FROM artifacts WHERE id = $1")
                .bind(id.as_str())
                .fetch_optional(self.readers())
                .await?;
        row.map(|row| versioned("artifacts", row)).transpose()
    }

    /// All uploads of an app, the newest first.
    pub async fn artifacts_of(&self, app: &AppId) -> Result<Vec<Versioned<Artifact>>, StoreError> {
        let rows: Vec<RecordRow> = sqlx::query_as(
            "SELECT id, revision, record FROM artifacts WHERE app = $1
             ORDER BY uploaded_at DESC, id DESC",
        )
        .bind(app.as_str())
        .fetch_all(self.readers())
        .await?;
        all_versioned("artifacts", rows)
    }

    /// Everything seen on an app, whatever the artifact, by kind and time. What belongs to one
    /// artifact is told by `record.artifact`.
    pub async fn evidence_of(
        &self,
        app: &AppId,
    ) -> Result<Vec<Versioned<EvidenceItem>>, StoreError> {
        let rows: Vec<RecordRow> = sqlx::query_as(
            "SELECT id, revision, record FROM evidence WHERE app = $1
             ORDER BY kind, recorded_at, id",
        )
        .bind(app.as_str())
        .fetch_all(self.readers())
        .await?;
        all_versioned("evidence", rows)
    }

    /// The evidence record of that id, as [`EvidenceItem::id`] gives it.
    pub async fn evidence(&self, id: &str) -> Result<Option<Versioned<EvidenceItem>>, StoreError> {
        let row: Option<RecordRow> =
            sqlx::query_as("SELECT id, revision, record FROM evidence WHERE id = $1")
                .bind(id)
                .fetch_optional(self.readers())
                .await?;
        row.map(|row| versioned("evidence", row)).transpose()
    }
}
