#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| burgess_ledger::fuzzing::segment(bytes));
