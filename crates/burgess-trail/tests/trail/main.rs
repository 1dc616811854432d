//! The projection, tested against the events themselves.

mod figures;
mod fixture;
mod forget;
mod rebuild;
mod search;
mod size;
