//! `wasi:random`: numbers that belong to the call.

use wasmtime::{Result, bail};

use super::{Context, Instance};

/// What may be asked for at once.
const RANDOM_BYTES_MAX: u64 = 1 << 20;

pub(super) fn define(instance: &mut Instance<'_>, interface: &str) -> Result<()> {
    match interface {
        "random" => define_numbers(instance, "get-random-bytes", "get-random-u64"),
        "insecure" => {
            define_numbers(instance, "get-insecure-random-bytes", "get-insecure-random-u64")
        }
        "insecure-seed" => instance.func_wrap("insecure-seed", |mut cx: Context<'_>, (): ()| {
            let entropy = &mut cx.data_mut().entropy;
            Ok(((entropy.next_u64(), entropy.next_u64()),))
        }),
        _ => Ok(()),
    }
}

fn define_numbers(instance: &mut Instance<'_>, bytes: &str, number: &str) -> Result<()> {
    instance.func_wrap(bytes, |mut cx: Context<'_>, (length,): (u64,)| {
        if length > RANDOM_BYTES_MAX {
            bail!("{length} random bytes were asked for, above the limit of {RANDOM_BYTES_MAX}");
        }
        Ok((cx.data_mut().entropy.bytes(length as usize),))
    })?;
    instance
        .func_wrap(number, |mut cx: Context<'_>, (): ()| Ok((cx.data_mut().entropy.next_u64(),)))
}
