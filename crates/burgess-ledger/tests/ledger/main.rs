//! The ledger from outside: through its public interface, its folder, and the disk under it.

mod appending;
mod auditing;
mod cosigning;
mod differential;
mod erasing;
mod faults;
mod hostile;
mod images;
mod killing;
mod lives;
mod locking;
mod notes;
mod outside_verifier;
mod outside_writes;
mod packs;
mod policies;
mod power_cuts;
mod proofs;
mod pruning;
mod reserve;
mod shards;
mod simulator;
mod support;
mod tampering;
mod witnessed;
mod witnessing;
