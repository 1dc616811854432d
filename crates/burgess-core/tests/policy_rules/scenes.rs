//! The circumstances: one row for every fact that a rule turns on.

use std::collections::BTreeSet;

use burgess_core::app::Environment;
use burgess_core::data::{ActionType, Classification};
use burgess_core::id::{AppId, Email};
use burgess_core::policy::PolicySet;
use burgess_core::policy::action::*;
use burgess_core::policy::facts::{
    CallFacts, CaseFacts, Destination, Principal, ReleaseFacts, Way,
};
use burgess_core::risk::Band;
use burgess_core::roles::Role;

use crate::table::{Table, client, person, someone};

const JOB: Principal = Principal::Job("clockwork");

pub fn all(set: &PolicySet) -> Table<'_> {
    let mut table = Table {
        set,
        rows: Vec::new(),
    };
    requests(&mut table);
    decisions(&mut table);
    apps(&mut table);
    duties(&mut table);
    keeping(&mut table);
    automatic(&mut table);
    access(&mut table);
    scopes(&mut table);
    calls(&mut table);
    releases(&mut table);
    table
}

fn email(text: &str) -> Email {
    Email::parse(text).unwrap()
}

fn other() -> Email {
    email("other@example.com")
}

fn requests(t: &mut Table<'_>) {
    let dana = someone(Role::CitizenDeveloper);
    t.ask::<SubmitRequest>("their own app", &dana, |_| {}, |_| {});
    t.ask::<SubmitRequest>(
        "somebody else's app",
        &dana,
        |c| c.developer = other(),
        |_| {},
    );
    t.ask::<EditRequest>("already decided", &dana, |c| c.open = false, |_| {});
    t.ask::<AttachReadme>(
        "somebody else's app",
        &dana,
        |a| a.developer = other(),
        |_| {},
    );
    t.ask::<DeployStaging>(
        "somebody else's app",
        &dana,
        |a| a.developer = other(),
        |_| {},
    );
    t.ask::<IssueCredential>(
        "somebody else's app",
        &dana,
        |a| a.developer = other(),
        |_| {},
    );
    t.ask::<ReadApp>(
        "somebody else's app",
        &dana,
        |a| a.developer = other(),
        |_| {},
    );
    t.ask::<PromoteProduction>("a developer, their own app", &dana, |_| {}, |_| {});
    let left = person(Role::CitizenDeveloper, |p| p.active = false);
    t.ask::<SubmitRequest>("a leaver", &left, |_| {}, |_| {});
    t.ask::<ReadOwn>("a leaver", &left, |_| {}, |_| {});
    let nobody = person(Role::CitizenDeveloper, |p| p.roles.clear());
    t.ask::<SubmitRequest>("no role at all", &nobody, |_| {}, |_| {});
    t.ask::<ReadOwn>("no role at all", &nobody, |_| {}, |_| {});
}

fn decisions(t: &mut Table<'_>) {
    let pat = someone(Role::PlatformSecurity);
    let me = || email("platform_security@example.com");
    t.ask::<DecideAsReviewer>("somebody else's request", &pat, |_| {}, |_| {});
    t.ask::<DecideAsReviewer>("they wrote it", &pat, |c| c.submitter = me(), |_| {});
    t.ask::<DecideAsReviewer>("they build the app", &pat, |c| c.developer = me(), |_| {});
    t.ask::<DecideAsReviewer>("already decided", &pat, |c| c.open = false, |_| {});
    let missing = |c: &mut CaseFacts| {
        c.missing_controls = BTreeSet::from(["remediation-sla".to_owned()]);
    };
    t.ask::<DecideAsReviewer>("approves, a control is missing", &pat, missing, |_| {});
    t.ask::<DecideAsReviewer>("refuses, a control is missing", &pat, missing, |v| {
        v.approves = false
    });
    t.ask::<DecideAsSecondReviewer>("first review by another", &pat, |_| {}, |_| {});
    t.ask::<DecideAsSecondReviewer>(
        "they did the first review",
        &pat,
        |c| c.reviewers = BTreeSet::from([me()]),
        |_| {},
    );
    t.ask::<DecideAsSecondReviewer>(
        "no second review is needed",
        &pat,
        |c| c.second_review = false,
        |_| {},
    );
    let sam = someone(Role::Sponsor);
    let own = || email("sponsor@example.com");
    t.ask::<DecideAsSponsor>("their own app", &sam, |_| {}, |_| {});
    t.ask::<DecideAsSponsor>(
        "the second owner",
        &sam,
        |c| c.owners = BTreeSet::from([other(), own()]),
        |_| {},
    );
    t.ask::<DecideAsSponsor>(
        "somebody else's app",
        &sam,
        |c| c.owners = BTreeSet::from([other()]),
        |_| {},
    );
    t.ask::<DecideAsSponsor>("they wrote it", &sam, |c| c.submitter = own(), |_| {});
    t.ask::<DecideAsSponsor>("already decided", &sam, |c| c.open = false, |_| {});
}

fn apps(t: &mut Table<'_>) {
    let ops = someone(Role::Operations);
    t.ask::<PromoteProduction>("approved", &ops, |_| {}, |_| {});
    t.ask::<PromoteProduction>("no approval", &ops, |a| a.approved = false, |_| {});
    t.ask::<PromoteProduction>("in quarantine", &ops, |a| a.quarantined = true, |_| {});
    t.ask::<PromoteProduction>("retired", &ops, |a| a.retired = true, |_| {});
    t.ask::<Rollback>("no approval", &ops, |a| a.approved = false, |_| {});
    t.ask::<IssueCredential>("in quarantine", &ops, |a| a.quarantined = true, |_| {});
    t.ask::<RevokeCredential>("retired", &ops, |a| a.retired = true, |_| {});
    let dana = someone(Role::CitizenDeveloper);
    t.ask::<AttachArtifact>("retired", &dana, |a| a.retired = true, |_| {});
    let sam = someone(Role::Sponsor);
    t.ask::<Retire>("their own app", &sam, |_| {}, |_| {});
    t.ask::<Retire>(
        "somebody else's app",
        &sam,
        |a| a.owners = BTreeSet::from([other()]),
        |_| {},
    );
    let pat = someone(Role::PlatformSecurity);
    let me = || email("platform_security@example.com");
    t.ask::<CompleteReview>("somebody else's app", &pat, |_| {}, |_| {});
    t.ask::<CompleteReview>("they build the app", &pat, |a| a.developer = me(), |_| {});
    t.ask::<CompleteReview>(
        "they own the app",
        &pat,
        |a| a.owners = BTreeSet::from([me()]),
        |_| {},
    );
    t.ask::<Retire>("its day has come", &JOB, |_| {}, |_| {});
    t.ask::<Retire>(
        "its day has not come",
        &JOB,
        |a| a.retirement_due = false,
        |_| {},
    );
}

fn duties(t: &mut Table<'_>) {
    let with = |role, more| {
        person(role, |p| {
            p.roles.insert(more);
        })
    };
    let both = with(Role::PlatformSecurity, Role::Auditor);
    t.ask::<EditPolicy>("an auditor who is platform too", &both, |_| {}, |_| {});
    t.ask::<RecordFinding>("an auditor who is platform too", &both, |_| {}, |_| {});
    let admin = with(Role::PlatformSecurity, Role::Administrator);
    t.ask::<DecideAsReviewer>(
        "an administrator who is platform too",
        &admin,
        |_| {},
        |_| {},
    );
    t.ask::<ReadEntries>(
        "an administrator who is platform too",
        &admin,
        |_| {},
        |_| {},
    );
    t.ask::<ReadTrail>(
        "an administrator who is platform too",
        &admin,
        |_| {},
        |_| {},
    );
}

fn keeping(t: &mut Table<'_>) {
    let ana = someone(Role::Auditor);
    t.ask::<EraseSubject>("nothing against it", &ana, |_| {}, |_| {});
    t.ask::<EraseSubject>("a legal hold", &ana, |_| {}, |it| it.held = true);
    t.ask::<EraseSubject>(
        "alone, two wanted",
        &ana,
        |_| {},
        |it| it.two_persons = true,
    );
    t.ask::<EraseSubject>(
        "another asked, two wanted",
        &ana,
        |_| {},
        |it| {
            it.two_persons = true;
            it.asked_by_another = true;
        },
    );
    let both = person(Role::Auditor, |p| {
        p.roles.insert(Role::Administrator);
    });
    t.ask::<EraseSubject>("an auditor who is administrator too", &both, |_| {}, |_| {});
    t.ask::<ReleaseHold>("an auditor who is administrator too", &both, |_| {}, |_| {});
    t.ask::<Dispose>("due", &JOB, |_| {}, |_| {});
    t.ask::<Dispose>("not due", &JOB, |_| {}, |it| it.due = false);
    t.ask::<Dispose>("due, but a legal hold", &JOB, |_| {}, |it| it.held = true);
}

fn automatic(t: &mut Table<'_>) {
    t.ask::<AutoApprove>("low risk, complete", &JOB, |_| {}, |_| {});
    t.ask::<AutoApprove>("medium band", &JOB, |c| c.band = Band::Medium, |_| {});
    t.ask::<AutoApprove>(
        "pii",
        &JOB,
        |c| c.classification = Classification::Pii,
        |_| {},
    );
    t.ask::<AutoApprove>(
        "phi",
        &JOB,
        |c| c.classification = Classification::Phi,
        |_| {},
    );
    t.ask::<AutoApprove>("10 people", &JOB, |c| c.users = 10, |_| {});
    t.ask::<AutoApprove>(
        "a SaaS connector",
        &JOB,
        |c| c.connectivity_points = 10,
        |_| {},
    );
    t.ask::<AutoApprove>("a desktop agent", &JOB, |c| c.agent = true, |_| {});
    t.ask::<AutoApprove>("local files", &JOB, |c| c.capabilities = true, |_| {});
    t.ask::<AutoApprove>(
        "a control is missing",
        &JOB,
        |c| c.missing_controls = BTreeSet::from(["readme".to_owned()]),
        |_| {},
    );
    t.ask::<AutoApprove>("already decided", &JOB, |c| c.open = false, |_| {});
}

fn access(t: &mut Table<'_>) {
    let app = client(|_| {});
    t.ask::<ExchangeCredential>("deployed, approved", &app, |_| {}, |_| {});
    t.ask::<ExchangeCredential>("no approval", &app, |a| a.approved = false, |_| {});
    t.ask::<ExchangeCredential>("in quarantine", &app, |a| a.quarantined = true, |_| {});
    t.ask::<ExchangeCredential>("retired", &app, |a| a.retired = true, |_| {});
    t.ask::<ExchangeCredential>(
        "another version is deployed",
        &app,
        |_| {},
        |c| c.deployed = false,
    );
    t.ask::<ExchangeCredential>(
        "one scope too many",
        &app,
        |_| {},
        |c| {
            c.requested.insert("salesforce/quotes:write".to_owned());
        },
    );
    let revoked = client(|c| c.active = false);
    t.ask::<ExchangeCredential>("a revoked credential", &revoked, |_| {}, |_| {});
    t.ask::<CallConnector>("a revoked credential", &revoked, |_| {}, |_| {});
    t.ask::<Heartbeat>("a revoked credential", &revoked, |_| {}, |_| {});
    t.ask::<ReleaseAsIs>("a revoked credential", &revoked, |_| {}, |_| {});
    let staging = client(|c| c.environment = Environment::Staging);
    t.ask::<ExchangeCredential>("a credential for staging", &staging, |_| {}, |_| {});
    t.ask::<CallConnector>("a credential for staging", &staging, |_| {}, |_| {});
    t.ask::<SubmitEvent>("a credential for staging", &staging, |_| {}, |_| {});
    let stranger = client(|c| c.app = AppId::parse("microapp-other").unwrap());
    t.ask::<ExchangeCredential>("another app's credential", &stranger, |_| {}, |_| {});
    t.ask::<SubmitEvent>("another app's credential", &stranger, |_| {}, |_| {});
}

fn scopes(t: &mut Table<'_>) {
    let app = client(|_| {});
    for scope in [
        "quotes:read",
        "*",
        "quotes:*",
        "org:admin",
        "full_access",
        "user_impersonation",
        "quotes:delete",
    ] {
        let name = format!("scope {scope}");
        t.ask::<GrantScope>(&name, &app, |_| {}, |c| c.scope = scope.to_owned());
    }
    t.ask::<GrantScope>(
        "scope quotes:delete, internal data",
        &app,
        |_| {},
        |c| {
            c.scope = "quotes:delete".to_owned();
            c.classification = Classification::Internal;
        },
    );
    for scope in ["records:read", "records:write"] {
        let name = format!("scope {scope}, phi in staging");
        t.ask::<GrantScope>(
            &name,
            &app,
            |_| {},
            |c| {
                c.scope = scope.to_owned();
                c.classification = Classification::Phi;
                c.environment = Environment::Staging;
            },
        );
    }
}

fn calls(t: &mut Table<'_>) {
    let app = client(|_| {});
    let mut call = |name: &str, change: fn(&mut CallFacts)| {
        t.ask::<CallConnector>(name, &app, |_| {}, change);
    };
    call("declared", |_| {});
    call("the connector is not declared", |c| c.declared = false);
    call("the method is not declared", |c| c.method_declared = false);
    call("the host is not declared", |c| c.host_declared = false);
    call("a scope is missing", |c| c.granted.clear());
    call("no approval", |c| c.approved = false);
    call("another version is deployed", |c| c.deployed = false);
    call("in quarantine", |c| c.quarantined = true);
    call("a limit is used up", |c| c.over_limit = true);
    let mut to = |name: &str, class, change: fn(&mut Destination)| {
        t.ask::<CallConnector>(name, &app, change, |c| c.classification = class);
    };
    to("pii, not cleared for it", Classification::Pii, |d| {
        d.cleared.remove(&Classification::Pii);
    });
    to("no data, cleared for nothing", Classification::None, |d| {
        d.cleared.clear();
    });
    to(
        "sensitive, not in the catalogue",
        Classification::Sensitive,
        |d| {
            d.catalogued = false;
        },
    );
    to(
        "internal, not in the catalogue",
        Classification::Internal,
        |d| {
            d.catalogued = false;
        },
    );
    to("phi, external API", Classification::Phi, |d| {
        d.external_api = true
    });
    to("pii, external API", Classification::Pii, |d| {
        d.external_api = true
    });
}

fn releases(t: &mut Table<'_>) {
    let mut both = |name: &str, external: bool, change: fn(&mut ReleaseFacts)| {
        let app = client(|_| {});
        let to = |d: &mut Destination| d.external_api = external;
        t.ask::<ReleaseAsIs>(name, &app, to, change);
        t.ask::<ReleaseRedacted>(name, &app, to, change);
    };
    both("nothing found", false, |_| {});
    both("pii comes in, declared", false, |r| {
        r.found.pii = 1;
        r.declared = BTreeSet::from([Classification::Pii]);
    });
    both("pii comes in, not declared", false, |r| r.found.pii = 1);
    both(
        "pii comes in, not declared, cannot be blacked out",
        false,
        |r| {
            r.found.pii = 1;
            r.redactable = false;
        },
    );
    both("pii goes out, not declared", false, |r| {
        r.found.pii = 1;
        r.way = Way::Out;
    });
    both("a secret goes out, sensitive is declared", false, |r| {
        r.found.secret = 1;
        r.way = Way::Out;
        r.declared = BTreeSet::from([Classification::Sensitive]);
    });
    both("a secret comes in", false, |r| {
        r.found.secret = 1;
        r.declared = BTreeSet::from([Classification::Sensitive]);
    });
    both("a body that cannot be read", false, |r| r.opaque = true);
    both(
        "pii exported, neither flow nor export declared",
        false,
        |r| {
            r.action_type = ActionType::Export;
            r.found.pii = 1;
        },
    );
    both(
        "pii exported, the flow declared but not the export",
        false,
        |r| {
            r.action_type = ActionType::Export;
            r.found.pii = 1;
            r.declared = BTreeSet::from([Classification::Pii]);
        },
    );
    both("pii exported, export and flow declared", false, |r| {
        r.action_type = ActionType::Export;
        r.found.pii = 100;
        r.declared = BTreeSet::from([Classification::Pii]);
        r.declared_actions.insert(ActionType::Export);
    });
    both("101 personal values exported, declared", false, |r| {
        r.action_type = ActionType::Export;
        r.found.pii = 100;
        r.found.financial = 1;
        r.declared = BTreeSet::from([Classification::Pii]);
        r.declared_actions.insert(ActionType::Export);
    });
    both("phi exported, declared", false, |r| {
        r.action_type = ActionType::Export;
        r.found.phi = 1;
        r.declared = BTreeSet::from([Classification::Phi]);
        r.declared_actions.insert(ActionType::Export);
    });
    both("phi comes in from an external API, declared", true, |r| {
        r.found.phi = 1;
        r.declared = BTreeSet::from([Classification::Phi]);
    });
    both("phi comes in outside production, declared", false, |r| {
        r.found.phi = 1;
        r.environment = Environment::Staging;
        r.declared = BTreeSet::from([Classification::Phi]);
    });
    let app = client(|_| {});
    t.ask::<ReleaseAsIs>(
        "pii goes out, declared, the connector is not cleared",
        &app,
        |d| {
            d.cleared.remove(&Classification::Pii);
        },
        |r| {
            r.found.financial = 1;
            r.way = Way::Out;
            r.declared = BTreeSet::from([Classification::Pii]);
        },
    );
}
