//! The rules of the programme: pure types and decisions.
//!
//! Not here: async, I/O, clocks, the environment, randomness. Time, ids and
//! random bytes come in as arguments, so that every rule can be tested without
//! a world and is the same in the server, the gateway and the command line.

pub mod data;
pub mod digest;
pub mod finding;
pub mod id;
pub mod roles;
pub mod time;
