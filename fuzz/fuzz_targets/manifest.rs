#![no_main]
// The file alone, since the trail would bring a database and Parquet along.
#[path = "../../crates/burgess-trail/src/archive/manifest.rs"]
mod manifest;
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| manifest::check(bytes));
