//! Evidence: what the checks see in an upload, kept with the artifact's digest.
//!
//! The checks read hostile bytes, so they run apart from the request threads; what
//! they find is facts and findings, on which policies decide elsewhere.

use std::sync::Arc;

use burgess_core::charter::Charter;
use burgess_core::connector::Catalogue;
use burgess_core::digest::Digest;
use burgess_core::evidence::{ArtifactFacts, Evidence, PackageScan, ReadmeEvidence, TestResult};
use burgess_core::finding::{Finding, Severity};
use burgess_core::id::{AppId, ArtifactId};
use burgess_core::intake::ArtifactRef;
use burgess_core::time::Timestamp;
use burgess_inspect::advisories::Database;
use burgess_inspect::artifact::{self, ArtifactDigest};
use burgess_inspect::draft::{Lookup, artifact_facts};
use burgess_inspect::error::InspectError;
use burgess_inspect::facts::Facts;
use burgess_inspect::readme::{self, Section};
use burgess_inspect::sbom::{SbomError, Service, Subject, cyclonedx};
use burgess_inspect::unpack::{self, Tree};
use burgess_inspect::{exports, lockfile, secrets};
use burgess_store::{Change, EvidenceItem, EvidenceKind, Versioned};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::http::problem::Problem;
use crate::server::Server;

/// A file as somebody uploaded it.
#[derive(Clone, Debug)]
pub struct Upload {
    /// Its name.
    pub file_name: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// What the checks saw in an upload.
#[derive(Debug)]
pub struct Reading {
    /// Its files.
    pub tree: Tree,
    /// What it is and does, each fact with its place.
    pub facts: Facts,
    /// What that means for score and controls.
    pub shown: ArtifactFacts,
    /// Its digests.
    pub digest: ArtifactDigest,
    /// Secrets in it.
    pub secrets: Vec<Finding>,
    /// Its packages.
    pub packages: PackageScan,
    /// Its bill of materials, CycloneDX 1.6.
    pub sbom: Value,
}

/// Reads an upload. Takes as long as the archive is large; call it off the request threads.
pub fn read(
    upload: &Upload,
    catalogue: &Catalogue,
    advisories: &Database,
    serial: u128,
    now: Timestamp,
) -> Result<Reading, Unreadable> {
    let tree = unpack::file(&upload.file_name, upload.bytes.clone())?;
    read_tree(tree, &upload.file_name, catalogue, advisories, serial, now)
}

/// Reads files that are unpacked already.
pub fn read_tree(
    tree: Tree,
    name: &str,
    catalogue: &Catalogue,
    advisories: &Database,
    serial: u128,
    now: Timestamp,
) -> Result<Reading, Unreadable> {
    let facts = exports::inspect(&tree)?;
    let digest = artifact::digest(&tree, facts.platform);
    let manifests = manifests(&tree);
    let packages = scan(&manifests, advisories);
    let secrets = secret_findings(&tree, &facts);
    let shown = shown(&facts, &manifests, catalogue);
    let sbom = bill(name, &facts, &manifests, serial, now)?;
    Ok(Reading {
        tree,
        facts,
        shown,
        digest,
        secrets,
        packages,
        sbom,
    })
}

/// The package manifests inside, and those that cannot be read.
type Manifests = Vec<(String, Result<lockfile::Manifest, lockfile::LockfileError>)>;

fn manifests(tree: &Tree) -> Manifests {
    tree.files
        .iter()
        .filter(|(path, _)| lockfile::format(path).is_some())
        .map(|(path, bytes)| (path.clone(), lockfile::read(path, bytes)))
        .collect()
}

fn scan(manifests: &Manifests, advisories: &Database) -> PackageScan {
    let mut scan = PackageScan {
        packages: 0,
        unpinned: Vec::new(),
        vulnerable: Vec::new(),
        skipped: Vec::new(),
    };
    for (path, manifest) in manifests {
        match manifest {
            Ok(manifest) => {
                let report = burgess_inspect::advisories::scan(manifest, advisories);
                scan.packages = scan
                    .packages
                    .saturating_add(u32::try_from(manifest.packages.len()).unwrap_or(u32::MAX));
                scan.unpinned
                    .extend(manifest.unpinned.iter().map(|p| format!("{p} ({path})")));
                scan.skipped.extend(
                    manifest
                        .skipped
                        .iter()
                        .map(|s| format!("{} ({path}): {}", s.what, s.why)),
                );
                scan.vulnerable.extend(report.findings(path));
            }
            Err(error) => scan.skipped.push(format!("{path}: {error}")),
        }
    }
    scan
}

fn secret_findings(tree: &Tree, facts: &Facts) -> Vec<Finding> {
    let hits = secrets::scan(
        tree.files
            .iter()
            .map(|(path, bytes)| (path.as_str(), bytes.as_slice())),
    );
    let from_exports = facts
        .secrets
        .iter()
        .map(|s| (s.kind.clone(), s.file.clone(), s.pointer.clone()));
    let from_scan = hits
        .into_iter()
        .map(|h| (h.kind.to_string(), h.file, h.pointer));
    let mut seen = std::collections::BTreeSet::new();
    from_exports
        .chain(from_scan)
        .filter(|(_, file, pointer)| seen.insert((file.clone(), pointer.clone())))
        .map(|(kind, file, pointer)| Finding {
            rule: format!("secret.{}", kind.to_lowercase().replace('_', "-")),
            severity: Severity::Error,
            message: format!("a secret ({kind}) stands in `{file}` at {pointer}"),
            remedy: "move it into the platform's credential store, change it, and export again"
                .to_owned(),
            file,
            pointer,
        })
        .collect()
}

/// What the artifact shows, in the rules' words; packages of its manifests are part of it.
fn shown(facts: &Facts, manifests: &Manifests, catalogue: &Catalogue) -> ArtifactFacts {
    let by_name = |name: &str| catalogue.find(name).map(|c| c.id.clone());
    let by_host = |host: &str| catalogue.by_host(host).map(|c| c.id.clone());
    let mut out = artifact_facts(
        facts,
        &Lookup {
            by_name: &by_name,
            by_host: &by_host,
        },
    );
    let of_manifests = manifests
        .iter()
        .filter_map(|(_, manifest)| manifest.as_ref().ok());
    out.packages.extend(
        of_manifests
            .flat_map(|manifest| manifest.packages.iter().map(|package| package.purl.clone())),
    );
    out.packages.sort();
    out.packages.dedup();
    out.third_party_code = out.third_party_code || !out.packages.is_empty();
    out
}

fn bill(
    name: &str,
    facts: &Facts,
    manifests: &Manifests,
    serial: u128,
    now: Timestamp,
) -> Result<Value, Unreadable> {
    let name = if facts.name.is_empty() {
        name
    } else {
        &facts.name
    };
    let read: Vec<lockfile::Manifest> = manifests
        .iter()
        .filter_map(|(_, manifest)| manifest.as_ref().ok().cloned())
        .collect();
    let mut services: Vec<Service> = facts
        .connectors
        .iter()
        .map(|c| Service {
            name: c.clone(),
            hosts: Vec::new(),
        })
        .collect();
    services.extend(facts.external_hosts.iter().map(|host| Service {
        name: host.clone(),
        hosts: vec![host.clone()],
    }));
    let serial = format!("urn:uuid:{}", uuid::Uuid::from_u128(serial));
    let subject = Subject {
        id: name,
        name,
        version: "1",
        manifests: &read,
        packages: &facts.packages,
        services: &services,
        serial_number: &serial,
        timestamp: now,
    };
    cyclonedx(&subject).map_err(Unreadable::Sbom)
}

/// An upload that cannot be judged.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// It cannot be read.
    #[error(transparent)]
    Inspect(#[from] InspectError),
    /// No bill of materials can be made of it.
    #[error(transparent)]
    Sbom(SbomError),
}

/// Reads an upload on a thread of its own.
pub async fn reading(
    server: &Arc<Server>,
    upload: Upload,
) -> Result<(Reading, ArtifactRef), Problem> {
    let now = server.ambient.now();
    let serial = server.ambient.uuid().map_err(|e| Problem::internal(&e))?;
    let id = server.ambient.uuid().map_err(|e| Problem::internal(&e))?;
    let held = Arc::clone(server);
    let name = upload.file_name.clone();
    let size = u64::try_from(upload.bytes.len()).unwrap_or(u64::MAX);
    let read = tokio::task::spawn_blocking(move || {
        read(
            &upload,
            &held.catalogue,
            &held.advisories.load(),
            serial,
            now,
        )
    });
    let reading = read
        .await
        .map_err(|e| Problem::internal(&e))?
        .map_err(|e| unreadable(&e))?;
    let reference = ArtifactRef {
        id: ArtifactId::from_uuid(id),
        normalised: reading.digest.normalised,
        raw: reading.digest.raw,
        file_name: name.chars().take(200).collect(),
        size,
    };
    Ok((reading, reference))
}

/// An upload that cannot be read.
pub fn unreadable(error: &Unreadable) -> Problem {
    let (code, detail) = match error {
        Unreadable::Inspect(error) => (error.code(), format!("{error}: {}", error.remedy())),
        Unreadable::Sbom(error) => ("SBOM_IMPOSSIBLE", error.to_string()),
    };
    Problem::new(axum::http::StatusCode::UNPROCESSABLE_ENTITY, code, detail)
}

/// What the README's linter saw, in the rules' words.
pub fn readme(text: &str, timing_declared: bool) -> ReadmeEvidence {
    let report = readme::lint(text, timing_declared);
    let has = |section: Section| report.sections.iter().any(|found| found.section == section);
    ReadmeEvidence {
        digest: Some(Digest::of(text.as_bytes())),
        missing_sections: report
            .missing
            .iter()
            .map(|section| heading(*section).to_owned())
            .collect(),
        test_cases: report
            .test_cases
            .iter()
            .map(|case| case.id.clone())
            .collect(),
        states_latency: has(Section::Latency),
        states_failure_modes: has(Section::FailureModes),
    }
}

/// The heading that the template gives a section.
fn heading(section: Section) -> &'static str {
    readme::SECTIONS
        .iter()
        .find(|row| row.section == section)
        .map_or("a section", |row| row.heading)
}

/// Everything that was seen of one version of an app, from its records.
pub fn gather(items: &[Versioned<EvidenceItem>], artifact: Option<Digest>) -> Evidence {
    let mut evidence = Evidence {
        artifact,
        ..Evidence::default()
    };
    for item in items.iter().map(|it| &it.record) {
        let mine = item.artifact == artifact;
        match item.kind {
            EvidenceKind::Readme => evidence.readme = body(item),
            EvidenceKind::TestResult => evidence.tests.extend(body::<TestResult>(item)),
            EvidenceKind::Facts if mine => evidence.facts = body(item).unwrap_or_default(),
            EvidenceKind::Secrets if mine => {
                evidence.secrets_searched = true;
                evidence.secrets = body(item).unwrap_or_default();
            }
            EvidenceKind::Packages if mine => evidence.packages = body(item),
            EvidenceKind::Sbom if mine => evidence.sbom = item.blob,
            EvidenceKind::Timing if mine => evidence.timing = body(item),
            EvidenceKind::Finding if mine => evidence
                .open_findings
                .extend(body::<burgess_core::evidence::OpenFinding>(item)),
            _ => {}
        }
    }
    evidence
}

fn body<T: DeserializeOwned>(item: &EvidenceItem) -> Option<T> {
    serde_json::from_value(item.body.clone()).ok()
}

/// A record of evidence that is new or takes the place of the one before.
pub fn record(known: &[Versioned<EvidenceItem>], item: EvidenceItem) -> Change {
    let id = item.id();
    let before = known.iter().find(|it| it.record.id() == id);
    Change::Evidence(before.map_or_else(
        || Versioned::new(item.clone()),
        |before| before.next(item.clone()),
    ))
}

/// A record of evidence of this kind.
pub fn item(
    app: &AppId,
    artifact: Option<Digest>,
    kind: EvidenceKind,
    name: &str,
    value: &impl Serialize,
    by: &str,
    at: Timestamp,
) -> EvidenceItem {
    EvidenceItem {
        app: app.clone(),
        artifact,
        kind,
        name: name.to_owned(),
        body: serde_json::to_value(value).unwrap_or(Value::Null),
        blob: None,
        recorded_by: by.to_owned(),
        recorded_at: at,
    }
}

/// What a reading adds to the evidence: facts, secrets, packages, bill of materials.
pub async fn of_reading(
    server: &Server,
    app: &AppId,
    reading: &Reading,
    known: &[Versioned<EvidenceItem>],
    by: &str,
    at: Timestamp,
) -> Result<Vec<Change>, Problem> {
    let artifact = Some(reading.digest.normalised);
    let bill = serde_json::to_vec_pretty(&reading.sbom).map_err(|e| Problem::internal(&e))?;
    let blob = server
        .store
        .blobs()
        .put(&bill)
        .map_err(|e| Problem::internal(&e))?;
    let mut sbom = item(
        app,
        artifact,
        EvidenceKind::Sbom,
        "",
        &"CycloneDX 1.6",
        by,
        at,
    );
    sbom.blob = Some(blob);
    Ok(vec![
        record(
            known,
            item(
                app,
                artifact,
                EvidenceKind::Facts,
                "",
                &reading.shown,
                by,
                at,
            ),
        ),
        record(
            known,
            item(
                app,
                artifact,
                EvidenceKind::Secrets,
                "",
                &reading.secrets,
                by,
                at,
            ),
        ),
        record(
            known,
            item(
                app,
                artifact,
                EvidenceKind::Packages,
                "",
                &reading.packages,
                by,
                at,
            ),
        ),
        record(known, sbom),
    ])
}

/// Whether a charter declares timing, so that its README must state latency.
pub fn timing_declared(charter: &Charter) -> bool {
    charter.timing.is_some()
}
