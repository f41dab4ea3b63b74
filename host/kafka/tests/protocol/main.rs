//! Encoded requests over a real socket, to a server on a log in a temporary folder.

mod harness;
mod records;

mod administering;
mod connecting;
mod limits;
mod groups;
mod fetching;
mod positions;
mod producing;
