//! Capabilities: what a desktop agent or local program may touch, as its charter declares.
//!
//! Not here: the network, which is what the charter's connectors say, and the
//! enforcement, which is the sandbox's and the agent guard's.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;

/// How a declared path may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// Reading only.
    Read,
    /// Reading and writing.
    Write,
}

impl Access {
    /// Both, from the lesser to the greater.
    pub const ALL: [Self; 2] = [Self::Read, Self::Write];

    /// The name in a charter.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

/// One file or folder that the app may touch.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FileAccess {
    /// A path, absolute or below `~/`; a folder stands for all below it.
    pub path: String,
    /// What may be done there.
    pub access: Access,
}

/// One way of driving the machine that the app may use.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Automation {
    /// Start programs.
    Shell,
    /// Drive a browser.
    Browser,
    /// Read or write the clipboard.
    Clipboard,
    /// Press keys and click in other programs.
    Ui,
    /// Call one tool of an MCP server, as it was defined when it was reviewed.
    Mcp {
        /// The server's name.
        server: String,
        /// The tool's name.
        tool: String,
        /// SHA-256 of the tool's definition; another definition is another tool.
        definition: Digest,
    },
}

/// The text is not an automation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not an automation: choose shell, browser, clipboard, ui or mcp:<server>/<tool>@<SHA-256 of its definition>"
)]
pub struct AutomationError(String);

impl Automation {
    /// The names that stand alone.
    pub const NAMES: [&'static str; 4] = ["shell", "browser", "clipboard", "ui"];

    /// Reads `shell`, `browser`, `clipboard`, `ui` or `mcp:<server>/<tool>@<digest>`.
    pub fn parse(text: &str) -> Result<Self, AutomationError> {
        let bad = || AutomationError(text.chars().take(120).collect());
        match text {
            "shell" => return Ok(Self::Shell),
            "browser" => return Ok(Self::Browser),
            "clipboard" => return Ok(Self::Clipboard),
            "ui" => return Ok(Self::Ui),
            _ => {}
        }
        let (name, digest) = text
            .strip_prefix("mcp:")
            .and_then(|rest| rest.rsplit_once('@'))
            .ok_or_else(bad)?;
        let (server, tool) = name.split_once('/').ok_or_else(bad)?;
        if server.is_empty() || tool.is_empty() {
            return Err(bad());
        }
        Ok(Self::Mcp {
            server: server.to_owned(),
            tool: tool.to_owned(),
            definition: Digest::parse(digest).map_err(|_| bad())?,
        })
    }
}

impl fmt::Display for Automation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shell => f.write_str("shell"),
            Self::Browser => f.write_str("browser"),
            Self::Clipboard => f.write_str("clipboard"),
            Self::Ui => f.write_str("ui"),
            Self::Mcp {
                server,
                tool,
                definition,
            } => write!(f, "mcp:{server}/{tool}@{definition}"),
        }
    }
}

impl TryFrom<String> for Automation {
    type Error = AutomationError;
    fn try_from(text: String) -> Result<Self, AutomationError> {
        Self::parse(&text)
    }
}

impl From<Automation> for String {
    fn from(automation: Automation) -> Self {
        automation.to_string()
    }
}

/// The capability manifest: files, automation, and whether a desktop agent takes part.
/// The default is none of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// Files and folders, a set.
    pub files: Vec<FileAccess>,
    /// Automation, a set.
    pub automation: Vec<Automation>,
    /// A desktop agent is part of the app.
    pub agent: bool,
    /// Why the app needs them, in the developer's words; empty when nothing is declared.
    pub justification: String,
}

impl Capabilities {
    /// Whether nothing is declared.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty() && self.automation.is_empty() && !self.agent
    }

    /// Whether a desktop agent or local access is declared, which asks for a
    /// justification and a second reviewer (R42, R43).
    pub fn needs_justification(&self) -> bool {
        !self.is_empty()
    }

    /// Whether it is needed and missing.
    pub fn lacks_justification(&self) -> bool {
        self.needs_justification() && self.justification.trim().is_empty()
    }
}
