//! The server: bound first, then opened, then stopped.
//!
//! **Ports are taken before the log is opened**, so that a second host fails at once. Clients
//! that connect meanwhile wait in the socket's queue.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tidemill_log::Log;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::broker::Broker;
use crate::config::{Advertised, Config, Listener};
use crate::connection::{self, Peer};
use crate::coordinator::Coordinator;
use crate::metrics::{MetricsSnapshot, Refusal};

/// Connections that wait to be accepted.
const BACKLOG: u32 = 1024;
/// After an error of `accept`, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A port could not be taken.
#[derive(Debug, thiserror::Error)]
#[error("listen for Kafka clients on {address}")]
pub struct BindError {
    /// Which.
    pub address: SocketAddr,
    /// Why.
    pub source: io::Error,
}

impl BindError {
    /// Whether the same can succeed later.
    pub fn is_retryable(&self) -> bool {
        self.source.kind() == io::ErrorKind::AddrInUse
    }

    /// What the person can do.
    pub fn hint(&self) -> &'static str {
        match self.source.kind() {
            io::ErrorKind::AddrInUse => {
                "is Kafka or another host running? --kafka names another address; port 0 takes a free one, `none` turns it off"
            }
            _ => "--kafka names another address, such as 127.0.0.1:9092",
        }
    }
}

/// A server that has its ports but serves nobody yet.
#[derive(Debug)]
pub struct Bound {
    listeners: Vec<(TcpListener, Option<Advertised>)>,
    addresses: Vec<SocketAddr>,
    config: Config,
}

impl Bound {
    /// Takes the ports of all listeners.
    ///
    /// # Errors
    /// [`BindError`] names the first that cannot be had.
    pub fn bind(config: Config) -> Result<Self, BindError> {
        let (mut listeners, mut addresses) = (Vec::new(), Vec::new());
        for Listener { address, advertised } in &config.listeners {
            let failed = |source| BindError { address: *address, source };
            let listener = listen(*address).map_err(failed)?;
            addresses.push(listener.local_addr().map_err(failed)?);
            listeners.push((listener, advertised.clone()));
        }
        Ok(Self { listeners, addresses, config })
    }

    /// Where clients connect to, in the order of the configuration, with the real ports.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Begins to serve `log` and its groups.
    pub fn open(self, log: Arc<Log>, groups: Coordinator) -> Server {
        let broker = Arc::new(Broker::new(log, groups, &self.config));
        let server = Server { broker, stop: CancellationToken::new(), tasks: TaskTracker::new() };
        let admission = Arc::new(Admission::default());
        for (listener, advertised) in self.listeners {
            let door = Door {
                broker: server.broker.clone(),
                admission: admission.clone(),
                advertised,
                stop: server.stop.clone(),
                tasks: server.tasks.clone(),
            };
            server.tasks.spawn(door.accept_all(listener));
        }
        server.tasks.close();
        server
    }
}

/// A socket of its own, because [`TcpListener::bind`] would let an IPv6 wildcard take IPv4, too:
/// what is configured is what is listened on.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket2::Socket::new(
        socket2::Domain::for_address(address),
        socket2::Type::STREAM.nonblocking().cloexec(),
        Some(socket2::Protocol::TCP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(i32::try_from(BACKLOG).unwrap_or(i32::MAX))?;
    TcpListener::from_std(socket.into())
}

/// A running server. Dropping it stops it at once.
pub struct Server {
    broker: Arc<Broker>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("tasks", &self.tasks.len()).finish_non_exhaustive()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Server {
    /// Takes no more connections and requests; what was appended is still answered. Returns
    /// when all connections have ended.
    ///
    /// # Cancel safety
    /// Cancel safe: the server ends all the same.
    pub async fn close(&self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }

    /// What the server has done so far.
    pub fn metrics(&self) -> MetricsSnapshot {
        self.broker.snapshot()
    }
}

/// One listener at work.
struct Door {
    broker: Arc<Broker>,
    admission: Arc<Admission>,
    advertised: Option<Advertised>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Door {
    async fn accept_all(self, listener: TcpListener) {
        while let Some(accepted) = self.stop.run_until_cancelled(listener.accept()).await {
            match accepted {
                Ok((stream, address)) => self.admit(stream, address),
                Err(error) => {
                    tracing::warn!(%error, "connection not accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn admit(&self, stream: TcpStream, address: SocketAddr) {
        let limits = &self.broker.limits;
        let most = (limits.connections_max, limits.connections_per_address_max);
        let admitted = match self.admission.enter(address.ip(), most) {
            Ok(admitted) => admitted,
            Err(why) => {
                if self.broker.metrics.refused(why) {
                    tracing::warn!(client = %address, reason = why.name(), "connection refused");
                }
                return;
            }
        };
        let peer = match self.peer(&stream, address) {
            Ok(peer) => peer,
            Err(error) => {
                tracing::debug!(client = %address, %error, "connection ended");
                return;
            }
        };
        let (broker, stop) = (self.broker.clone(), self.stop.clone());
        self.tasks.spawn(async move {
            let _admitted = admitted;
            broker.metrics.connected();
            connection::serve(&broker, &peer, stream.into_split(), &stop).await;
            broker.metrics.disconnected();
        });
    }

    fn peer(&self, stream: &TcpStream, address: SocketAddr) -> io::Result<Peer> {
        stream.set_nodelay(true)?;
        let advertised = match &self.advertised {
            Some(advertised) => advertised.clone(),
            None => {
                let local = stream.local_addr()?;
                Advertised { host: local.ip().to_string(), port: local.port() }
            }
        };
        Ok(Peer { address, advertised })
    }
}

/// Counts connections, in all and by address.
#[derive(Default)]
struct Admission {
    by_address: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    all: usize,
    of: HashMap<IpAddr, usize>,
}

/// A place that is given back when it is dropped.
struct Admitted {
    admission: Arc<Admission>,
    address: IpAddr,
}

impl Admission {
    fn enter(
        self: &Arc<Self>,
        address: IpAddr,
        (all_max, of_address_max): (usize, usize),
    ) -> Result<Admitted, Refusal> {
        let address = network(address);
        let mut counts = self.by_address.lock();
        if counts.all >= all_max {
            return Err(Refusal::Connections);
        }
        let of_address = counts.of.entry(address).or_default();
        if *of_address >= of_address_max {
            return Err(Refusal::ConnectionsOfAddress);
        }
        *of_address += 1;
        counts.all += 1;
        drop(counts);
        Ok(Admitted { admission: self.clone(), address })
    }
}

/// Whoever has one IPv6 address has all of its /64.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) if !v6.is_loopback() => {
            IpAddr::V6(Ipv6Addr::from(u128::from(v6) & (u128::MAX << 64)))
        }
        other => other,
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut counts = self.admission.by_address.lock();
        counts.all -= 1;
        if let Some(of_address) = counts.of.get_mut(&self.address) {
            *of_address -= 1;
            if *of_address == 0 {
                counts.of.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_and_given_back() {
        let admission = Arc::new(Admission::default());
        let (a, b) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        let first = admission.enter(a, (3, 2)).ok();
        let _second = admission.enter(a, (3, 2)).ok().unwrap();
        assert_eq!(admission.enter(a, (3, 2)).err(), Some(Refusal::ConnectionsOfAddress));
        let _third = admission.enter(b, (3, 2)).ok().unwrap();
        assert_eq!(admission.enter(b, (3, 2)).err(), Some(Refusal::Connections));
        drop(first);
        assert!(admission.enter(a, (3, 2)).is_ok());
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let parse = |text: &str| text.parse::<IpAddr>().unwrap();
        assert_eq!(network(parse("2001:db8::1")), network(parse("2001:db8::ffff:1")));
        assert_ne!(network(parse("2001:db8::1")), network(parse("2001:db8:0:1::1")));
        assert_eq!(network(parse("::1")), parse("::1"));
    }
}
