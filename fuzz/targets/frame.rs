//! For libFuzzer: what comes through [`runnel_fuzz::doors::frame`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| runnel_fuzz::doors::frame(bytes));
