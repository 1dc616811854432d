//! The zip format (PKWARE APPNOTE 6.3), as far as exports use it: stored and deflated
//! entries, no encryption, one disk.
//!
//! Read by hand because a library that hands out entries by name cannot show what an
//! attacker plays with: names that occur twice, entries that share bytes, local headers
//! that tell something else than the directory.

use std::io::Read as _;

use flate2::Crc;
use flate2::read::DeflateDecoder;

use super::{ENTRIES_MAX, NAME_BYTES_MAX, NAME_PARTS_MAX, RATIO_FREE_BYTES, RATIO_MAX, byte_count};
use crate::error::{InspectError, shown};

const END_SIGNATURE: [u8; 4] = *b"PK\x05\x06";
const CENTRAL_SIGNATURE: [u8; 4] = *b"PK\x01\x02";
const LOCAL_SIGNATURE: [u8; 4] = *b"PK\x03\x04";
const END_LENGTH: usize = 22;
const CENTRAL_LENGTH: usize = 46;
const LOCAL_LENGTH: usize = 30;
/// An archive's comment is at most 65,535 bytes, so its end record is within this many.
const END_SEARCH: usize = END_LENGTH + 65_535;

/// The upper half of code page 437, in which names without the UTF-8 flag are written.
const CODE_PAGE_437: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}";

/// One entry of the directory whose bytes are known to lie inside the archive.
pub(super) struct Entry {
    /// Normalised path.
    pub(super) path: String,
    folder: bool,
    deflated: bool,
    crc: u32,
    declared: u64,
    start: usize,
    end: usize,
}

impl Entry {
    pub(super) fn is_folder(&self) -> bool {
        self.folder
    }
}

/// Whether the bytes begin as a zip archive does, an empty one included.
pub(super) fn looks_like(bytes: &[u8]) -> bool {
    bytes.starts_with(&LOCAL_SIGNATURE) || bytes.starts_with(&END_SIGNATURE)
}

/// Whether `inflated` bytes out of `packed` are more than honest data gives.
pub(super) fn is_bomb(inflated: u64, packed: u64) -> bool {
    inflated > RATIO_FREE_BYTES && inflated > packed.saturating_mul(RATIO_MAX)
}

/// Reads the directory, and checks names, flags, overlaps and local headers.
pub(super) fn entries(place: &str, bytes: &[u8]) -> Result<Vec<Entry>, InspectError> {
    let broken = |why: &str| InspectError::Broken {
        place: place.to_owned(),
        why: why.to_owned(),
    };
    let end = end_record(bytes).ok_or_else(|| broken("its end record is missing"))?;
    let count = u64::from(u16_at(bytes, end + 10).ok_or_else(|| broken("its end is cut"))?);
    let on_disk = u64::from(u16_at(bytes, end + 8).unwrap_or_default());
    let offset = u32_at(bytes, end + 16).ok_or_else(|| broken("its end is cut"))?;
    if count == 0xFFFF || offset == u32::MAX {
        return Err(InspectError::Unsupported {
            place: place.to_owned(),
            what: "the zip64 format".to_owned(),
        });
    }
    if count != on_disk || u32_at(bytes, end + 4) != Some(0) {
        return Err(InspectError::Unsupported {
            place: place.to_owned(),
            what: "several disks".to_owned(),
        });
    }
    if count > ENTRIES_MAX {
        return Err(InspectError::TooManyEntries {
            place: place.to_owned(),
            entries: count,
            limit: ENTRIES_MAX,
        });
    }
    let directory = usize::try_from(offset).map_err(|_| broken("its directory lies outside"))?;
    let mut at = directory;
    let mut out = Vec::new();
    let mut spans = Vec::new();
    for _ in 0..count {
        let header = bytes
            .get(at..end)
            .filter(|rest| rest.starts_with(&CENTRAL_SIGNATURE));
        let header = header.ok_or_else(|| broken("its directory is cut"))?;
        let (entry, header_length, local) = entry(place, bytes, header, directory)?;
        spans.push((local, entry.end, entry.path.clone()));
        out.push(entry);
        at = at.saturating_add(header_length);
    }
    if at != end {
        return Err(broken("its directory has another length than it says"));
    }
    no_overlap(spans)?;
    Ok(out)
}

/// Reads one directory header and its local header; gives the entry, the directory
/// header's length and where the local header begins.
fn entry(
    place: &str,
    bytes: &[u8],
    header: &[u8],
    directory: usize,
) -> Result<(Entry, usize, usize), InspectError> {
    let broken = |why: &str| InspectError::Broken {
        place: place.to_owned(),
        why: why.to_owned(),
    };
    let cut = || broken("its directory is cut");
    let field16 = |offset| u16_at(header, offset).ok_or_else(cut);
    let field32 = |offset| u32_at(header, offset).ok_or_else(cut);
    let name_length = usize::from(field16(28)?);
    let name_bytes = header
        .get(CENTRAL_LENGTH..CENTRAL_LENGTH.saturating_add(name_length))
        .ok_or_else(cut)?;
    let flags = field16(8)?;
    let name = decode_name(name_bytes, flags & 0x0800 != 0);
    if name.len() > NAME_BYTES_MAX {
        return Err(InspectError::Path {
            place: shown(&name),
            why: "is longer than 1,024 bytes",
        });
    }
    let path = safe_path(&name)?;
    let folder = name.ends_with(['/', '\\']);
    check_kind(&path, field16(4)?, field32(38)?)?;
    if flags & 0x2041 != 0 {
        return Err(InspectError::Encrypted { place: path });
    }
    let deflated = method(&path, field16(10)?)?;
    let (packed, declared) = (field32(20)?, field32(24)?);
    if packed == u32::MAX || declared == u32::MAX {
        return Err(InspectError::Unsupported {
            place: path,
            what: "the zip64 format".to_owned(),
        });
    }
    if folder && declared != 0 {
        return Err(InspectError::Broken {
            place: path,
            why: "a folder with content".to_owned(),
        });
    }
    let outside = || InspectError::Broken {
        place: path.clone(),
        why: "its bytes lie outside the archive".to_owned(),
    };
    let local = usize::try_from(field32(42)?).map_err(|_| outside())?;
    let start = data_start(bytes, local, name_bytes).ok_or_else(|| InspectError::Broken {
        place: path.clone(),
        why: "its own header differs from the directory's".to_owned(),
    })?;
    let length = usize::try_from(packed).map_err(|_| outside())?;
    let end = start
        .checked_add(length)
        .filter(|end| *end <= directory)
        .ok_or_else(outside)?;
    if !deflated && packed != declared {
        return Err(InspectError::LyingSize {
            place: path,
            declared: u64::from(declared),
        });
    }
    let header_length = CENTRAL_LENGTH
        .saturating_add(name_length)
        .saturating_add(usize::from(field16(30)?))
        .saturating_add(usize::from(field16(32)?));
    let entry = Entry {
        path,
        folder,
        deflated,
        crc: field32(16)?,
        declared: u64::from(declared),
        start,
        end,
    };
    Ok((entry, header_length, local))
}

/// Inflates an entry, at most `budget` bytes of it. Counts what really comes out; what
/// the archive says about lengths is only compared afterwards.
pub(super) fn inflate(
    place: &str,
    entry: &Entry,
    bytes: &[u8],
    budget: u64,
) -> Result<Vec<u8>, InspectError> {
    let broken = |why: &str| InspectError::Broken {
        place: place.to_owned(),
        why: why.to_owned(),
    };
    let packed = bytes
        .get(entry.start..entry.end)
        .ok_or_else(|| broken("it is cut"))?;
    let content = if entry.deflated {
        inflate_stream(place, packed, entry.declared, budget)?
    } else if byte_count(packed) > budget {
        return Err(InspectError::UnpacksTooLarge {
            place: place.to_owned(),
            limit: super::UNPACKED_BYTES_MAX,
        });
    } else {
        packed.to_vec()
    };
    if byte_count(&content) != entry.declared {
        return Err(InspectError::LyingSize {
            place: place.to_owned(),
            declared: entry.declared,
        });
    }
    let mut crc = Crc::new();
    crc.update(&content);
    if crc.sum() != entry.crc {
        return Err(broken("its checksum does not match"));
    }
    Ok(content)
}

fn inflate_stream(
    place: &str,
    packed: &[u8],
    declared: u64,
    budget: u64,
) -> Result<Vec<u8>, InspectError> {
    let mut decoder = DeflateDecoder::new(packed);
    let mut content = Vec::new();
    let mut block = vec![0u8; 65_536];
    loop {
        let read = decoder.read(&mut block).map_err(|_| InspectError::Broken {
            place: place.to_owned(),
            why: "its deflated data is damaged".to_owned(),
        })?;
        let Some(part) = block.get(..read).filter(|part| !part.is_empty()) else {
            return Ok(content);
        };
        content.extend_from_slice(part);
        let so_far = byte_count(&content);
        if is_bomb(so_far, byte_count(packed)) {
            return Err(InspectError::Bomb {
                place: place.to_owned(),
                ratio: RATIO_MAX,
            });
        }
        if so_far > budget {
            return Err(InspectError::UnpacksTooLarge {
                place: place.to_owned(),
                limit: super::UNPACKED_BYTES_MAX,
            });
        }
        if so_far > declared {
            return Err(InspectError::LyingSize {
                place: place.to_owned(),
                declared,
            });
        }
    }
}

/// A relative path with `/` between its parts.
///
/// # Errors
/// [`InspectError::Path`] for a name that leaves its folder or cannot be a file's name.
pub(super) fn safe_path(name: &str) -> Result<String, InspectError> {
    let refuse = |why| {
        Err(InspectError::Path {
            place: shown(name),
            why,
        })
    };
    if name.chars().any(char::is_control) {
        return refuse("holds a control character");
    }
    if name.starts_with(['/', '\\']) {
        return refuse("is absolute");
    }
    let mut first_two = name.chars();
    if first_two.next().is_some_and(|c| c.is_ascii_alphabetic()) && first_two.next() == Some(':') {
        return refuse("begins with a drive letter");
    }
    let parts: Vec<&str> = name
        .split(['/', '\\'])
        .filter(|part| !part.is_empty() && *part != ".")
        .collect();
    // Windows drops trailing dots and blanks, which would turn `.. ` into `..` and `a.` into `a`.
    if parts
        .iter()
        .any(|part| part.trim_end_matches([' ', '.']).is_empty())
    {
        return refuse("climbs out of its folder");
    }
    if parts.is_empty() {
        return refuse("is empty");
    }
    if parts.len() > NAME_PARTS_MAX {
        return refuse("has more than 32 parts");
    }
    Ok(parts.join("/"))
}

/// Symbolic links and devices are told by the upper half of the external attributes when
/// a Unix wrote the archive (APPNOTE 4.4.2, 4.4.15).
fn check_kind(path: &str, made_by: u16, attributes: u32) -> Result<(), InspectError> {
    let unix = made_by >> 8 == 3;
    let kind = (attributes >> 16) & 0o170_000;
    if unix && !matches!(kind, 0 | 0o040_000 | 0o100_000) {
        return Err(InspectError::Special {
            place: path.to_owned(),
        });
    }
    Ok(())
}

fn method(path: &str, method: u16) -> Result<bool, InspectError> {
    match method {
        0 => Ok(false),
        8 => Ok(true),
        99 => Err(InspectError::Encrypted {
            place: path.to_owned(),
        }),
        other => Err(InspectError::Unsupported {
            place: path.to_owned(),
            what: format!("method {other}"),
        }),
    }
}

fn no_overlap(mut spans: Vec<(usize, usize, String)>) -> Result<(), InspectError> {
    spans.sort();
    let mut reached = 0;
    for (start, end, path) in spans {
        if start < reached {
            return Err(InspectError::Overlap { place: path });
        }
        reached = end;
    }
    Ok(())
}

/// The last end record whose comment reaches exactly to the end of the bytes.
fn end_record(bytes: &[u8]) -> Option<usize> {
    let last = bytes.len().checked_sub(END_LENGTH)?;
    let first = bytes.len().saturating_sub(END_SEARCH);
    (first..=last).rev().find(|at| {
        let comment = u16_at(bytes, at.saturating_add(20)).map(usize::from);
        bytes
            .get(*at..)
            .is_some_and(|rest| rest.starts_with(&END_SIGNATURE))
            && comment.is_some_and(|comment| {
                at.saturating_add(END_LENGTH).saturating_add(comment) == bytes.len()
            })
    })
}

/// Where an entry's bytes begin, when its local header has the directory's name.
fn data_start(bytes: &[u8], local: usize, name: &[u8]) -> Option<usize> {
    let header = bytes
        .get(local..)
        .filter(|rest| rest.starts_with(&LOCAL_SIGNATURE))?;
    let name_length = usize::from(u16_at(header, 26)?);
    let extra_length = usize::from(u16_at(header, 28)?);
    let name_end = LOCAL_LENGTH.checked_add(name_length)?;
    (header.get(LOCAL_LENGTH..name_end)? == name).then_some(())?;
    local.checked_add(name_end)?.checked_add(extra_length)
}

fn decode_name(bytes: &[u8], utf8: bool) -> String {
    if let Ok(text) = std::str::from_utf8(bytes)
        && (utf8 || text.is_ascii())
    {
        return text.to_owned();
    }
    bytes
        .iter()
        .map(|byte| match byte.checked_sub(128) {
            None => char::from(*byte),
            Some(upper) => CODE_PAGE_437.chars().nth(usize::from(upper)).unwrap_or('?'),
        })
        .collect()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let pair = bytes.get(at..at.checked_add(2)?)?;
    pair.try_into().ok().map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at.checked_add(4)?)?;
    four.try_into().ok().map(u32::from_le_bytes)
}
