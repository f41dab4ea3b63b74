//! A whole broker without sockets and without a disk, for tests that send it bytes.

mod group_metadata;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tidemill_log::simulation::Simulation;
use tidemill_log::{Log, LogConfig, TopicConfig, TopicName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Runtime;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::broker::Broker;
use crate::config::{Advertised, AutoCreate, Config};
use crate::connection::{self, Peer};
use crate::coordinator::{Coordinator, GroupConfig, NoOwners};
use crate::limits::Limits;
use crate::request::schema::{Field, Schema, Type};
use crate::versions::APIS;
pub use group_metadata::{group_metadata, samples as group_metadata_samples};

/// No conversation takes longer.
const PATIENCE: Duration = Duration::from_secs(30);
/// A compressed batch may unpack to so much.
const UNPACKED_BYTES_MAX: usize = 16 << 20;
/// What a simulated pipe holds.
const PIPE_BYTES: usize = 64 << 10;

/// A broker in memory, and one connection after the other to it.
pub struct Harness {
    runtime: Runtime,
    broker: Arc<Broker>,
    peer: Peer,
}

impl std::fmt::Debug for Harness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Harness").finish_non_exhaustive()
    }
}

impl Default for Harness {
    fn default() -> Self {
        Self::new()
    }
}

impl Harness {
    /// A broker with an empty topic `t`. Panics where even that fails.
    pub fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        let opened = runtime.block_on(async {
            let environment = Simulation::new(1).environment();
            let sources = (environment.clock.clone(), environment.random.clone());
            let log = Log::open("data".as_ref(), environment, LogConfig::default()).await?;
            let topic = TopicName::new("t").expect("a name");
            let config = TopicConfig { partitions: 2, ..TopicConfig::default() };
            log.create_topic(&topic, config).await.expect("a topic");
            let owners = Arc::new(NoOwners);
            let groups = Coordinator::open(log.clone(), sources, GroupConfig::default(), owners);
            Ok::<_, tidemill_log::OpenError>((log, groups))
        });
        let limits =
            Limits { request_bytes_max: 1 << 20, queued_bytes_max: 32 << 20, ..Limits::default() };
        let config =
            Config { listeners: Vec::new(), auto_create: Some(AutoCreate::default()), limits };
        let (log, groups) = opened.expect("a log");
        let broker = Arc::new(Broker::new(log, groups, &config));
        let address = ([127, 0, 0, 1], 1).into();
        let advertised = Advertised { host: "localhost".to_owned(), port: 1 };
        Self { runtime, broker, peer: Peer { address, advertised } }
    }

    /// Sends `bytes` over a new connection and hangs up; returns all that was answered until then.
    ///
    /// Panics where the broker does, or where it never ends.
    pub fn talk(&self, bytes: &[u8]) -> Vec<u8> {
        self.converse(bytes, Duration::ZERO)
    }

    /// The same, but hangs up only after `patience`, or when there is an answer.
    pub fn converse(&self, bytes: &[u8], patience: Duration) -> Vec<u8> {
        let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
        let (mut input, mut output) = tokio::io::split(ours);
        let stop = CancellationToken::new();
        let served = connection::serve(&self.broker, &self.peer, tokio::io::split(theirs), &stop);
        let answered = Notify::new();
        let sent = async {
            // It may hang up first.
            let _ = output.write_all(bytes).await;
            let _ = tokio::time::timeout(patience, answered.notified()).await;
            let _ = output.shutdown().await;
        };
        let mut answers = Vec::new();
        let read = async {
            while let Ok(1..) = input.read_buf(&mut answers).await {
                answered.notify_one();
            }
        };
        self.runtime.block_on(async {
            let all = async { tokio::join!(served, sent) };
            let talked = tokio::time::timeout(PATIENCE, async { tokio::join!(all, read) }).await;
            assert!(talked.is_ok(), "the broker hangs on {} bytes", bytes.len());
        });
        answers
    }
}

/// Every API and version that is spoken.
pub fn apis() -> Vec<(i16, i16)> {
    let versions = |api: &'static crate::versions::Api| {
        api.versions.clone().map(|version| (api.key as i16, version))
    };
    APIS.iter().flat_map(versions).collect()
}

/// A request's body that is laid out as it should be, with contents that `next` decides.
/// `None` where the API is not spoken.
pub fn sample_body(key: i16, version: i16, next: &mut dyn FnMut() -> u8) -> Option<Vec<u8>> {
    let api = crate::versions::Api::of(key)?;
    Some(sample(&api.schema, version, next))
}

pub(crate) fn sample(schema: &Schema, version: i16, next: &mut dyn FnMut() -> u8) -> Vec<u8> {
    let is_flexible = version >= schema.flexible_since;
    let mut sample = Sample { bytes: Vec::new(), version, is_flexible, next };
    sample.fields(schema.fields);
    sample.bytes
}

/// A whole request with such a body, its length first.
pub fn frame(key: i16, version: i16, body: &[u8]) -> Vec<u8> {
    let is_flexible = crate::versions::Api::of(key).is_some_and(|api| api.is_flexible(version));
    let mut head = Vec::new();
    head.extend(key.to_be_bytes());
    head.extend(version.to_be_bytes());
    head.extend(7i32.to_be_bytes());
    head.extend((-1i16).to_be_bytes());
    head.extend(is_flexible.then_some(0));
    let length = u32::try_from(head.len() + body.len()).unwrap_or(u32::MAX);
    [&length.to_be_bytes()[..], &head, body].concat()
}

struct Sample<'a> {
    bytes: Vec<u8>,
    version: i16,
    is_flexible: bool,
    next: &'a mut dyn FnMut() -> u8,
}

impl Sample<'_> {
    fn fields(&mut self, fields: &[Field]) {
        for field in fields {
            if (field.since..=field.until).contains(&self.version) {
                self.value(field.kind);
            }
        }
        if self.is_flexible {
            self.bytes.push(0);
        }
    }

    fn value(&mut self, kind: Type) {
        match kind {
            Type::Fixed(count) => self.raw(count),
            Type::String => self.text(),
            Type::Bytes => {
                let count = self.count(4, 100);
                self.raw(count);
            }
            Type::Numbers(bytes) => {
                let count = self.count(4, 3);
                self.raw(count * bytes);
            }
            Type::Strings => (0..self.count(4, 3)).for_each(|_| self.text()),
            Type::Structs(fields) => (0..self.count(4, 3)).for_each(|_| self.fields(fields)),
        }
    }

    /// Mostly zeros, so that partitions and offsets are often there.
    fn raw(&mut self, count: usize) {
        for index in 0..count {
            let byte = (self.next)();
            let is_last = index + 1 == count;
            self.bytes.push(if is_last && byte < 128 {
                byte & 1
            } else if byte > 250 {
                byte
            } else {
                0
            });
        }
    }

    fn text(&mut self) {
        // Often the topic that is there.
        let count = self.count(2, 2);
        self.bytes.extend(std::iter::repeat_n(b't', count));
    }

    fn count(&mut self, width: usize, count_max: u8) -> usize {
        let count = (self.next)() % (count_max + 1);
        if self.is_flexible {
            self.bytes.push(count + 1);
        } else {
            self.bytes.extend(std::iter::repeat_n(0, width - 1));
            self.bytes.push(count);
        }
        usize::from(count)
    }
}

/// Reads a record batch as a pipeline would, after the checks that it passes on its way in.
pub fn record_batch(bytes: &[u8]) {
    let Ok(batch) = tidemill_log::EncodedBatch::parse(Bytes::copy_from_slice(bytes)) else {
        return;
    };
    let Ok(batch) = batch.as_batch() else { return };
    let mut reader = tidemill_log::RecordReader::with_limit(UNPACKED_BYTES_MAX);
    let Ok(records) = reader.records(&batch) else { return };
    // Neither panics nor goes on for ever, whatever the records are.
    let _ = records.count();
}
