//! The ledger from outside: through its public interface, its folder, and the disk under it.

mod appending;
mod auditing;
mod cosigning;
mod differential;
mod faults;
mod hostile;
mod images;
mod killing;
mod lives;
mod locking;
mod notes;
mod outside_verifier;
mod outside_writes;
mod policies;
mod power_cuts;
mod proofs;
mod reserve;
mod simulator;
mod support;
mod tampering;
mod witnessing;
