//! What runs by itself: the outbox drainer, the projection, the gateway's snapshot, the clockwork,
//! the witnesses.

pub mod archive;
pub mod drain;
pub mod interrupted;
pub mod project;
pub mod replay;
pub mod snapshot;
pub mod syslog;
pub mod ticker;
pub mod timestamp;
pub mod witness;
