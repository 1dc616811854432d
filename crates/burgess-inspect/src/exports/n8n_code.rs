//! Program text in n8n nodes: commands, queries, modules, comments.

/// The purl of a node's package. Nodes without a package are of no package.
pub(super) fn purl(package: &str) -> String {
    match package
        .strip_prefix('@')
        .and_then(|scoped| scoped.split_once('/'))
    {
        Some((scope, name)) => format!("pkg:npm/%40{scope}/{name}"),
        None if package.is_empty() => String::new(),
        None => format!("pkg:npm/{package}"),
    }
}

/// Modules of Node itself that scripts load most.
const NODE_MODULES: [&str; 22] = [
    "assert",
    "buffer",
    "child_process",
    "crypto",
    "dns",
    "events",
    "fs",
    "fs/promises",
    "http",
    "http2",
    "https",
    "net",
    "os",
    "path",
    "querystring",
    "stream",
    "timers",
    "tls",
    "url",
    "util",
    "vm",
    "zlib",
];

pub(super) fn npm_purl(name: &str) -> Option<String> {
    if name.starts_with('.')
        || name.starts_with('/')
        || name.starts_with("node:")
        || NODE_MODULES.contains(&name)
    {
        return None;
    }
    let plain = name
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'/' | b'@'));
    if name.is_empty() || !plain {
        return None;
    }
    let parts = if name.starts_with('@') { 2 } else { 1 };
    let package: Vec<&str> = name.split('/').take(parts).collect();
    Some(purl(&package.join("/")))
}

/// A program text without `//`, `#` and `/* … */` comments; quotes are not parsed, so that a
/// `//` after a colon stays (it is a URL).
pub(super) fn without_comments(code: &str) -> String {
    let mut rest = code;
    let mut out = String::new();
    while let Some((before, after)) = rest.split_once("/*") {
        out.push_str(before);
        rest = after.split_once("*/").map_or("", |(_, after)| after);
    }
    out.push_str(rest);
    out.lines()
        .map(line_without_comment)
        .collect::<Vec<_>>()
        .join("\n")
}

fn line_without_comment(line: &str) -> &str {
    if line.trim_start().starts_with('#') {
        return "";
    }
    let comment = line
        .match_indices("//")
        .map(|(at, _)| at)
        .find(|at| !line.get(..*at).is_some_and(|b| b.ends_with(':')));
    comment.and_then(|at| line.get(..at)).unwrap_or(line)
}

/// The command that a shell line begins with, without its path and assignments before it.
pub(super) fn first_word(command: &str) -> &str {
    let command = command.trim_start_matches(['=', ' ', '\n', '\t']);
    let word = command
        .split_whitespace()
        .find(|word| !word.contains('=') || word.starts_with(['/', '.']))
        .unwrap_or_default();
    let word = word.trim_matches(['"', '\'', ';', '(', ')']);
    if word.starts_with("{{") {
        "dynamic"
    } else {
        word.rsplit('/').next().unwrap_or(word)
    }
}

/// Whether a query writes rows or tables, and whether it deletes some. Statements are told
/// by two keywords together, since one alone may be a column's name.
pub(super) fn sql_changes(query: &str) -> (bool, bool) {
    let lower = query.to_lowercase();
    let words: Vec<&str> = lower
        .split(|c: char| !(c.is_alphanumeric() || c == '_'))
        .filter(|word| !word.is_empty())
        .collect();
    let pair = |first: &str, second: &[&str]| {
        words
            .windows(2)
            .any(|two| matches!(two, [a, b] if *a == first && second.contains(b)))
    };
    let has = |word: &str| words.contains(&word);
    let objects = [
        "table",
        "view",
        "index",
        "database",
        "schema",
        "procedure",
        "function",
        "trigger",
    ];
    let writes = pair("insert", &["into", "ignore"])
        || pair("merge", &["into"])
        || pair("replace", &["into"])
        || pair("create", &objects)
        || pair("alter", &objects)
        || (has("update") && has("set"));
    let deletes = pair("delete", &["from"]) || pair("drop", &objects) || has("truncate");
    (writes, deletes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_judged_by_its_statements_and_not_by_its_columns() {
        assert_eq!(
            sql_changes("SELECT created, update_time, deleted FROM t"),
            (false, false)
        );
        assert_eq!(sql_changes("INSERT INTO t VALUES (1)"), (true, false));
        assert_eq!(sql_changes("update t set a = 1"), (true, false));
        assert_eq!(sql_changes("DELETE\nFROM t; DROP TABLE u"), (false, true));
    }

    #[test]
    fn commands_and_modules_are_named_without_paths_and_comments() {
        assert_eq!(
            first_word("=FOO=1 /usr/bin/curl -s https://a.example"),
            "curl"
        );
        assert_eq!(first_word("echo \"x\""), "echo");
        assert_eq!(first_word("={{ $json.command }}"), "dynamic");
        assert_eq!(
            npm_purl("@acme/things/deep").as_deref(),
            Some("pkg:npm/%40acme/things")
        );
        assert_eq!(npm_purl("crypto"), None);
        assert_eq!(
            without_comments("a // b\n/* c */ d\nhttps://e"),
            "a \n d\nhttps://e"
        );
    }
}
