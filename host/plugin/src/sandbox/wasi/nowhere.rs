//! `wasi:filesystem` and `wasi:sockets`: a machine without either.
//!
//! Only the functions by which a guest could get a first file or socket are here. They give none,
//! so that all others can never be called with one; those trap.

use wasmtime::Result;
use wasmtime::component::{ComponentType, Lift, Lower, Resource, ResourceType};

use super::{Context, Instance};

/// `wasi:sockets/network.error-code`.
#[derive(ComponentType, Lift, Lower, Clone, Copy)]
#[component(enum)]
#[repr(u8)]
#[allow(dead_code, reason = "the form must have every case of the WIT")]
enum ErrorCode {
    #[component(name = "unknown")]
    Unknown,
    #[component(name = "access-denied")]
    AccessDenied,
    #[component(name = "not-supported")]
    NotSupported,
    #[component(name = "invalid-argument")]
    InvalidArgument,
    #[component(name = "out-of-memory")]
    OutOfMemory,
    #[component(name = "timeout")]
    Timeout,
    #[component(name = "concurrency-conflict")]
    ConcurrencyConflict,
    #[component(name = "not-in-progress")]
    NotInProgress,
    #[component(name = "would-block")]
    WouldBlock,
    #[component(name = "invalid-state")]
    InvalidState,
    #[component(name = "new-socket-limit")]
    NewSocketLimit,
    #[component(name = "address-not-bindable")]
    AddressNotBindable,
    #[component(name = "address-in-use")]
    AddressInUse,
    #[component(name = "remote-unreachable")]
    RemoteUnreachable,
    #[component(name = "connection-refused")]
    ConnectionRefused,
    #[component(name = "connection-reset")]
    ConnectionReset,
    #[component(name = "connection-aborted")]
    ConnectionAborted,
    #[component(name = "datagram-too-large")]
    DatagramTooLarge,
    #[component(name = "name-unresolvable")]
    NameUnresolvable,
    #[component(name = "temporary-resolver-failure")]
    TemporaryResolverFailure,
    #[component(name = "permanent-resolver-failure")]
    PermanentResolverFailure,
}

/// `wasi:sockets/network.ip-address-family`.
#[derive(ComponentType, Lift, Lower, Clone, Copy)]
#[component(enum)]
#[repr(u8)]
#[allow(dead_code, reason = "the guest chooses, and gets none of either")]
enum IpAddressFamily {
    #[component(name = "ipv4")]
    Ipv4,
    #[component(name = "ipv6")]
    Ipv6,
}

/// A file, a socket: what there is none of.
pub(super) struct Nothing;

type NoSocket = std::result::Result<Resource<Nothing>, ErrorCode>;

/// Resources that an interface defines. They are nowhere to be had.
fn resources_of(interface: &str) -> &'static [&'static str] {
    match interface {
        "types" => &["descriptor", "directory-entry-stream"],
        "network" => &["network"],
        "ip-name-lookup" => &["resolve-address-stream"],
        "tcp" => &["tcp-socket"],
        "udp" => &["udp-socket", "incoming-datagram-stream", "outgoing-datagram-stream"],
        _ => &[],
    }
}

pub(super) fn define(instance: &mut Instance<'_>, interface: &str) -> Result<()> {
    for resource in resources_of(interface) {
        define_nothing(instance, resource)?;
    }
    match interface {
        "preopens" => instance.func_wrap("get-directories", |_: Context<'_>, (): ()| {
            Ok((Vec::<(Resource<Nothing>, String)>::new(),))
        }),
        "instance-network" => instance.func_wrap("instance-network", |_: Context<'_>, (): ()| {
            Ok((Resource::<Nothing>::new_own(0),))
        }),
        "tcp-create-socket" => define_no_socket(instance, "create-tcp-socket"),
        "udp-create-socket" => define_no_socket(instance, "create-udp-socket"),
        "ip-name-lookup" => instance.func_wrap(
            "resolve-addresses",
            |_: Context<'_>, _: (Resource<Nothing>, crate::abi::Text)| {
                Ok((NoSocket::Err(ErrorCode::AccessDenied),))
            },
        ),
        _ => Ok(()),
    }
}

/// A resource that has no meaning here.
pub(super) fn define_nothing(instance: &mut Instance<'_>, resource: &str) -> Result<()> {
    instance.resource(resource, ResourceType::host::<Nothing>(), |_, _| Ok(()))
}

fn define_no_socket(instance: &mut Instance<'_>, function: &str) -> Result<()> {
    instance.func_wrap(function, |_: Context<'_>, _: (IpAddressFamily,)| {
        Ok((NoSocket::Err(ErrorCode::AccessDenied),))
    })
}
