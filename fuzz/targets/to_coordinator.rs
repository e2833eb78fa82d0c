#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| runnel_fuzz::doors::to_coordinator(bytes));
