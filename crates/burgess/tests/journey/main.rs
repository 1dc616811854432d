//! The journey through the real binary: from an export to a retired app, with a real customer
//! system behind the gateway, and the bad days on the way.
//!
//! Real exports lie beside the project, not in it; without them the tests that need them say so.

mod archiving;
mod bad_days;
mod client;
mod controls;
mod crm;
mod house;
mod office;
mod sample;
mod stamps;
mod walk;
mod watcher;
mod whole;
mod witnesses;
