//! What the form chooses from: datasets with their class, retention labels, and what may be
//! done with data of each class.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::charter::DataUse;
use crate::data::{ActionType, Classification};
use crate::id::Email;

/// The default matrix of class and action.
const CLASS_ACTIONS: &str = include_str!("../../../../policies/class-actions.toml");

/// One dataset of the organisation, classified once for all apps (R74).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dataset {
    /// Its name, as charters use it.
    pub name: String,
    /// How sensitive it is.
    pub classification: Classification,
    /// Who answers for it.
    pub owner: Email,
    /// What it holds, in a sentence.
    #[serde(default)]
    pub description: String,
}

/// All datasets, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatasetRegistry {
    datasets: BTreeMap<String, Dataset>,
}

/// A registry cannot hold such an entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// A dataset without a class of its own.
    #[error("dataset `{0}` has no classification: choose public, internal, sensitive, pii or phi")]
    Unclassified(String),
    /// A label that is there already with other days.
    #[error("retention label `{0}` stands there already with other days: choose another label")]
    LabelTaken(String),
}

impl DatasetRegistry {
    /// Adds a dataset, or replaces the one of the same name.
    pub fn insert(&mut self, dataset: Dataset) -> Result<(), RegistryError> {
        if dataset.classification == Classification::None {
            return Err(RegistryError::Unclassified(dataset.name));
        }
        self.datasets.insert(dataset.name.clone(), dataset);
        Ok(())
    }

    /// The dataset of that name.
    pub fn get(&self, name: &str) -> Option<&Dataset> {
        self.datasets.get(name)
    }

    /// All datasets, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Dataset> {
        self.datasets.values()
    }
}

/// One label of the retention schedule (R36).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetentionLabel {
    /// The label, as `sales-3y`.
    pub label: String,
    /// How many days it means.
    pub days: u32,
}

/// All retention labels.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetentionSchedule {
    labels: BTreeMap<String, u32>,
}

impl RetentionSchedule {
    /// Adds a label. What a label means does not change: archives already carry it.
    pub fn insert(&mut self, label: RetentionLabel) -> Result<(), RegistryError> {
        match self.labels.get(&label.label) {
            Some(days) if *days != label.days => Err(RegistryError::LabelTaken(label.label)),
            _ => {
                self.labels.insert(label.label, label.days);
                Ok(())
            }
        }
    }

    /// How many days a label means.
    pub fn days(&self, label: &str) -> Option<u32> {
        self.labels.get(label).copied()
    }

    /// All labels with their days, by label.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u32)> {
        self.labels
            .iter()
            .map(|(label, days)| (label.as_str(), *days))
    }
}

/// Which actions are allowed on data of each class (R75).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassActions {
    allowed: BTreeMap<Classification, BTreeSet<ActionType>>,
}

/// The text is not a matrix of class and action.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClassActionsError {
    /// Not the shape of one.
    #[error("the matrix of class and action cannot be read: {0}")]
    Shape(String),
    /// A class has no row.
    #[error("the matrix of class and action has no row for `{0}`: add it, perhaps empty")]
    NoRow(Classification),
}

impl ClassActions {
    /// The default matrix.
    pub fn default_matrix() -> Result<Self, ClassActionsError> {
        Self::parse(CLASS_ACTIONS)
    }

    /// Reads a matrix: one list of actions per class, every class there.
    pub fn parse(text: &str) -> Result<Self, ClassActionsError> {
        let allowed: BTreeMap<Classification, BTreeSet<ActionType>> = toml::from_str(text)
            .map_err(|error| ClassActionsError::Shape(error.message().to_owned()))?;
        for class in Classification::ALL {
            if !allowed.contains_key(&class) {
                return Err(ClassActionsError::NoRow(class));
            }
        }
        Ok(Self { allowed })
    }

    /// Whether `action` is allowed on data of `class`.
    pub fn allows(&self, class: Classification, action: ActionType) -> bool {
        self.allowed
            .get(&class)
            .is_some_and(|actions| actions.contains(&action))
    }

    /// The actions that a charter's data entry asks for and its class does not allow.
    pub fn excess(&self, data: &DataUse) -> Vec<ActionType> {
        data.actions
            .iter()
            .copied()
            .filter(|action| !self.allows(data.classification, *action))
            .collect()
    }
}
