//! Text queries: what people type, made safe for FTS5.
//!
//! FTS5 has a syntax of its own, in which a stray quote is an error and `NOT` an operator. People
//! type words: each becomes quoted prefixes of open words, and all words must be found. A word may
//! stand in a personal field as well; there it is compared by its token, which only whoever holds
//! the key can make.

use burgess_core::id::EventId;

use crate::entry::Token;

/// Words of one query at most: a sentence. More are left out.
pub const WORDS_MAX: usize = 16;

/// Characters of one word at most: the longest id is 64.
const WORD_CHARS_MAX: usize = 128;

/// One word that somebody typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// As typed.
    pub typed: String,
    /// Its tokens; none for who may not look into personal fields.
    pub blind: Option<WordTokens>,
}

/// The tokens under which a typed word may stand in the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WordTokens {
    /// As an actor's whole id.
    pub actor: Token,
    /// As a resource's whole id.
    pub resource: Token,
    /// As a word of any personal field.
    pub word: Token,
}

impl Word {
    /// The words of `text`, to be found in open fields alone.
    pub fn open(text: &str) -> Vec<Self> {
        let words = text.split(|c: char| c.is_whitespace() || c.is_control());
        words
            .filter(|word| !word.is_empty())
            .take(WORDS_MAX)
            .map(|word| Self {
                typed: word.chars().take(WORD_CHARS_MAX).collect(),
                blind: None,
            })
            .collect()
    }

    /// The FTS5 expression for open fields; none when the word holds no letter and no digit.
    pub(crate) fn expression(&self) -> Option<String> {
        let parts: Vec<String> = parts(&self.typed)
            .map(|part| format!("\"{part}\"*"))
            .collect();
        (!parts.is_empty()).then(|| parts.join(" AND "))
    }

    /// The event of which this word is the whole id.
    pub(crate) fn event_id(&self) -> Option<EventId> {
        EventId::parse(&self.typed).ok()
    }
}

/// The parts of a text that are words to the index: runs of letters and digits in lowercase.
/// What is not ASCII counts as a letter, as the index's tokenizer sees it.
pub fn parts(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| c.is_ascii() && !c.is_ascii_alphanumeric())
        .filter(|part| !part.is_empty())
        .map(str::to_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expressions(text: &str) -> Vec<Option<String>> {
        Word::open(text).iter().map(Word::expression).collect()
    }

    #[test]
    fn operators_and_quotes_are_words_like_any_other() {
        assert_eq!(
            expressions("a NOT b"),
            ["\"a\"*", "\"not\"*", "\"b\"*"].map(|it| Some(it.to_owned()))
        );
        assert_eq!(expressions("x\"y"), [Some("\"x\"* AND \"y\"*".to_owned())]);
        assert_eq!(expressions("\" * ( )"), [None, None, None, None]);
        assert!(expressions(" ").is_empty());
    }

    #[test]
    fn an_expression_is_short_however_long_the_text() {
        let words = Word::open(&"word ".repeat(10_000));
        assert_eq!(words.len(), WORDS_MAX);
        assert_eq!(Word::open(&"x".repeat(10_000))[0].typed.len(), 128);
    }
}
