//! Circumstances and answers: how one changed fact changes a decision.

use burgess_core::policy::facts::{Client, Person, Principal};
use burgess_core::policy::plain::{self, Plain};
use burgess_core::policy::{Action, Decision, PolicySet, Request, decide};
use burgess_core::roles::Role;
use burgess_core::time::Timestamp;

/// Rows of a golden file: circumstance, action, answer.
pub struct Table<'a> {
    pub set: &'a PolicySet,
    pub rows: Vec<[String; 3]>,
}

impl Table<'_> {
    /// Asks for `A` under plain circumstances changed by `resource` and `context`.
    pub fn ask<A: Action>(
        &mut self,
        circumstance: &str,
        principal: &Principal,
        resource: impl FnOnce(&mut A::Resource),
        context: impl FnOnce(&mut A::Context),
    ) {
        let mut on = A::Resource::plain().unwrap();
        let mut under = A::Context::plain().unwrap();
        resource(&mut on);
        context(&mut under);
        let request = Request::<A> {
            principal,
            resource: &on,
            context: &under,
        };
        let answer = answer(decide(&request, self.set, Timestamp::EPOCH));
        self.row(circumstance, A::NAME, answer);
    }

    pub fn row(&mut self, circumstance: &str, action: &str, answer: String) {
        self.rows
            .push([circumstance.to_owned(), action.to_owned(), answer]);
    }

    pub fn text(&self) -> String {
        let mut text = String::from("circumstance\taction\tanswer\n");
        for row in &self.rows {
            text.push_str(&row.join("\t"));
            text.push('\n');
        }
        text
    }
}

/// `yes: <permits>`, `no: <forbids>` or `no permit, nearest <permit>: <what it wants>`.
pub fn answer<A: Action>(decision: Decision<A>) -> String {
    match decision {
        Decision::Allow(permit) => format!("yes: {}", permit.determining().join(", ")),
        Decision::Deny(denial) if denial.alerts() => format!("error: {}", denial.errors.join("; ")),
        Decision::Deny(denial) if !denial.policies.is_empty() => {
            format!("no: {}", denial.policy_ids().join(", "))
        }
        Decision::Deny(denial) => match denial.nearest {
            Some(near) => format!(
                "no permit, nearest {}: {}",
                near.rule.id,
                near.wanted.join(" and ")
            ),
            None => "no permit".to_owned(),
        },
    }
}

pub fn someone(role: Role) -> Principal {
    plain::person(role).unwrap()
}

/// A person changed.
pub fn person(role: Role, change: impl FnOnce(&mut Person)) -> Principal {
    let Principal::Person(mut person) = someone(role) else {
        unreachable!()
    };
    change(&mut person);
    Principal::Person(person)
}

/// The app's credential changed.
pub fn client(change: impl FnOnce(&mut Client)) -> Principal {
    let Principal::Client(mut client) = plain::client().unwrap() else {
        unreachable!()
    };
    change(&mut client);
    Principal::Client(client)
}

/// Compares `text` with the golden file `name`, or writes it when asked to.
pub fn golden(name: &str, text: &str) {
    let path = format!("{}/tests/golden/{name}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("BURGESS_UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    for (line, (new, old)) in text.lines().zip(golden.lines()).enumerate() {
        assert_eq!(new, old, "{name}, line {}", line + 1);
    }
    assert_eq!(text.lines().count(), golden.lines().count(), "{name}: rows");
}
