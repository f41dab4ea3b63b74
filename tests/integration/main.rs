//! The real binary, from outside: processes, signals, HTTP, files. Nothing of its insides is used.

mod harness;
mod tools;

/// Plugins written by hand, as the tests of the sandbox have them.
#[path = "../../host/plugin/tests/guests/mod.rs"]
mod guests;

mod help;
mod commands;
mod http;
mod groups;
mod paths;
mod bad_input;
mod lifecycle;
mod poison;
mod guide_to_limits;
mod guides;
mod observability;
mod exactly_once;
mod demo;
mod bench;
mod s3;
mod migrations;
mod projects;
mod registry;
mod trials;
mod upgrades;
