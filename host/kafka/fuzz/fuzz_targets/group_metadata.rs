//! What is kept of groups, and what their members say.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| tidemill_kafka::fuzzing::group_metadata(bytes));
