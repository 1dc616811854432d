//! What runs by itself: the outbox drainer, the projection, the gateway's snapshot, the clockwork,
//! the witnesses.

pub mod drain;
pub mod interrupted;
pub mod project;
pub mod snapshot;
pub mod ticker;
pub mod witness;
