//! The lock table beside the simulated disk: it loses power together with it, and fails by the same
//! rules.

use super::promise::Broken;
use super::{Effect, Simulator};
use burgess_ledger::{LockError, LockTable};
use std::fmt;

impl fmt::Debug for Simulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Simulator")
    }
}

fn failed(cause: impl fmt::Display) -> LockError {
    LockError::Failed(cause.to_string())
}

/// One row: a simulated disk holds one log.
impl LockTable for Simulator {
    fn load(&self, _origin: &str) -> Result<Option<String>, LockError> {
        let state = self.lock();
        state.powered().map_err(failed)?;
        Ok(state.row.clone())
    }

    fn compare_and_swap(
        &self,
        _origin: &str,
        old: Option<&str>,
        new: &str,
    ) -> Result<(), LockError> {
        let mut state = self.lock();
        let effect = state
            .operation(|| "swap lock table".to_owned())
            .map_err(failed)?;
        if state.row.as_deref() != old {
            return Err(LockError::Moved);
        }
        if !matches!(effect, Effect::Fail) {
            state.row = Some(new.to_owned());
            if state.broken != Some(Broken::LockLate) {
                state.durable_row = Some(new.to_owned());
            }
        }
        match effect {
            Effect::Normal => Ok(()),
            _ => Err(failed("input/output error")),
        }
    }
}
