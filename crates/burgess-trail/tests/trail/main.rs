//! The projection, tested against the events themselves.

mod figures;
mod fixture;
mod rebuild;
mod search;
