//! A client that sends anything, over one connection.
#![no_main]

use std::cell::LazyCell;

use libfuzzer_sys::fuzz_target;
use tidemill_kafka::fuzzing::Harness;

thread_local! {
    static BROKER: LazyCell<Harness> = LazyCell::new(Harness::new);
}

fuzz_target!(|bytes: &[u8]| {
    BROKER.with(|broker| broker.talk(bytes));
});
