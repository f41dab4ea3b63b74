//! The real binary, from outside: processes, signals, HTTP, files. Nothing of its insides is used.

mod harness;

mod help;
mod commands;
mod http;
mod groups;
mod paths;
mod bad_input;
mod lifecycle;
mod observability;
mod exactly_once;
mod demo;
mod bench;
mod s3;
