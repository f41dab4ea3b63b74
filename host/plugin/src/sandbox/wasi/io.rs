//! `wasi:io`: streams that lead to the log, and waiting that is over at once.

use wasmtime::Result;
use wasmtime::component::{ComponentType, Lift, Lower, Resource, ResourceType};

use super::{Context, Instance};

/// What may be written at once; WASI asks for at least 4096 in blocking writes.
const WRITE_BYTES_MAX: u64 = 4096;

/// `error`: no stream here ever fails with one.
pub(super) struct NoError;

/// `input-stream`: always at its end.
pub(super) struct InputStream;

/// `output-stream`: its representation says which.
pub(super) struct OutputStream;

pub(super) const STDOUT: u32 = 1;
pub(super) const STDERR: u32 = 2;

/// `pollable`: ready once this instant of the guest's monotonic clock is reached.
pub(super) struct Pollable(pub(super) u64);

#[derive(ComponentType, Lift, Lower)]
#[component(variant)]
enum StreamError {
    #[component(name = "last-operation-failed")]
    LastOperationFailed(Resource<NoError>),
    #[component(name = "closed")]
    Closed,
}

pub(super) fn define_error(instance: &mut Instance<'_>) -> Result<()> {
    instance.resource("error", ResourceType::host::<NoError>(), |_, _| Ok(()))?;
    instance
        .func_wrap("[method]error.to-debug-string", |_: Context<'_>, (_,): (Resource<NoError>,)| {
            Ok((String::new(),))
        })
}

pub(super) fn define_poll(instance: &mut Instance<'_>) -> Result<()> {
    instance.resource("pollable", ResourceType::host::<Pollable>(), |mut cx, rep| {
        cx.data_mut().resources.delete(Resource::<Pollable>::new_own(rep))?;
        Ok(())
    })?;
    instance.func_wrap(
        "[method]pollable.ready",
        |mut cx: Context<'_>, (pollable,): (Resource<Pollable>,)| {
            wait(&mut cx, &pollable)?;
            Ok((true,))
        },
    )?;
    instance.func_wrap(
        "[method]pollable.block",
        |mut cx: Context<'_>, (pollable,): (Resource<Pollable>,)| wait(&mut cx, &pollable),
    )?;
    instance.func_wrap("poll", |mut cx: Context<'_>, (pollables,): (Vec<Resource<Pollable>>,)| {
        Ok((poll(&mut cx, &pollables)?,))
    })
}

/// Waits in the guest's time, not in ours.
fn wait(cx: &mut Context<'_>, pollable: &Resource<Pollable>) -> Result<()> {
    let state = cx.data_mut();
    let Pollable(instant) = *state.resources.get(pollable)?;
    state.time.pass_until(instant);
    Ok(())
}

/// Moves the guest's clock to the first instant that is waited for.
fn poll(cx: &mut Context<'_>, pollables: &[Resource<Pollable>]) -> Result<Vec<u32>> {
    let state = cx.data_mut();
    let instants = pollables
        .iter()
        .map(|pollable| Ok(state.resources.get(pollable)?.0))
        .collect::<Result<Vec<u64>>>()?;
    let Some(first) = instants.iter().min() else {
        wasmtime::bail!("poll was called with an empty list");
    };
    state.time.pass_until(*first);
    let due = instants.iter().zip(0_u32..).filter(|(instant, _)| state.time.has_passed(**instant));
    Ok(due.map(|(_, index)| index).collect())
}

/// A pollable that is ready at `instant`; 0 is ready at once.
pub(super) fn pollable_at(cx: &mut Context<'_>, instant: u64) -> Result<Resource<Pollable>> {
    Ok(cx.data_mut().resources.push(Pollable(instant))?)
}

pub(super) fn define_streams(instance: &mut Instance<'_>) -> Result<()> {
    define_input(instance)?;
    define_output(instance)?;
    for name in ["[method]output-stream.splice", "[method]output-stream.blocking-splice"] {
        instance.func_wrap(
            name,
            |_: Context<'_>, _: (Resource<OutputStream>, Resource<InputStream>, u64)| {
                Ok((Err::<u64, _>(StreamError::Closed),))
            },
        )?;
    }
    Ok(())
}

fn define_input(instance: &mut Instance<'_>) -> Result<()> {
    instance.resource("input-stream", ResourceType::host::<InputStream>(), |_, _| Ok(()))?;
    for name in ["[method]input-stream.read", "[method]input-stream.blocking-read"] {
        instance.func_wrap(name, |_: Context<'_>, _: (Resource<InputStream>, u64)| {
            Ok((Err::<Vec<u8>, _>(StreamError::Closed),))
        })?;
    }
    for name in ["[method]input-stream.skip", "[method]input-stream.blocking-skip"] {
        instance.func_wrap(name, |_: Context<'_>, _: (Resource<InputStream>, u64)| {
            Ok((Err::<u64, _>(StreamError::Closed),))
        })?;
    }
    instance.func_wrap(
        "[method]input-stream.subscribe",
        |mut cx: Context<'_>, _: (Resource<InputStream>,)| Ok((pollable_at(&mut cx, 0)?,)),
    )
}

fn define_output(instance: &mut Instance<'_>) -> Result<()> {
    instance.resource("output-stream", ResourceType::host::<OutputStream>(), |_, _| Ok(()))?;
    instance.func_wrap(
        "[method]output-stream.check-write",
        |_: Context<'_>, _: (Resource<OutputStream>,)| Ok((Ok::<_, StreamError>(WRITE_BYTES_MAX),)),
    )?;
    for name in ["[method]output-stream.write", "[method]output-stream.blocking-write-and-flush"] {
        instance.func_wrap(
            name,
            |mut cx: Context<'_>, (stream, bytes): (Resource<OutputStream>, Vec<u8>)| {
                write(&mut cx, &stream, &bytes);
                Ok((Ok::<_, StreamError>(()),))
            },
        )?;
    }
    for name in [
        "[method]output-stream.write-zeroes",
        "[method]output-stream.blocking-write-zeroes-and-flush",
    ] {
        // Zeros would be shown as nothing.
        instance.func_wrap(name, |_: Context<'_>, _: (Resource<OutputStream>, u64)| {
            Ok((Ok::<_, StreamError>(()),))
        })?;
    }
    for name in ["[method]output-stream.flush", "[method]output-stream.blocking-flush"] {
        instance.func_wrap(name, |_: Context<'_>, _: (Resource<OutputStream>,)| {
            Ok((Ok::<_, StreamError>(()),))
        })?;
    }
    instance.func_wrap(
        "[method]output-stream.subscribe",
        |mut cx: Context<'_>, _: (Resource<OutputStream>,)| Ok((pollable_at(&mut cx, 0)?,)),
    )
}

fn write(cx: &mut Context<'_>, stream: &Resource<OutputStream>, bytes: &[u8]) {
    let output = &mut cx.data_mut().output;
    match stream.rep() {
        STDERR => output.write_stderr(bytes),
        _ => output.write_stdout(bytes),
    }
}
