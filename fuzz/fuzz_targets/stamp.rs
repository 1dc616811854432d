#![no_main]
// What an authority outside answers; the file alone, since the binary would bring all of the server
// along.
#[path = "../../crates/burgess/src/timestamp.rs"]
#[expect(dead_code, reason = "only what reads is fuzzed")]
mod timestamp;
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| timestamp::check(bytes));
