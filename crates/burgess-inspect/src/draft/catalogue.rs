//! Which connectors of a platform are services with a catalogue entry.
//!
//! Not here: the catalogue. The caller looks names and hosts up in the one in force, so
//! that a draft never disagrees with it.

/// How the catalogue in force answers.
pub struct Lookup<'a> {
    /// The catalogue id of a connector that a platform calls by this name.
    pub by_name: &'a dyn Fn(&str) -> Option<String>,
    /// The catalogue id of the connector to which a host belongs.
    pub by_host: &'a dyn Fn(&str) -> Option<String>,
}

impl Lookup<'_> {
    /// A catalogue without entries.
    pub const EMPTY: Lookup<'static> = Lookup {
        by_name: &|_| None,
        by_host: &|_| None,
    };
}

/// What a platform's connector is to the catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// A service, by its catalogue id.
    Service(String),
    /// Part of the platform or of the machine: its hosts and capabilities say what it does.
    NotAService,
    /// A service that the catalogue does not know.
    Unknown,
}

/// Names of connectors that are the platform or the machine itself, without `shared_` and
/// the node's package.
const NOT_A_SERVICE: &[&str] = &[
    "http",
    "httprequest",
    "toolhttprequest",
    "executecommand",
    "ssh",
    "graphql",
    "rssfeedread",
    "executeworkflow",
    "toolworkflow",
    "readbinaryfile",
    "readbinaryfiles",
    "writebinaryfile",
    "readwritefile",
    "chainllm",
    "chainretrievalqa",
    "chainsummarization",
    "agent",
    "logicflows",
    "flowpush",
    "conversionservice",
    "flowmanagement",
    "powerappsnotification",
    "powerappsnotificationv2",
    "approvals",
];

/// Looks a platform's connector up. An event node (`gmailTrigger`) or a model's tool
/// (`gmailTool`) is the service it belongs to.
pub fn known(connector: &str, lookup: &Lookup<'_>) -> Known {
    let short = connector.strip_prefix("shared_").unwrap_or(connector);
    let short = short.rsplit('.').next().unwrap_or(short).to_lowercase();
    if NOT_A_SERVICE.contains(&short.as_str()) {
        return Known::NotAService;
    }
    let service = ["Trigger", "Tool"]
        .iter()
        .find_map(|ending| connector.strip_suffix(ending))
        .unwrap_or(connector);
    (lookup.by_name)(service)
        .or_else(|| (lookup.by_name)(connector))
        .map_or(Known::Unknown, Known::Service)
}
