//! The verdict on a dropped export: what it touches, its score, and the cheapest path to yes.
//! Nothing is stored and nothing is submitted.

use std::sync::Arc;

use burgess_core::charter::Charter;
use burgess_core::evidence::Evidence;

use super::evidence::{self, Reading, Upload};
use super::intake::{self, Assessment};
use crate::http::problem::Problem;
use crate::server::Server;

/// What one sees after dropping an export.
#[derive(Debug)]
pub struct Verdict {
    /// What was read.
    pub reading: Reading,
    /// The drafted charter, as far as the export tells.
    pub charter: Charter,
    /// The draft as text, with its sources and the questions that remain.
    pub draft: String,
    /// Score, route, cheapest path.
    pub assessment: Assessment,
}

/// Reads an export and judges the app in it.
pub async fn on(server: &Arc<Server>, upload: Upload) -> Result<Verdict, Problem> {
    let now = server.ambient.now();
    let (reading, reference) = evidence::reading(server, upload).await?;
    let charter = draft_charter(server, &reading).await?;
    let given = burgess_inspect::draft::Given {
        id: Some(charter.id.clone()),
        ..burgess_inspect::draft::Given::default()
    };
    let by_name = |name: &str| server.catalogue.find(name).map(|c| c.id.clone());
    let by_host = |host: &str| server.catalogue.by_host(host).map(|c| c.id.clone());
    let lookup = burgess_inspect::draft::Lookup {
        by_name: &by_name,
        by_host: &by_host,
    };
    let draft = burgess_inspect::draft::charter_draft(&reading.facts, &given, &lookup);
    let seen = Evidence {
        artifact: Some(reference.normalised),
        facts: reading.shown.clone(),
        secrets_searched: true,
        secrets: reading.secrets.clone(),
        packages: Some(reading.packages.clone()),
        sbom: Some(reference.raw),
        ..Evidence::default()
    };
    let assessment = intake::assess(server, &charter, &seen, now);
    Ok(Verdict {
        reading,
        charter,
        draft,
        assessment,
    })
}

/// A charter with everything that the export itself says.
async fn draft_charter(server: &Server, reading: &Reading) -> Result<Charter, Problem> {
    let name = if reading.facts.name.is_empty() {
        "My app"
    } else {
        &reading.facts.name
    };
    let id = intake::new_id(server, name).await?;
    let mut charter = Charter::blank(id, name);
    for connector in &reading.shown.connectors {
        let known = server.catalogue.get(connector);
        charter.connector.push(burgess_core::charter::ConnectorUse {
            id: connector.clone(),
            methods: known
                .map(|c| c.methods.iter().filter(|m| *m == "GET").cloned().collect())
                .unwrap_or_default(),
            scopes: Vec::new(),
            flows: Vec::new(),
            hosts: std::collections::BTreeMap::new(),
        });
    }
    Ok(charter.normalised())
}
