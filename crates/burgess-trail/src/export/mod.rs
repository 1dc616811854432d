//! Exports: rows of an answer as a file, or the whole of a filtered answer, the newest first, page
//! by page so that its size does not matter.

pub mod csv;
pub mod jsonl;
pub mod ocsf;
pub mod syslog;

use burgess_core::audit::Event;

/// What happened, in one sentence that holds no personal value.
fn sentence(event: &Event) -> String {
    let why = event.error_code.as_ref();
    format!(
        "{} {} {} of {} in {}: {}{}",
        event.actor_role,
        event.action_type,
        event.resource_type,
        event.app_id,
        event.environment,
        event.outcome,
        why.map(|code| format!(" ({code})")).unwrap_or_default()
    )
}
