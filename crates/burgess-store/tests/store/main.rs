//! The store, tested through its own doors alone.

mod conformance;
mod crash;
mod fixture;
mod keeping;
mod locks;
mod replay;
mod secrets;
mod walls;
