//! Encoded requests over a real socket, to a server on a log in a temporary folder.

mod harness;

mod administering;
mod connecting;
mod groups;
