//! What of a side value is a subject's, and the side value without it.
//!
//! Works on the bytes alone: no key is needed to forget. A side value that is not readable holds
//! nobody's values.

use serde_json::Value;

/// The parts of a side value that carry an alias, and those that go with each: the seed of the
/// salts lies under both keys, so it goes with either.
const PARTS: [&str; 2] = ["actor", "resource"];
const SEED: &str = "seed";

/// The side value without what is sealed for the subject of that alias; `None` where nothing is.
/// What is sealed for the other subject stays, and the commitment can not be opened any more.
#[must_use]
pub fn without(side: &[u8], alias: &str) -> Option<Vec<u8>> {
    let mut value: Value = serde_json::from_slice(side).ok()?;
    let mut found = false;
    for part in PARTS {
        let boxed = value.get_mut(part)?;
        if boxed.get("subject")?.as_str()? == alias && !boxed.get("sealed")?.as_str()?.is_empty() {
            *boxed.get_mut("sealed")? = Value::String(String::new());
            found = true;
        }
    }
    if !found {
        return None;
    }
    *value.get_mut(SEED)?.get_mut("sealed")? = Value::String(String::new());
    serde_json::to_vec(&value).ok()
}
