//! Tokens of personal values for the search index: HMAC-SHA256 under a key of their own, cut to 64
//! bits, separated by field; and digests, not cut, for requests that are remembered.
//!
//! Whoever has the index file but not the key cannot even try names. Case does not count, since
//! people type as they please. Not here: the index, which never sees the key.

use burgess_core::audit::Event;
use burgess_core::digest::Digest;
use burgess_gateway::journal::CLOSED;
use burgess_trail::{Blind, Token, Word, WordTokens, parts};
use ring::hmac;
use serde_json::Value;

use super::envelope::Key;

/// Words of one event and subject at most, as the index takes them.
const WORDS_MAX: usize = 64;
/// Characters of one word at most, as of a typed one.
const WORD_CHARS_MAX: usize = 128;
/// Shorter parts of a word are no words of their own: they are in everything.
const PART_CHARS_MIN: usize = 2;

/// Makes tokens.
pub struct Blinder {
    key: hmac::Key,
}

impl Blinder {
    /// Under this key.
    pub fn new(key: &Key) -> Self {
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, key.expose()),
        }
    }

    /// Of an actor's id.
    pub fn actor(&self, id: &str) -> Token {
        self.token("actor", id)
    }

    /// Of a resource's id, whatever its kind.
    pub fn resource(&self, id: &str) -> Token {
        self.token("resource", id)
    }

    /// Of all personal values of an event that are open.
    pub fn event(&self, event: &Event) -> Blind {
        let tokens = |words: Vec<String>| words.iter().map(|word| self.word(word)).collect();
        let mut blind = Blind::default();
        if event.actor_id != CLOSED {
            blind.actor = Some(self.actor(&event.actor_id));
            let mut words = words_of(&event.actor_id);
            words.extend(event.ip_address.as_deref().map(folded));
            words.extend(event.user_agent.as_deref().into_iter().flat_map(words_of));
            for value in event.request_context.iter().flat_map(|it| it.values()) {
                words_in(value, &mut words);
            }
            blind.actor_words = tokens(distinct(words));
        }
        if event.resource_id != CLOSED {
            blind.resource = Some(self.resource(&event.resource_id));
            blind.resource_words = tokens(distinct(words_of(&event.resource_id)));
        }
        blind
    }

    /// What somebody typed, to be found in open and in personal fields.
    pub fn typed(&self, text: &str) -> Vec<Word> {
        let words = Word::open(text).into_iter();
        words
            .map(|word| Word {
                blind: Some(WordTokens {
                    actor: self.actor(&word.typed),
                    resource: self.resource(&word.typed),
                    word: self.word(&folded(trimmed(&word.typed))),
                }),
                ..word
            })
            .collect()
    }

    /// A name for what somebody asked about, from which nobody without the key learns whom.
    pub fn name(&self, field: &str, value: &str) -> String {
        let tag = self.tag(field, value);
        tag.as_ref()
            .iter()
            .take(16)
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    /// A name for what somebody sent, of which the same bytes have the same, and none that a guess could
    /// be checked against without the key.
    pub fn digest(&self, field: &str, parts: &[&[u8]]) -> Digest {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(b"burgess.blind-digest/1\n");
        context.update(field.as_bytes());
        context.update(b"\n");
        for part in parts {
            context.update(part);
        }
        let tag = context.sign();
        Digest::from_bytes(tag.as_ref().first_chunk().copied().unwrap_or_default())
    }

    fn word(&self, word: &str) -> Token {
        self.token("word", word)
    }

    fn tag(&self, field: &str, value: &str) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(b"burgess.blind/1\n");
        context.update(field.as_bytes());
        context.update(b"\n");
        context.update(folded(value).as_bytes());
        context.sign()
    }

    fn token(&self, field: &str, value: &str) -> Token {
        let tag = self.tag(field, value);
        let mut bytes = [0u8; 8];
        for (to, from) in bytes.iter_mut().zip(tag.as_ref()) {
            *to = *from;
        }
        Token::from_bytes(bytes)
    }
}

fn folded(word: &str) -> String {
    word.chars()
        .take(WORD_CHARS_MAX)
        .flat_map(char::to_lowercase)
        .collect()
}

fn trimmed(word: &str) -> &str {
    word.trim_matches(|c: char| !c.is_alphanumeric())
}

/// The words that a text is found by: what stands between spaces, and between the signs that
/// addresses and paths are made of, and every run of letters and digits.
fn words_of(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    for whole in text.split_whitespace().map(trimmed) {
        words.push(folded(whole));
        let pieces = whole.split(['@', '/', ':', '=', ',', ';', '"']);
        words.extend(pieces.map(|piece| folded(trimmed(piece))));
        words.extend(parts(whole).filter(|part| part.chars().count() >= PART_CHARS_MIN));
    }
    words
}

fn words_in(value: &Value, words: &mut Vec<String>) {
    match value {
        Value::String(text) => words.extend(words_of(text)),
        Value::Number(number) => words.push(number.to_string()),
        Value::Array(items) => items.iter().for_each(|item| words_in(item, words)),
        Value::Object(members) => members.values().for_each(|item| words_in(item, words)),
        Value::Null | Value::Bool(_) => {}
    }
}

fn distinct(words: Vec<String>) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    for word in words {
        if kept.len() >= WORDS_MAX {
            break;
        }
        if !word.is_empty() && !kept.contains(&word) {
            kept.push(word);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_has_another_token_in_another_field_and_under_another_key() {
        let (one, other) = (
            Blinder::new(&Key::new([1; 32])),
            Blinder::new(&Key::new([2; 32])),
        );
        let name = "dana@example.com";
        assert_eq!(one.actor(name), one.actor("Dana@Example.com"));
        assert_ne!(one.actor(name), other.actor(name));
        assert_ne!(one.actor(name), one.resource(name));
        assert_ne!(one.actor(name), one.word(name));
    }

    #[test]
    fn a_typed_word_has_the_token_of_a_word_that_stands_in_the_text() {
        let blinder = Blinder::new(&Key::new([1; 32]));
        let text = "Mozilla/5.0 (X11; Linux) dana@example.com/quote-7";
        let tokens: Vec<Token> = words_of(text).iter().map(|it| blinder.word(it)).collect();
        for word in [
            "mozilla",
            "Mozilla/5.0",
            "(X11;",
            "linux",
            "dana",
            "example.com",
            "quote-7",
            "QUOTE",
        ] {
            let typed = blinder.typed(word);
            let token = typed[0].blind.unwrap().word;
            assert!(tokens.contains(&token), "{word}");
        }
        for word in ["moz", "0", "quote-8"] {
            let token = blinder.typed(word)[0].blind.unwrap().word;
            assert!(!tokens.contains(&token), "{word}");
        }
    }
}
