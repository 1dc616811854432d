//! What the binary hands over of one entry: the open fields, and tokens in place of personal values.
//!
//! The types are the wall: there is no field here that could hold a person's name.

use burgess_core::audit::{ActionType, Event, Outcome, Place};
use burgess_core::data::Classification;
use burgess_core::id::{AppId, ApprovalId, EventId};
use burgess_core::time::Timestamp;
use burgess_ledger::Hash;

/// A keyed digest of a personal value, cut to 64 bits: equal values have equal tokens, and without
/// the key nobody can tell which value it was. Among 2^32 values two are expected to share one; a
/// hit is compared with the event before it counts as more than a hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(i64);

impl Token {
    /// Of the first eight bytes of the digest.
    pub const fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(i64::from_be_bytes(bytes))
    }

    pub(crate) const fn number(self) -> i64 {
        self.0
    }

    /// As a word of the index: 13 letters and digits, 5 bits each.
    pub(crate) fn word(self) -> String {
        const ALPHABET: [char; 32] = [
            'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', 'p', 'q',
            'r', 's', 't', 'u', 'v', 'w', 'x', 'y', 'z', '2', '3', '4', '5', '6', '7',
        ];
        let bits = u64::from_be_bytes(self.0.to_be_bytes());
        (0..13u32)
            .map(|place| (bits >> (5 * (12 - place))) & 31)
            .filter_map(|five| ALPHABET.get(usize::try_from(five).ok()?))
            .collect()
    }
}

/// Tokens of the personal values that could be opened; none where they are closed for good.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Blind {
    /// Of the actor's id.
    pub actor: Option<Token>,
    /// Of the words of everything that is sealed under the actor's key.
    pub actor_words: Vec<Token>,
    /// Of the resource's id.
    pub resource: Option<Token>,
    /// Of the words of the resource's id.
    pub resource_words: Vec<Token>,
}

/// The open fields of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Its id.
    pub event_id: EventId,
    /// When.
    pub time: Timestamp,
    /// In which role.
    pub role: String,
    /// Which app.
    pub app: AppId,
    /// Which version of it.
    pub version: String,
    /// Where.
    pub environment: Place,
    /// What was done.
    pub action: ActionType,
    /// To what kind of thing.
    pub resource_type: String,
    /// How sensitive it is.
    pub classification: Classification,
    /// How it ended.
    pub outcome: Outcome,
    /// Why not.
    pub error_code: Option<String>,
    /// Under which approval.
    pub approval: Option<ApprovalId>,
    /// The risk score then, 0 to 100.
    pub risk: u8,
    /// Which part of the system numbers it.
    pub source: String,
    /// State before.
    pub previous_state: Option<String>,
    /// State after.
    pub next_state: Option<String>,
    /// What was decided, and by which policies.
    pub decision: Vec<String>,
}

impl Facts {
    /// The open fields of `event`; its personal ones stay behind.
    pub fn of(event: &Event) -> Self {
        let decision = event.decision.iter();
        Self {
            event_id: event.event_id.clone(),
            time: event.timestamp,
            role: event.actor_role.clone(),
            app: event.app_id.clone(),
            version: event.version.clone(),
            environment: event.environment,
            action: event.action_type,
            resource_type: event.resource_type.clone(),
            classification: event.data_classification,
            outcome: event.outcome,
            error_code: event.error_code.clone(),
            approval: event.approval_id.clone(),
            risk: event.risk_score_at_time,
            source: event.source.clone(),
            previous_state: event.previous_state.clone(),
            next_state: event.next_state.clone(),
            decision: decision
                .flat_map(|it| std::iter::once(&it.answer).chain(&it.policies))
                .cloned()
                .collect(),
        }
    }
}

/// An event as the index takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Indexed {
    /// Its number in its app's stream, from 1.
    pub sequence: u64,
    /// Its open fields.
    pub facts: Facts,
    /// Tokens of the others.
    pub blind: Blind,
}

/// One entry of the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Origin of the log shard that holds it.
    pub shard: String,
    /// Its index there, from 0.
    pub index: u64,
    /// Its RFC 6962 leaf hash.
    pub leaf_hash: Hash,
    /// The event; none where the entry is no event, as the checkpoint with which a shard begins.
    pub event: Option<Indexed>,
}

#[cfg(test)]
mod tests {
    use super::Token;

    #[test]
    fn a_token_is_a_word_of_thirteen_letters_and_different_tokens_are_different_words() {
        let words: Vec<String> = [[0u8; 8], [255; 8], [0, 0, 0, 0, 0, 0, 0, 1], [1; 8]]
            .into_iter()
            .map(|bytes| Token::from_bytes(bytes).word())
            .collect();
        assert_eq!(words[0], "aaaaaaaaaaaaa");
        assert_eq!(words[1], "p777777777777");
        assert_eq!(words[2], "aaaaaaaaaaaab");
        assert!(words.iter().all(|word| word.len() == 13));
    }
}
