//! `wasi:cli`: no environment, no arguments, no input, no terminal; output to the log.

use wasmtime::Result;
use wasmtime::component::Resource;

use super::io::{InputStream, OutputStream, STDERR, STDOUT};
use super::nowhere::{Nothing, define_nothing};
use super::{Context, Instance};
use crate::sandbox::Exited;

pub(super) fn define(instance: &mut Instance<'_>, interface: &str) -> Result<()> {
    match interface {
        "environment" => define_environment(instance),
        "exit" => define_exit(instance),
        "stdin" => instance.func_wrap("get-stdin", |_: Context<'_>, (): ()| {
            Ok((Resource::<InputStream>::new_own(0),))
        }),
        "stdout" => instance.func_wrap("get-stdout", |_: Context<'_>, (): ()| {
            Ok((Resource::<OutputStream>::new_own(STDOUT),))
        }),
        "stderr" => instance.func_wrap("get-stderr", |_: Context<'_>, (): ()| {
            Ok((Resource::<OutputStream>::new_own(STDERR),))
        }),
        "terminal-input" | "terminal-output" => define_nothing(instance, interface),
        "terminal-stdin" => define_no_terminal(instance, "get-terminal-stdin"),
        "terminal-stdout" => define_no_terminal(instance, "get-terminal-stdout"),
        "terminal-stderr" => define_no_terminal(instance, "get-terminal-stderr"),
        _ => Ok(()),
    }
}

fn define_environment(instance: &mut Instance<'_>) -> Result<()> {
    instance.func_wrap("get-environment", |_: Context<'_>, (): ()| {
        Ok((Vec::<(String, String)>::new(),))
    })?;
    instance.func_wrap("get-arguments", |_: Context<'_>, (): ()| Ok((Vec::<String>::new(),)))?;
    instance.func_wrap("initial-cwd", |_: Context<'_>, (): ()| Ok((None::<String>,)))
}

fn define_exit(instance: &mut Instance<'_>) -> Result<()> {
    instance.func_wrap("exit", |_: Context<'_>, (status,): (std::result::Result<(), ()>,)| {
        Err::<(), _>(Exited(status.is_err().into()).into())
    })?;
    instance.func_wrap("exit-with-code", |_: Context<'_>, (status,): (u8,)| {
        Err::<(), _>(Exited(status).into())
    })
}

fn define_no_terminal(instance: &mut Instance<'_>, function: &str) -> Result<()> {
    instance.func_wrap(function, |_: Context<'_>, (): ()| Ok((None::<Resource<Nothing>>,)))
}
