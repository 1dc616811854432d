//! The admit decision: may this app make this call at all?
//!
//! The facts come from the snapshot and the request, the answer from policy alone. Not here: what
//! may pass once bodies are known, and the app's counters (`limits`).

use std::collections::BTreeSet;
use std::sync::Arc;

use burgess_core::charter::{Charter, ConnectorUse, DataUse};
use burgess_core::connector::{Kind, host_matches};
use burgess_core::data::{ActionType, Classification};
use burgess_core::digest::Digest;
use burgess_core::id::ApprovalId;
use burgess_core::limits::Limits;
use burgess_core::permit::Permit;
use burgess_core::policy::action::CallConnector;
use burgess_core::policy::facts::{CallFacts, Destination};
use burgess_core::policy::{Decision, Denial, PolicySet, Request, decide};
use burgess_core::time::Timestamp;
use http::{Method, StatusCode};

use crate::credential::Caller;
use crate::flow;
use crate::limits::OverLimit;
use crate::refusal::Refusal;
use crate::route::Route;
use crate::snapshot::{BaseUrl, ConnectorSnapshot, Inject, Snapshot};

/// One call with everything known about it, taken from one snapshot.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) version: String,
    pub(crate) charter: Option<Arc<Charter>>,
    pub(crate) charter_digest: Option<Digest>,
    pub(crate) approval: Option<ApprovalId>,
    pub(crate) score: u8,
    pub(crate) limits: Limits,
    pub(crate) declared: Option<ConnectorUse>,
    pub(crate) destination: Destination,
    pub(crate) base: Option<BaseUrl>,
    pub(crate) inject: Inject,
    pub(crate) data: Option<DataUse>,
    pub(crate) facts: CallFacts,
}

/// A call that may not be made: what the caller hears, and what policy said.
#[derive(Debug)]
pub(crate) struct NotAdmitted {
    pub(crate) refusal: Refusal,
    pub(crate) denial: Denial,
}

impl Case {
    /// Gathers the facts of a call. What is not there counts against it.
    pub(crate) fn gather(
        snapshot: &Snapshot,
        caller: &Caller,
        method: &Method,
        route: &Route,
        now: Timestamp,
    ) -> Self {
        let environment = caller.environment();
        let app = snapshot.apps.get(caller.app());
        let deployment = app.and_then(|app| app.deployments.get(&environment));
        let charter = deployment.map(|deployment| deployment.charter.clone());
        let declared = charter
            .as_ref()
            .and_then(|charter| charter.connector(&route.connector))
            .cloned();
        let known = snapshot.connectors.get(&route.connector);
        let base = base(known, declared.as_ref(), caller);
        let host_declared = base.as_ref().is_some_and(|base| {
            let hosts = hosts(known, declared.as_ref(), caller);
            hosts.iter().any(|host| host_matches(host, base.host()))
        });
        let subject = charter.as_ref().zip(declared.as_ref());
        let data = subject
            .and_then(|(charter, declared)| flow::subject(charter, declared))
            .cloned();
        let action_type = flow::action_type(method, route);
        let granted = caller.claims.scopes();
        let required = required(known, declared.as_ref(), route, action_type, &granted);
        Self {
            version: caller.claims.burgess_version.clone(),
            charter_digest: deployment.map(|deployment| deployment.charter_digest),
            approval: deployment
                .and_then(|d| d.approval.as_ref())
                .map(|approval| approval.id.clone()),
            score: app.map_or(0, |app| u8::try_from(app.score.min(100)).unwrap_or(100)),
            limits: charter
                .as_ref()
                .map(|charter| charter.limits)
                .unwrap_or_default(),
            destination: destination(known, route),
            inject: known.map_or(Inject::None, |known| known.inject.clone()),
            facts: CallFacts {
                environment,
                declared: declared.is_some(),
                method_declared: is_declared(method, declared.as_ref()),
                host_declared,
                action_type,
                classification: data
                    .as_ref()
                    .map_or(Classification::None, |data| data.classification),
                required,
                granted,
                approved: deployment.is_some_and(|deployment| deployment.is_approved(now)),
                deployed: deployment.is_some_and(|deployment| {
                    deployment.version == caller.claims.burgess_version
                        && deployment.credentials.contains(caller.credential())
                }),
                quarantined: app.is_none_or(|app| app.quarantined),
                over_limit: false,
            },
            charter,
            declared,
            base,
            data,
        }
    }

    /// Asks policy. `over` is the limit that the app has used up, if any.
    pub(crate) fn admit(
        &mut self,
        caller: &Caller,
        over: Option<OverLimit>,
        policies: &PolicySet,
        now: Timestamp,
    ) -> Result<(Permit<CallConnector>, BaseUrl), Box<NotAdmitted>> {
        self.facts.over_limit = over.is_some();
        let principal = caller.principal();
        let request = Request::<CallConnector> {
            principal: &principal,
            resource: &self.destination,
            context: &self.facts,
        };
        let permit = match decide(&request, policies, now) {
            Decision::Allow(permit) => permit,
            Decision::Deny(denial) => {
                let refusal = self.refusal(caller, over, &denial);
                return Err(Box::new(NotAdmitted { refusal, denial }));
            }
        };
        match &self.base {
            Some(base) => Ok((permit, base.clone())),
            // Policy would let it, but there is nowhere to go: fail closed.
            None => {
                let denial = no_permit("call_connector", policies);
                let refusal = self.refusal(caller, over, &denial);
                Err(Box::new(NotAdmitted { refusal, denial }))
            }
        }
    }

    /// The refusal that names what is most in the way, and beside it all that policy held against it.
    fn refusal(&self, caller: &Caller, over: Option<OverLimit>, denial: &Denial) -> Refusal {
        let facts = &self.facts;
        let connector = &self.destination.connector;
        let (app, environment) = (caller.app(), caller.environment());
        let missing: Vec<&str> = facts
            .required
            .difference(&facts.granted)
            .map(String::as_str)
            .collect();
        let (code, detail) = if denial.nothing_loaded || denial.alerts() {
            (
                denial.code(),
                format!(
                    "Everything is refused: {}. Tell platform and security",
                    denial.sentence()
                ),
            )
        } else if facts.quarantined {
            (
                "POLICY_QUARANTINED",
                format!(
                    "`{app}` is stopped by quarantine or retired. Ask platform and security why"
                ),
            )
        } else if !facts.deployed {
            (
                "POLICY_NOT_DEPLOYED",
                format!(
                    "the version that this credential belongs to is not deployed in {environment}. Get a credential of the deployed version"
                ),
            )
        } else if !facts.approved {
            (
                "POLICY_NOT_APPROVED",
                format!("no approval of `{app}` is in force. Ask its owner to renew it"),
            )
        } else if !facts.declared {
            (
                "POLICY_CONNECTOR_UNDECLARED",
                format!(
                    "the charter of `{app}` does not declare the connector `{connector}`. Declare it and ask for approval"
                ),
            )
        } else if !facts.host_declared {
            (
                "POLICY_HOST_UNDECLARED",
                format!(
                    "`{connector}` has no declared host in {environment}. Add the host to the catalogue or the charter"
                ),
            )
        } else if !facts.method_declared {
            (
                "POLICY_METHOD_UNDECLARED",
                format!(
                    "the charter of `{app}` does not declare this method for `{connector}`. Declare it and ask for approval"
                ),
            )
        } else if !missing.is_empty() {
            (
                "SCOPE_MISSING",
                format!(
                    "the call needs the scope `{}`, which the credential does not have. Declare it in the charter, then ask for it with the credential",
                    missing.join("`, `")
                ),
            )
        } else if let Some(over) = over {
            (
                limit_code(over),
                format!(
                    "`{app}` has used up {} of its charter. Wait, or ask for a higher limit",
                    over.key()
                ),
            )
        } else {
            (
                denial.code(),
                format!("Policy refuses the call: {}", denial.sentence()),
            )
        };
        let status = match over {
            Some(_) if code.starts_with("POLICY_LIMIT") => StatusCode::TOO_MANY_REQUESTS,
            _ => StatusCode::FORBIDDEN,
        };
        let refusal = Refusal::new(status, code, detail).because(denial);
        let retry_after = over
            .filter(|_| status == StatusCode::TOO_MANY_REQUESTS)
            .map(|_| 60);
        Refusal {
            retry_after,
            ..refusal
        }
    }
}

/// The code of a limit that is used up.
pub(crate) const fn limit_code(over: OverLimit) -> &'static str {
    match over {
        OverLimit::Requests => "POLICY_LIMIT_REQUESTS_PER_MINUTE",
        OverLimit::Rows => "POLICY_LIMIT_ROWS_PER_DAY",
        OverLimit::Bytes => "POLICY_LIMIT_BYTES_PER_DAY",
    }
}

/// A denial of ours where policy allowed what cannot be carried out.
pub(crate) fn no_permit(action: &str, policies: &PolicySet) -> Denial {
    Denial {
        action: action.to_owned(),
        policies: Vec::new(),
        nearest: None,
        errors: Vec::new(),
        nothing_loaded: false,
        policy_digest: policies.digest(),
    }
}

fn destination(known: Option<&ConnectorSnapshot>, route: &Route) -> Destination {
    Destination {
        connector: route.connector.clone(),
        revision: known.map_or(0, |known| known.revision),
        catalogued: known.is_some(),
        external_api: known.is_none_or(|known| known.kind == Kind::ExternalApi),
        cleared: known.map(|known| known.cleared.clone()).unwrap_or_default(),
    }
}

/// Hosts of the connector where the app runs: the catalogue's, or the charter's own.
fn hosts<'a>(
    known: Option<&'a ConnectorSnapshot>,
    declared: Option<&'a ConnectorUse>,
    caller: &Caller,
) -> &'a [String] {
    match known {
        Some(known) => known.hosts.get(&caller.environment()),
        None => declared.and_then(|declared| declared.hosts.get(&caller.environment())),
    }
    .map(Vec::as_slice)
    .unwrap_or_default()
}

fn base(
    known: Option<&ConnectorSnapshot>,
    declared: Option<&ConnectorUse>,
    caller: &Caller,
) -> Option<BaseUrl> {
    match known {
        Some(known) => known.base.get(&caller.environment()).cloned(),
        // A pattern (`*.example.com`) is no address to go to; neither is a plain one off this machine.
        None => hosts(None, declared, caller)
            .iter()
            .find_map(|host| BaseUrl::parse(&format!("https://{host}/")).ok()),
    }
}

fn required(
    known: Option<&ConnectorSnapshot>,
    declared: Option<&ConnectorUse>,
    route: &Route,
    action: ActionType,
    granted: &BTreeSet<String>,
) -> BTreeSet<String> {
    let none = BTreeSet::new();
    let scopes = known.map_or(&none, |known| &known.scopes);
    match declared {
        Some(declared) => flow::required_scopes(declared, scopes, route, action, granted),
        None => none,
    }
}

/// HEAD is GET without the answer's body (RFC 9110 §9.3.2); OPTIONS needs no word of its own.
fn is_declared(method: &Method, declared: Option<&ConnectorUse>) -> bool {
    let methods = declared
        .map(|declared| declared.methods.as_slice())
        .unwrap_or_default();
    let has = |name: &str| {
        methods
            .iter()
            .any(|method| method.eq_ignore_ascii_case(name))
    };
    match *method {
        Method::HEAD => has("HEAD") || has("GET"),
        Method::OPTIONS => !methods.is_empty(),
        _ => has(method.as_str()),
    }
}
