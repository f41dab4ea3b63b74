//! The macros of `tidemill-sdk`; their documentation is there.
#![allow(missing_docs)]

mod accumulator;
mod attributes;
mod choice;
mod export;
mod parameters;
mod world;

use proc_macro::TokenStream;
use syn::{DeriveInput, ItemFn, ItemImpl, parse_macro_input};

/// Makes a plugin of the world `transform` from a function
/// `fn(settings: &Settings, record: Record, out: &mut Emitter)`, which may return a result with
/// `Reject`, `Failure` or `Refusal`.
///
/// `#[transform(name = "split-words", reads(values))]`; the name is that of the package by default.
/// `reads(…)` takes any of `keys`, `values`, `headers`, `timestamps`; `ports("first", "second")`
/// names the outputs. The version is that of the package, the summary the function's doc comment.
/// Defines the type `Plugin`, by which tests name it.
#[proc_macro_attribute]
pub fn transform(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let function = parse_macro_input!(item as ItemFn);
    finish(export::transform(arguments.into(), &function))
}

/// Makes a plugin of the world `filter` from a function `fn(settings: &Settings, record: Record) -> bool`;
/// it may return `Result<bool, Failure>`. Arguments as for `transform`.
#[proc_macro_attribute]
pub fn filter(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let function = parse_macro_input!(item as ItemFn);
    finish(export::filter(arguments.into(), &function))
}

/// Makes a plugin of the world `reducer` from an `impl Reducer for …`; the type is that of the settings.
/// Arguments as for `transform`, with `state_version = 1` to be raised whenever the accumulator's
/// encoding changes.
///
/// `migrate = from_older`, a function `fn(from_version: u32, state: &[u8]) -> Result<Accumulator, Failure>`, reads
/// accumulators that were written under an older state version: then running pipelines can be upgraded.
#[proc_macro_attribute]
pub fn reducer(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let implementation = parse_macro_input!(item as ItemImpl);
    finish(export::reducer(arguments.into(), &implementation))
}

/// Reads a struct from what a pipeline sets: each field is a parameter, its doc comment what people read.
/// `#[parameter(default = 5)]` gives a default; without one the pipeline must set it.
#[proc_macro_derive(Parameters, attributes(parameter))]
pub fn parameters(item: TokenStream) -> TokenStream {
    finish(parameters::derive(&parse_macro_input!(item as DeriveInput)))
}

/// A parameter that is one of some words: the variants of the enum in lower case, words joined by `-`.
#[proc_macro_derive(Choice)]
pub fn choice(item: TokenStream) -> TokenStream {
    finish(choice::derive(&parse_macro_input!(item as DeriveInput)))
}

/// An accumulator made of the struct's fields, one after the other.
#[proc_macro_derive(Accumulator)]
pub fn accumulator(item: TokenStream) -> TokenStream {
    finish(accumulator::derive(&parse_macro_input!(item as DeriveInput)))
}

fn finish(result: syn::Result<proc_macro2::TokenStream>) -> TokenStream {
    result.unwrap_or_else(|error| error.to_compile_error()).into()
}
