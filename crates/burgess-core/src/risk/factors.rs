//! The factors of an app: what its charter claims, raised to what its artifact shows.

use super::{Connectivity, Execution, Factors};
use crate::charter::Charter;
use crate::connector::Catalogue;
use crate::data::Classification;
use crate::evidence::ArtifactFacts;

/// People that count when a charter does not say how many: over 100, since silence must not
/// lower a score.
const USERS_UNSAID: u32 = 101;

/// The number of people that counts for the score.
pub fn users_for_scoring(charter: &Charter) -> u32 {
    charter.app.users.unwrap_or(USERS_UNSAID)
}

/// The factors of the app that `charter` describes and `facts` show. What is claimed never
/// lowers what is shown: each factor is the higher of both. `facts` is the default where
/// there is no artifact.
pub fn factors(charter: &Charter, catalogue: &Catalogue, facts: &ArtifactFacts) -> Factors {
    Factors {
        data: data(charter, facts),
        users: users_for_scoring(charter),
        connectivity: connectivity(charter, catalogue, facts),
        third_party_code: !charter.third_party.is_empty()
            || facts.third_party_code
            || !facts.packages.is_empty(),
        execution: execution(charter, facts),
    }
}

fn data(charter: &Charter, facts: &ArtifactFacts) -> Classification {
    charter
        .classification()
        .max(facts.data)
        .unwrap_or(Classification::None)
}

fn connectivity(charter: &Charter, catalogue: &Catalogue, facts: &ArtifactFacts) -> Connectivity {
    let declared = charter
        .connector
        .iter()
        .map(|connector| catalogue.connectivity(connector));
    let used = facts.connectors.iter().map(|id| {
        catalogue
            .find(id)
            .map_or(Connectivity::ExternalApi, |connector| {
                connector.kind.connectivity()
            })
    });
    let unknown = facts
        .unknown_connectors
        .iter()
        .map(|_| Connectivity::ExternalApi);
    let called = facts.external_hosts.iter().map(|host| {
        catalogue
            .by_host(host)
            .map_or(Connectivity::ExternalApi, |connector| {
                connector.kind.connectivity()
            })
    });
    declared
        .chain(used)
        .chain(unknown)
        .chain(called)
        .max()
        .unwrap_or(Connectivity::None)
}

fn execution(charter: &Charter, facts: &ArtifactFacts) -> Execution {
    if charter.capabilities.agent || facts.agent {
        Execution::DesktopAgent
    } else {
        Execution::Sandboxed
    }
}
