//! What a charter means where it is silent, and what it may not be silent about.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{AppSection, Charter, Missing, Schema, Support};
use crate::app::Environment;
use crate::capability::Capabilities;
use crate::id::AppId;
use crate::limits::Limits;

/// Version of a charter that does not say.
pub(super) const VERSION: &str = "0.1.0";

/// Exceedance of a timing budget that does not say: once in a million.
pub(super) const EXCEEDANCE: f64 = 1e-6;

/// A latency: whole nanoseconds. Shown and read as `200ms`, `1500us`, `2s` or `40ns`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Budget(u64);

/// The text is not a latency.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a latency: write a whole number and ns, us, ms, s or m, as in 200ms")]
pub struct BudgetError(String);

/// Units from the greatest to the least.
const UNITS: [(&str, u64); 5] = [
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

impl Budget {
    /// That many nanoseconds.
    pub const fn nanoseconds(nanoseconds: u64) -> Self {
        Self(nanoseconds)
    }

    /// The number of nanoseconds.
    pub const fn as_nanoseconds(self) -> u64 {
        self.0
    }

    /// Reads `200ms`; zero is no budget.
    pub fn parse(text: &str) -> Result<Self, BudgetError> {
        let bad = || BudgetError(text.chars().take(40).collect());
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at_checked(digits).ok_or_else(bad)?;
        let factor = UNITS
            .into_iter()
            .find(|(name, _)| *name == unit)
            .map(|(_, factor)| factor)
            .ok_or_else(bad)?;
        number
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(factor))
            .filter(|nanoseconds| *nanoseconds > 0)
            .map(Self)
            .ok_or_else(bad)
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, factor) = UNITS
            .into_iter()
            .find(|(_, factor)| self.0.is_multiple_of(*factor))
            .unwrap_or(("ns", 1));
        write!(f, "{}{unit}", self.0 / factor)
    }
}

impl TryFrom<String> for Budget {
    type Error = BudgetError;
    fn try_from(text: String) -> Result<Self, BudgetError> {
        Self::parse(&text)
    }
}

impl From<Budget> for String {
    fn from(budget: Budget) -> Self {
        budget.to_string()
    }
}

/// An empty charter with every default.
pub(super) fn blank(id: AppId, name: &str) -> Charter {
    Charter {
        schema: Schema::V1,
        id,
        version: VERSION.to_owned(),
        app: AppSection {
            name: name.to_owned(),
            purpose: String::new(),
            unit: String::new(),
            developer: None,
            owner: None,
            second_owner: None,
            users: None,
            environments: vec![Environment::Sandbox],
            production_systems: false,
        },
        data: Vec::new(),
        connector: Vec::new(),
        third_party: Vec::new(),
        capabilities: Capabilities::default(),
        limits: Limits::default(),
        timing: None,
        support: Support::default(),
        retention: None,
    }
}

/// Sorts what is a set and drops doubles, so that order in the file means nothing.
pub(super) fn normalised(charter: &Charter) -> Charter {
    let mut charter = charter.clone();
    set(&mut charter.app.environments);
    for data in &mut charter.data {
        set(&mut data.actions);
    }
    set(&mut charter.data);
    for connector in &mut charter.connector {
        set(&mut connector.methods);
        set(&mut connector.scopes);
        set(&mut connector.flows);
        connector.hosts.values_mut().for_each(set);
    }
    charter.connector.sort_by(|a, b| a.id.cmp(&b.id));
    set(&mut charter.third_party);
    set(&mut charter.capabilities.files);
    set(&mut charter.capabilities.automation);
    set(&mut charter.support.contacts);
    charter
}

fn set<T: Ord>(list: &mut Vec<T>) {
    list.sort();
    list.dedup();
}

/// What a complete charter says and this one does not, in the order of the form.
pub(super) fn missing(charter: &Charter) -> Vec<Missing> {
    let app = &charter.app;
    let rows = [
        (
            app.purpose.trim().is_empty(),
            "app.purpose",
            "say in a sentence what the app is for",
        ),
        (
            app.developer.is_none(),
            "app.developer",
            "name who builds it, by e-mail address",
        ),
        (
            app.owner.is_none(),
            "app.owner",
            "name the accountable business owner, by e-mail address",
        ),
        (
            app.second_owner.is_none(),
            "app.second_owner",
            "name who takes over when the owner leaves",
        ),
        (
            app.users.is_none(),
            "app.users",
            "say how many people will use it",
        ),
        (
            charter.data.is_empty(),
            "data",
            "add a [[data]] entry for each dataset, with its classification",
        ),
        (
            charter.support.remediation_sla.is_none(),
            "support.remediation_sla",
            "say how soon findings are mended, as in 5d",
        ),
        (
            charter.retention.is_none(),
            "retention.label",
            "choose a label of the retention schedule",
        ),
        (
            charter.capabilities.lacks_justification(),
            "capabilities.justification",
            "say why the app needs local files, automation or an agent",
        ),
    ];
    rows.into_iter()
        .filter(|(absent, _, _)| *absent)
        .map(|(_, field, remedy)| Missing { field, remedy })
        .collect()
}
