//! What an operation does, from its name: reads, writes, deletes or sends.

/// The effect of an operation on what it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Read,
    Write,
    Delete,
    Send,
}

impl Verb {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Delete => "delete",
            Self::Send => "send",
        }
    }
}

/// Words that tell the effect. The first word of an operation's name that stands here
/// decides; names without any only read.
const WORDS: [(&str, Verb); 61] = [
    ("get", Verb::Read),
    ("list", Verb::Read),
    ("read", Verb::Read),
    ("find", Verb::Read),
    ("search", Verb::Read),
    ("query", Verb::Read),
    ("lookup", Verb::Read),
    ("select", Verb::Read),
    ("download", Verb::Read),
    ("export", Verb::Read),
    ("on", Verb::Read),
    ("when", Verb::Read),
    ("delete", Verb::Delete),
    ("remove", Verb::Delete),
    ("clear", Verb::Delete),
    ("purge", Verb::Delete),
    ("trash", Verb::Delete),
    ("truncate", Verb::Delete),
    ("drop", Verb::Delete),
    ("send", Verb::Send),
    ("reply", Verb::Send),
    ("forward", Verb::Send),
    ("notify", Verb::Send),
    ("publish", Verb::Send),
    ("broadcast", Verb::Send),
    ("tweet", Verb::Send),
    ("post", Verb::Write),
    ("put", Verb::Write),
    ("patch", Verb::Write),
    ("create", Verb::Write),
    ("insert", Verb::Write),
    ("upsert", Verb::Write),
    ("update", Verb::Write),
    ("modify", Verb::Write),
    ("edit", Verb::Write),
    ("set", Verb::Write),
    ("add", Verb::Write),
    ("append", Verb::Write),
    ("write", Verb::Write),
    ("upload", Verb::Write),
    ("import", Verb::Write),
    ("copy", Verb::Write),
    ("move", Verb::Write),
    ("rename", Verb::Write),
    ("share", Verb::Write),
    ("assign", Verb::Write),
    ("complete", Verb::Write),
    ("close", Verb::Write),
    ("open", Verb::Write),
    ("archive", Verb::Write),
    ("invite", Verb::Write),
    ("mark", Verb::Write),
    ("flag", Verb::Write),
    ("start", Verb::Write),
    ("run", Verb::Write),
    ("execute", Verb::Write),
    ("perform", Verb::Write),
    ("push", Verb::Write),
    ("merge", Verb::Write),
    ("associate", Verb::Write),
    ("disassociate", Verb::Write),
];

/// The effect of an operation called `name`, as `SharedMailboxSendEmailV2` or `appendOrUpdate`.
pub(crate) fn of(name: &str) -> Verb {
    words(name)
        .iter()
        .find_map(|word| {
            WORDS
                .iter()
                .find(|(known, _)| known == word)
                .map(|(_, verb)| *verb)
        })
        .unwrap_or(Verb::Read)
}

/// Splits `camelCase`, `snake_case` and blanks into lowercase words.
pub(crate) fn words(name: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut current = String::new();
    let mut after_lower = false;
    for c in name.chars() {
        let boundary = c.is_uppercase() && after_lower;
        if (boundary || !c.is_alphanumeric()) && !current.is_empty() {
            out.push(std::mem::take(&mut current));
        }
        after_lower = c.is_lowercase() || c.is_ascii_digit();
        if c.is_alphanumeric() {
            current.extend(c.to_lowercase());
        }
    }
    if !current.is_empty() {
        out.push(current);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_word_that_tells_an_effect_decides() {
        for (name, verb) in [
            ("SharedMailboxSendEmailV2", Verb::Send),
            ("DeleteEmail_V2", Verb::Delete),
            ("ListRecords", Verb::Read),
            ("OnFlaggedEmailV3", Verb::Read),
            ("appendOrUpdate", Verb::Write),
            ("getAll", Verb::Read),
            ("HtmlToText", Verb::Read),
            ("PostItem", Verb::Write),
        ] {
            assert_eq!(of(name), verb, "{name}");
        }
    }
}
