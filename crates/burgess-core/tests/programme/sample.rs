//! What the tests start from: one complete charter, its registries, its evidence, its request.

use std::path::PathBuf;

use burgess_core::app::App;
use burgess_core::approval::{RouteFacts, Terms, VALID_FOR, ceiling, route};
use burgess_core::charter::Charter;
use burgess_core::connector::Catalogue;
use burgess_core::data::Classification;
use burgess_core::digest::Digest;
use burgess_core::evidence::{
    ArtifactFacts, Evidence, PackageScan, ReadmeEvidence, TestResult, controls,
};
use burgess_core::id::{ApprovalId, ArtifactId, Email, RequestId};
use burgess_core::intake::{
    ArtifactRef, ClassActions, Dataset, DatasetRegistry, Directory, Person, Registries, Request,
    RequestState, RetentionLabel, RetentionSchedule, Sla,
};
use burgess_core::risk::{Rubric, factors, score};
use burgess_core::time::Timestamp;

/// The charter of the published contract, whole.
pub const WHOLE: &str = include_str!("whole.toml");

/// A low-risk charter: internal data, three people, no connection.
pub const SMALL: &str = include_str!("small.toml");

pub fn whole() -> Charter {
    Charter::parse(WHOLE).unwrap()
}

pub fn small() -> Charter {
    Charter::parse(SMALL).unwrap()
}

pub fn mail(name: &str) -> Email {
    Email::parse(&format!("{name}@example.com")).unwrap()
}

pub fn now() -> Timestamp {
    Timestamp::parse("2026-01-18T09:00:00Z").unwrap()
}

pub fn rubric() -> Rubric {
    Rubric::published().unwrap()
}

pub fn artifact() -> ArtifactRef {
    ArtifactRef {
        id: ArtifactId::parse("art_1").unwrap(),
        normalised: Digest::of(b"artifact"),
        raw: Digest::of(b"artifact, zipped"),
        file_name: "workflow.json".to_owned(),
        size: 4_711,
    }
}

/// Evidence that meets every control of either sample.
pub fn evidence() -> Evidence {
    Evidence {
        artifact: Some(artifact().normalised),
        readme: Some(ReadmeEvidence {
            digest: Some(Digest::of(b"readme")),
            missing_sections: Vec::new(),
            test_cases: vec!["prices a basket".to_owned()],
            states_latency: true,
            states_failure_modes: true,
        }),
        tests: vec![TestResult {
            case: "prices a basket".to_owned(),
            artifact: artifact().normalised,
            passed: true,
            note: String::new(),
            by: mail("dana"),
            at: now(),
        }],
        secrets_searched: true,
        packages: Some(PackageScan {
            packages: 1,
            unpinned: Vec::new(),
            vulnerable: Vec::new(),
            skipped: Vec::new(),
        }),
        sbom: Some(Digest::of(b"sbom")),
        timing: Some(burgess_core::evidence::TimingReport {
            digest: Digest::of(b"timing"),
            within_budget: true,
        }),
        ..Evidence::default()
    }
}

/// The request that handing `charter` in makes.
pub fn request(charter: &Charter, artifact: Option<ArtifactRef>, evidence: &Evidence) -> Request {
    let catalogue = Catalogue::built_in().unwrap();
    let facts = ArtifactFacts::default();
    let factors = factors(charter, &catalogue, &facts);
    let rubric = rubric();
    let score = score(&factors, &rubric);
    let controls = controls(
        charter,
        evidence,
        ceiling(charter, artifact.is_some()),
        now(),
    );
    let route = route(&score, &RouteFacts::of(charter, factors, &facts), &controls);
    Request {
        id: RequestId::parse("req_1").unwrap(),
        app: charter.id.clone(),
        charter: charter.clone(),
        charter_digest: charter.digest(),
        artifact,
        readme: Some(Digest::of(b"readme")),
        facts,
        factors,
        score,
        route,
        controls,
        rubric_digest: rubric.digest(),
        state: RequestState::Submitted,
        submitted_by: mail("dana"),
        submitted_at: now(),
        sla: Some(Sla::from(now())),
        decisions: Vec::new(),
        previous_approval: None,
        approval: None,
        granted_at: None,
        changes: Vec::new(),
        revision: 1,
    }
}

pub fn terms() -> Terms {
    Terms {
        id: ApprovalId::parse("apr_1").unwrap(),
        policy_digest: Digest::of(b"policies"),
        valid_for: VALID_FOR,
    }
}

pub fn app(charter: &Charter) -> App {
    let score = score(
        &factors(
            charter,
            &Catalogue::built_in().unwrap(),
            &ArtifactFacts::default(),
        ),
        &rubric(),
    );
    App::register(charter, score.score, score.band, now()).unwrap()
}

/// Registries that know everything in both samples.
pub struct World {
    pub datasets: DatasetRegistry,
    pub catalogue: Catalogue,
    pub retention: RetentionSchedule,
    pub class_actions: ClassActions,
    pub directory: Directory,
}

impl World {
    pub fn new() -> Self {
        let mut world = Self {
            datasets: DatasetRegistry::default(),
            catalogue: Catalogue::built_in().unwrap(),
            retention: RetentionSchedule::default(),
            class_actions: ClassActions::default_matrix().unwrap(),
            directory: Directory::default(),
        };
        for (name, classification) in [
            ("customer_record", Classification::Pii),
            ("price_list", Classification::Internal),
        ] {
            let dataset = Dataset {
                name: name.to_owned(),
                classification,
                owner: mail("olu"),
                description: String::new(),
            };
            world.datasets.insert(dataset).unwrap();
        }
        let label = RetentionLabel {
            label: "sales-3y".to_owned(),
            days: 1_095,
        };
        world.retention.insert(label).unwrap();
        for (name, manager) in [
            ("dana", "olu"),
            ("olu", "mei"),
            ("mei", "zoe"),
            ("zoe", "zoe"),
        ] {
            world.directory.insert(Person {
                email: mail(name),
                name: name.to_owned(),
                unit: "sales-emea".to_owned(),
                manager: Some(mail(manager)),
                active: true,
            });
        }
        world
    }

    pub fn registries(&self) -> Registries<'_> {
        Registries {
            datasets: &self.datasets,
            catalogue: &self.catalogue,
            retention: &self.retention,
            class_actions: &self.class_actions,
            directory: &self.directory,
        }
    }
}

/// Compares `actual` with the golden table, or writes it when `BURGESS_UPDATE_GOLDEN` is set.
pub fn golden(name: &str, actual: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name);
    if std::env::var_os("BURGESS_UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, actual).unwrap();
        return;
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    for (number, (expected, actual)) in expected.lines().zip(actual.lines()).enumerate() {
        assert_eq!(expected, actual, "{name}, line {}", number + 1);
    }
    assert_eq!(expected, actual, "{name}");
}
