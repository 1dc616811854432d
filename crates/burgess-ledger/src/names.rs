//! Names of sources and streams, each once, under a small dense number.
//!
//! The same name gets the same number wherever entries are counted, because numbers are given by
//! the sequencer alone and travel with the group in which a name appears first.

#![expect(
    clippy::disallowed_types,
    reason = "looked up by name alone and never walked through: order comes from the list"
)]

use std::collections::HashMap;
use std::sync::Arc;

/// The number of a name.
pub(crate) type NameId = u32;

/// Names in the order in which they appeared.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    list: Vec<Arc<str>>,
    ids: HashMap<Arc<str>, NameId>,
}

impl Names {
    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    pub(crate) fn find(&self, name: &str) -> Option<NameId> {
        self.ids.get(name).copied()
    }

    pub(crate) fn get(&self, id: NameId) -> &str {
        self.shared(id).map_or("", |name| name)
    }

    pub(crate) fn shared(&self, id: NameId) -> Option<&Arc<str>> {
        self.list.get(place(id))
    }

    /// The number of `name`, given now if it has none.
    pub(crate) fn intern(&mut self, name: &str) -> NameId {
        if let Some(id) = self.find(name) {
            return id;
        }
        // Nobody can hand over 2^32 names of at least one byte.
        let id = NameId::try_from(self.list.len()).unwrap_or(NameId::MAX);
        let name: Arc<str> = Arc::from(name);
        self.list.push(name.clone());
        self.ids.insert(name, id);
        id
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<str>> {
        self.list.iter()
    }
}

/// The place of a number in a list by number.
pub(crate) fn place(id: NameId) -> usize {
    usize::try_from(id).unwrap_or(usize::MAX)
}
