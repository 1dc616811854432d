//! The rules of the programme: pure types and decisions.
//!
//! Not here: async, I/O, clocks, the environment, randomness. Time, ids and
//! random bytes come in as arguments, so that every rule can be tested without
//! a world and is the same in the server, the gateway and the command line.

pub mod app;
pub mod approval;
pub mod audit;
pub mod capability;
pub mod charter;
pub mod connector;
pub mod credential;
pub mod data;
pub mod deploy;
pub mod digest;
pub mod evidence;
pub mod finding;
pub mod id;
pub mod intake;
pub mod json;
pub mod lifecycle;
pub mod limits;
pub mod permit;
pub mod policy;
pub mod retirement;
pub mod review;
pub mod risk;
pub mod roles;
pub mod time;
