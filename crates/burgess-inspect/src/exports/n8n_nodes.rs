//! What each n8n node type is and does, from the table `n8n_nodes.tsv`.
//!
//! n8n leaves parameters that have their default out of exports, so the table has the
//! operation that a node has when none is written.
//! A node that is not in the table is a connector that writes to `record`s as its
//! operation says: an unknown node is never taken for harmless.

/// What part a node plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Starts the workflow; not a connector.
    Trigger(&'static str),
    /// Starts the workflow when something happens in a service: a connector too.
    ServiceTrigger,
    /// Reaches something outside the workflow.
    Connector,
    /// Works on items inside the workflow.
    Inner,
    /// A note on the canvas.
    Note,
}

impl Role {
    pub(super) fn is_connector(self) -> bool {
        matches!(self, Self::Connector | Self::ServiceTrigger)
    }
}

/// What program text a node holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    Plain,
    Script,
    Shell,
    Sql,
}

/// What is known of a node type.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) role: Role,
    pub(super) hints: Vec<&'static str>,
    pub(super) capabilities: Vec<&'static str>,
    pub(super) thing: Option<(&'static str, &'static str)>,
    pub(super) effect: Effect,
}

const PLAIN: Node = Node {
    role: Role::Inner,
    hints: Vec::new(),
    capabilities: Vec::new(),
    thing: None,
    effect: Effect::Plain,
};

/// Nodes that start a workflow by themselves.
const TRIGGERS: [(&str, &str); 17] = [
    ("manualTrigger", "manual"),
    ("start", "manual"),
    ("webhook", "webhook"),
    ("wait", "inner"),
    ("scheduleTrigger", "schedule"),
    ("cron", "schedule"),
    ("interval", "schedule"),
    ("chatTrigger", "chat"),
    ("manualChatTrigger", "chat"),
    ("formTrigger", "form"),
    ("errorTrigger", "error"),
    ("executeWorkflowTrigger", "workflow"),
    ("workflowTrigger", "workflow"),
    ("n8nTrigger", "event"),
    ("evaluationTrigger", "manual"),
    ("mcpTrigger", "agent"),
    ("localFileTrigger", "event"),
];

/// Nodes that only work on items.
const INNER: &[&str] = &[
    "if",
    "switch",
    "merge",
    "set",
    "noOp",
    "wait",
    "filter",
    "sort",
    "limit",
    "aggregate",
    "splitOut",
    "summarize",
    "removeDuplicates",
    "renameKeys",
    "itemLists",
    "splitInBatches",
    "stopAndError",
    "respondToWebhook",
    "respondToChat",
    "dateTime",
    "crypto",
    "compression",
    "convertToFile",
    "extractFromFile",
    "moveBinaryData",
    "markdown",
    "html",
    "htmlExtract",
    "xml",
    "jwt",
    "totp",
    "spreadsheetFile",
    "readPDF",
    "editImage",
    "compareDatasets",
    "debugHelper",
    "form",
    "executionData",
    "functionPlaceholder",
    "simulate",
    "evaluation",
    "outputParserStructured",
    "outputParserAutofixing",
    "outputParserItemList",
    "memoryBufferWindow",
    "textSplitterRecursiveCharacterTextSplitter",
    "textSplitterTokenSplitter",
    "textSplitterCharacterTextSplitter",
    "documentDefaultDataLoader",
    "documentBinaryInputLoader",
    "documentJsonInputLoader",
    "memoryManager",
    "toolCalculator",
    "toolThink",
    "toolVectorStore",
    "memoryChatRetriever",
    "vectorStoreInMemory",
];

/// Connectors and nodes with program text, one per line, `-` for nothing.
const NODES: &str = include_str!("n8n_nodes.tsv");

/// The table's row for a node.
fn row(short: &str) -> Option<Node> {
    let line = NODES
        .lines()
        .find(|line| line.split('\t').next() == Some(short))?;
    let cells: Vec<&'static str> = line.split('\t').collect();
    let &[_, hints, capabilities, thing, default, effect] = cells.as_slice() else {
        return None;
    };
    Some(Node {
        role: Role::Connector,
        hints: list(hints),
        capabilities: list(capabilities),
        thing: (thing != "-").then_some((thing, default)),
        effect: match effect {
            "script" => Effect::Script,
            "shell" => Effect::Shell,
            "sql" => Effect::Sql,
            _ => Effect::Plain,
        },
    })
}

fn list(cell: &'static str) -> Vec<&'static str> {
    cell.split(' ').filter(|word| *word != "-").collect()
}

/// What is known of the node `short` of `package`.
pub(super) fn known(package: &str, short: &str) -> Node {
    if short == "stickyNote" {
        return Node {
            role: Role::Note,
            ..PLAIN
        };
    }
    if let Some((_, kind)) = TRIGGERS
        .iter()
        .find(|(name, kind)| *name == short && *kind != "inner")
    {
        let hints: &[&str] = match *kind {
            "chat" => &["chat-text"],
            "form" => &["form-responses"],
            _ => &[],
        };
        let capabilities: &[&str] = match short {
            "webhook" | "formTrigger" | "mcpTrigger" => &["listen:http"],
            "localFileTrigger" => &["read:file"],
            _ => &[],
        };
        return Node {
            role: Role::Trigger(kind),
            hints: hints.to_vec(),
            capabilities: capabilities.to_vec(),
            ..PLAIN
        };
    }
    if INNER.contains(&short) {
        return PLAIN;
    }
    let row = row(short);
    let in_table = row.is_some();
    let mut node = row.unwrap_or(Node {
        role: Role::Connector,
        thing: Some(("record", "get")),
        ..PLAIN
    });
    if node.effect == Effect::Script {
        node.role = Role::Inner;
    }
    if short.ends_with("Trigger") || short == "emailReadImap" {
        node.role = Role::ServiceTrigger;
    }
    if package.ends_with("n8n-nodes-langchain") && !in_table {
        node = langchain(short, node);
    }
    node
}

/// The LangChain package: whatever is not a tool or store of its own is part of a model's work.
fn langchain(short: &str, node: Node) -> Node {
    let models = [
        "lm",
        "chain",
        "agent",
        "embeddings",
        "textClassifier",
        "sentimentAnalysis",
        "informationExtractor",
        "guardrails",
        "modelSelector",
        "reranker",
    ];
    if models.iter().any(|prefix| short.starts_with(prefix)) {
        return Node {
            role: Role::Connector,
            capabilities: vec!["ai-model"],
            ..PLAIN
        };
    }
    if short.starts_with("vectorStore") {
        return Node {
            role: Role::Connector,
            hints: vec!["documents"],
            ..PLAIN
        };
    }
    Node {
        thing: None,
        ..node
    }
}
