//! What each n8n node type is and does: a table to read and to extend.
//!
//! Columns: name without its package; role; kind of data; capabilities it always has;
//! what its write operations act on, with the operation it has when none is written
//! (n8n leaves defaults out of exports); what program text it holds.
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
#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    pub(super) role: Role,
    pub(super) hints: &'static [&'static str],
    pub(super) capabilities: &'static [&'static str],
    pub(super) thing: Option<(&'static str, &'static str)>,
    pub(super) effect: Effect,
}

const PLAIN: Node = Node {
    role: Role::Inner,
    hints: &[],
    capabilities: &[],
    thing: None,
    effect: Effect::Plain,
};
const UNKNOWN: Node = Node {
    role: Role::Connector,
    thing: Some(("record", "get")),
    ..PLAIN
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

type Row = (
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
    Option<(&'static str, &'static str)>,
    Effect,
);

/// Connectors and nodes with program text.
const NODES: &[Row] = &[
    // Calls of their own choice
    ("httpRequest", &[], &["direct-http"], None, Effect::Plain),
    (
        "httpRequestTool",
        &[],
        &["direct-http"],
        None,
        Effect::Plain,
    ),
    (
        "toolHttpRequest",
        &[],
        &["direct-http"],
        None,
        Effect::Plain,
    ),
    ("graphql", &[], &["direct-http"], None, Effect::Plain),
    ("rssFeedRead", &[], &["direct-http"], None, Effect::Plain),
    (
        "rssFeedReadTrigger",
        &[],
        &["direct-http"],
        None,
        Effect::Plain,
    ),
    ("executeWorkflow", &[], &["calls-flow"], None, Effect::Plain),
    ("toolWorkflow", &[], &["calls-flow"], None, Effect::Plain),
    ("mcpClientTool", &[], &["remote-mcp"], None, Effect::Plain),
    ("mcpClient", &[], &["remote-mcp"], None, Effect::Plain),
    // The machine
    ("executeCommand", &[], &["exec"], None, Effect::Shell),
    ("ssh", &[], &["exec"], None, Effect::Shell),
    ("git", &["files"], &["write:file"], None, Effect::Plain),
    (
        "readBinaryFile",
        &["files"],
        &["read:file"],
        None,
        Effect::Plain,
    ),
    (
        "readBinaryFiles",
        &["files"],
        &["read:file"],
        None,
        Effect::Plain,
    ),
    (
        "writeBinaryFile",
        &["files"],
        &["write:file"],
        None,
        Effect::Plain,
    ),
    (
        "readWriteFile",
        &["files"],
        &["read:file"],
        Some(("file", "read")),
        Effect::Plain,
    ),
    (
        "ftp",
        &["files"],
        &[],
        Some(("file", "download")),
        Effect::Plain,
    ),
    // Code
    ("code", &[], &[], None, Effect::Script),
    ("function", &[], &[], None, Effect::Script),
    ("functionItem", &[], &[], None, Effect::Script),
    ("toolCode", &[], &[], None, Effect::Script),
    // Databases
    (
        "mySql",
        &["sql-database"],
        &[],
        Some(("sql-database", "insert")),
        Effect::Sql,
    ),
    (
        "postgres",
        &["sql-database"],
        &[],
        Some(("sql-database", "insert")),
        Effect::Sql,
    ),
    (
        "microsoftSql",
        &["sql-database"],
        &[],
        Some(("sql-database", "insert")),
        Effect::Sql,
    ),
    (
        "oracleDatabase",
        &["sql-database"],
        &[],
        Some(("sql-database", "select")),
        Effect::Sql,
    ),
    (
        "snowflake",
        &["sql-database"],
        &[],
        Some(("sql-database", "executeQuery")),
        Effect::Sql,
    ),
    (
        "questDb",
        &["sql-database"],
        &[],
        Some(("sql-database", "insert")),
        Effect::Sql,
    ),
    (
        "crateDb",
        &["sql-database"],
        &[],
        Some(("sql-database", "insert")),
        Effect::Sql,
    ),
    (
        "timescaleDb",
        &["sql-database"],
        &[],
        Some(("sql-database", "insert")),
        Effect::Sql,
    ),
    (
        "googleBigQuery",
        &["sql-database"],
        &[],
        Some(("sql-database", "executeQuery")),
        Effect::Sql,
    ),
    (
        "supabase",
        &["sql-database"],
        &[],
        Some(("sql-database", "create")),
        Effect::Plain,
    ),
    (
        "mongoDb",
        &["database"],
        &[],
        Some(("database", "find")),
        Effect::Plain,
    ),
    (
        "redis",
        &["database"],
        &[],
        Some(("database", "info")),
        Effect::Plain,
    ),
    (
        "elasticsearch",
        &["database"],
        &[],
        Some(("database", "get")),
        Effect::Plain,
    ),
    (
        "awsDynamoDb",
        &["database"],
        &[],
        Some(("database", "upsert")),
        Effect::Plain,
    ),
    // Mail, chat, calendar
    (
        "gmail",
        &["email"],
        &[],
        Some(("email", "send")),
        Effect::Plain,
    ),
    (
        "gmailTool",
        &["email"],
        &[],
        Some(("email", "send")),
        Effect::Plain,
    ),
    (
        "microsoftOutlook",
        &["email"],
        &[],
        Some(("email", "send")),
        Effect::Plain,
    ),
    (
        "emailSend",
        &["email"],
        &["send:email"],
        None,
        Effect::Plain,
    ),
    (
        "sendGrid",
        &["email"],
        &[],
        Some(("email", "send")),
        Effect::Plain,
    ),
    ("mailgun", &["email"], &["send:email"], None, Effect::Plain),
    (
        "mailjet",
        &["email"],
        &[],
        Some(("email", "send")),
        Effect::Plain,
    ),
    ("mandrill", &["email"], &["send:email"], None, Effect::Plain),
    (
        "awsSes",
        &["email"],
        &[],
        Some(("email", "send")),
        Effect::Plain,
    ),
    ("emailReadImap", &["email"], &[], None, Effect::Plain),
    ("gmailTrigger", &["email"], &[], None, Effect::Plain),
    (
        "microsoftOutlookTrigger",
        &["email"],
        &[],
        None,
        Effect::Plain,
    ),
    (
        "slack",
        &["chat-text"],
        &[],
        Some(("chat-message", "post")),
        Effect::Plain,
    ),
    ("slackTrigger", &["chat-text"], &[], None, Effect::Plain),
    (
        "discord",
        &["chat-text"],
        &[],
        Some(("chat-message", "send")),
        Effect::Plain,
    ),
    (
        "telegram",
        &["chat-text"],
        &[],
        Some(("chat-message", "sendMessage")),
        Effect::Plain,
    ),
    ("telegramTrigger", &["chat-text"], &[], None, Effect::Plain),
    (
        "mattermost",
        &["chat-text"],
        &[],
        Some(("chat-message", "post")),
        Effect::Plain,
    ),
    (
        "rocketchat",
        &["chat-text"],
        &[],
        Some(("chat-message", "post")),
        Effect::Plain,
    ),
    (
        "matrix",
        &["chat-text"],
        &[],
        Some(("chat-message", "create")),
        Effect::Plain,
    ),
    (
        "microsoftTeams",
        &["chat-text"],
        &[],
        Some(("chat-message", "create")),
        Effect::Plain,
    ),
    (
        "googleChat",
        &["chat-text"],
        &[],
        Some(("chat-message", "create")),
        Effect::Plain,
    ),
    (
        "whatsApp",
        &["chat-text"],
        &[],
        Some(("chat-message", "send")),
        Effect::Plain,
    ),
    (
        "twilio",
        &["chat-text"],
        &[],
        Some(("sms", "send")),
        Effect::Plain,
    ),
    ("pushover", &[], &["send:notification"], None, Effect::Plain),
    (
        "pushbullet",
        &[],
        &["send:notification"],
        None,
        Effect::Plain,
    ),
    ("gotify", &[], &["send:notification"], None, Effect::Plain),
    (
        "googleCalendar",
        &["calendar"],
        &[],
        Some(("calendar-event", "create")),
        Effect::Plain,
    ),
    (
        "googleCalendarTool",
        &["calendar"],
        &[],
        Some(("calendar-event", "create")),
        Effect::Plain,
    ),
    (
        "googleCalendarTrigger",
        &["calendar"],
        &[],
        None,
        Effect::Plain,
    ),
    ("calendly", &["calendar"], &[], None, Effect::Plain),
    ("calendlyTrigger", &["calendar"], &[], None, Effect::Plain),
    // Sheets, files, documents
    (
        "googleSheets",
        &["spreadsheet"],
        &[],
        Some(("spreadsheet", "read")),
        Effect::Plain,
    ),
    (
        "googleSheetsTool",
        &["spreadsheet"],
        &[],
        Some(("spreadsheet", "read")),
        Effect::Plain,
    ),
    (
        "googleSheetsTrigger",
        &["spreadsheet"],
        &[],
        None,
        Effect::Plain,
    ),
    (
        "microsoftExcel",
        &["spreadsheet"],
        &[],
        Some(("spreadsheet", "getAll")),
        Effect::Plain,
    ),
    (
        "airtable",
        &["spreadsheet"],
        &[],
        Some(("spreadsheet", "read")),
        Effect::Plain,
    ),
    (
        "airtableTrigger",
        &["spreadsheet"],
        &[],
        None,
        Effect::Plain,
    ),
    (
        "baserow",
        &["spreadsheet"],
        &[],
        Some(("spreadsheet", "getAll")),
        Effect::Plain,
    ),
    (
        "nocoDb",
        &["spreadsheet"],
        &[],
        Some(("spreadsheet", "get")),
        Effect::Plain,
    ),
    (
        "seaTable",
        &["spreadsheet"],
        &[],
        Some(("spreadsheet", "create")),
        Effect::Plain,
    ),
    (
        "googleDrive",
        &["files"],
        &[],
        Some(("file", "upload")),
        Effect::Plain,
    ),
    ("googleDriveTrigger", &["files"], &[], None, Effect::Plain),
    (
        "googleDocs",
        &["files"],
        &[],
        Some(("file", "create")),
        Effect::Plain,
    ),
    (
        "microsoftOneDrive",
        &["files"],
        &[],
        Some(("file", "upload")),
        Effect::Plain,
    ),
    (
        "microsoftSharePoint",
        &["files"],
        &[],
        Some(("file", "download")),
        Effect::Plain,
    ),
    (
        "dropbox",
        &["files"],
        &[],
        Some(("file", "upload")),
        Effect::Plain,
    ),
    (
        "box",
        &["files"],
        &[],
        Some(("file", "upload")),
        Effect::Plain,
    ),
    (
        "nextCloud",
        &["files"],
        &[],
        Some(("file", "download")),
        Effect::Plain,
    ),
    (
        "awsS3",
        &["files"],
        &[],
        Some(("file", "getAll")),
        Effect::Plain,
    ),
    (
        "s3",
        &["files"],
        &[],
        Some(("file", "getAll")),
        Effect::Plain,
    ),
    (
        "notion",
        &["documents"],
        &[],
        Some(("page", "get")),
        Effect::Plain,
    ),
    ("notionTrigger", &["documents"], &[], None, Effect::Plain),
    // Customers, tickets, orders, people
    (
        "salesforce",
        &["customer-records"],
        &[],
        Some(("record", "create")),
        Effect::Plain,
    ),
    (
        "salesforceTrigger",
        &["customer-records"],
        &[],
        None,
        Effect::Plain,
    ),
    (
        "hubspot",
        &["customer-records"],
        &[],
        Some(("record", "upsert")),
        Effect::Plain,
    ),
    (
        "hubspotTrigger",
        &["customer-records"],
        &[],
        None,
        Effect::Plain,
    ),
    (
        "pipedrive",
        &["customer-records"],
        &[],
        Some(("record", "create")),
        Effect::Plain,
    ),
    (
        "pipedriveTrigger",
        &["customer-records"],
        &[],
        None,
        Effect::Plain,
    ),
    (
        "zohoCrm",
        &["customer-records"],
        &[],
        Some(("record", "create")),
        Effect::Plain,
    ),
    (
        "microsoftDynamicsCrm",
        &["customer-records"],
        &[],
        Some(("record", "create")),
        Effect::Plain,
    ),
    (
        "freshworksCrm",
        &["customer-records"],
        &[],
        Some(("record", "create")),
        Effect::Plain,
    ),
    (
        "copper",
        &["customer-records"],
        &[],
        Some(("record", "create")),
        Effect::Plain,
    ),
    (
        "odoo",
        &["customer-records"],
        &[],
        Some(("record", "create")),
        Effect::Plain,
    ),
    (
        "intercom",
        &["customer-records"],
        &[],
        Some(("record", "get")),
        Effect::Plain,
    ),
    (
        "activeCampaign",
        &["contacts"],
        &[],
        Some(("record", "create")),
        Effect::Plain,
    ),
    (
        "mailchimp",
        &["contacts"],
        &[],
        Some(("contact", "create")),
        Effect::Plain,
    ),
    ("mailchimpTrigger", &["contacts"], &[], None, Effect::Plain),
    (
        "googleContacts",
        &["contacts"],
        &[],
        Some(("contact", "create")),
        Effect::Plain,
    ),
    (
        "gSuiteAdmin",
        &["directory-users"],
        &[],
        Some(("user", "create")),
        Effect::Plain,
    ),
    (
        "microsoftEntra",
        &["directory-users"],
        &[],
        Some(("user", "get")),
        Effect::Plain,
    ),
    (
        "okta",
        &["directory-users"],
        &[],
        Some(("user", "getAll")),
        Effect::Plain,
    ),
    (
        "ldap",
        &["directory-users"],
        &[],
        Some(("user", "search")),
        Effect::Plain,
    ),
    (
        "bambooHr",
        &["employee-records"],
        &[],
        Some(("record", "create")),
        Effect::Plain,
    ),
    (
        "zendesk",
        &["incidents"],
        &[],
        Some(("incident", "create")),
        Effect::Plain,
    ),
    ("zendeskTrigger", &["incidents"], &[], None, Effect::Plain),
    (
        "freshdesk",
        &["incidents"],
        &[],
        Some(("incident", "create")),
        Effect::Plain,
    ),
    (
        "serviceNow",
        &["incidents"],
        &[],
        Some(("incident", "getAll")),
        Effect::Plain,
    ),
    (
        "jira",
        &["issues"],
        &[],
        Some(("issue", "create")),
        Effect::Plain,
    ),
    ("jiraTrigger", &["issues"], &[], None, Effect::Plain),
    (
        "github",
        &["source-code"],
        &[],
        Some(("issue", "create")),
        Effect::Plain,
    ),
    ("githubTrigger", &["source-code"], &[], None, Effect::Plain),
    (
        "gitlab",
        &["source-code"],
        &[],
        Some(("issue", "create")),
        Effect::Plain,
    ),
    ("gitlabTrigger", &["source-code"], &[], None, Effect::Plain),
    (
        "shopify",
        &["orders"],
        &[],
        Some(("order", "create")),
        Effect::Plain,
    ),
    ("shopifyTrigger", &["orders"], &[], None, Effect::Plain),
    (
        "wooCommerce",
        &["orders"],
        &[],
        Some(("order", "get")),
        Effect::Plain,
    ),
    ("wooCommerceTrigger", &["orders"], &[], None, Effect::Plain),
    (
        "stripe",
        &["payments"],
        &[],
        Some(("payment", "get")),
        Effect::Plain,
    ),
    ("stripeTrigger", &["payments"], &[], None, Effect::Plain),
    (
        "payPal",
        &["payments"],
        &[],
        Some(("payment", "create")),
        Effect::Plain,
    ),
    ("payPalTrigger", &["payments"], &[], None, Effect::Plain),
    (
        "quickbooks",
        &["payments"],
        &[],
        Some(("record", "get")),
        Effect::Plain,
    ),
    (
        "xero",
        &["payments"],
        &[],
        Some(("record", "create")),
        Effect::Plain,
    ),
    (
        "typeformTrigger",
        &["form-responses"],
        &[],
        None,
        Effect::Plain,
    ),
    (
        "jotFormTrigger",
        &["form-responses"],
        &[],
        None,
        Effect::Plain,
    ),
    (
        "surveyMonkeyTrigger",
        &["form-responses"],
        &[],
        None,
        Effect::Plain,
    ),
    // Social media
    (
        "twitter",
        &["social-media-posts"],
        &[],
        Some(("social-media-post", "create")),
        Effect::Plain,
    ),
    (
        "linkedIn",
        &["social-media-posts"],
        &[],
        Some(("social-media-post", "create")),
        Effect::Plain,
    ),
    (
        "facebookGraphApi",
        &["social-media-posts"],
        &[],
        None,
        Effect::Plain,
    ),
    (
        "facebookTrigger",
        &["social-media-posts"],
        &[],
        None,
        Effect::Plain,
    ),
    (
        "reddit",
        &["social-media-posts"],
        &[],
        Some(("social-media-post", "create")),
        Effect::Plain,
    ),
    (
        "youTube",
        &["social-media-posts"],
        &[],
        Some(("social-media-post", "getAll")),
        Effect::Plain,
    ),
    ("openWeatherMap", &[], &[], None, Effect::Plain),
    // Models
    ("openAi", &[], &["ai-model"], None, Effect::Plain),
    ("googleGemini", &[], &["ai-model"], None, Effect::Plain),
    ("anthropic", &[], &["ai-model"], None, Effect::Plain),
    ("ollama", &[], &["ai-model"], None, Effect::Plain),
    ("mistralAi", &[], &["ai-model"], None, Effect::Plain),
    ("perplexity", &[], &["ai-model"], None, Effect::Plain),
];

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
            hints,
            capabilities,
            ..PLAIN
        };
    }
    if INNER.contains(&short) {
        return PLAIN;
    }
    let row = NODES.iter().find(|(name, ..)| *name == short);
    let mut node = row.map_or(UNKNOWN, |(_, hints, capabilities, thing, effect)| Node {
        role: Role::Connector,
        hints,
        capabilities,
        thing: *thing,
        effect: *effect,
    });
    if node.effect == Effect::Script {
        node.role = Role::Inner;
    }
    if short.ends_with("Trigger") || short == "emailReadImap" {
        node.role = Role::ServiceTrigger;
    }
    if package.ends_with("n8n-nodes-langchain") && row.is_none() {
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
        let capabilities: &[&str] = if short.starts_with("agent") {
            &["ai-model", "agent"]
        } else {
            &["ai-model"]
        };
        return Node {
            role: Role::Connector,
            capabilities,
            thing: None,
            ..PLAIN
        };
    }
    if short.starts_with("vectorStore") {
        return Node {
            role: Role::Connector,
            hints: &["documents"],
            thing: None,
            ..PLAIN
        };
    }
    Node {
        thing: None,
        ..node
    }
}
