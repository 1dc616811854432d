//! The words of a charter: what each single value may be.

use super::Direction;
use super::table::shown;
use crate::app::{Environment, EnvironmentError};
use crate::capability::Access;
use crate::data::Classification;
use crate::time::Span;

pub(super) const CLASSES: [&str; 5] = ["public", "internal", "sensitive", "pii", "phi"];

/// HTTP methods a connector may use (RFC 9110, section 9, and RFC 5789).
pub(super) const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// A version: 1 to 40 letters, digits, `.`, `-`, `+` or `_`.
pub(super) fn version(text: &str) -> Result<String, String> {
    let fits = (1..=40).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".-+_".contains(&byte));
    if fits {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "`{}` is not a version: write it as 1.2.0",
            shown(text)
        ))
    }
}

/// A name that other tables refer to: 1 to 80 visible characters without spaces around.
pub(super) fn name(text: &str) -> Result<String, String> {
    let fits = (1..=80).contains(&text.chars().count())
        && text.trim() == text
        && !text.chars().any(char::is_control);
    if fits {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "`{}` is not a name: write 1 to 80 characters without spaces around them",
            shown(text)
        ))
    }
}

/// An environment by its name.
pub(super) fn environment(text: &str) -> Result<Environment, EnvironmentError> {
    Environment::parse(text)
}

/// The five that a dataset can have; `none` is for events alone.
pub(super) fn classification(text: &str) -> Result<Classification, String> {
    match Classification::parse(text) {
        Ok(class) if class != Classification::None => Ok(class),
        _ => Err(format!(
            "`{}` is not a classification: choose {}",
            shown(text),
            CLASSES.join(", ")
        )),
    }
}

/// A connector's id stands in paths: 1 to 80 of a-z, 0-9, `-`, `_` and `.`.
pub(super) fn connector_id(text: &str) -> Result<String, String> {
    let fits = (1..=80).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b))
        && !text.starts_with('.');
    if fits {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "`{}` is not a connector id: use a-z, 0-9, -, _ and ., 80 at most",
            shown(text)
        ))
    }
}

pub(super) fn method(text: &str) -> Result<String, String> {
    let name = text.to_ascii_uppercase();
    if METHODS.contains(&name.as_str()) {
        Ok(name)
    } else {
        Err(format!(
            "`{}` is not a method: choose {}",
            shown(text),
            METHODS.join(", ")
        ))
    }
}

/// An OAuth scope: visible ASCII without quotes and backslashes (RFC 6749, section 3.3).
pub(super) fn scope(text: &str) -> Result<String, String> {
    let fits = (1..=200).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\');
    if fits {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "`{}` is not a scope: write 1 to 200 visible characters without spaces, as quotes:read",
            shown(text)
        ))
    }
}

pub(super) fn direction(text: &str) -> Result<Direction, String> {
    match text {
        "in" => Ok(Direction::In),
        "out" => Ok(Direction::Out),
        _ => Err(format!(
            "`{}` is not a direction: choose in (to the app) or out (to the connector)",
            shown(text)
        )),
    }
}

/// A host, with a port if it is not the usual one: no scheme, no path, no wildcard.
pub(super) fn host(text: &str) -> Result<String, String> {
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) => (name, port.parse::<u16>().is_ok_and(|port| port > 0)),
        None => (text, true),
    };
    let fits = port
        && (1..=253).contains(&name.len())
        && name
            .split('.')
            .all(|label| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-'))
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.');
    if fits {
        Ok(text.to_ascii_lowercase())
    } else {
        Err(format!(
            "`{}` is not a host: write it as api.example.com or api.example.com:8443",
            shown(text)
        ))
    }
}

pub(super) fn kind(text: &str) -> Result<String, String> {
    let fits = (1..=32).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if fits {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "`{}` is not a kind of code: use one word in lowercase, as npm",
            shown(text)
        ))
    }
}

pub(super) fn access(text: &str) -> Result<Access, String> {
    Access::ALL
        .into_iter()
        .find(|access| access.as_str() == text)
        .ok_or_else(|| format!("`{}` is not an access: choose read or write", shown(text)))
}

/// A path that means one place whoever reads it: absolute or below `~/`, without `.` and `..`.
pub(super) fn path(text: &str) -> Result<String, String> {
    let rest = text.strip_prefix("~/").or_else(|| text.strip_prefix('/'));
    let fits = text == "~"
        || rest.is_some_and(|rest| {
            !rest.split('/').any(|part| part == ".." || part == ".")
                && !rest.chars().any(char::is_control)
        });
    if fits {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "`{}` is not a path that can be allowed: begin with / or ~/ and leave out . and ..",
            shown(text)
        ))
    }
}

/// A span that is some time at all and at most ten years, so that due days stay in range.
pub(super) fn span(text: &str) -> Result<Span, String> {
    let span = Span::parse(text).map_err(|error| error.to_string())?;
    if span > Span::ZERO && span <= Span::days(3_650) {
        Ok(span)
    } else {
        Err(format!(
            "`{}` is out of range: from 1s to 3650d",
            shown(text)
        ))
    }
}
