//! Unmodified Kafka clients and Kafka's own tools against the real binary.
//!
//! The programs of the clients are small, and are written with each client's own idioms; what they are told
//! and what they print is in the README beside this file. The tests here start a host, run the programs, and look
//! at what comes out from outside, often with another client than the one that put it in.
//!
//! `install.sh` installs the clients. **A client that is not installed is skipped loudly, never silently.**
//! `TIDEMILL_CLIENTS_SERVER=127.0.0.1:9092` runs the same scenarios against another server, such as
//! a real Kafka, which shows that the scenarios ask for what Kafka does.
//! `TIDEMILL_CLIENTS=franz-go,kcat` runs only some of the clients.

#[path = "../integration/harness.rs"]
#[expect(dead_code, reason = "the harness is shared, and not all of it is needed here")]
mod harness;

mod install;
mod client;
mod server;
mod peer;
mod produced;

mod records;
mod offsets;
mod groups;
mod proxy;
mod retries;
mod kcat;
mod console_tools;
mod differential;
mod crash;
mod scale;
