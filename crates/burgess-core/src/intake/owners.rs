//! Proposing owners from the directory (R147).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::id::Email;

/// One person of the directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Person {
    /// Their address.
    pub email: Email,
    /// Their name.
    pub name: String,
    /// Their business unit.
    #[serde(default)]
    pub unit: String,
    /// Their manager.
    #[serde(default)]
    pub manager: Option<Email>,
    /// Whether they still work here.
    pub active: bool,
}

/// Who works here, and for whom.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Directory {
    people: BTreeMap<Email, Person>,
}

/// Whom the directory proposes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnerProposal {
    /// The accountable owner.
    pub owner: Option<Email>,
    /// Who takes over.
    pub second_owner: Option<Email>,
}

impl Directory {
    /// Adds a person, or replaces the one of the same address.
    pub fn insert(&mut self, person: Person) {
        self.people.insert(person.email.clone(), person);
    }

    /// The person of that address.
    pub fn get(&self, email: &Email) -> Option<&Person> {
        self.people.get(email)
    }

    /// All people, by address.
    pub fn iter(&self) -> impl Iterator<Item = &Person> {
        self.people.values()
    }

    /// Whether somebody of that address works here.
    pub fn is_active(&self, email: &Email) -> bool {
        self.get(email).is_some_and(|person| person.active)
    }

    /// The active managers above `email`, nearest first. People who left are passed over;
    /// a circle in the directory ends the chain.
    fn managers(&self, email: &Email) -> Vec<&Email> {
        let mut chain = Vec::new();
        let mut seen = BTreeSet::from([email]);
        let mut next = self.get(email).and_then(|person| person.manager.as_ref());
        while let Some(manager) = next {
            if !seen.insert(manager) {
                break;
            }
            let person = self.get(manager);
            if person.is_some_and(|person| person.active) {
                chain.push(manager);
            }
            next = person.and_then(|person| person.manager.as_ref());
        }
        chain
    }
}

/// Proposes an owner and a second owner for an app of `developer`: the nearest active
/// manager, and the next one above. Where there is no second, another active person of the
/// developer's unit takes the place, the first by address. Never the developer.
pub fn propose_owners(directory: &Directory, developer: &Email) -> OwnerProposal {
    let unit = directory
        .get(developer)
        .map(|person| person.unit.as_str())
        .unwrap_or_default();
    let colleagues = directory
        .iter()
        .filter(|person| person.active && !unit.is_empty() && person.unit == unit)
        .map(|person| &person.email);
    let managers = directory.managers(developer);
    let mut proposed: Vec<&Email> = Vec::new();
    for email in managers.into_iter().chain(colleagues) {
        if email != developer && !proposed.contains(&email) {
            proposed.push(email);
        }
    }
    let mut proposed = proposed.into_iter().cloned();
    OwnerProposal {
        owner: proposed.next(),
        second_owner: proposed.next(),
    }
}
