//! The promotion gate: what stops a version when one thing is missing.

use burgess_core::app::Environment;
use burgess_core::connector::Kind;
use burgess_core::data::Classification;
use burgess_core::deploy::{ConnectorFacts, GateFacts};
use burgess_core::evidence::ControlId;
use burgess_core::policy::PolicySet;
use burgess_core::policy::plain::Plain as _;

use crate::table::Table;

/// Every control there is.
pub const CONTROLS: [ControlId; 16] = [
    ControlId::Owner,
    ControlId::SecondOwner,
    ControlId::RemediationSla,
    ControlId::RetentionLabel,
    ControlId::Readme,
    ControlId::Tests,
    ControlId::StaticChecks,
    ControlId::NoSecrets,
    ControlId::Pinned,
    ControlId::NotVulnerable,
    ControlId::Sbom,
    ControlId::Manifest,
    ControlId::Justification,
    ControlId::TimingDocumented,
    ControlId::TimingReport,
    ControlId::RemediationInTime,
];

pub fn answer(set: &PolicySet, facts: &GateFacts, connectors: &[ConnectorFacts]) -> String {
    let answer = set.gate(facts, connectors);
    if answer.is_open() {
        return "opens".to_owned();
    }
    let stops: Vec<String> = answer
        .denials
        .iter()
        .map(|denial| match denial.policy.as_str() {
            "" => format!("(none): {}", denial.reason),
            policy => format!("{policy} [{}]", denial.control),
        })
        .collect();
    stops.join(", ")
}

type Change = fn(&mut GateFacts);

const CHANGES: [(&str, Change); 12] = [
    ("everything is there", |_| {}),
    ("no approval", |f| f.approved = false),
    ("the approval has expired", |f| f.approval_unexpired = false),
    ("another charter", |f| f.charter_as_approved = false),
    ("another artifact", |f| f.artifact_as_approved = false),
    ("outside the approval", |f| f.within_approval = false),
    ("environment not in the charter", |f| {
        f.environment_declared = false
    }),
    ("not live in the environment before", |f| {
        f.previous_live = false
    }),
    ("in quarantine or about to retire", |f| f.stopped = true),
    ("no artifact", |f| f.artifact_present = false),
    ("no heartbeat", |f| f.heartbeat_seen = false),
    ("no event of its own", |f| f.event_seen = false),
];

pub fn all(set: &PolicySet) -> Table<'_> {
    let mut table = Table {
        set,
        rows: Vec::new(),
    };
    for target in Environment::ALL {
        let plain = || GateFacts {
            target,
            ..GateFacts::plain().unwrap()
        };
        for (name, change) in CHANGES {
            let mut facts = plain();
            change(&mut facts);
            table.row(name, target.as_str(), answer(set, &facts, &[]));
        }
        let mut facts = plain();
        facts.sponsor_decided = false;
        table.row(
            "the sponsor has not decided",
            target.as_str(),
            answer(set, &facts, &[]),
        );
        for control in CONTROLS {
            let mut facts = plain();
            facts.unmet_controls.insert(control.as_str().to_owned());
            let name = format!("unmet: {}", control.as_str());
            table.row(&name, target.as_str(), answer(set, &facts, &[]));
        }
    }
    for (name, change) in CONNECTORS {
        let mut connector = ConnectorFacts::plain().unwrap();
        change(&mut connector);
        let facts = GateFacts::plain().unwrap();
        let answer = answer(set, &facts, std::slice::from_ref(&connector));
        table.row(name, connector.environment.as_str(), answer);
    }
    table
}

type Alter = fn(&mut ConnectorFacts);

const CONNECTORS: [(&str, Alter); 9] = [
    ("connector: declared and cleared", |_| {}),
    ("connector: not cleared", |c| c.cleared = false),
    ("connector: not in the catalogue, pii", |c| {
        c.catalogued = false
    }),
    ("connector: not in the catalogue, public", |c| {
        c.catalogued = false;
        c.classification = Classification::Public;
    }),
    ("connector: external API, phi", |c| {
        c.kind = Kind::ExternalApi;
        c.classification = Classification::Phi;
    }),
    ("connector: no host here", |c| c.host_known = false),
    ("connector: scope beyond the catalogue", |c| {
        c.excess_scopes.insert("quotes:write".to_owned());
    }),
    ("connector: method beyond the catalogue", |c| {
        c.excess_methods.insert("DELETE".to_owned());
    }),
    ("connector: administrative scope", |c| {
        c.scopes.insert("org:admin".to_owned());
    }),
];
