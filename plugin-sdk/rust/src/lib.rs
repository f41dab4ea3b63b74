//! Write Tidemill plugins in Rust: a plain function over records, typed parameters, one macro.
//!
//! ```
//! use tidemill_sdk::prelude::*;
//!
//! #[derive(Parameters)]
//! struct Split {
//!     /// Leave out shorter words.
//!     #[parameter(default = 1)]
//!     length_min: u32,
//! }
//!
//! /// Emits each word of a line as a record of its own.
//! #[transform(name = "split", reads(values))]
//! fn split(settings: &Split, record: Record, out: &mut Emitter) -> Result<(), Reject> {
//!     for word in record.value_text()?.split_whitespace() {
//!         if word.len() >= settings.length_min as usize {
//!             out.key(word).value("").emit();
//!         }
//!     }
//!     Ok(())
//! }
//! # fn main() {
//! let words = testing::run::<Plugin>(&Split { length_min: 3 }, [testing::value("to be, or not")]).unwrap();
//! assert_eq!(words.len(), 2);
//! # }
//! ```
//!
//! The README beside this crate goes from an empty folder to a running pipeline.
//!
//! Built for `wasm32-wasip2` this is a component of the world `transform`; natively it is a library with
//! unit tests. The crate embeds the contract (`wit/`); a plugin's folder holds nothing but its own code.
//!
//! Records cross the boundary as columns. The SDK reads them where they lie and writes results into
//! columns: **nothing is allocated, copied or called for a record** but what the author's code does itself.
#![no_std]

extern crate alloc;
// The macros name this crate; its own tests use them too.
extern crate self as tidemill_sdk;

mod accumulator;
mod batch;
mod column;
pub mod description;
mod emit;
mod failure;
mod filter;
mod headers;
pub mod logging;
pub mod metrics;
mod parameters;
pub mod plugin;
mod reducer;
#[cfg(not(target_family = "wasm"))]
pub mod testing;
mod transform;

#[cfg(target_family = "wasm")]
mod bindings;

#[cfg(all(target_family = "wasm", feature = "bare"))]
mod bare;

pub use accumulator::Accumulator;
pub use batch::{Batch, Record};
pub use column::Column;
pub use description::{Description, Kind, Parameter, Parts, Value};
pub use emit::{
    Buffers, Bytes, Content, Draft, Emitter, Null, Pieces, Present, mapped, pieces, with,
};
pub use failure::{Failure, Refusal, Reject};
pub use filter::keep;
pub use headers::{Header, Headers, encode_headers};
pub use parameters::{ParameterType, Parameters, Prepare, Settings};
pub use reducer::{Group, Item, Reducer, Summary, Window, finish, fold, merge, migrate};
pub use tidemill_sdk_macros::{Accumulator, Choice, Parameters, filter, reducer, transform};
pub use transform::{Outcome, Rejection, transform as run_transform};

/// What nearly every plugin uses.
pub mod prelude {
    #[cfg(not(target_family = "wasm"))]
    pub use crate::testing;
    pub use crate::{
        Accumulator, Bytes, Choice, Content, Draft, Emitter, Failure, Group, Item, Null,
        Parameters, Pieces, Prepare, Record, Reducer, Refusal, Reject, Summary, filter, log,
        mapped, pieces, reducer, transform, with,
    };
}

#[doc(hidden)]
pub mod private {
    //! What the macros' output names.
    pub use crate::parameters::typed_default;
    pub use crate::{Column, Failure};
    pub use alloc::borrow::ToOwned;
    pub use alloc::format;
    pub use alloc::string::String;
    pub use alloc::vec;
    pub use alloc::vec::Vec;
    #[cfg(target_family = "wasm")]
    pub use wit_bindgen;
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
