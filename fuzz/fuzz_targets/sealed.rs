#![no_main]
// The one reader of hostile bytes behind the gateway's wall; the file alone, since the gateway would
// bring its web client along.
#[path = "../../crates/burgess-gateway/src/sealing.rs"]
#[expect(dead_code, reason = "only what reads is fuzzed")]
mod sealing;
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sealing::check(bytes));
