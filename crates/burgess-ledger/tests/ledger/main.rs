//! The ledger from outside: through its public interface, its folder, and the disk under it.

mod appending;
mod auditing;
mod cosigning;
mod differential;
mod faults;
mod hostile;
mod killing;
mod notes;
mod outside_verifier;
mod packs;
mod policies;
mod power_cuts;
mod proofs;
mod simulator;
mod support;
mod tampering;
mod witnessed;
mod witnessing;
