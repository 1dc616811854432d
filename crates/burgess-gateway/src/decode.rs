//! Undoing what hides a body from inspection: content encodings, compression inside the body,
//! UTF-16, base64. Every step has a budget of bytes; what cannot be undone is opaque, and policy
//! decides about opaque bodies. Escapes and invisible characters are the scanner's part.
//!
//! Not here: archives and documents; they count as opaque.

use std::fmt;
use std::io::Read as _;

use base64::Engine as _;
use base64::engine::GeneralPurposeConfig;
use base64::engine::{DecodePaddingMode, GeneralPurpose};
use bytes::Bytes;
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

/// Encodings that may lie on top of each other: two real ones and one to be sure.
const LAYERS_MAX: usize = 3;
/// Shortest run of base64 that is looked into: a card number of 16 digits takes 22 characters.
const BASE64_RUN_MIN: usize = 20;

/// Why a body cannot be read whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opaque {
    /// A content encoding that is not known here.
    Encoding,
    /// Larger than a body may be once decoded.
    TooLarge,
    /// The encoding is broken.
    Damaged,
    /// A container that is not unpacked here.
    Archive,
}

impl fmt::Display for Opaque {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Encoding => {
                "it uses a content encoding that cannot be read here (gzip and deflate can)"
            }
            Self::TooLarge => "it is larger than a body may be once it is decoded",
            Self::Damaged => "its compression is broken",
            Self::Archive => "it is an archive or a packed document",
        })
    }
}

/// The body without its content encoding (RFC 9110 §8.4); `encoding` is the header's value.
pub(crate) fn content(body: &Bytes, encoding: &str, budget: usize) -> Result<Bytes, Opaque> {
    let mut layers: Vec<String> = encoding
        .split(',')
        .map(|name| name.trim().to_ascii_lowercase())
        .filter(|name| !name.is_empty() && name != "identity")
        .collect();
    if layers.len() > LAYERS_MAX {
        return Err(Opaque::Encoding);
    }
    let mut plain = body.clone();
    // The last encoding named was applied last.
    while let Some(layer) = layers.pop() {
        if plain.is_empty() {
            break;
        }
        plain = match layer.as_str() {
            "gzip" | "x-gzip" => bounded(MultiGzDecoder::new(plain.as_ref()), budget)?,
            "deflate" => inflate(&plain, budget)?,
            _ => return Err(Opaque::Encoding),
        };
    }
    Ok(plain)
}

/// `deflate` means zlib (RFC 1950); some servers send the bare stream (RFC 1951).
fn inflate(body: &[u8], budget: usize) -> Result<Bytes, Opaque> {
    match bounded(ZlibDecoder::new(body), budget) {
        Err(Opaque::Damaged) => bounded(DeflateDecoder::new(body), budget),
        other => other,
    }
}

fn bounded(reader: impl std::io::Read, budget: usize) -> Result<Bytes, Opaque> {
    let limit = u64::try_from(budget).unwrap_or(u64::MAX).saturating_add(1);
    let mut out = Vec::new();
    reader
        .take(limit)
        .read_to_end(&mut out)
        .map_err(|_| Opaque::Damaged)?;
    if out.len() > budget {
        Err(Opaque::TooLarge)
    } else {
        Ok(out.into())
    }
}

/// Other readings of a body, to be inspected beside it. They show that something is there; they
/// cannot be redacted.
pub(crate) fn readings(body: &[u8], budget: usize) -> Result<Vec<Vec<u8>>, Opaque> {
    let mut out = Vec::new();
    let mut current = body.to_vec();
    for _ in 0..LAYERS_MAX {
        if !current.starts_with(&[0x1F, 0x8B]) {
            break;
        }
        current = bounded(MultiGzDecoder::new(current.as_slice()), budget)?.to_vec();
        out.push(current.clone());
    }
    if is_packed(&current) {
        return Err(Opaque::Archive);
    }
    if let Some(text) = utf16(&current) {
        out.push(text.into_bytes());
    }
    let inner = base64_texts(&current, budget)?;
    if !inner.is_empty() {
        out.push(inner);
    }
    Ok(out)
}

/// Containers by their first bytes: zip (and office documents), 7z, rar, xz, bzip2, zstd, OLE, PDF.
fn is_packed(body: &[u8]) -> bool {
    const MAGIC: [&[u8]; 9] = [
        b"PK\x03\x04",
        b"PK\x05\x06",
        b"7z\xBC\xAF\x27\x1C",
        b"Rar!\x1A\x07",
        b"\xFD7zXZ\x00",
        b"BZh",
        b"\x28\xB5\x2F\xFD",
        b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1",
        b"%PDF-",
    ];
    MAGIC.iter().any(|magic| body.starts_with(magic))
}

/// The text of a body in UTF-16, by its byte order mark or by its many zero bytes.
fn utf16(body: &[u8]) -> Option<String> {
    let zeros = |from: usize| {
        body.iter()
            .skip(from)
            .step_by(2)
            .filter(|byte| **byte == 0)
            .count()
    };
    let half = body.len() / 2;
    let little = match body.get(..2)? {
        [0xFF, 0xFE] => true,
        [0xFE, 0xFF] => false,
        _ if half >= 4 && zeros(1) > half * 4 / 10 => true,
        _ if half >= 4 && zeros(0) > half * 4 / 10 => false,
        _ => return None,
    };
    let units = body
        .chunks_exact(2)
        .filter_map(|pair| <[u8; 2]>::try_from(pair).ok());
    let units = units.map(|pair| {
        if little {
            u16::from_le_bytes(pair)
        } else {
            u16::from_be_bytes(pair)
        }
    });
    Some(
        char::decode_utf16(units)
            .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect(),
    )
}

/// The texts behind runs of base64 in a body, one per line.
fn base64_texts(body: &[u8], budget: usize) -> Result<Vec<u8>, Opaque> {
    const ANY: GeneralPurposeConfig = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    const STANDARD: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::STANDARD, ANY);
    let mut out = Vec::new();
    for run in body
        .split(|byte| !is_base64(*byte))
        .filter(|run| run.len() >= BASE64_RUN_MIN)
    {
        let run: Vec<u8> = run
            .iter()
            .map(|byte| match byte {
                b'-' => b'+',
                b'_' => b'/',
                other => *other,
            })
            .collect();
        // One character over is no byte: leave it.
        let whole = if run.len() % 4 == 1 {
            run.len() - 1
        } else {
            run.len()
        };
        let Ok(text) = STANDARD.decode(run.get(..whole).unwrap_or_default()) else {
            continue;
        };
        let text = if text.starts_with(&[0x1F, 0x8B]) {
            match bounded(MultiGzDecoder::new(text.as_slice()), budget) {
                Ok(text) => text.to_vec(),
                Err(Opaque::TooLarge) => return Err(Opaque::TooLarge),
                Err(_) => continue,
            }
        } else {
            text
        };
        if is_text(&text) {
            out.extend_from_slice(&text);
            out.push(b'\n');
        }
        if out.len() > budget {
            return Err(Opaque::TooLarge);
        }
    }
    Ok(out)
}

const fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_')
}

/// Nine of ten bytes are printable or white space.
fn is_text(bytes: &[u8]) -> bool {
    let printable =
        |byte: &&u8| byte.is_ascii_graphic() || byte.is_ascii_whitespace() || **byte >= 0x80;
    let ascii = bytes.iter().filter(|byte| byte.is_ascii()).count();
    bytes.iter().filter(printable).count() * 10 >= bytes.len() * 9 && ascii * 10 >= bytes.len() * 7
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::read::{DeflateEncoder, GzEncoder, ZlibEncoder};

    fn read(mut reader: impl std::io::Read) -> Bytes {
        let mut out = Vec::new();
        reader.read_to_end(&mut out).unwrap();
        out.into()
    }

    fn gzip(text: &[u8]) -> Bytes {
        read(GzEncoder::new(text, Compression::best()))
    }

    #[test]
    fn content_encodings_are_undone_within_the_budget() {
        let text = b"hello hello hello".as_slice();
        let zlib = read(ZlibEncoder::new(text, Compression::fast()));
        let bare = read(DeflateEncoder::new(text, Compression::fast()));
        for (body, encoding) in [
            (gzip(text), "gzip"),
            (gzip(text), "X-GZIP, identity"),
            (zlib, "deflate"),
            (bare, "deflate"),
            (gzip(&gzip(text)), "gzip, gzip"),
            (Bytes::from_static(text), ""),
        ] {
            assert_eq!(
                content(&body, encoding, 100).as_deref(),
                Ok(text),
                "{encoding}"
            );
        }
        assert_eq!(
            content(&gzip(&[0; 10_000]), "gzip", 9_999),
            Err(Opaque::TooLarge)
        );
        assert_eq!(content(&gzip(text), "br", 100), Err(Opaque::Encoding));
        assert_eq!(
            content(&Bytes::from_static(b"no"), "gzip", 100),
            Err(Opaque::Damaged)
        );
    }

    #[test]
    fn hidden_texts_are_found_and_archives_are_opaque() {
        let card = b"card 4111111111111111";
        let holds = |body: &[u8]| {
            let all = readings(body, 1_000).unwrap().concat();
            all.windows(card.len()).any(|window| window == card)
        };
        assert!(holds(&gzip(card)) && holds(&gzip(&gzip(card))));
        let wide: Vec<u8> = "card 4111111111111111"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        assert!(holds(&wide));
        let text = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(card);
        assert!(holds(format!("{{\"note\":\"{text}\"}}").as_bytes()));
        let packed = base64::engine::general_purpose::STANDARD.encode(gzip(card));
        assert!(holds(packed.as_bytes()));
        assert!(!holds(
            b"an ordinary sentence with 0123456789012345678901234567890123456789"
        ));
        assert_eq!(readings(b"PK\x03\x04rest", 100), Err(Opaque::Archive));
        assert_eq!(readings(&gzip(&[b'a'; 200]), 100), Err(Opaque::TooLarge));
    }
}
