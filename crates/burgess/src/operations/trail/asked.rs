//! A search in the asker's own words, and what the index is asked for it.

use burgess_core::digest::Digest;
use burgess_core::time::Timestamp;
use burgess_trail::{Cursor, Order, Query, Word};
use serde_json::{Map, Value};

use crate::kms::blind::Blinder;

/// What somebody looks for. Fields that are not set do not narrow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Words.
    pub text: Option<String>,
    /// Exactly this actor.
    pub actor: Option<String>,
    /// Exactly this resource.
    pub resource: Option<String>,
    /// Its kind.
    pub resource_type: Option<String>,
    /// Exactly this app.
    pub app: Option<String>,
    /// Where.
    pub environment: Option<String>,
    /// What was done.
    pub action: Option<String>,
    /// How it ended.
    pub outcome: Option<String>,
    /// Why not.
    pub error_code: Option<String>,
    /// How sensitive.
    pub classification: Option<String>,
    /// Under this approval, or about it.
    pub approval: Option<String>,
    /// At this time or later.
    pub from: Option<Timestamp>,
    /// Before this time.
    pub to: Option<Timestamp>,
    /// Behind this place.
    pub after: Option<Cursor>,
    /// Up to this place, itself included.
    pub until: Option<Cursor>,
    /// Rows at most.
    pub limit: u32,
    /// Which end comes first.
    pub order: Order,
}

impl Asked {
    /// Whether it asks about a person's values: only who may open them may ask.
    pub const fn is_personal(&self) -> bool {
        self.actor.is_some() || self.resource.is_some()
    }

    /// What the index is asked. Without `blinder` only open fields are looked into.
    pub fn query(&self, blinder: Option<&Blinder>) -> Query {
        let text = self.text.as_deref().unwrap_or_default();
        let token = |value: &Option<String>, token: fn(&Blinder, &str) -> burgess_trail::Token| {
            Some(token(blinder?, value.as_deref()?))
        };
        Query {
            actor: token(&self.actor, Blinder::actor),
            resource: token(&self.resource, Blinder::resource),
            resource_type: self.resource_type.clone(),
            app: self.app.clone(),
            environment: self.environment.clone(),
            action: self.action.clone(),
            outcome: self.outcome.clone(),
            error_code: self.error_code.clone(),
            classification: self.classification.clone(),
            approval: self.approval.clone(),
            approval_token: token(&self.approval, Blinder::resource),
            from: self.from,
            to: self.to,
            words: blinder.map_or_else(|| Word::open(text), |it| it.typed(text)),
            after: self.after,
            until: self.until,
            limit: self.limit,
            order: self.order,
        }
    }

    /// What was asked, for the event that says so. Whom it was about is there as a keyed
    /// digest alone, so that erasing somebody need not look into other people's events.
    pub fn said(&self, blinder: &Blinder) -> Map<String, Value> {
        let mut said = Map::new();
        let open = [
            ("resource_type", &self.resource_type),
            ("app", &self.app),
            ("environment", &self.environment),
            ("action", &self.action),
            ("outcome", &self.outcome),
            ("error_code", &self.error_code),
            ("class", &self.classification),
            ("approval", &self.approval),
        ];
        for (name, value) in open {
            if let Some(value) = value {
                said.insert(name.to_owned(), value.as_str().into());
            }
        }
        let closed = [
            ("q", &self.text),
            ("actor", &self.actor),
            ("resource", &self.resource),
        ];
        for (name, value) in closed {
            if let Some(value) = value {
                said.insert(format!("{name}_token"), blinder.name(name, value).into());
            }
        }
        for (name, time) in [("from", self.from), ("to", self.to)] {
            if let Some(time) = time {
                said.insert(name.to_owned(), time.to_string().into());
            }
        }
        said
    }

    /// One name for one question, whatever page of the answer.
    pub fn digest(&self, blinder: &Blinder) -> Digest {
        let said = Value::Object(self.said(blinder)).to_string();
        Digest::of_parts(&[b"burgess.query/1\n", said.as_bytes()])
    }
}
