//! Sentences of a refused release: what was found, how much, on which way, and what to do next.
//! Never a value. Not here: the decision.

use burgess_core::policy::Denial;
use burgess_core::policy::facts::Way;

use crate::inspection::Inspected;

/// The stable code of a blocked body.
pub(crate) fn code(inspected: &Inspected) -> &'static str {
    match inspected.summary.error_code() {
        Some(code) => code,
        None if inspected.opaque.is_some() => "DLP_BLOCK_OPAQUE",
        None => "POLICY_RELEASE_REFUSED",
    }
}

/// Why a body may not pass, for people.
pub(crate) fn blocked(inspected: &Inspected, way: Way, connector: &str, denial: &Denial) -> String {
    let what = match (&inspected.opaque, inspected.summary.blocking()) {
        (Some(opaque), 0) => format!("its content could not be checked: {opaque}"),
        (_, 0) => "nothing sensitive was found in it".to_owned(),
        _ => format!("it holds {}", inspected.summary.sentence()),
    };
    let records = match inspected.records {
        0 | 1 => String::new(),
        many => format!(" in {many} records"),
    };
    let stopped = match way {
        Way::In => format!("The answer of `{connector}` was stopped before it reached the app"),
        Way::Out => format!("The call was stopped before it reached `{connector}`"),
    };
    format!(
        "{stopped}: {what}{records}, and {}. {}",
        denial.sentence(),
        next(way)
    )
}

fn next(way: Way) -> &'static str {
    match way {
        Way::In => {
            "Ask for fewer fields or fewer records, or declare this data and its export in the charter and ask for approval"
        }
        Way::Out => {
            "Leave these values out, or declare in the charter that this data goes out to this connector and ask for approval"
        }
    }
}
