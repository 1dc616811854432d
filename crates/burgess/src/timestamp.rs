//! Time stamps of RFC 3161: the question about a checkpoint, and whether an answer fits it.
//!
//! A stamp shows that a checkpoint existed at a time, on the word of an authority outside. The
//! server keeps it and checks that it answers the question; the authority's signature and
//! certificate are for whoever relies on it to check, with `openssl ts -verify`. Not here: HTTP and
//! files.

use der::asn1::AnyRef;
use der::{Reader as _, SliceReader, Tag, TagNumber, Tagged as _};
use sha2::{Digest as _, Sha256};

/// `SEQUENCE { INTEGER 1, SEQUENCE { SEQUENCE { OID SHA-256, NULL }, OCTET STRING (32) }, …` of
/// `TimeStampReq` (RFC 3161 section 2.4.1), up to the digest.
const HEAD: [u8; 24] = [
    0x30, 0x43, 0x02, 0x01, 0x01, 0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65,
    0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20,
];
/// `BOOLEAN TRUE`: the answer shall hold the authority's certificate.
const WITH_CERTIFICATE: [u8; 3] = [0x01, 0x01, 0xff];
/// id-sha256
const SHA_256: [u8; 9] = [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];
/// id-signedData (RFC 5652)
const SIGNED_DATA: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02];
/// id-ct-TSTInfo (RFC 3161)
const TST_INFO: [u8; 11] = [
    0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x01, 0x04,
];

/// The answer is no stamp for the question.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StampError {
    /// Not the structure of RFC 3161.
    #[error("the time stamp cannot be read: {0}")]
    Shape(&'static str),
    /// The authority refused.
    #[error("the authority gave no time stamp (status {0}): ask its operator")]
    Refused(String),
    /// It is about something else.
    #[error("the time stamp is not about this checkpoint: its {0} differs")]
    Other(&'static str),
}

/// A question: one digest, and a number that the answer must repeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Question {
    digest: [u8; 32],
    nonce: [u8; 8],
}

impl Question {
    /// About the bytes of a checkpoint.
    pub(crate) fn about(note: &[u8], random: [u8; 32]) -> Self {
        let [first, b, c, d, e, f, g, h, ..] = random;
        Self {
            digest: Sha256::digest(note).into(),
            // Positive, and without leading zeros.
            nonce: [first & 0x7f | 0x40, b, c, d, e, f, g, h],
        }
    }

    /// `TimeStampReq` in DER.
    pub(crate) fn der(&self) -> Vec<u8> {
        let nonce = [&[0x02, 0x08], self.nonce.as_slice()].concat();
        [HEAD.as_slice(), &self.digest, &nonce, &WITH_CERTIFICATE].concat()
    }

    /// Checks that `TimeStampResp` answers this question, and gives the time in it: `YYYYMMDDhhmmss`,
    /// perhaps with a fraction, and `Z`.
    pub(crate) fn answered_by(&self, response: &[u8]) -> Result<String, StampError> {
        let parts = sequence(only(response)?)?;
        let status = *parts.first().ok_or(StampError::Shape("it is empty"))?;
        let status = sequence(status)?.first().map(|part| part.value());
        // granted, or granted with modifications (RFC 3161 section 2.4.2)
        if !matches!(status, Some([0 | 1])) {
            return Err(StampError::Refused(format!(
                "{:?}",
                status.unwrap_or_default()
            )));
        }
        let token = parts.get(1).ok_or(StampError::Shape("it has no token"))?;
        let info = token_info(*token)?;
        self.fits(&sequence(only(info)?)?)
    }

    /// `TSTInfo`: version, policy, imprint, serial number, time, and later the nonce.
    fn fits(&self, info: &[AnyRef<'_>]) -> Result<String, StampError> {
        let [_, _, imprint, _, time, rest @ ..] = info else {
            return Err(StampError::Shape("its content is cut short"));
        };
        let imprint = sequence(*imprint)?;
        let [algorithm, digest] = imprint.as_slice() else {
            return Err(StampError::Shape("its imprint is not a digest"));
        };
        let algorithm = sequence(*algorithm)?;
        let named = algorithm.first().map(|part| part.value());
        if named != Some(SHA_256.as_slice()) {
            return Err(StampError::Other("algorithm"));
        }
        if digest.tag() != Tag::OctetString || digest.value() != self.digest {
            return Err(StampError::Other("digest"));
        }
        let nonce = rest.iter().find(|part| part.tag() == Tag::Integer);
        if nonce.map(|part| part.value()) != Some(self.nonce.as_slice()) {
            return Err(StampError::Other("nonce"));
        }
        let text = std::str::from_utf8(time.value()).ok();
        let text = text.filter(|text| {
            let plain = |b: u8| b.is_ascii_digit() || b == b'.';
            let digits = text.strip_suffix('Z').unwrap_or_default();
            digits.len() >= 14 && digits.bytes().all(plain)
        });
        if time.tag() != Tag::GeneralizedTime {
            return Err(StampError::Shape("it has no time"));
        }
        text.map(str::to_owned)
            .ok_or(StampError::Shape("its time is not in UTC"))
    }
}

/// The bytes of `TSTInfo` in a `TimeStampToken`, which is a CMS `SignedData`.
fn token_info(token: AnyRef<'_>) -> Result<&[u8], StampError> {
    let content = sequence(token)?;
    let [kind, signed] = content.as_slice() else {
        return Err(StampError::Shape("its token is not CMS"));
    };
    if kind.value() != SIGNED_DATA {
        return Err(StampError::Shape("its token is not signed data"));
    }
    let signed = sequence(only(explicit(*signed)?)?)?;
    let content = signed
        .get(2)
        .ok_or(StampError::Shape("it has no content"))?;
    let content = sequence(*content)?;
    let [kind, octets] = content.as_slice() else {
        return Err(StampError::Shape("it has no content"));
    };
    if kind.value() != TST_INFO {
        return Err(StampError::Shape("its content is not a time stamp"));
    }
    let octets = only(explicit(*octets)?)?;
    if octets.tag() == Tag::OctetString {
        Ok(octets.value())
    } else {
        Err(StampError::Shape("its content is not a time stamp"))
    }
}

/// The one value that these bytes are.
fn only(bytes: &[u8]) -> Result<AnyRef<'_>, StampError> {
    match items(bytes)?.as_slice() {
        [one] => Ok(*one),
        _ => Err(StampError::Shape("it is not one value")),
    }
}

/// The values that stand one after the other.
fn items(bytes: &[u8]) -> Result<Vec<AnyRef<'_>>, StampError> {
    const NOT_DER: StampError = StampError::Shape("it is not DER");
    let mut reader = SliceReader::new(bytes).map_err(|_| NOT_DER)?;
    let mut items = Vec::new();
    while !reader.is_finished() {
        items.push(reader.decode::<AnyRef<'_>>().map_err(|_| NOT_DER)?);
    }
    Ok(items)
}

fn sequence(value: AnyRef<'_>) -> Result<Vec<AnyRef<'_>>, StampError> {
    if value.tag() == Tag::Sequence {
        items(value.value())
    } else {
        Err(StampError::Shape("a sequence is missing"))
    }
}

/// What stands in `[0] EXPLICIT`.
fn explicit(value: AnyRef<'_>) -> Result<&[u8], StampError> {
    let tag = Tag::ContextSpecific {
        constructed: true,
        number: TagNumber(0),
    };
    if value.tag() == tag {
        Ok(value.value())
    } else {
        Err(StampError::Shape("an explicit value is missing"))
    }
}

/// What must hold of an answer of any bytes: what is taken for a stamp holds the digest and the number
/// that were asked for, and a time in digits.
#[cfg(any(test, fuzzing))]
pub(crate) fn check(bytes: &[u8]) {
    let question = Question::about(b"checkpoint", [1; 32]);
    let Ok(time) = question.answered_by(bytes) else {
        return;
    };
    let holds = |part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
    assert!(holds(&question.digest) && holds(&question.nonce));
    let digits = time.strip_suffix('Z').unwrap_or_default();
    assert!(digits.len() >= 14 && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.'));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/stamp");

    fn kept(name: &str) -> Vec<u8> {
        std::fs::read(format!("{CORPUS}/{name}")).unwrap()
    }

    #[test]
    fn every_kept_input_of_the_reader_of_time_stamps_holds() {
        let kept: Vec<_> = std::fs::read_dir(CORPUS).unwrap().collect();
        assert!(kept.len() > 3, "fuzz/corpus/stamp is all but empty");
        for file in kept {
            check(&std::fs::read(file.unwrap().path()).unwrap());
        }
    }

    /// The kept answers are those of `openssl ts -reply` to this question (`-queryfile` with its DER),
    /// with a certificate (`right`) and without, and to another one.
    #[test]
    fn answers_of_openssl_are_stamps_for_their_question_and_for_no_other() {
        let question = Question::about(b"checkpoint", [1; 32]);
        for name in ["right", "without_certificate"] {
            let time = question.answered_by(&kept(name)).unwrap();
            assert!(time.starts_with("20") && time.ends_with('Z'), "{time}");
            for (other, what) in [
                (Question::about(b"another", [1; 32]), "digest"),
                (Question::about(b"checkpoint", [2; 32]), "nonce"),
            ] {
                assert_eq!(
                    other.answered_by(&kept(name)),
                    Err(StampError::Other(what)),
                    "{name}"
                );
            }
        }
        assert_eq!(
            question.answered_by(&kept("of_another")),
            Err(StampError::Other("digest"))
        );
        let refused = question.answered_by(&kept("refused"));
        assert!(
            matches!(refused, Err(StampError::Refused(_))),
            "{refused:?}"
        );
    }

    #[test]
    fn a_kept_answer_cut_short_or_with_one_bit_changed_is_read_without_harm() {
        let right = kept("without_certificate");
        for at in 0..right.len() {
            check(&right[..at]);
            for bit in 0..8 {
                let mut changed = right.clone();
                changed[at] ^= 1 << bit;
                check(&changed);
            }
        }
    }

    #[test]
    fn a_question_is_one_der_value_with_a_positive_number() {
        for byte in [0x00, 0x7f, 0x80, 0xff] {
            let question = Question::about(b"checkpoint", [byte; 32]);
            let der = question.der();
            let parts = sequence(only(&der).unwrap()).unwrap();
            let tags: Vec<Tag> = parts.iter().map(AnyRef::tag).collect();
            assert_eq!(
                tags,
                [Tag::Integer, Tag::Sequence, Tag::Integer, Tag::Boolean]
            );
            assert!((0x40..0x80).contains(&question.nonce[0]));
        }
    }

    #[test]
    fn a_refusal_is_told_from_a_stamp() {
        let question = Question::about(b"checkpoint", [1; 32]);
        let refused = [0x30, 0x05, 0x30, 0x03, 0x02, 0x01, 0x02];
        assert!(matches!(
            question.answered_by(&refused),
            Err(StampError::Refused(_))
        ));
        let granted_without = [0x30, 0x05, 0x30, 0x03, 0x02, 0x01, 0x00];
        assert!(matches!(
            question.answered_by(&granted_without),
            Err(StampError::Shape(_))
        ));
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_panic_or_is_taken_for_a_stamp(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let question = Question::about(b"checkpoint", [1; 32]);
            prop_assert!(question.answered_by(&bytes).is_err());
        }
    }
}
