//! Policy sets: what can come into force, and what an answer says.

use std::collections::BTreeSet;

use burgess_core::data::{ActionType, Classification};
use burgess_core::permit::{PERMIT_LIFETIME, PermitError};
use burgess_core::policy::action::{
    CallConnector, DecideAsReviewer, EditPolicy, PromoteProduction, ReadOwn, ReleaseAsIs,
};
use burgess_core::policy::facts::{
    CaseFacts, Client, Destination, Principal, ReleaseFacts, ResourceFacts as _,
};
use burgess_core::policy::plain::{self, Plain};
use burgess_core::policy::{
    Action, DEFAULT_SCHEMA, Decision, Denial, Obligation, PolicyError, PolicySet, Release, Request,
    decide, default_files, default_set, scope_name,
};
use burgess_core::roles::Role;
use burgess_core::time::{Span, Timestamp};
use proptest::prelude::*;

use crate::table::{client, someone};

const NOW: Timestamp = Timestamp::from_seconds(1_768_000_000);

fn plainly<A: Action>(set: &PolicySet, principal: &Principal) -> Decision<A> {
    let (resource, context) = (A::Resource::plain().unwrap(), A::Context::plain().unwrap());
    let request = Request::<A> {
        principal,
        resource: &resource,
        context: &context,
    };
    decide(&request, set, NOW)
}

fn denial<A: Action>(decision: Decision<A>) -> Denial {
    decision.into_result().unwrap_err()
}

fn load(text: &str) -> Result<PolicySet, PolicyError> {
    PolicySet::load(&[("one.cedar", text)], DEFAULT_SCHEMA)
}

#[test]
fn with_no_policy_loaded_everything_is_denied_with_that_reason() {
    let none = PolicySet::none();
    assert!(!none.is_loaded());
    let denied = denial(plainly::<ReadOwn>(&none, &someone(Role::Auditor)));
    assert_eq!(denied.sentence(), "no policy is loaded");
    assert_eq!(denied.code(), "POLICY_NOT_LOADED");
    let gate = crate::gates::answer(&none, &Plain::plain().unwrap(), &[]);
    assert_eq!(gate, "(none): no policy is loaded");
}

// R69
#[test]
fn a_default_deny_names_the_nearest_permit_and_what_it_wants() {
    let set = default_set_once();
    let denied = denial(plainly::<PromoteProduction>(
        set,
        &someone(Role::CitizenDeveloper),
    ));
    assert_eq!(denied.code(), "POLICY_NO_PERMIT");
    assert_eq!(
        denied.sentence(),
        "no permit matched; the nearest is `operations-deploy`, which wants the role `operations`"
    );
}

// R17
#[test]
fn a_denial_names_every_policy_that_forbids_with_reason_and_remedy() {
    let set = default_set_once();
    let pat = someone(Role::PlatformSecurity);
    let mut case = CaseFacts::plain().unwrap();
    let Principal::Person(person) = &pat else {
        unreachable!()
    };
    case.submitter = person.email.clone();
    case.missing_controls = BTreeSet::from(["owner".to_owned()]);
    let request = Request::<DecideAsReviewer> {
        principal: &pat,
        resource: &case,
        context: &Plain::plain().unwrap(),
    };
    let denied = denial(decide(&request, set, NOW));
    assert_eq!(
        denied.policy_ids(),
        ["approval-needs-its-controls", "nobody-decides-their-own"]
    );
    assert!(denied.policies.iter().all(|rule| rule.remedy.is_some()));
    assert!(denied.sentence().contains("nobody decides"));
}

#[test]
fn a_policy_that_errs_denies_and_alerts_instead_of_being_skipped() {
    // Cedar skips a policy whose evaluation overflows; strict validation cannot see it.
    let set = &load(
        r#"@id("yes") @reason("all calls") permit (principal, action, resource);
           @id("errs") @reason("overflows")
           forbid (principal, action == Action::"release_as_is", resource)
           when { context.personal_values + 9223372036854775807 > 9223372036854775807 };"#,
    )
    .unwrap();
    let app = client(|_| {});
    assert!(
        plainly::<ReleaseAsIs>(set, &app).is_allowed(),
        "max is not more than max"
    );
    let mut facts = ReleaseFacts::plain().unwrap();
    facts.found.pii = 1;
    let to = Destination::plain().unwrap();
    let request = Request::<ReleaseAsIs> {
        principal: &app,
        resource: &to,
        context: &facts,
    };
    let denied = denial(decide(&request, set, NOW));
    assert!(
        denied.alerts() && denied.code() == "POLICY_ERROR",
        "{denied:?}"
    );
    // On the ladder too: the second rung would have been permitted.
    let ladder = Release::decide(&app, &to, &facts, set, NOW);
    assert!(matches!(ladder, Release::Blocked(denial) if denial.alerts()));
}

#[test]
fn a_set_comes_into_force_whole_or_not_at_all() {
    type Expected = fn(&PolicyError) -> bool;
    let cases: [(&str, Expected); 7] = [
        (
            "permit (principal, action, resource",
            |e| matches!(e, PolicyError::Parse { file, .. } if file == "one.cedar"),
        ),
        (
            r#"@reason("x") permit (principal, action, resource);"#,
            |e| {
                matches!(
                    e,
                    PolicyError::MissingAnnotation {
                        annotation: "id",
                        ..
                    }
                )
            },
        ),
        (r#"@id("a") permit (principal, action, resource);"#, |e| {
            matches!(
                e,
                PolicyError::MissingAnnotation {
                    annotation: "reason",
                    ..
                }
            )
        }),
        (
            r#"@id("a") @reason("x") permit (principal, action == Action::"read_own", resource);
               @id("a") @reason("x") permit (principal, action == Action::"configure", resource);"#,
            |e| matches!(e, PolicyError::DuplicateId { id, .. } if id == "a"),
        ),
        (
            r#"@id("a") @reason("x") permit (principal, action == Action::"red_own", resource);"#,
            |e| matches!(e, PolicyError::Invalid(_)),
        ),
        (
            r#"@id("a") @reason("x") permit (principal, action == Action::"heartbeat", resource)
               when { resource.aproved };"#,
            |e| matches!(e, PolicyError::Invalid(_)),
        ),
        (
            r#"@id("a") @reason("x") permit (principal == ?principal, action, resource);"#,
            |e| matches!(e, PolicyError::Template(_)),
        ),
    ];
    for (text, expected) in cases {
        let error = load(text).unwrap_err();
        assert!(expected(&error), "{text}: {error}");
    }
    let poor = DEFAULT_SCHEMA.replace("auto_approve, ", "");
    let error = PolicySet::load(&[], &poor).unwrap_err();
    assert_eq!(error, PolicyError::MissingAction("auto_approve".to_owned()));
}

#[test]
fn the_digest_depends_on_what_policies_say_not_on_layout_or_file_names() {
    let files = default_files();
    let set = default_set_once();
    let mut moved = files;
    moved.reverse();
    let spaced: Vec<(String, String)> = moved
        .iter()
        .map(|(name, text)| (format!("x-{name}"), format!("// moved\n\n{text}")))
        .collect();
    let spaced: Vec<(&str, &str)> = spaced.iter().map(|(n, t)| (&**n, &**t)).collect();
    let again = PolicySet::load(&spaced, DEFAULT_SCHEMA).unwrap();
    assert_eq!(again.digest(), set.digest());
    let id = set.rules().next().unwrap().rule.id.clone();
    assert_ne!(set.without(&[&id]).unwrap().digest(), set.digest());
    assert_ne!(PolicySet::none().digest(), set.digest());
}

#[test]
fn every_published_forbid_says_what_would_satisfy_it() {
    let set = default_set_once();
    for card in set.rules() {
        let rule = &card.rule;
        assert!(!rule.requirements.is_empty(), "{}", rule.id);
        assert!(!card.forbids || rule.remedy.is_some(), "{}", rule.id);
        let first = rule.reason.chars().next().unwrap();
        assert!(
            first.is_lowercase() && !rule.reason.ends_with('.'),
            "{}",
            rule.id
        );
    }
}

#[test]
fn a_permit_covers_one_version_of_one_resource_under_one_policy_set_for_a_short_time() {
    let set = default_set_once();
    let permit = plainly::<EditPolicy>(set, &someone(Role::PlatformSecurity))
        .into_result()
        .unwrap();
    assert_eq!(permit.action(), "edit_policy");
    assert_eq!(permit.principal(), "platform_security@example.com");
    assert_eq!(permit.determining(), ["platform-guardrails"]);
    let (id, version, digest) = ("burgess-org", 1, set.digest());
    assert_eq!(permit.recheck(id, version, digest, NOW), Ok(()));
    let other = permit
        .recheck("microapp-x", version, digest, NOW)
        .unwrap_err();
    assert_eq!(other.code(), "PERMIT_OTHER_RESOURCE");
    let stale = permit.recheck(id, 2, digest, NOW).unwrap_err();
    assert_eq!(stale.code(), "PERMIT_STALE_VERSION");
    let policy = permit.recheck(id, version, PolicySet::none().digest(), NOW);
    assert_eq!(policy.unwrap_err().code(), "PERMIT_STALE_POLICY");
    let end = NOW.plus(PERMIT_LIFETIME);
    let before = end.minus(Span::seconds(1));
    assert_eq!(permit.recheck(id, version, digest, before), Ok(()));
    assert_eq!(
        permit.recheck(id, version, digest, end),
        Err(PermitError::Expired(end))
    );
}

// R78
#[test]
fn an_undeclared_export_of_personal_data_is_blocked_and_says_why() {
    let set = default_set_once();
    let mut facts = ReleaseFacts::plain().unwrap();
    facts.action_type = ActionType::Export;
    facts.found.pii = 3;
    let to = Destination::plain().unwrap();
    let Release::Blocked(denied) = Release::decide(&client(|_| {}), &to, &facts, set, NOW) else {
        panic!("it passed");
    };
    assert!(
        denied
            .policy_ids()
            .contains(&"release-undeclared-export".to_owned())
    );
    assert!(
        denied
            .sentence()
            .contains("only where the charter declares that export")
    );
}

// R76
#[test]
fn what_an_app_may_not_see_is_blacked_out_on_the_way_in() {
    let set = default_set_once();
    let to = Destination::plain().unwrap();
    let mut facts = ReleaseFacts::plain().unwrap();
    let terms = |facts: &ReleaseFacts| match Release::decide(&client(|_| {}), &to, facts, set, NOW)
    {
        Release::Pass(Obligation::AsIs(permit)) => permit.action(),
        Release::Pass(Obligation::Redacted(permit)) => permit.action(),
        Release::Blocked(_) => "blocked",
    };
    assert_eq!(terms(&facts), "release_as_is");
    facts.found.pii = 1;
    assert_eq!(terms(&facts), "release_redacted");
    facts.redactable = false;
    assert_eq!(terms(&facts), "blocked");
}

// R5 R50 R152
#[test]
fn a_scope_that_policy_does_not_grant_is_refused_by_name() {
    let set = default_set_once();
    let Principal::Client(app) = plain::client().unwrap() else {
        unreachable!()
    };
    let declared = ["quotes:read", "quotes:*", "org:admin"];
    let class = Classification::Pii;
    let scopes = set.allowed_scopes(&app, &Destination::plain().unwrap(), declared, class, NOW);
    assert_eq!(
        scopes.granted,
        BTreeSet::from(["salesforce/quotes:read".to_owned()])
    );
    let refused: Vec<(&str, Vec<String>)> = scopes
        .refused
        .iter()
        .map(|one| (&*one.scope, one.denial.policy_ids()))
        .collect();
    assert_eq!(
        refused,
        [
            ("quotes:*", vec!["scope-no-wildcard".to_owned()]),
            ("org:admin", vec!["scope-no-administration".to_owned()])
        ]
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    // R5
    #[test]
    fn what_is_granted_and_what_is_refused_are_exactly_what_was_declared(
        scopes in prop::collection::btree_set("[a-z]{1,6}:(read|write|delete|admin|\\*)", 0..6),
    ) {
        let set = default_set_once();
        let app: Client = match plain::client().unwrap() {
            Principal::Client(client) => client,
            _ => unreachable!(),
        };
        let to = Destination::plain().unwrap();
        let declared = scopes.iter().map(String::as_str);
        let answer = set.allowed_scopes(&app, &to, declared, Classification::Pii, NOW);
        let granted = answer.granted;
        let refused: BTreeSet<String> = answer
            .refused
            .iter()
            .map(|one| scope_name(to.id(), &one.scope))
            .collect();
        let all: BTreeSet<String> = scopes.iter().map(|s| scope_name(to.id(), s)).collect();
        prop_assert!(granted.is_disjoint(&refused));
        prop_assert_eq!(granted.union(&refused).cloned().collect::<BTreeSet<_>>(), all);
    }

    // R6
    #[test]
    fn finding_more_never_makes_a_body_pass_on_easier_terms(
        found in prop::array::uniform4(0u32..120),
        more in 0usize..4,
        export in any::<bool>(),
        out in any::<bool>(),
    ) {
        let set = default_set_once();
        let rung = |counts: [u32; 4]| {
            let mut facts = ReleaseFacts::plain().unwrap();
            let [pii, financial, secret, phi] = counts;
            facts.found = burgess_core::policy::facts::Found { pii, financial, secret, phi };
            facts.declared = BTreeSet::from([Classification::Pii]);
            facts.declared_actions.insert(ActionType::Export);
            if export { facts.action_type = ActionType::Export; }
            if out { facts.way = burgess_core::policy::facts::Way::Out; }
            let to = Destination::plain().unwrap();
            match Release::decide(&client(|_| {}), &to, &facts, set, NOW) {
                Release::Pass(Obligation::AsIs(_)) => 0,
                Release::Pass(Obligation::Redacted(_)) => 1,
                Release::Blocked(_) => 2,
            }
        };
        let mut raised = found;
        raised[more] += 60;
        prop_assert!(rung(found) <= rung(raised));
    }
}

pub fn default_set_once() -> &'static PolicySet {
    static SET: std::sync::OnceLock<PolicySet> = std::sync::OnceLock::new();
    SET.get_or_init(|| default_set().unwrap())
}

// R5
#[test]
fn an_undeclared_connector_cannot_be_called() {
    let set = default_set_once();
    let app = client(|_| {});
    assert!(plainly::<CallConnector>(set, &app).is_allowed());
    let mut call = burgess_core::policy::facts::CallFacts::plain().unwrap();
    call.declared = false;
    let request = Request::<CallConnector> {
        principal: &app,
        resource: &Destination::plain().unwrap(),
        context: &call,
    };
    let denied = denial(decide(&request, set, NOW));
    assert_eq!(denied.policy_ids(), ["call-undeclared-connector"]);
}
