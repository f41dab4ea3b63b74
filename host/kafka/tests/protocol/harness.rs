//! A server of our own for each test, and a client that speaks bytes.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::{ApiKey, RequestHeader};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};
use tempfile::TempDir;
use tidemill_kafka::coordinator::{Coordinator, GroupConfig, NoOwners};
use tidemill_kafka::{AutoCreate, Bound, Config, Limits, Server};
use tidemill_log::{Environment, Log, LogConfig, TopicConfig, TopicName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Nothing in these tests takes longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running server and what it stands on.
pub struct TestBroker {
    pub log: Arc<Log>,
    pub server: Server,
    pub groups: Coordinator,
    pub addresses: Vec<SocketAddr>,
    folder: TempDir,
}

pub fn config() -> Config {
    Config {
        listeners: vec!["127.0.0.1:0".parse().unwrap()],
        auto_create: Some(AutoCreate::default()),
        limits: Limits::default(),
    }
}

impl TestBroker {
    pub async fn start() -> Self {
        Self::start_with(config()).await
    }

    pub async fn start_with(config: Config) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), config).await
    }

    async fn start_in(folder: TempDir, config: Config) -> Self {
        let environment = Environment::real();
        let log = open_log(folder.path(), environment.clone()).await;
        let sources = (environment.clock, environment.random);
        let groups = Coordinator::open(log.clone(), sources, group_config(), Arc::new(NoOwners));
        let bound = Bound::bind(config).unwrap();
        let addresses = bound.addresses().to_vec();
        let server = bound.open(log.clone(), groups.clone());
        Self { log, server, groups, addresses, folder }
    }

    /// Stops everything and starts it again on the same folder.
    pub async fn restart(self) -> Self {
        let Self { log, server, groups, folder, .. } = self;
        server.close().await;
        groups.close().await;
        log.close().await;
        drop((server, groups, log));
        Self::start_in(folder, config()).await
    }

    pub async fn connect(&self) -> Client {
        Client::connect(self.addresses[0]).await
    }

    pub async fn create_topic(&self, name: &str, partitions: u32) {
        self.create_topic_with(name, TopicConfig { partitions, ..TopicConfig::default() }).await;
    }

    pub async fn create_topic_with(&self, name: &str, config: TopicConfig) {
        self.log.create_topic(&TopicName::new(name).unwrap(), config).await.unwrap();
    }
}

async fn open_log(dir: &Path, environment: Environment) -> Arc<Log> {
    Log::open(dir, environment, LogConfig::default()).await.unwrap()
}

/// Groups that do not wait for more members.
fn group_config() -> GroupConfig {
    let mut config = GroupConfig::default();
    config.limits.initial_rebalance_delay = Duration::ZERO;
    config
}

/// A connection that can send requests ahead.
pub struct Client {
    stream: TcpStream,
    correlation_id: i32,
}

impl Client {
    pub async fn connect(address: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(address).await.unwrap(), correlation_id: 0 }
    }

    /// Sends a request and waits for its response.
    pub async fn call<Q: Request>(&mut self, version: i16, request: Q) -> Q::Response {
        let id = self.send(version, &request).await;
        self.receive::<Q>(version, id).await
    }

    /// Sends a request; returns the correlation id of the response to come.
    pub async fn send<Q: Request>(&mut self, version: i16, request: &Q) -> i32 {
        self.correlation_id += 1;
        let frame = encode(version, self.correlation_id, request);
        self.send_bytes(&frame).await;
        self.correlation_id
    }

    pub async fn receive<Q: Request>(&mut self, version: i16, id: i32) -> Q::Response {
        let mut frame = self.receive_frame().await.expect("a response, not the end");
        assert_eq!(frame.get_i32(), id, "responses come in the order of their requests");
        if Q::Response::header_version(version) >= 1 {
            assert_eq!(frame.get_u8(), 0, "no tagged fields in the header");
        }
        let response = Q::Response::decode(&mut frame, version).unwrap();
        assert!(!frame.has_remaining(), "{} bytes follow the response", frame.remaining());
        response
    }

    pub async fn send_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// The next response from the correlation id on; `None` where the server has closed.
    pub async fn receive_frame(&mut self) -> Option<Bytes> {
        let read = async {
            let length = self.stream.read_u32().await.ok()?;
            let mut frame = vec![0; usize::try_from(length).unwrap()];
            self.stream.read_exact(&mut frame).await.ok()?;
            Some(Bytes::from(frame))
        };
        tokio::time::timeout(PATIENCE, read).await.expect("an answer in time")
    }

    pub async fn assert_closed(&mut self) {
        assert!(self.receive_frame().await.is_none(), "the server closes the connection");
    }
}

/// A whole request, its length first.
pub fn encode<Q: Request>(version: i16, correlation_id: i32, request: &Q) -> Bytes {
    let header = RequestHeader::default()
        .with_request_api_key(Q::KEY)
        .with_request_api_version(version)
        .with_correlation_id(correlation_id)
        .with_client_id(Some(StrBytes::from_static_str("test")));
    let mut body = BytesMut::new();
    let key = ApiKey::try_from(Q::KEY).unwrap();
    header.encode(&mut body, key.request_header_version(version)).unwrap();
    request.encode(&mut body, version).unwrap();
    let mut frame = BytesMut::with_capacity(4 + body.len());
    frame.put_u32(u32::try_from(body.len()).unwrap());
    frame.put(body);
    frame.freeze()
}
