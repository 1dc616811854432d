//! Names of things: app slugs, prefixed ids, e-mail addresses of people.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;

/// The text cannot name such a thing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Not an app id.
    #[error(
        "`{0}` is not an app id: use 3 to 63 of a-z, 0-9 and -, beginning with a letter and not ending with -"
    )]
    App(String),
    /// Not an id with the right prefix.
    #[error(
        "`{text}` is not an id of this kind: it begins with `{prefix}` and goes on with letters, digits, - or _, 64 in all at most"
    )]
    Prefixed {
        /// What was given.
        text: String,
        /// What it should begin with.
        prefix: &'static str,
    },
    /// Not an e-mail address.
    #[error("`{0}` is not an e-mail address: write it as dana@example.com")]
    Email(String),
}

/// An app's id: a readable slug given once by intake, as `microapp-sales-quoting`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AppId(String);

impl AppId {
    /// The reserved app that events without an app belong to.
    pub const ORGANISATION: &'static str = "burgess-org";

    /// Reads an id.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let bad = || IdError::App(text.chars().take(80).collect());
        let shape = (3..=63).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && !text.ends_with('-')
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if shape {
            Ok(Self(text.to_owned()))
        } else {
            Err(bad())
        }
    }

    /// The reserved app of the organisation itself.
    pub fn organisation() -> Self {
        Self(Self::ORGANISATION.to_owned())
    }

    /// Makes a readable id from an app's name (R146). `taken` tells which exist already;
    /// a number is added until the id is free.
    pub fn from_name(name: &str, taken: impl Fn(&str) -> bool) -> Self {
        let mut slug = String::from("microapp");
        let mut gap = true;
        for c in name.chars() {
            let c = c.to_ascii_lowercase();
            if c.is_ascii_alphanumeric() {
                if gap {
                    slug.push('-');
                }
                slug.push(c);
                gap = false;
            } else {
                gap = true;
            }
            if slug.len() >= 56 {
                break;
            }
        }
        let mut id = slug.clone();
        let mut number = 2u32;
        while taken(&id) {
            id = format!("{slug}-{number}");
            number = number.saturating_add(1);
        }
        Self(id)
    }

    /// The slug.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An id with a prefix that says what it names, as `apr_0190…`. The shapes of the
/// published sample event (`evt_20260118_0001`) are accepted.
macro_rules! prefixed {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// What the id begins with.
            pub const PREFIX: &'static str = $prefix;

            /// Reads an id.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                let tail = text.strip_prefix($prefix).unwrap_or_default();
                let shape = !tail.is_empty()
                    && text.len() <= 64
                    && tail.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
                if shape {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(IdError::Prefixed { text: text.chars().take(80).collect(), prefix: $prefix })
                }
            }

            /// Makes an id of a UUID version 7 (RFC 9562) in its 32 hexadecimal digits.
            pub fn from_uuid(uuid: u128) -> Self {
                Self(format!(concat!($prefix, "{:032x}"), uuid))
            }

            /// The whole id.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        text_id!($name);
    };
}

macro_rules! text_id {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }
    };
}

text_id!(AppId);
text_id!(Email);

prefixed!(
    /// One event of the trail.
    EventId, "evt_"
);
prefixed!(
    /// One request for approval: the case that reviewers see.
    RequestId, "req_"
);
prefixed!(
    /// One approval, once given.
    ApprovalId, "apr_"
);
prefixed!(
    /// One client credential of an app in one environment.
    CredentialId, "crd_"
);
prefixed!(
    /// One deployment of one version into one environment.
    DeploymentId, "dpl_"
);
prefixed!(
    /// One periodic review.
    ReviewId, "rev_"
);
prefixed!(
    /// One version of an app's artifact, as uploaded.
    ArtifactId, "art_"
);

/// A person's e-mail address in lowercase: how the directory names people.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Email(String);

impl Email {
    /// Reads an address; only its rough shape is checked, since the directory decides who exists.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let bad = || IdError::Email(text.chars().take(80).collect());
        let text = text.trim().to_lowercase();
        let (local, domain) = text.split_once('@').ok_or_else(bad)?;
        let shape = !local.is_empty()
            && domain.contains('.')
            && !domain.starts_with('.')
            && !domain.ends_with('.')
            && !domain.contains('@')
            && text.len() <= 254
            && !text.chars().any(|c| c.is_whitespace() || c.is_control());
        if shape { Ok(Self(text)) } else { Err(bad()) }
    }

    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Digest of an id, for places where the id itself must not stand.
pub fn fingerprint(kind: &str, id: &str) -> Digest {
    Digest::of_parts(&[kind.as_bytes(), b"\n", id.as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;

    // R146
    #[test]
    fn an_app_id_is_readable_and_unique() {
        let first = AppId::from_name("Sales quoting", |_| false);
        assert_eq!(first.as_str(), "microapp-sales-quoting");
        let second = AppId::from_name("Sales  quoting!", |id| id == first.as_str());
        assert_eq!(second.as_str(), "microapp-sales-quoting-2");
        for name in ["", "Ä", "日本", "-", &"x".repeat(500), "a-b-"] {
            let id = AppId::from_name(name, |_| false);
            assert_eq!(AppId::parse(id.as_str()), Ok(id.clone()), "{name}");
        }
    }

    #[test]
    fn the_shapes_of_the_published_sample_are_accepted() {
        assert!(EventId::parse("evt_20260118_0001").is_ok());
        assert!(ApprovalId::parse("apr_20260110_55").is_ok());
        assert!(EventId::parse("apr_20260110_55").is_err());
        assert!(EventId::parse("evt_").is_err());
        assert!(AppId::parse("Microapp").is_err());
        assert_eq!(
            Email::parse(" Dana@Example.com ").unwrap().as_str(),
            "dana@example.com"
        );
        assert!(Email::parse("dana@").is_err());
    }
}
