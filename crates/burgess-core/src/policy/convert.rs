//! How each kind of facts becomes Cedar attributes: one line per attribute of the schema.

use super::cedar::{Kind, Names, Value, flag, number, texts, word};
use super::facts::sealed::{Entity, Record};
use super::facts::{
    AppFacts, CallFacts, CaseFacts, Client, Destination, DisposalFacts, ErasureFacts,
    InEnvironment, NoContext, Organisation, Person, ReleaseFacts, ScopeFacts, TokenFacts, Verdict,
    Way,
};
use crate::data::Classification;
use std::collections::BTreeSet;

type Attributes = Vec<(&'static str, Value)>;

fn classes(set: &BTreeSet<Classification>) -> Value {
    texts(set.iter().map(|class| class.as_str()))
}

impl Entity for Person {
    const KIND: Kind = Kind::Person;
    fn attributes(&self, _: &Names) -> Attributes {
        vec![("active", flag(self.active))]
    }
}

impl Entity for Client {
    const KIND: Kind = Kind::Client;
    fn attributes(&self, names: &Names) -> Attributes {
        vec![
            ("app", names.reference(Kind::App, self.app.as_str())),
            ("environment", word(self.environment.as_str())),
            ("active", flag(self.active)),
        ]
    }
}

impl Entity for Organisation {
    const KIND: Kind = Kind::Organisation;
    fn attributes(&self, _: &Names) -> Attributes {
        Vec::new()
    }
}

impl Entity for AppFacts {
    const KIND: Kind = Kind::App;
    fn attributes(&self, names: &Names) -> Attributes {
        vec![
            ("developer", names.person(&self.developer)),
            ("owners", names.people(&self.owners)),
            ("state", word(&self.state)),
            ("band", word(self.band.as_str())),
            ("classification", word(self.classification.as_str())),
            ("approved", flag(self.approved)),
            ("quarantined", flag(self.quarantined)),
            ("retired", flag(self.retired)),
            ("retirement_due", flag(self.retirement_due)),
        ]
    }
}

impl Entity for CaseFacts {
    const KIND: Kind = Kind::Case;
    fn attributes(&self, names: &Names) -> Attributes {
        vec![
            ("app", names.reference(Kind::App, self.app.as_str())),
            ("developer", names.person(&self.developer)),
            ("submitter", names.person(&self.submitter)),
            ("owners", names.people(&self.owners)),
            ("reviewers", names.people(&self.reviewers)),
            ("open", flag(self.open)),
            ("second_review", flag(self.second_review)),
            ("score", number(self.score)),
            ("band", word(self.band.as_str())),
            ("classification", word(self.classification.as_str())),
            ("users", number(self.users)),
            ("connectivity_points", number(self.connectivity_points)),
            ("agent", flag(self.agent)),
            ("capabilities", flag(self.capabilities)),
            (
                "missing_controls",
                texts(self.missing_controls.iter().map(String::as_str)),
            ),
        ]
    }
}

impl Entity for Destination {
    const KIND: Kind = Kind::Connector;
    fn attributes(&self, _: &Names) -> Attributes {
        vec![
            ("catalogued", flag(self.catalogued)),
            ("external_api", flag(self.external_api)),
            ("cleared", classes(&self.cleared)),
        ]
    }
}

impl Record for NoContext {
    fn attributes(&self) -> Attributes {
        Vec::new()
    }
}

impl Record for InEnvironment {
    fn attributes(&self) -> Attributes {
        vec![("environment", word(self.environment.as_str()))]
    }
}

impl Record for Verdict {
    fn attributes(&self) -> Attributes {
        vec![("approves", flag(self.approves))]
    }
}

impl Record for ErasureFacts {
    fn attributes(&self) -> Attributes {
        vec![
            ("held", flag(self.held)),
            ("two_persons", flag(self.two_persons)),
            ("asked_by_another", flag(self.asked_by_another)),
        ]
    }
}

impl Record for DisposalFacts {
    fn attributes(&self) -> Attributes {
        vec![("held", flag(self.held)), ("due", flag(self.due))]
    }
}

impl Record for TokenFacts {
    fn attributes(&self) -> Attributes {
        vec![
            ("environment", word(self.environment.as_str())),
            ("deployed", flag(self.deployed)),
            (
                "requested",
                texts(self.requested.iter().map(String::as_str)),
            ),
            ("granted", texts(self.granted.iter().map(String::as_str))),
        ]
    }
}

impl Record for ScopeFacts {
    fn attributes(&self) -> Attributes {
        vec![
            ("environment", word(self.environment.as_str())),
            ("scope", word(&self.scope)),
            ("classification", word(self.classification.as_str())),
        ]
    }
}

impl Record for CallFacts {
    fn attributes(&self) -> Attributes {
        vec![
            ("environment", word(self.environment.as_str())),
            ("declared", flag(self.declared)),
            ("method_declared", flag(self.method_declared)),
            ("host_declared", flag(self.host_declared)),
            ("action_type", word(self.action_type.as_str())),
            ("classification", word(self.classification.as_str())),
            ("required", texts(self.required.iter().map(String::as_str))),
            ("granted", texts(self.granted.iter().map(String::as_str))),
            ("approved", flag(self.approved)),
            ("deployed", flag(self.deployed)),
            ("quarantined", flag(self.quarantined)),
            ("over_limit", flag(self.over_limit)),
        ]
    }
}

impl Record for ReleaseFacts {
    fn attributes(&self) -> Attributes {
        let found = self.found;
        vec![
            ("environment", word(self.environment.as_str())),
            (
                "way",
                word(match self.way {
                    Way::In => "in",
                    Way::Out => "out",
                }),
            ),
            ("action_type", word(self.action_type.as_str())),
            ("found", classes(&found.classes())),
            ("personal_values", number(found.personal())),
            ("secrets", number(found.secret)),
            ("declared", classes(&self.declared)),
            (
                "action_declared",
                flag(self.declared_actions.contains(&self.action_type)),
            ),
            ("redactable", flag(self.redactable)),
            ("opaque", flag(self.opaque)),
        ]
    }
}
