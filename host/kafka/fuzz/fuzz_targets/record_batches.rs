//! Record batches that passed the checks on their way in, read as a pipeline would.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| tidemill_kafka::fuzzing::record_batch(bytes));
