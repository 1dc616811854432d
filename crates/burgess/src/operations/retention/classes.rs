//! The classes of the ledger and their written policies: which events go where, when a line of shards
//! turns, how long its entries stay, and why.
//!
//! A table ships with the product and another stands in the configuration. Not here: what the clock
//! does when a time is over.

use burgess_core::digest::Digest;
use burgess_core::time::Timestamp;
use burgess_ledger::shards::MAIN;
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::http::problem::Problem;
use crate::operations::event;

/// The classes that ship with the product.
const BUILT_IN: &str = include_str!("../../../../../policies/ledger-classes.toml");

/// After what time a class begins its next shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    /// A calendar year.
    Year,
    /// A quarter of one.
    Quarter,
    /// A month.
    Month,
}

impl Period {
    /// The name of the period that a time falls into, in UTC.
    pub(super) fn of(self, time: Timestamp) -> String {
        let date = time.date();
        let (year, rest) = date.split_once('-').unwrap_or((&date, ""));
        let month = rest.split_once('-').map_or(rest, |(month, _)| month);
        match self {
            Self::Year => year.to_owned(),
            Self::Quarter => {
                let quarter = month.parse::<u32>().unwrap_or(1).saturating_add(2) / 3;
                format!("{year}q{quarter}")
            }
            Self::Month => format!("{year}-{month}"),
        }
    }
}

/// One retention class, as the table says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerClass {
    /// Its name.
    pub name: String,
    /// Sources whose events it takes, as `gateway`; empty for `main`, which takes all others.
    #[serde(default)]
    pub sources: Vec<String>,
    /// When its next shard begins.
    pub period: Period,
    /// Days from the last entry of a sealed shard until its entries go.
    pub keep_days: u32,
    /// The legal basis of keeping, and of that time.
    pub basis: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    class: Vec<LedgerClass>,
}

/// All classes; `main` is always among them.
#[derive(Clone, Debug)]
pub struct Classes(Vec<LedgerClass>);

/// The table of classes cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ClassError {
    /// The built-in table is damaged.
    #[error("the retention classes that ship with the product: {0}")]
    BuiltIn(#[from] toml::de::Error),
    /// A class that cannot be.
    #[error("[[ledger_class]] `{name}`: {what}")]
    Class {
        /// Its name.
        name: String,
        /// What is wrong, and what to do.
        what: &'static str,
    },
}

impl Classes {
    /// The built-in classes and those of the configuration.
    pub fn of(config: &Config) -> Result<Self, ClassError> {
        let mut all = toml::from_str::<Table>(BUILT_IN)?.class;
        for class in &config.ledger_classes {
            check(class, &all)?;
            all.retain(|it| it.name != class.name);
            all.push(class.clone());
        }
        Ok(Self(all))
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|class| class.name.as_str())
    }

    /// The class that takes the events of that source.
    pub fn of_source(&self, source: &str) -> &str {
        let takes = |class: &&LedgerClass| class.sources.iter().any(|it| it == source);
        self.0.iter().find(takes).map_or(MAIN, |class| &class.name)
    }

    /// All of them.
    pub(super) fn all(&self) -> &[LedgerClass] {
        &self.0
    }

    pub(super) fn get(&self, name: &str) -> Option<&LedgerClass> {
        self.0.iter().find(|class| class.name == name)
    }
}

fn check(class: &LedgerClass, before: &[LedgerClass]) -> Result<(), ClassError> {
    let taken = |source: &String| before.iter().any(|it| it.sources.contains(source));
    let what = if class.keep_days == 0 {
        "keep_days must be at least 1"
    } else if class.basis.trim().is_empty() {
        "the basis is missing: say why its entries are kept, and why for that long"
    } else if class.name == MAIN && !class.sources.is_empty() {
        "`main` takes what no other class names, so it has no sources of its own"
    } else if class.name != MAIN && class.sources.is_empty() {
        "its sources are missing, as sources = [\"gateway\"]"
    } else if class.sources.iter().any(|source| source == event::CONTROL) {
        "the control plane stays in `main`, so that its numbers have no gaps there"
    } else if class.sources.iter().any(taken) {
        "one of its sources belongs to another class already"
    } else {
        return Ok(());
    };
    Err(ClassError::Class {
        name: class.name.clone(),
        what,
    })
}

/// The written retention policy of one class: what stands in `retention.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    schema: String,
    /// The log.
    pub log: String,
    /// What is kept, and how long.
    #[serde(flatten)]
    pub class: LedgerClass,
    /// How it ends.
    pub disposal: String,
    /// What stops that.
    pub exceptions: String,
}

impl Policy {
    pub(super) fn of(config: &Config, class: &LedgerClass) -> Self {
        Self {
            schema: "burgess.retention-policy/1".to_owned(),
            log: config.origin(),
            class: class.clone(),
            disposal: "a sealed shard's entries and side values are removed as a whole, and so are their files in the local archive; hash tiles, last checkpoint, key and this document stay, and an event in the log that goes on certifies it".to_owned(),
            exceptions: "a legal hold on the shard, on an app or on a subject with entries in it stops the removal until it is released; a subject's values may be erased earlier".to_owned(),
        }
    }

    pub(super) fn text(&self) -> Result<String, Problem> {
        let text = serde_json::to_string_pretty(self).map_err(|e| Problem::internal(&e))?;
        Ok(format!("{text}\n"))
    }

    /// Digest of the document as it lies in the folder, as pruning marks and certificates name it.
    pub fn digest(&self) -> Result<String, Problem> {
        Ok(format!("sha256:{}", Digest::of(self.text()?.as_bytes())))
    }
}

/// The policies of all classes.
pub fn policies(config: &Config) -> Result<Vec<Policy>, ClassError> {
    let classes = Classes::of(config)?;
    Ok(classes
        .0
        .iter()
        .map(|class| Policy::of(config, class))
        .collect())
}

/// The policies as a page of Markdown.
pub fn markdown(policies: &[Policy]) -> Result<String, Problem> {
    let mut page = "# Retention policy of the ledger\n".to_owned();
    for policy in policies {
        let class = &policy.class;
        let takes = if class.sources.is_empty() {
            "everything that no other class takes".to_owned()
        } else {
            class.sources.join(", ")
        };
        let period = format!("{:?}", class.period).to_lowercase();
        page.push_str(&format!(
            "\n## Log `{}`, class `{}`\n\n- Takes: {takes}\n- A new shard begins with each {period}\n- Kept: {} days from the last entry of a sealed shard\n- Basis: {}\n- Then: {}\n- Unless: {}\n- Digest: {}\n",
            policy.log, class.name, class.keep_days, class.basis, policy.disposal, policy.exceptions, policy.digest()?
        ));
    }
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burgess_core::time::Span;

    #[test]
    fn a_period_has_one_name_from_its_first_moment_to_its_last() {
        let at = |text: &str| Timestamp::parse(text).unwrap();
        for (period, first, last, name) in [
            (
                Period::Year,
                "2026-01-01T00:00:00Z",
                "2026-12-31T23:59:59Z",
                "2026",
            ),
            (
                Period::Quarter,
                "2026-10-01T00:00:00Z",
                "2026-12-31T23:59:59Z",
                "2026q4",
            ),
            (
                Period::Quarter,
                "2027-01-01T00:00:00Z",
                "2027-03-31T23:59:59Z",
                "2027q1",
            ),
            (
                Period::Month,
                "2026-02-01T00:00:00Z",
                "2026-02-28T23:59:59Z",
                "2026-02",
            ),
        ] {
            assert_eq!(period.of(at(first)), name);
            assert_eq!(period.of(at(last)), name);
            assert_ne!(period.of(at(last).plus(Span::seconds(1))), name);
        }
    }

    #[test]
    fn a_class_that_would_break_a_rule_is_refused_with_what_to_do() {
        let table: Table = toml::from_str(BUILT_IN).unwrap();
        let class = |name: &str, sources: &[&str], keep_days, basis: &str| LedgerClass {
            name: name.to_owned(),
            sources: sources.iter().map(|it| (*it).to_owned()).collect(),
            period: Period::Quarter,
            keep_days,
            basis: basis.to_owned(),
        };
        assert!(check(&class("traffic", &["gateway"], 400, "why"), &table.class).is_ok());
        assert!(check(&class("main", &[], 400, "why"), &table.class).is_ok());
        for bad in [
            class("traffic", &["gateway"], 0, "why"),
            class("traffic", &["gateway"], 400, " "),
            class("traffic", &[], 400, "why"),
            class("traffic", &["control"], 400, "why"),
            class("main", &["gateway"], 400, "why"),
        ] {
            assert!(check(&bad, &table.class).is_err(), "{bad:?}");
        }
    }
}
