//! The data path for apps: credential, decision, inspection, relay, event.
//!
//! A call of an app is let through here or stopped here, and nowhere else. The crate works from a
//! [`snapshot::Snapshot`], the ledger and a few narrow [`ports`]; it reaches no database.
//! [`journal`] turns events into ledger entries, for calls and for the binary's outbox alike.
//!
//! Not here: where the snapshot comes from, SQL, pages, clocks and randomness (see
//! [`ports::Ambient`]). The egress proxy is not built yet: `CONNECT` and absolute-form requests
//! are refused.

pub mod admit;
mod anonymous;
mod call;
mod carry;
pub mod ciphers;
pub mod credential;
mod decode;
mod ending;
pub mod flow;
mod gateway;
mod headers;
mod inject;
mod inspection;
pub mod journal;
pub mod limits;
pub mod ports;
mod refusal;
mod relay;
pub mod route;
pub mod sealing;
mod sentence;
pub mod snapshot;
mod spool;
mod upstream;

pub use gateway::{Gateway, Parts};
pub use refusal::{Refusal, Unmet};
pub use relay::serve;
