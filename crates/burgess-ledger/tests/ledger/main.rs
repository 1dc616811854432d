//! The ledger from outside: through its public interface and through its folder.

mod outside_verifier;
mod support;
