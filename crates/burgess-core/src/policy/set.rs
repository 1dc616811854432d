//! Policy sets: loaded whole or not at all.
//!
//! Activation validates strictly against the schema, wants an id and a reason for every policy,
//! and sorts the policies by action, so that a decision evaluates only those that can matter.
//! Not here: who signed a bundle, and where its files lie.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use cedar_policy::{
    ActionConstraint, Authorizer, Decision as Answer, Effect, EntityUid, Policy, PolicyId,
    PolicySet as CedarSet, Schema, ValidationMode, Validator,
};
use serde_json::json;

use super::cedar::Names;
use super::facts::{ContextFacts, Principal, ResourceFacts};
use super::nearest::{Points, nearest};
use super::{Denial, Rule, action};
use crate::digest::Digest;

/// Bytes of all files of a policy set at most: a hundred times the published set.
pub const POLICY_BYTES_MAX: usize = 4_000_000;

/// What a set's digest begins with.
const DIGEST_HEAD: &[u8] = b"burgess.policies/1\n";

/// The policies in force. Cheap to clone and to share; immutable.
#[derive(Clone)]
pub struct PolicySet(Arc<Loaded>);

struct Loaded {
    digest: Digest,
    rules: BTreeMap<String, RuleCard>,
    machine: Option<Machine>,
}

/// A loaded set's working parts.
pub(super) struct Machine {
    pub(super) names: Names,
    pub(super) schema: Schema,
    schema_text: String,
    policies: Vec<Policy>,
    slices: BTreeMap<String, Slice>,
}

/// The policies that can matter for one action.
struct Slice {
    action: EntityUid,
    policies: CedarSet,
    permits: Vec<(Policy, Rule)>,
    /// The permits taken apart, when the first denial asks for the nearest.
    points: OnceLock<Vec<Points>>,
}

/// One policy, as a reader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleCard {
    /// Id, reason, remedy and control.
    pub rule: Rule,
    /// The file it stands in.
    pub file: String,
    /// Whether it forbids; otherwise it permits.
    pub forbids: bool,
    /// Its text in Cedar.
    pub text: String,
}

/// The policy set cannot come into force.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Too many bytes.
    #[error("the policy files have {0} bytes, {POLICY_BYTES_MAX} at most: split the organisation")]
    TooLarge(usize),
    /// The schema cannot be read.
    #[error("the schema cannot be read: {0}")]
    Schema(String),
    /// The schema lacks an action that the product asks for.
    #[error("the schema lacks the action `{0}`: declare it, so that policies about it are checked")]
    MissingAction(String),
    /// A file cannot be read.
    #[error("`{file}` cannot be read: {cause}")]
    Parse {
        /// The file.
        file: String,
        /// Cedar's words.
        cause: String,
    },
    /// Templates are not used.
    #[error("`{0}` holds a template: write the policy out for each case")]
    Template(String),
    /// A policy lacks an annotation.
    #[error(
        "a policy in `{file}` has no @{annotation}: add it to the policy that begins `{begins}`"
    )]
    MissingAnnotation {
        /// The file.
        file: String,
        /// `id` or `reason`.
        annotation: &'static str,
        /// The policy's first line.
        begins: String,
    },
    /// Two policies with one id.
    #[error("the policy id `{id}` is used twice, last in `{file}`: give each policy its own id")]
    DuplicateId {
        /// The id.
        id: String,
        /// The file of the second one.
        file: String,
    },
    /// The validator refuses.
    #[error("the policies do not fit the schema: {}", .0.join("; "))]
    Invalid(Vec<String>),
    /// Cedar refuses a part.
    #[error("policy `{id}` cannot be prepared: {cause}")]
    Prepare {
        /// The policy.
        id: String,
        /// Cedar's words.
        cause: String,
    },
}

impl PolicySet {
    /// Nothing loaded: everything is denied, with the reason `no policy is loaded`.
    pub fn none() -> Self {
        Self(Arc::new(Loaded {
            digest: Digest::of(DIGEST_HEAD),
            rules: BTreeMap::new(),
            machine: None,
        }))
    }

    /// Loads `files` (name, Cedar text) under the schema of `schema_text`, whole or not at all.
    pub fn load(files: &[(&str, &str)], schema_text: &str) -> Result<Self, PolicyError> {
        let bytes = files.iter().map(|(_, text)| text.len()).sum::<usize>() + schema_text.len();
        if bytes > POLICY_BYTES_MAX {
            return Err(PolicyError::TooLarge(bytes));
        }
        let schema = read_schema(schema_text)?;
        let (policies, rules) = read_files(files)?;
        validate(&policies, &schema)?;
        Self::assemble(policies, rules, schema, schema_text.to_owned())
    }

    /// The policies must have been validated, each by itself or in a larger set.
    fn assemble(
        policies: Vec<Policy>,
        rules: BTreeMap<String, RuleCard>,
        schema: Schema,
        schema_text: String,
    ) -> Result<Self, PolicyError> {
        let digest = digest(&policies, &schema_text)?;
        let names = Names::parse().map_err(PolicyError::Schema)?;
        let slices = slices(&policies, &rules, &names)?;
        Ok(Self(Arc::new(Loaded {
            digest,
            rules,
            machine: Some(Machine {
                names,
                schema,
                schema_text,
                policies,
                slices,
            }),
        })))
    }

    /// Digest of the canonical content: what the policies say and their annotations, whatever the
    /// layout and the order of files, and the text of the schema.
    pub fn digest(&self) -> Digest {
        self.0.digest
    }

    /// Whether anything is loaded; otherwise a banner says so.
    pub fn is_loaded(&self) -> bool {
        self.0.machine.is_some()
    }

    /// All policies by id.
    pub fn rules(&self) -> impl Iterator<Item = &RuleCard> {
        self.0.rules.values()
    }

    /// One policy.
    pub fn rule(&self, id: &str) -> Option<&RuleCard> {
        self.0.rules.get(id)
    }

    /// A set without the policies of these ids: to see what a policy is there for.
    pub fn without(&self, ids: &[&str]) -> Result<Self, PolicyError> {
        let Some(machine) = &self.0.machine else {
            return Ok(self.clone());
        };
        let gone = |id: &str| ids.contains(&id);
        let policies = machine.policies.iter();
        let policies = policies.filter(|policy| !gone(policy.id().as_ref()));
        let mut rules = self.0.rules.clone();
        rules.retain(|id, _| !gone(id));
        Self::assemble(
            policies.cloned().collect(),
            rules,
            machine.schema.clone(),
            machine.schema_text.clone(),
        )
    }

    #[cfg(test)]
    pub(super) fn machine(&self) -> Option<&Machine> {
        self.0.machine.as_ref()
    }

    /// Ids of the permits that allow it, or why nothing does.
    pub(super) fn evaluate<R: ResourceFacts, C: ContextFacts>(
        &self,
        action: &str,
        principal: &Principal,
        resource: &R,
        context: &C,
    ) -> Result<Vec<String>, Denial> {
        let denial = |policies, nearest, errors| Denial {
            action: action.to_owned(),
            policies,
            nearest,
            errors,
            nothing_loaded: self.0.machine.is_none(),
            policy_digest: self.0.digest,
        };
        let Some(machine) = &self.0.machine else {
            return Err(denial(Vec::new(), None, Vec::new()));
        };
        let Some(slice) = machine.slices.get(action) else {
            return Err(denial(Vec::new(), None, Vec::new()));
        };
        let question =
            match machine
                .names
                .question(&slice.action, principal, resource, context, None)
            {
                Ok(question) => question,
                Err(error) => return Err(denial(Vec::new(), None, vec![error])),
            };
        let authorizer = Authorizer::new();
        let response =
            authorizer.is_authorized(&question.request, &slice.policies, &question.entities);
        let mut ids: Vec<String> = response
            .diagnostics()
            .reason()
            .map(ToString::to_string)
            .collect();
        ids.sort();
        let mut errors: Vec<String> = response
            .diagnostics()
            .errors()
            .map(ToString::to_string)
            .collect();
        errors.sort();
        if response.decision() == Answer::Allow && errors.is_empty() {
            return Ok(ids);
        }
        if response.decision() == Answer::Allow {
            return Err(denial(Vec::new(), None, errors));
        }
        let near = match ids.is_empty() {
            true => nearest(slice.points(), &authorizer, &question).map(Box::new),
            false => None,
        };
        let rules = ids.iter().filter_map(|id| self.rule(id));
        Err(denial(
            rules.map(|card| card.rule.clone()).collect(),
            near,
            errors,
        ))
    }
}

impl std::fmt::Debug for PolicySet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PolicySet")
            .field("digest", &self.0.digest)
            .field("rules", &self.0.rules.len())
            .finish()
    }
}

fn read_schema(text: &str) -> Result<Schema, PolicyError> {
    let (schema, warnings) =
        Schema::from_cedarschema_str(text).map_err(|e| PolicyError::Schema(e.to_string()))?;
    if let Some(warning) = warnings.into_iter().next() {
        return Err(PolicyError::Schema(warning.to_string()));
    }
    let known: std::collections::BTreeSet<&str> =
        schema.actions().map(|uid| uid.id().unescaped()).collect();
    match action::ALL.iter().find(|name| !known.contains(*name)) {
        Some(name) => Err(PolicyError::MissingAction((*name).to_owned())),
        None => Ok(schema),
    }
}

fn read_files(
    files: &[(&str, &str)],
) -> Result<(Vec<Policy>, BTreeMap<String, RuleCard>), PolicyError> {
    let mut policies = Vec::new();
    let mut rules = BTreeMap::new();
    for (file, text) in files {
        let set: CedarSet = text.parse().map_err(|e| PolicyError::Parse {
            file: (*file).to_owned(),
            cause: describe(&e),
        })?;
        if set.templates().next().is_some() {
            return Err(PolicyError::Template((*file).to_owned()));
        }
        for policy in set.policies() {
            let card = card(file, policy)?;
            let id = card.rule.id.clone();
            policies.push(policy.new_id(PolicyId::new(&id)));
            if rules.insert(id.clone(), card).is_some() {
                let file = (*file).to_owned();
                return Err(PolicyError::DuplicateId { id, file });
            }
        }
    }
    policies.sort_by(|a, b| a.id().cmp(b.id()));
    Ok((policies, rules))
}

/// An error with the causes below it, so that the place in the text is not lost.
fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}

fn card(file: &str, policy: &Policy) -> Result<RuleCard, PolicyError> {
    let text = policy.to_string();
    let annotation = |name: &'static str| {
        policy
            .annotation(name)
            .filter(|value| !value.trim().is_empty())
            .map(str::to_owned)
    };
    let needed = |name: &'static str| {
        annotation(name).ok_or_else(|| PolicyError::MissingAnnotation {
            file: file.to_owned(),
            annotation: name,
            begins: text.lines().next().unwrap_or_default().to_owned(),
        })
    };
    Ok(RuleCard {
        rule: Rule {
            id: needed("id")?,
            reason: needed("reason")?,
            remedy: annotation("remedy"),
            control: annotation("control"),
            requirements: annotation("requirement")
                .map(|ids| ids.split_whitespace().map(str::to_owned).collect())
                .unwrap_or_default(),
        },
        file: file.to_owned(),
        forbids: policy.effect() == Effect::Forbid,
        text,
    })
}

fn validate(policies: &[Policy], schema: &Schema) -> Result<(), PolicyError> {
    let set = cedar_set(policies)?;
    let result = Validator::new(schema.clone()).validate(&set, ValidationMode::Strict);
    let errors = result.validation_errors().map(ToString::to_string);
    let warnings = result.validation_warnings().map(ToString::to_string);
    let mut found: Vec<String> = errors.chain(warnings).collect();
    found.sort();
    match found.is_empty() {
        true => Ok(()),
        false => Err(PolicyError::Invalid(found)),
    }
}

fn cedar_set(policies: &[Policy]) -> Result<CedarSet, PolicyError> {
    CedarSet::from_policies(policies.iter().cloned())
        .map_err(|e| PolicyError::Invalid(vec![e.to_string()]))
}

fn digest(policies: &[Policy], schema_text: &str) -> Result<Digest, PolicyError> {
    let mut content = serde_json::Map::new();
    for policy in policies {
        let prepare = |cause: String| PolicyError::Prepare {
            id: policy.id().to_string(),
            cause,
        };
        let tree = policy.to_json().map_err(|e| prepare(e.to_string()))?;
        content.insert(policy.id().to_string(), tree);
    }
    let schema: Vec<&str> = schema_text.lines().map(str::trim_end).collect();
    let content = json!({ "policies": content, "schema": schema });
    let bytes = serde_json_canonicalizer::to_vec(&content)
        .map_err(|e| PolicyError::Invalid(vec![e.to_string()]))?;
    Ok(Digest::of_parts(&[DIGEST_HEAD, &bytes]))
}

fn slices(
    policies: &[Policy],
    rules: &BTreeMap<String, RuleCard>,
    names: &Names,
) -> Result<BTreeMap<String, Slice>, PolicyError> {
    let mut slices = BTreeMap::new();
    for name in action::ALL {
        let action = names.action(name);
        let mine: Vec<Policy> = policies
            .iter()
            .filter(|policy| concerns(policy, &action))
            .cloned()
            .collect();
        let permits = mine
            .iter()
            .filter(|policy| policy.effect() == Effect::Permit)
            .filter_map(|policy| Some((policy.clone(), rules.get(&policy.id().to_string())?)))
            .map(|(policy, card)| (policy, card.rule.clone()))
            .collect();
        let slice = Slice {
            policies: cedar_set(&mine)?,
            action,
            permits,
            points: OnceLock::new(),
        };
        slices.insert((*name).to_owned(), slice);
    }
    Ok(slices)
}

impl Slice {
    /// A permit that cannot be taken apart is left out: it is only missing from explanations.
    fn points(&self) -> &[Points] {
        self.points.get_or_init(|| {
            self.permits
                .iter()
                .filter_map(|(policy, rule)| Points::of(policy, rule.clone()).ok())
                .collect()
        })
    }
}

fn concerns(policy: &Policy, action: &EntityUid) -> bool {
    match policy.action_constraint() {
        ActionConstraint::Any => true,
        ActionConstraint::In(actions) => actions.contains(action),
        ActionConstraint::Eq(one) => one == *action,
    }
}

/// The published policy files, by name.
pub fn default_files() -> [(&'static str, &'static str); 6] {
    macro_rules! file {
        ($name:literal) => {
            ($name, include_str!(concat!("../../../../policies/", $name)))
        };
    }
    [
        file!("connectors.cedar"),
        file!("data.cedar"),
        file!("gates.cedar"),
        file!("people.cedar"),
        file!("release.cedar"),
        file!("sponsor.cedar"),
    ]
}

/// Text of the published schema.
pub const DEFAULT_SCHEMA: &str = include_str!("../../../../policies/schema.cedarschema");

/// The published policy set, compiled in.
pub fn default_set() -> Result<PolicySet, PolicyError> {
    PolicySet::load(&default_files(), DEFAULT_SCHEMA)
}
