//! Cedar's side of a decision: typed facts become entities, a context and a request, directly.
//!
//! No JSON on the way: building entities from JSON costs four times the decision. Conformity
//! with the schema holds by construction and is tested for every action; it is not checked again
//! on every call.

use std::collections::BTreeSet;

use cedar_policy::{
    Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, Request, RestrictedExpression,
    Schema,
};

use super::facts::{ContextFacts, Principal, ResourceFacts, sealed};
use crate::id::Email;

/// A value that facts can hold.
pub type Value = RestrictedExpression;

/// The entity types of the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A person with a session.
    Person,
    /// A role of the organisation.
    Role,
    /// An app's client credential.
    Client,
    /// A job of the server.
    Job,
    /// The organisation.
    Organisation,
    /// An app.
    App,
    /// A request before reviewers.
    Case,
    /// A connector.
    Connector,
    /// A version of an app before the promotion gate.
    Candidate,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Person => "Person",
            Self::Role => "Role",
            Self::Client => "Client",
            Self::Job => "Job",
            Self::Organisation => "Organisation",
            Self::App => "App",
            Self::Case => "Case",
            Self::Connector => "Connector",
            Self::Candidate => "Candidate",
        }
    }
}

/// The names of the entity types, parsed once: parsing one costs as much as a whole decision.
#[derive(Clone, Debug)]
pub struct Names {
    person: EntityTypeName,
    role: EntityTypeName,
    client: EntityTypeName,
    job: EntityTypeName,
    organisation: EntityTypeName,
    app: EntityTypeName,
    case: EntityTypeName,
    connector: EntityTypeName,
    candidate: EntityTypeName,
    action: EntityTypeName,
}

/// What Cedar evaluates.
pub struct Question {
    /// Principal, action, resource and context.
    pub request: Request,
    /// Principal and resource with their attributes.
    pub entities: Entities,
}

impl Names {
    /// Parses the names; they are constants, so this fails only if Cedar's syntax changes.
    pub fn parse() -> Result<Self, String> {
        let name = |text: &str| text.parse::<EntityTypeName>().map_err(|e| e.to_string());
        Ok(Self {
            person: name(Kind::Person.as_str())?,
            role: name(Kind::Role.as_str())?,
            client: name(Kind::Client.as_str())?,
            job: name(Kind::Job.as_str())?,
            organisation: name(Kind::Organisation.as_str())?,
            app: name(Kind::App.as_str())?,
            case: name(Kind::Case.as_str())?,
            connector: name(Kind::Connector.as_str())?,
            candidate: name(Kind::Candidate.as_str())?,
            action: name("Action")?,
        })
    }

    fn of(&self, kind: Kind) -> &EntityTypeName {
        match kind {
            Kind::Person => &self.person,
            Kind::Role => &self.role,
            Kind::Client => &self.client,
            Kind::Job => &self.job,
            Kind::Organisation => &self.organisation,
            Kind::App => &self.app,
            Kind::Case => &self.case,
            Kind::Connector => &self.connector,
            Kind::Candidate => &self.candidate,
        }
    }

    /// The action called `name`.
    pub fn action(&self, name: &str) -> EntityUid {
        EntityUid::from_type_name_and_id(self.action.clone(), EntityId::new(name))
    }

    /// The entity of `kind` called `id`.
    pub fn uid(&self, kind: Kind, id: &str) -> EntityUid {
        EntityUid::from_type_name_and_id(self.of(kind).clone(), EntityId::new(id))
    }

    /// An attribute that points at another entity.
    pub fn reference(&self, kind: Kind, id: &str) -> Value {
        Value::new_entity_uid(self.uid(kind, id))
    }

    /// An attribute that points at a person.
    pub fn person(&self, email: &Email) -> Value {
        self.reference(Kind::Person, email.as_str())
    }

    /// An attribute that holds several people.
    pub fn people(&self, emails: &BTreeSet<Email>) -> Value {
        Value::new_set(emails.iter().map(|email| self.person(email)))
    }

    fn entity<F: sealed::Entity>(
        &self,
        id: &str,
        facts: &F,
        parents: Vec<EntityUid>,
    ) -> Result<Entity, String> {
        Entity::new_with_tags(
            self.uid(F::KIND, id),
            owned(facts.attributes(self)),
            parents,
            [],
        )
        .map_err(|e| e.to_string())
    }

    fn principal(&self, principal: &Principal) -> Result<Entity, String> {
        match principal {
            Principal::Person(person) => {
                let role = |role: &crate::roles::Role| self.uid(Kind::Role, role.as_str());
                let roles = person.roles.iter().map(role).collect();
                self.entity(person.email.as_str(), person, roles)
            }
            Principal::Client(client) => {
                self.entity(client.credential.as_str(), client, Vec::new())
            }
            Principal::Job(name) => Ok(Entity::with_uid(self.uid(Kind::Job, name))),
        }
    }

    /// Puts the question. With a schema it is checked against it too, which is for tests and for
    /// policy sets that are being tried.
    pub fn question<R: ResourceFacts, C: ContextFacts>(
        &self,
        action: &EntityUid,
        principal: &Principal,
        resource: &R,
        context: &C,
        schema: Option<&Schema>,
    ) -> Result<Question, String> {
        let principal = self.principal(principal)?;
        let resource = self.entity(resource.id(), resource, Vec::new())?;
        let context =
            Context::from_pairs(owned(context.attributes())).map_err(|e| e.to_string())?;
        let request = Request::new(
            principal.uid(),
            action.clone(),
            resource.uid(),
            context,
            schema,
        )
        .map_err(|e| e.to_string())?;
        let entities =
            Entities::from_entities([principal, resource], schema).map_err(|e| e.to_string())?;
        Ok(Question { request, entities })
    }
}

fn owned(attributes: Vec<(&'static str, Value)>) -> impl IntoIterator<Item = (String, Value)> {
    attributes
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
}

/// A word or sentence.
pub fn word(text: &str) -> Value {
    Value::new_string(text.to_owned())
}

/// Yes or no.
pub fn flag(value: bool) -> Value {
    Value::new_bool(value)
}

/// A number.
pub fn number(value: u32) -> Value {
    Value::new_long(i64::from(value))
}

/// A set of words.
pub fn texts<'a>(values: impl IntoIterator<Item = &'a str>) -> Value {
    Value::new_set(values.into_iter().map(word))
}
