//! The promises of the engine that the simulator can break, one by one, to see that the tests
//! notice: every place where the engine syncs something, and the order of publication.

/// A sync that the engine asks for, by what it is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Sync {
    /// A group of entries in a write-ahead segment: what an acknowledgement stands on.
    Group,
    /// The newest group that an opening read, before the row in the lock table moves over it.
    GroupAgain,
    /// The zeros of a segment that was just made. For speed alone: the sync of the first group in
    /// it covers them.
    ZeroFill,
    /// The name of a segment that was just made.
    NewSegment,
    /// The name of a segment that is used again.
    RenamedSegment,
    /// The folder of the segments.
    WalFolder,
    /// A file before it takes the place of another, synced alone.
    Staged,
    /// A file under its own name, before anything needs it, synced alone.
    Placed,
    /// Many files at once.
    Bulk,
    /// Names of hash tiles and bundles.
    TileNames,
    /// Names of side files.
    SideNames,
    /// A folder in its parent.
    FolderName,
    /// The name of a new state.
    State,
    /// The name of a new checkpoint.
    Checkpoint,
}

/// A promise that the simulator breaks.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Broken {
    /// The sync is left out: it answers that it worked and does nothing.
    Skipped(Sync),
    /// State and checkpoint are published before the tiles under them are durable.
    TilesLate,
    /// The checkpoint is published before the state.
    StateLate,
    /// The checkpoint is published before the lock table's row is durable.
    LockLate,
}

/// Every promise that something depends on.
pub const ALL: [Broken; 16] = [
    Broken::Skipped(Sync::Group),
    Broken::Skipped(Sync::GroupAgain),
    Broken::Skipped(Sync::NewSegment),
    Broken::Skipped(Sync::RenamedSegment),
    Broken::Skipped(Sync::WalFolder),
    Broken::Skipped(Sync::Staged),
    Broken::Skipped(Sync::Placed),
    Broken::Skipped(Sync::Bulk),
    Broken::Skipped(Sync::TileNames),
    Broken::Skipped(Sync::SideNames),
    Broken::Skipped(Sync::FolderName),
    Broken::Skipped(Sync::State),
    Broken::Skipped(Sync::Checkpoint),
    Broken::TilesLate,
    Broken::StateLate,
    Broken::LockLate,
];
