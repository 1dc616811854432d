#![no_main]
// The one reader of hostile bytes behind the gateway's wall; the file alone, since the gateway would
// bring its web client along.
#[path = "../../crates/burgess-gateway/src/sealing.rs"]
#[allow(dead_code)]
mod sealing;
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sealing::check(bytes));
