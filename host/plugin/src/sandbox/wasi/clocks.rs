//! `wasi:clocks`: the batch's time, and a monotonic clock that only the guest moves.

use wasmtime::Result;
use wasmtime::component::{ComponentType, Lower};

use super::io::pollable_at;
use super::{Context, Instance};

#[derive(ComponentType, Lower)]
#[component(record)]
struct Datetime {
    seconds: u64,
    nanoseconds: u32,
}

pub(super) fn define_wall(instance: &mut Instance<'_>) -> Result<()> {
    instance.func_wrap("now", |cx: Context<'_>, (): ()| {
        let (seconds, nanoseconds) = cx.data().time.wall();
        Ok((Datetime { seconds, nanoseconds },))
    })?;
    instance.func_wrap("resolution", |_: Context<'_>, (): ()| {
        Ok((Datetime { seconds: 0, nanoseconds: 1_000_000 },))
    })
}

pub(super) fn define_monotonic(instance: &mut Instance<'_>) -> Result<()> {
    instance
        .func_wrap("now", |mut cx: Context<'_>, (): ()| Ok((cx.data_mut().time.monotonic(),)))?;
    instance.func_wrap("resolution", |_: Context<'_>, (): ()| Ok((1_u64,)))?;
    instance.func_wrap("subscribe-instant", |mut cx: Context<'_>, (instant,): (u64,)| {
        Ok((pollable_at(&mut cx, instant)?,))
    })?;
    instance.func_wrap("subscribe-duration", |mut cx: Context<'_>, (duration,): (u64,)| {
        let instant = cx.data().time.in_future(duration);
        Ok((pollable_at(&mut cx, instant)?,))
    })
}
