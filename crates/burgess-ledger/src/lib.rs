//! The transparency log: leaves, tiles, checkpoints, proofs, and a durable sequencer.
//!
//! An entry is durable when its append returns, and covered by a signed checkpoint a moment later.
//! The folder follows C2SP `tlog-tiles`, `tlog-checkpoint`, `signed-note` and `tlog-proof`, so that
//! anyone can check it with a tool of their own. [`verify`] and the binary `burgess-verify` do so
//! here; they share no code with the rest of the product.
//!
//! Not here: what an event means, encryption, clocks, randomness and configuration. They are the
//! caller's; keys and intervals come in as arguments.

pub mod audit;
mod batch;
mod blocking;
pub mod chain;
pub mod checkpoint;
pub mod cosignature;
pub mod disk;
mod edge;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod group;
mod install;
pub mod key;
pub mod leaf;
pub mod line;
mod locks;
mod marks;
mod names;
pub mod note;
pub mod pack;
pub mod policy;
pub mod proof;
mod pruning;
mod publisher;
mod reading;
pub mod receipt;
mod recovery;
mod reserve;
mod rewriting;
mod sealing;
mod sequencer;
mod shard;
pub mod shards;
mod side;
mod standing;
mod state;
pub mod tile;
pub mod tree;
pub mod trust;
pub mod verify;
mod waiting;
mod wal;
pub mod witness;
mod witnessed;
mod writers;

pub use batch::{Batch, Part};
pub use checkpoint::{Checkpoint, SignedCheckpoint};
pub use cosignature::Cosigner;
pub use key::{KeyKind, NoteSigner, NoteVerifier};
pub use leaf::{Draft, Piece, Receipt};
pub use locks::{LockError, LockTable};
pub use marks::Pruned;
pub use note::NoteError;
pub use policy::{Policy, Standing};
pub use pruning::{Freed, PruneError};
pub use reading::ReadError;
pub use recovery::OpenError;
pub use rewriting::SideValues;
pub use sealing::CHAIN;
pub use sequencer::AppendError;
pub use shard::{Ledger, Options};
pub use shards::{Shard, Shards};
pub use tile::TileError;
pub use tree::Hash;
pub use trust::Trust;
pub use waiting::Stats;
pub use witnessed::KeepError;
