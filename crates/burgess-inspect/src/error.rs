//! What can be wrong with bytes that somebody hands in, with a stable code for each.
//!
//! Not here: findings about an export that can be read (see [`burgess_core::finding`]).

/// Why bytes were refused. `place` is the file, with `/` between its parts and the
/// archives it lies in; the display text says what was expected and what to do next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InspectError {
    /// Nothing was given.
    #[error("`{place}` holds no file: give the export as the platform wrote it")]
    Empty { place: String },
    /// More bytes than an upload may have.
    #[error(
        "`{place}` has {bytes} bytes, {limit} are the most: export the app without its data and media"
    )]
    TooLarge {
        place: String,
        bytes: u64,
        limit: u64,
    },
    /// More files than one export may have.
    #[error("`{place}` has {entries} entries, {limit} are the most: export one app at a time")]
    TooManyEntries {
        place: String,
        entries: u64,
        limit: u64,
    },
    /// Unpacks to more bytes than allowed, in all.
    #[error(
        "`{place}` unpacks to more than {limit} bytes: export the app without its data and media"
    )]
    UnpacksTooLarge { place: String, limit: u64 },
    /// Expands like a decompression bomb.
    #[error(
        "`{place}` expands more than {ratio} times, as a decompression bomb does: export it again from the platform"
    )]
    Bomb { place: String, ratio: u64 },
    /// An archive in an archive in an archive.
    #[error("`{place}` is an archive inside {depth} others: take it out and hand it in by itself")]
    NestedTooDeep { place: String, depth: u32 },
    /// A name that would leave the folder it is unpacked into, or cannot be a file name.
    #[error(
        "the file name `{place}` {why}: export it again from the platform, which writes plain relative names"
    )]
    Path { place: String, why: &'static str },
    /// Two entries that a file system would take for one.
    #[error("`{place}` is there twice, or differs from another name in capitals only: remove one")]
    Duplicate { place: String },
    /// A symbolic link or a device.
    #[error("`{place}` is a link or a special file: replace it by the file itself")]
    Special { place: String },
    /// An encrypted entry.
    #[error(
        "`{place}` is encrypted: hand it in without a password, what cannot be read cannot be approved"
    )]
    Encrypted { place: String },
    /// A way of packing that no export format uses.
    #[error("`{place}` is packed with {what}: pack it again as a plain zip, stored or deflated")]
    Unsupported { place: String, what: String },
    /// Two entries share bytes.
    #[error(
        "`{place}` shares its bytes with another entry, as a decompression bomb does: export it again from the platform"
    )]
    Overlap { place: String },
    /// An entry is longer or shorter than the archive says.
    #[error(
        "`{place}` unpacks to another length than the archive says ({declared} bytes): export it again from the platform"
    )]
    LyingSize { place: String, declared: u64 },
    /// Not a whole archive.
    #[error("`{place}` is not a whole zip archive ({why}): download or export it again")]
    Broken { place: String, why: String },
    /// Named like an archive, but not one.
    #[error(
        "`{place}` is named like a zip archive but is none: hand in the file as the platform wrote it"
    )]
    NotZip { place: String },
    /// Not JSON. Line and column count from 1.
    #[error(
        "`{place}` is not JSON at line {line}, column {column} ({why}): export it again, or mend it there"
    )]
    Json {
        place: String,
        line: usize,
        column: usize,
        why: String,
    },
    /// Not XML. Line and column count from 1.
    #[error(
        "`{place}` is not XML at line {line}, column {column} ({why}): export it again, or mend it there"
    )]
    Xml {
        place: String,
        line: usize,
        column: usize,
        why: String,
    },
    /// A part that every export of this platform has is missing or has another shape.
    #[error("`{place}` lacks {expected}: export the app again from the platform")]
    Incomplete {
        place: String,
        expected: &'static str,
    },
}

impl InspectError {
    /// The stable code, as it stands in problem details and in the trail.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Empty { .. } => "ARCHIVE_EMPTY",
            Self::TooLarge { .. } => "ARCHIVE_TOO_LARGE",
            Self::TooManyEntries { .. } => "ARCHIVE_TOO_MANY_ENTRIES",
            Self::UnpacksTooLarge { .. } => "ARCHIVE_UNPACKS_TOO_LARGE",
            Self::Bomb { .. } => "ARCHIVE_BOMB",
            Self::NestedTooDeep { .. } => "ARCHIVE_NESTED_TOO_DEEP",
            Self::Path { .. } => "ARCHIVE_PATH",
            Self::Duplicate { .. } => "ARCHIVE_DUPLICATE_NAME",
            Self::Special { .. } => "ARCHIVE_SPECIAL_FILE",
            Self::Encrypted { .. } => "ARCHIVE_ENCRYPTED",
            Self::Unsupported { .. } => "ARCHIVE_UNSUPPORTED",
            Self::Overlap { .. } => "ARCHIVE_OVERLAP",
            Self::LyingSize { .. } => "ARCHIVE_LYING_SIZE",
            Self::Broken { .. } => "ARCHIVE_BROKEN",
            Self::NotZip { .. } => "ARCHIVE_NOT_ZIP",
            Self::Json { .. } => "EXPORT_JSON",
            Self::Xml { .. } => "EXPORT_XML",
            Self::Incomplete { .. } => "EXPORT_INCOMPLETE",
        }
    }

    /// The file that is wrong.
    pub fn place(&self) -> &str {
        match self {
            Self::Empty { place }
            | Self::TooLarge { place, .. }
            | Self::TooManyEntries { place, .. }
            | Self::UnpacksTooLarge { place, .. }
            | Self::Bomb { place, .. }
            | Self::NestedTooDeep { place, .. }
            | Self::Path { place, .. }
            | Self::Duplicate { place }
            | Self::Special { place }
            | Self::Encrypted { place }
            | Self::Unsupported { place, .. }
            | Self::Overlap { place }
            | Self::LyingSize { place, .. }
            | Self::Broken { place, .. }
            | Self::NotZip { place }
            | Self::Json { place, .. }
            | Self::Xml { place, .. }
            | Self::Incomplete { place, .. } => place,
        }
    }

    /// What to do next: the part of the text after its last colon.
    pub fn remedy(&self) -> String {
        let text = self.to_string();
        text.rsplit_once(": ")
            .map_or_else(|| text.clone(), |(_, remedy)| remedy.to_owned())
    }
}

/// At most 200 characters of hostile text, control characters made visible.
pub(crate) fn shown(text: &str) -> String {
    text.chars()
        .take(200)
        .flat_map(|c| {
            let visible: Vec<char> = if c.is_control() {
                c.escape_default().collect()
            } else {
                vec![c]
            };
            visible
        })
        .collect()
}
