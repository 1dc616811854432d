//! What each Power Platform connector is and does: a table to read and to extend.
//!
//! Columns: connector without `shared_`; a word that the operation must have (empty for
//! any); kind of data; what its operations act on. The first row that fits counts.

use super::verb::{self, Verb};

type Row = (&'static str, &'static str, &'static str, &'static str);

const ROWS: &[Row] = &[
    // Mail, calendar, people
    (
        "office365",
        "sharedmailbox",
        "email",
        "email-shared-mailbox",
    ),
    ("office365", "calendar", "calendar", "calendar-event"),
    ("office365", "event", "calendar", "calendar-event"),
    ("office365", "meeting", "calendar", "calendar-event"),
    ("office365", "room", "calendar", ""),
    ("office365", "contact", "contacts", "contact"),
    ("office365", "", "email", "email"),
    ("outlook", "calendar", "calendar", "calendar-event"),
    ("outlook", "event", "calendar", "calendar-event"),
    ("outlook", "contact", "contacts", "contact"),
    ("outlook", "", "email", "email"),
    ("gmail", "", "email", "email"),
    ("sendmail", "", "email", "email"),
    ("smtp", "", "email", "email"),
    ("sendgrid", "", "email", "email"),
    ("office365groupsmail", "", "email", "email"),
    ("office365users", "", "directory-users", "directory-user"),
    ("azuread", "group", "directory-group", "directory-group"),
    ("azuread", "", "directory-users", "directory-user"),
    ("office365groups", "event", "calendar", "calendar-event"),
    ("office365groups", "", "directory-group", "directory-group"),
    ("googlecalendar", "", "calendar", "calendar-event"),
    ("googlecontacts", "", "contacts", "contact"),
    // Chat and notices
    ("teams", "member", "chat-text", "team-member"),
    ("teams", "", "chat-text", "chat-message"),
    ("slack", "", "chat-text", "chat-message"),
    ("telegrambotip", "", "chat-text", "chat-message"),
    ("discord", "", "chat-text", "chat-message"),
    ("twilio", "", "chat-text", "sms"),
    ("flowpush", "", "", "notification"),
    ("powerappsnotification", "", "", "notification"),
    ("powerappsnotificationv2", "", "", "notification"),
    ("approvals", "", "", "approval"),
    // Tasks
    ("planner", "", "", "planner-task"),
    ("todo", "", "", "todo-task"),
    ("trello", "", "", "task"),
    ("asana", "", "", "task"),
    ("visualstudioteamservices", "", "issues", "work-item"),
    ("jira", "", "issues", "issue"),
    ("github", "", "source-code", "issue"),
    ("service-now", "", "incidents", "incident"),
    ("zendesk", "", "incidents", "incident"),
    ("freshdesk", "", "incidents", "incident"),
    // Lists, sheets, forms, files
    ("sharepointonline", "file", "files", "file"),
    ("sharepointonline", "folder", "files", "file"),
    ("sharepointonline", "attachment", "files", "file"),
    ("sharepointonline", "", "sharepoint-list", "sharepoint-list"),
    ("excelonlinebusiness", "", "spreadsheet", "spreadsheet"),
    ("excelonline", "", "spreadsheet", "spreadsheet"),
    ("googlesheet", "", "spreadsheet", "spreadsheet"),
    ("airtableip", "", "spreadsheet", "spreadsheet"),
    ("microsoftforms", "", "form-responses", "form"),
    ("onedriveforbusiness", "", "files", "file"),
    ("onedrive", "", "files", "file"),
    ("googledrive", "", "files", "file"),
    ("dropbox", "", "files", "file"),
    ("box", "", "files", "file"),
    ("azureblob", "", "files", "file"),
    ("azurefile", "", "files", "file"),
    ("filesystem", "", "files", "file"),
    ("ftp", "", "files", "file"),
    ("sftpwithssh", "", "files", "file"),
    ("wordonlinebusiness", "", "files", "file"),
    ("onenote", "", "documents", "page"),
    ("docusign", "", "documents", "envelope"),
    // Databases
    ("sql", "", "sql-database", "sql-database"),
    ("sqldw", "", "sql-database", "sql-database"),
    ("mysql", "", "sql-database", "sql-database"),
    ("postgresql", "", "sql-database", "sql-database"),
    ("oracle", "", "sql-database", "sql-database"),
    ("db2", "", "sql-database", "sql-database"),
    ("snowflake", "", "sql-database", "sql-database"),
    ("documentdb", "", "database", "database"),
    ("azuretables", "", "database", "database"),
    ("keyvault", "", "", "secret"),
    // Customers, posts
    ("salesforce", "", "customer-records", "customer-record"),
    (
        "dynamicscrmonline",
        "",
        "customer-records",
        "customer-record",
    ),
    ("hubspotcrmv2", "", "customer-records", "customer-record"),
    ("dynamicsax", "", "sales-orders", "record"),
    ("mailchimp", "", "contacts", "contact"),
    ("shopify", "", "orders", "order"),
    ("stripe", "", "payments", "payment"),
    ("twitter", "", "social-media-posts", "social-media-post"),
    ("facebook", "", "social-media-posts", "social-media-post"),
    ("linkedin", "", "social-media-posts", "social-media-post"),
    ("linkedinv2", "", "social-media-posts", "social-media-post"),
    (
        "instagrambasicdispip",
        "",
        "social-media-posts",
        "social-media-post",
    ),
    ("youtube", "", "social-media-posts", "social-media-post"),
    ("bingmaps", "", "location", ""),
    ("workdaysoap", "", "employee-records", "employee-record"),
];

/// Capabilities that using a connector means, whatever the operation. The name begins so.
const ALWAYS: &[(&str, &str)] = &[
    ("openai", "ai-model"),
    ("azureopenai", "ai-model"),
    ("aibuilder", "ai-model"),
    ("cognitiveservices", "ai-model"),
    ("anthropic", "ai-model"),
    ("huggingface", "ai-model"),
    ("mistral", "ai-model"),
    ("googlegemini", "ai-model"),
    ("logicflows", "calls-flow"),
    ("uiflow", "desktop-flow"),
    ("webcontents", "direct-http"),
];

/// Connectors whose models read what people write.
const CHATTING: [&str; 3] = ["openai", "azureopenai", "anthropic"];

/// Stores of business records, where reading is a capability of its own.
const READS_COUNT: [&str; 3] = ["dataverse", "sql-database", "secret"];

/// Dataverse tables (entity set names) and the kind of data in them.
const TABLES: &[(&str, &str)] = &[
    ("quotes", "sales-quotes"),
    ("quotedetails", "sales-quotes"),
    ("salesorders", "sales-orders"),
    ("invoices", "sales-orders"),
    ("opportunities", "sales-opportunities"),
    ("accounts", "customer-records"),
    ("contacts", "customer-records"),
    ("leads", "customer-records"),
    ("incidents", "incidents"),
    ("systemusers", "directory-users"),
    ("aadusers", "directory-users"),
    ("teams", "directory-group"),
    ("emails", "email"),
    ("appointments", "calendar"),
];

/// What using an operation of a connector shows.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) hint: Option<&'static str>,
    pub(super) capability: Option<String>,
}

/// What using the connector at all shows.
pub(super) fn always(connector: &str) -> (Option<&'static str>, Option<&'static str>) {
    let name = bare(connector);
    let capability = ALWAYS
        .iter()
        .find(|(prefix, _)| name.starts_with(prefix))
        .map(|(_, c)| *c);
    let hint = CHATTING
        .iter()
        .any(|prefix| name.starts_with(prefix))
        .then_some("chat-text");
    (hint, capability)
}

/// What an operation shows; `table` is the Dataverse table it names, or empty.
pub(super) fn operation(connector: &str, operation: &str, table: &str) -> Shown {
    let name = bare(connector);
    if name.starts_with("commondataservice") {
        return Shown {
            hint: Some(table_hint(table)),
            capability: Some(capability("dataverse", operation)),
        };
    }
    if operation.eq_ignore_ascii_case("HttpRequest") || operation.eq_ignore_ascii_case("InvokeHttp")
    {
        return Shown {
            hint: hint(name),
            capability: Some("direct-http".to_owned()),
        };
    }
    let folded = operation.to_lowercase();
    let row = ROWS
        .iter()
        .find(|(known, word, ..)| *known == name && folded.contains(word));
    let Some((_, _, hint, thing)) = row else {
        return Shown::default();
    };
    let named = Some(*hint).filter(|hint| !hint.is_empty());
    let capability = Some(capability(thing, operation))
        .filter(|c| !thing.is_empty() && (READS_COUNT.contains(thing) || !c.starts_with("read:")));
    Shown {
        hint: named,
        capability,
    }
}

/// The kind of data that a connector is about when no operation is known.
pub(super) fn hint(connector: &str) -> Option<&'static str> {
    let name = bare(connector);
    if name.starts_with("commondataservice") {
        return Some("dataverse-records");
    }
    let row = ROWS
        .iter()
        .find(|(known, word, ..)| *known == name && word.is_empty());
    row.map(|(_, _, hint, _)| *hint)
        .filter(|hint| !hint.is_empty())
}

/// What its records are called in capabilities.
pub(super) fn thing(connector: &str) -> Option<&'static str> {
    let name = bare(connector);
    if name.starts_with("commondataservice") {
        return Some("dataverse");
    }
    let row = ROWS
        .iter()
        .find(|(known, word, ..)| *known == name && word.is_empty());
    row.map(|(.., thing)| *thing)
        .filter(|thing| !thing.is_empty())
}

/// The kind of data in a Dataverse table, by its entity set name or logical name.
pub(super) fn table_hint(table: &str) -> &'static str {
    let table = table.to_lowercase();
    let known = TABLES
        .iter()
        .find(|(name, _)| *name == table || name.strip_suffix('s') == Some(table.as_str()));
    match known {
        Some((_, hint)) => hint,
        None if table == "opportunity" => "sales-opportunities",
        None => "dataverse-records",
    }
}

/// Whether an organisation made the connector itself: such names carry an escaped `_`
/// (`-5f`) or blank (`-20`), or end with the environment's number in hexadecimal.
pub(super) fn is_custom(connector: &str) -> bool {
    let name = bare(connector);
    let numbered = name
        .rsplit_once('-')
        .is_some_and(|(_, last)| last.len() >= 14 && last.bytes().all(|b| b.is_ascii_hexdigit()));
    name.contains("-5f") || name.contains("-20") || numbered
}

fn capability(thing: &str, operation: &str) -> String {
    let verb = match (thing, verb::of(operation)) {
        ("chat-message" | "notification" | "sms" | "approval", Verb::Write) => Verb::Send,
        (_, verb) => verb,
    };
    format!("{}:{thing}", verb.as_str())
}

fn bare(connector: &str) -> &str {
    connector.strip_prefix("shared_").unwrap_or(connector)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_show_their_effect_on_their_kind_of_data() {
        for (connector, name, hint, capability) in [
            (
                "shared_office365",
                "SharedMailboxSendEmailV2",
                "email",
                "send:email-shared-mailbox",
            ),
            ("shared_office365", "SendEmailV2", "email", "send:email"),
            (
                "shared_office365",
                "V4CalendarPostItem",
                "calendar",
                "write:calendar-event",
            ),
            ("shared_office365", "OnNewEmailV3", "email", ""),
            (
                "shared_teams",
                "PostMessageToConversation",
                "chat-text",
                "send:chat-message",
            ),
            (
                "shared_sharepointonline",
                "PatchItem",
                "sharepoint-list",
                "write:sharepoint-list",
            ),
            (
                "shared_sharepointonline",
                "DeleteFile",
                "files",
                "delete:file",
            ),
            (
                "shared_approvals",
                "StartAndWaitForAnApproval",
                "",
                "send:approval",
            ),
            (
                "shared_sql",
                "GetItems_V2",
                "sql-database",
                "read:sql-database",
            ),
            ("shared_planner", "ListTasks_V3", "", ""),
            (
                "shared_flowpush",
                "SendEmailNotification",
                "",
                "send:notification",
            ),
            ("shared_msnweather", "CurrentWeather", "", ""),
        ] {
            let shown = operation(connector, name, "");
            assert_eq!(shown.hint.unwrap_or_default(), hint, "{name}");
            assert_eq!(shown.capability.unwrap_or_default(), capability, "{name}");
        }
        let shown = operation("shared_commondataserviceforapps", "ListRecords", "quotes");
        assert_eq!(
            (shown.hint, shown.capability.as_deref()),
            (Some("sales-quotes"), Some("read:dataverse"))
        );
    }

    #[test]
    fn an_organisations_own_connector_is_told_by_its_name() {
        assert!(is_custom(
            "shared_microsoft-20graph-20api-20demo-5feca8e1ea20c64f-2de1df1a592ec41e"
        ));
        assert!(is_custom("shared_cr214-5fprices"));
        assert!(!is_custom("shared_service-now"));
        assert!(!is_custom("shared_instagrambasicdispip"));
    }
}
