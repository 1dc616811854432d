//! Text queries: what people type, made safe for FTS5.
//!
//! FTS5 has a syntax of its own, in which a stray quote is an error and `NOT` an operator. People
//! type words: each becomes a quoted prefix, and all of them must be found.

/// Words of one query at most: a sentence. More are left out.
const WORDS_MAX: usize = 16;

/// Characters of one word at most: the longest id is 64.
const WORD_CHARS_MAX: usize = 128;

/// The FTS5 expression for `text`; none when it holds no letter and no digit.
pub(crate) fn expression(text: &str) -> Option<String> {
    let words: Vec<String> = text
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| word.chars().any(char::is_alphanumeric))
        .take(WORDS_MAX)
        .map(|word| {
            let word: String = word.chars().take(WORD_CHARS_MAX).collect();
            // SQL-style quoting: a quote inside is written twice.
            format!("\"{}\"*", word.replace('"', "\"\""))
        })
        .collect();
    (!words.is_empty()).then(|| words.join(" AND "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_and_quotes_are_words_like_any_other() {
        assert_eq!(
            expression("a NOT b").as_deref(),
            Some("\"a\"* AND \"NOT\"* AND \"b\"*")
        );
        assert_eq!(expression("x\"y").as_deref(), Some("\"x\"\"y\"*"));
        assert_eq!(expression("\" * ( ) : ^ -"), None);
        assert_eq!(expression(""), None);
    }
}
