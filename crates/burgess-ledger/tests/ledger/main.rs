//! The ledger from outside: through its public interface, its folder, and the disk under it.

mod appending;
mod auditing;
mod batching;
mod faults;
mod hostile;
mod killing;
mod locking;
mod notes;
mod outside_verifier;
mod power_cuts;
mod proofs;
mod reserve;
mod simulator;
mod support;
mod tampering;
