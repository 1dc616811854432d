//! Tests of the whole server inside one process, on a throwaway folder and a clock that
//! can be moved. Nothing is replaced but the clock; the binary itself is tested elsewhere.

mod approvals;
mod archive;
mod checklist;
mod clockwork;
mod copies;
mod doctor;
mod erasing;
mod gates;
mod holding;
mod intake;
mod keeping;
mod kinds;
mod leaving;
mod packs;
mod pages;
mod published;
mod reading;
mod recovering;
mod replay;
mod retries;
mod routes;
mod secrets;
mod stream;
mod trail;
mod witnessed;
mod world;
