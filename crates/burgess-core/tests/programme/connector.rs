//! The built-in catalogue.

use burgess_core::app::Environment;
use burgess_core::connector::{Catalogue, Kind, host_matches};
use burgess_core::data::Classification;

// R25
#[test]
fn the_built_in_catalogue_knows_the_usual_services() {
    let catalogue = Catalogue::built_in().unwrap();
    for id in [
        "salesforce",
        "office365",
        "sharepoint",
        "slack",
        "google-sheets",
        "hubspot",
        "servicenow",
        "jira",
        "github",
        "dropbox",
        "crm",
    ] {
        assert!(catalogue.get(id).is_some(), "{id}");
    }
    assert!(catalogue.iter().count() >= 20);
    for entry in catalogue.iter() {
        assert!(
            !entry.methods.is_empty() && !entry.classes.is_empty(),
            "{}",
            entry.id
        );
        assert!(
            !entry.classes.contains(&Classification::Phi),
            "{} is cleared for PHI",
            entry.id
        );
        assert!(
            entry.kind == Kind::Internal || entry.hosts.len() == 3,
            "{}",
            entry.id
        );
    }
}

#[test]
fn platforms_names_for_a_connector_lead_to_it() {
    let catalogue = Catalogue::built_in().unwrap();
    assert_eq!(catalogue.find("shared_office365").unwrap().id, "office365");
    assert_eq!(
        catalogue.find("n8n-nodes-base.googleSheets").unwrap().id,
        "google-sheets"
    );
    assert!(catalogue.find("shared_unheard_of").is_none());
}

#[test]
fn a_wildcard_stands_for_subdomains_and_not_for_lookalikes() {
    assert!(host_matches("*.sharepoint.com", "acme.SharePoint.com"));
    for host in [
        "sharepoint.com",
        "evilsharepoint.com",
        "acme.sharepoint.com.evil.example",
        ".sharepoint.com",
    ] {
        assert!(!host_matches("*.sharepoint.com", host), "{host}");
    }
    assert!(!host_matches("*", "anything.example"));
    assert!(!host_matches("api.example", "api.example:8443"));
}

#[test]
fn configuration_sets_the_hosts_of_the_organisations_own_systems() {
    let mut catalogue = Catalogue::built_in().unwrap();
    assert!(catalogue.set_hosts(
        "crm",
        Environment::Sandbox,
        vec!["127.0.0.1:9999".to_owned()]
    ));
    assert!(!catalogue.set_hosts("crn", Environment::Sandbox, Vec::new()));
    assert_eq!(catalogue.by_host("127.0.0.1:9999").unwrap().id, "crm");
}
