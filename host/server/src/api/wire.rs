//! The JSON of the API: what goes over the wire, for both of its ends.
//!
//! Names are in camel case, as in the progress of a batch.
//! **A record reads back as it was written**: the form that `GET …/records` gives is the form that
//! `POST …/records` takes, also for bytes that are no UTF-8.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use tidemill_engine::dead_letters::Letter;
use tidemill_log::Record;

use super::headers;

mod upgrade;

pub use upgrade::*;

/// The one shape of errors.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// What went wrong.
    pub error: String,
    /// Why, outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<String>,
    /// What to try.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Whether the same request may succeed later.
    #[serde(default)]
    pub retryable: bool,
    /// After a produce that failed half way: what is durable all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<Produced>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewTopic {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partitions: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    /// Absent: seven days. -1: for ever.
    pub retention_ms: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention_bytes: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flush_interval_ms: Option<u64>,
    /// Under the names that Kafka gives them; they go before the fields above.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub configs: BTreeMap<String, String>,
}

/// What is to change of a topic.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TopicChange {
    /// How many there are to be; more than before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partitions: Option<u32>,
    /// Null gives a setting its default back.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub configs: BTreeMap<String, Option<String>>,
}

/// A setting of a topic.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TopicSetting {
    pub value: String,
    /// Whether nobody chose it.
    pub is_default: bool,
}

/// Where the partitions begin after records were deleted.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeletedRecords {
    pub partitions: Vec<PartitionStart>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PartitionStart {
    pub partition: u32,
    pub log_start: i64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TopicList {
    pub topics: Vec<TopicSummary>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TopicSummary {
    pub name: String,
    pub partitions: u32,
    /// Offsets between log start and high watermark, transaction markers included.
    pub records: u64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TopicDescription {
    pub name: String,
    pub retention_ms: Option<u64>,
    pub retention_bytes: Option<u64>,
    /// Absent: an acknowledged record is durable.
    pub flush_interval_ms: Option<u64>,
    /// All settings, under the names that Kafka gives them.
    #[serde(default)]
    pub configs: BTreeMap<String, TopicSetting>,
    pub partitions: Vec<PartitionDescription>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PartitionDescription {
    pub partition: u32,
    /// On disk.
    pub bytes: u64,
    pub log_start: i64,
    pub high_watermark: i64,
    pub last_stable: i64,
}

/// How the bytes of a key, a value or a header stand in JSON. Absent: as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// Standard alphabet, with padding.
    Base64,
}

/// A record as JSON.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WireRecord<'a> {
    /// In a produced record: the partition to write to. Absent: by key, or spread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<u32>,
    /// Ignored in a produced record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<i64>,
    /// Milliseconds since 1970-01-01 UTC. Absent in a produced record: now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<i64>,
    #[serde(default, borrow)]
    pub key: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_encoding: Option<Encoding>,
    #[serde(default, borrow)]
    pub value: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_encoding: Option<Encoding>,
    #[serde(default, borrow, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<WireHeader<'a>>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WireHeader<'a> {
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    #[serde(default, borrow)]
    pub value: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_encoding: Option<Encoding>,
}

/// Bytes as they stand in JSON: text where they are UTF-8, base64 otherwise.
pub fn encode(bytes: Option<&[u8]>) -> (Option<Cow<'_, str>>, Option<Encoding>) {
    match bytes.map(|bytes| (bytes, std::str::from_utf8(bytes))) {
        None => (None, None),
        Some((_, Ok(text))) => (Some(Cow::Borrowed(text)), None),
        Some((bytes, Err(_))) => (Some(Cow::Owned(BASE64.encode(bytes))), Some(Encoding::Base64)),
    }
}

/// The bytes that [`encode`] was given.
pub fn decode<'a>(
    text: &'a Option<Cow<'a, str>>,
    encoding: Option<Encoding>,
) -> Result<Option<Cow<'a, [u8]>>, base64::DecodeError> {
    match (text, encoding) {
        (None, _) => Ok(None),
        (Some(text), None) => Ok(Some(Cow::Borrowed(text.as_bytes()))),
        (Some(text), Some(Encoding::Base64)) => {
            BASE64.decode(text.as_bytes()).map(|bytes| Some(Cow::Owned(bytes)))
        }
    }
}

/// A stored record as JSON.
pub fn of_record<'a>(partition: u32, record: &Record<'a>) -> WireRecord<'a> {
    let (key, key_encoding) = encode(record.key);
    let (value, value_encoding) = encode(record.value);
    WireRecord {
        partition: Some(partition),
        offset: Some(record.offset.get()),
        timestamp: Some(record.timestamp_ms),
        key,
        key_encoding,
        value,
        value_encoding,
        headers: headers::decode(record.headers),
    }
}

/// The answer to a produce: everything it counts is durable.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Produced {
    pub records: u64,
    pub partitions: Vec<ProducedRange>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProducedRange {
    pub partition: u32,
    pub records: u64,
    /// The offset after the last record written.
    pub next_offset: i64,
}

/// A dead letter: why it is one, and the record.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetter {
    /// `TOPIC-PARTITION-OFFSET`.
    pub id: String,
    /// Whether it was sent through its operator again.
    pub retried: bool,
    #[serde(flatten)]
    pub letter: Letter,
    /// The record's own.
    pub timestamp: i64,
    #[serde(default)]
    pub key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_encoding: Option<Encoding>,
    #[serde(default)]
    pub value: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_encoding: Option<Encoding>,
    /// There is more of the value than this.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub value_cut: bool,
    /// All of them; left out in lists.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<LetterHeader>,
}

/// A header that outlives its record.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LetterHeader {
    pub name: String,
    #[serde(default)]
    pub value: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_encoding: Option<Encoding>,
}

impl From<WireHeader<'_>> for LetterHeader {
    fn from(header: WireHeader<'_>) -> LetterHeader {
        LetterHeader {
            name: header.name.into_owned(),
            value: header.value.map(Cow::into_owned),
            value_encoding: header.value_encoding,
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeadLetterPage {
    pub letters: Vec<DeadLetter>,
    /// Absent: there are no more. Otherwise the next page is behind this letter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RetryRequest {
    /// These letters; nothing else may be set then.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<String>,
    /// All that were not retried yet.
    #[serde(default)]
    pub all: bool,
    /// Of those, the ones of this operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<String>,
    /// Of those, the ones of this kind, or with this in their reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RetriedLetters {
    pub retried: usize,
    /// Asked for, but retried before.
    pub before: usize,
    /// The same request retries more.
    pub more: bool,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupList {
    pub groups: Vec<GroupSummary>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupSummary {
    pub name: String,
    /// As Kafka names it: `Empty`, `PreparingRebalance`, `CompletingRebalance`, `Stable`.
    pub state: String,
    /// `consumer`, `connect`, …; empty of a group that nobody ever joined.
    pub protocol_type: String,
    pub members: usize,
    /// The pipeline whose positions it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pipeline: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupDescription {
    pub name: String,
    pub state: String,
    /// How many assignments it has had.
    pub generation: i32,
    pub protocol_type: String,
    /// How it divides partitions. Absent while it does not.
    pub protocol: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pipeline: Option<String>,
    /// Records that are there and were not read, of all partitions it has committed.
    pub lag: u64,
    pub members: Vec<GroupMember>,
    pub partitions: Vec<GroupPartition>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupMember {
    pub id: String,
    /// Of a static member: its own name.
    pub instance: Option<String>,
    pub client_id: String,
    pub client_host: String,
    pub assigned: Vec<AssignedPartitions>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AssignedPartitions {
    pub topic: String,
    pub partitions: Vec<u32>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupPartition {
    pub topic: String,
    pub partition: u32,
    /// The next record to read.
    pub offset: i64,
    /// What was committed beside it.
    pub metadata: String,
    /// Milliseconds since 1970-01-01 UTC.
    pub committed_at: i64,
    pub log_start: i64,
    pub log_end: i64,
    /// From the offset, or the log's start where that is later, to the log's end.
    pub lag: u64,
    /// Who reads it now.
    pub member: Option<String>,
}

/// Where a group is to go on.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GroupReset {
    /// Absent: all partitions that the group has committed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topics: Option<Vec<TopicSelection>>,
    pub to: NewPosition,
    /// Only say what would be done.
    #[serde(default)]
    pub dry_run: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TopicSelection {
    pub topic: String,
    /// Absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partitions: Option<Vec<u32>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum NewPosition {
    Earliest,
    Latest,
    /// Or where the partition begins or ends, if it is beyond.
    Offset(i64),
    /// The first record of this time or later: milliseconds since 1970-01-01 UTC.
    Timestamp(i64),
    /// So many records further on than was committed, or back.
    By(i64),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResetPlan {
    pub group: String,
    /// Nothing was changed.
    pub dry_run: bool,
    pub partitions: Vec<GroupMove>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupMove {
    pub topic: String,
    pub partition: u32,
    /// Absent: nothing was committed.
    pub from: Option<i64>,
    pub to: i64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PluginList {
    pub plugins: Vec<PluginSummary>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PluginSummary {
    pub name: String,
    pub version: String,
    pub digest: String,
    pub world: String,
    pub summary: String,
    pub bytes: u64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PluginDescription {
    #[serde(flatten)]
    pub plugin: PluginSummary,
    pub parameters: Vec<ParameterDescription>,
    pub reads: Vec<String>,
    pub ports: Vec<String>,
    pub state_version: u32,
    pub imports: Vec<String>,
    #[serde(default)]
    pub exports: Vec<String>,
    /// Capabilities without which it does not load.
    #[serde(default)]
    pub grants_needed: Vec<String>,
    pub compile_ms: f64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ParameterDescription {
    pub name: String,
    pub kind: String,
    /// Absent: a pipeline must set it.
    pub default: Option<serde_json::Value>,
    pub doc: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_read_back_as_written() {
        for bytes in [&b"text"[..], b"", "\u{fffd}\u{1f600}".as_bytes(), &[0xff, 0xfe, 0], &[0]] {
            let (text, encoding) = encode(Some(bytes));
            assert_eq!(decode(&text, encoding).unwrap().as_deref(), Some(bytes));
        }
        assert_eq!(encode(None), (None, None));
    }

    #[test]
    fn a_record_in_json_is_short_where_it_says_little() {
        let record =
            WireRecord { key: Some("k".into()), value: Some("v".into()), ..WireRecord::default() };
        assert_eq!(serde_json::to_string(&record).unwrap(), r#"{"key":"k","value":"v"}"#);
    }

    #[test]
    fn unknown_fields_and_wrong_base64_are_refused() {
        let unknown = serde_json::from_str::<WireRecord>(r#"{"valu":"v"}"#).unwrap_err();
        assert!(unknown.to_string().contains("unknown field `valu`"), "{unknown}");
        let record: WireRecord =
            serde_json::from_str(r#"{"value":"***","valueEncoding":"base64"}"#).unwrap();
        assert!(decode(&record.value, record.value_encoding).is_err());
    }
}

/// What became of a plugin that was removed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PluginRemoved {
    pub name: String,
    pub version: String,
    pub digest: String,
    /// Components that nothing needs any more, and that are gone.
    pub deleted: Vec<String>,
}
