//! What a server is told: where it listens, and within which limits.

use std::net::SocketAddr;
use std::str::FromStr;

use tidemill_log::TopicConfig;

use crate::limits::Limits;

/// Everything that a server is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where it listens.
    pub listeners: Vec<Listener>,
    /// With which settings a topic is made that a client asks about; none: it is not made.
    pub auto_create: Option<AutoCreate>,
    /// How much clients may ask.
    pub limits: Limits,
}

/// Topics that are made because a client asked about them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AutoCreate {
    /// Their settings.
    pub topic: TopicConfig,
}

/// One address to listen on, and the one that clients are told.
///
/// Written as `ADDR` or `ADDR=HOST:PORT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Where connections are taken. Port 0 takes a free one.
    pub address: SocketAddr,
    /// What clients are told to connect to; none: the address that they did connect to.
    pub advertised: Option<Advertised>,
}

/// A host and a port, as a client resolves them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advertised {
    /// A name or an address.
    pub host: String,
    /// A port other than 0.
    pub port: u16,
}

/// Why a listener was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListenerError {
    /// Not an IP address and a port.
    #[error("`{value}` is no address to listen on")]
    Address {
        /// What was written.
        value: String,
    },
    /// Not a host and a port.
    #[error("`{value}` is no address to advertise")]
    Advertised {
        /// What was written.
        value: String,
    },
}

impl ListenerError {
    /// What the person can do.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Address { .. } => {
                "an IP address and a port, such as 127.0.0.1:9092 or [::1]:9092; port 0 takes a free one"
            }
            Self::Advertised { .. } => {
                "the host and port that clients reach, such as 0.0.0.0:9092=broker.example.org:9092"
            }
        }
    }
}

impl FromStr for Listener {
    type Err = ListenerError;

    fn from_str(written: &str) -> Result<Self, ListenerError> {
        let (address, advertised) = match written.split_once('=') {
            Some((address, advertised)) => (address, Some(advertised.parse()?)),
            None => (written, None),
        };
        let address =
            address.parse().map_err(|_| ListenerError::Address { value: address.to_owned() })?;
        Ok(Self { address, advertised })
    }
}

impl FromStr for Advertised {
    type Err = ListenerError;

    fn from_str(written: &str) -> Result<Self, ListenerError> {
        let wrong = || ListenerError::Advertised { value: written.to_owned() };
        let (host, port) = written.rsplit_once(':').ok_or_else(wrong)?;
        let port = port.parse().ok().filter(|port| *port != 0).ok_or_else(wrong)?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
        if host.is_empty() || host.len() > 255 || !host.chars().all(is_host) {
            return Err(wrong());
        }
        Ok(Self { host: host.to_owned(), port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_as_they_are_written() {
        let advertised = |host: &str, port| Some(Advertised { host: host.into(), port });
        for (written, address, expected) in [
            ("127.0.0.1:9092", "127.0.0.1:9092", None),
            ("[::1]:0", "[::1]:0", None),
            ("0.0.0.0:9092=b.example:19092", "0.0.0.0:9092", advertised("b.example", 19092)),
            ("[::]:9092=[2001:db8::1]:9092", "[::]:9092", advertised("2001:db8::1", 9092)),
        ] {
            let listener: Listener = written.parse().unwrap();
            assert_eq!(listener.address, address.parse().unwrap(), "{written}");
            assert_eq!(listener.advertised, expected, "{written}");
        }
        for wrong in [
            "",
            "9092",
            "localhost:9092",
            "127.0.0.1:9092=",
            "127.0.0.1:9092=b",
            "127.0.0.1:9092=b:0",
            "127.0.0.1:9092=a b:1",
        ] {
            assert!(wrong.parse::<Listener>().is_err(), "{wrong}");
        }
    }
}
