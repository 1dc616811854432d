#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| burgess_core::audit::fuzzing::leaf(bytes));
